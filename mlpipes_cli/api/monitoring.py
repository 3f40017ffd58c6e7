"""Methods that check a model in use, and the check of two tables without a project."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlpipes_cli.api.base import Base, File
from mlpipes_cli.api.progress import Event, Events, log

if TYPE_CHECKING:
    import pandas as pd

    from mlpipes_cli.lifecycle.monitoring.alerts import Alerts
    from mlpipes_cli.lifecycle.monitoring.history import History
    from mlpipes_cli.lifecycle.monitoring.report import Report
    from mlpipes_cli.lifecycle.monitoring.result import Monitored
    from mlpipes_cli.lifecycle.retraining.result import Retrained


class MonitoringMethods(Base):
    """Methods that compare what a model is asked with what it was trained on."""

    def monitor(
        self,
        *,
        model: str | None = None,
        version: int | None = None,
        alias: str | None = None,
        since: str | None = None,
        until: str | None = None,
        rows: int | None = None,
        scheduled: bool = False,
        output: File | None = None,
    ) -> Monitored:
        """Compare the predictions of a version with its reference, and store the result.

        An alarm is in the result; ``require()`` of it raises :class:`Refused`.

        Args:
            model: The registered model; the default is that of the settings or the only one.
            version: Its version; the default is that of the alias.
            alias: The alias; the default is that of the settings.
            since: Start of the window: ``1d``, ``2026-11-21``; the default is ``monitoring: window``.
            until: End of the window.
            rows: The number of newest predictions in place of ``since``.
            scheduled: Keep to the false alarms a year that the settings allow.
            output: Write the report as an HTML page; a report that is there is replaced.

        Raises:
            UsageError: There is no such model, or a time cannot be read.
            MlpipesError: The stack is not running, the version is gone or has no reference rows.
        """
        from mlpipes_cli.lifecycle.monitoring import budget
        from mlpipes_cli.lifecycle.monitoring import monitor as verb
        from mlpipes_cli.lifecycle.monitoring.asked import Asked

        asked = Asked(model=model, version=version, alias=alias, since=since, until=until, rows=rows)
        cause = budget.SCHEDULED if scheduled else verb.MANUAL
        return verb.monitor(self._settings, self._events, asked, cause=cause, report=_report(output))

    def monitor_history(
        self, *, model: str | None = None, version: int | None = None, limit: int = 20
    ) -> History:
        """Return the stored checks, newest first, and the alarms that last.

        Args:
            model: Only of this registered model.
            version: Only of this version.
            limit: The most checks.

        Raises:
            UsageError: There are checks, and none of that model.
            MlpipesError: The stack is not running.
        """
        from mlpipes_cli.lifecycle.monitoring.history import history

        return history(self._settings, model=model, version=version, limit=limit)

    def monitor_alerts(self, *, test: str | None = None, limit: int = 20) -> Alerts:
        """Return the alerts that were sent or wait, newest first, or send a test message.

        Args:
            test: The name of the alert that gets a test message; nothing is listed then.
            limit: The most alerts.

        Raises:
            UsageError: There is no such alert.
            MlpipesError: The stack is not running, or the test message was not accepted.
        """
        from mlpipes_cli.lifecycle.monitoring import alerts

        return (
            alerts.listed(self._settings, limit=limit) if test is None else alerts.test(self._settings, test)
        )

    def retrain(
        self,
        file: File | None = None,
        *,
        only_if: str | Sequence[str] | None = None,
        to: str | None = None,
        dry_run: bool = False,
        force: bool = False,
    ) -> Retrained:
        """Train on the source and the served rows with ground truth, and promote what is better.

        A gate or a limit that says no has the outcome ``refused``; ``require()`` of the result raises
        :class:`Refused`.

        Args:
            file: The experiment file; the default is that of ``monitoring: retrain``.
            only_if: Train only after one of these: ``drift``, ``performance``, ``truth:500``; the default is
                to train in any case.
            to: The alias of a better model; the default is that of ``monitoring: retrain``.
            dry_run: Return what would be done, and write nothing.
            force: Ignore the cool-down and the limit on tries.

        Raises:
            ConfigError: The file, or the data for it, has mistakes.
            UsageError: There is no such file, or a condition is unknown.
            MlpipesError: The stack is not running, another retraining runs, or no candidate could be trained.
        """
        from mlpipes_cli.lifecycle.retraining import causes
        from mlpipes_cli.lifecycle.retraining import retrain as verb

        given = only_if if only_if is None or isinstance(only_if, str) else ",".join(only_if)
        request = verb.RetrainRequest(
            conditions=None if given is None else causes.read(given),
            file=None if file is None else self._file(file),
            to=to,
            dry_run=dry_run,
            force=force,
        )
        events = self._events
        return verb.retrain(self._settings, request, events, events)


def monitor(
    reference: File | pd.DataFrame,
    current: File | pd.DataFrame,
    *,
    alpha: float | None = None,
    min_effect: float | None = None,
    ignore: Sequence[str] = (),
    output: File | None = None,
    on_event: Callable[[Event], object] = log,
) -> Monitored:
    """Compare two tables; no project and no stack are needed, and nothing is stored.

    Args:
        reference: The rows that are known to be good: a DataFrame, or a CSV, Parquet, JSON or Excel file.
        current: The rows to look at.
        alpha: The probability of a false alarm, all columns together; 0.05 if omitted.
        min_effect: The smallest change that matters, from 0 to 1; 0.1 if omitted.
        ignore: Columns that are not compared.
        output: Write the report as an HTML page; a report that is there is replaced.
        on_event: See :class:`Project`.

    Raises:
        UsageError: A table cannot be read, or has no rows or no common column.
    """
    from mlpipes_cli.lifecycle.monitoring import files

    chosen = files.options(alpha, min_effect, ignore)
    with tempfile.TemporaryDirectory(prefix="mlpipes-") as folder:
        left = _file(reference, Path(folder) / "reference.parquet")
        right = _file(current, Path(folder) / "current.parquet")
        return files.compare_files(left, right, chosen, Events(on_event), _report(output))


def _report(output: File | None) -> Report | None:
    from mlpipes_cli.lifecycle.monitoring.report import Report

    return None if output is None else Report(Path(output))


def _file(table: File | pd.DataFrame, path: Path) -> Path:
    """Return the rows as a file: a DataFrame is written as Parquet, which keeps its types."""
    import pandas as pd

    if not isinstance(table, pd.DataFrame):
        return Path(table)
    table.to_parquet(path, index=False)
    return path
