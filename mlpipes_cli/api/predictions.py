"""Methods for predictions: make, list, export and evaluate them."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mlpipes_cli.api.base import Base, File
from mlpipes_cli.tabular import TableRows

if TYPE_CHECKING:
    import pandas as pd

    from mlpipes_cli.lifecycle.performance.performance import Performance
    from mlpipes_cli.lifecycle.prediction import PredictionResult
    from mlpipes_cli.lifecycle.records.export import Exported
    from mlpipes_cli.lifecycle.records.feedback import Reported
    from mlpipes_cli.lifecycle.records.prune import PrunedPredictions
    from mlpipes_cli.lifecycle.records.replay import Replayed
    from mlpipes_cli.ports.prediction_records import Period


class PredictionMethods(Base):
    """Methods that score rows, and work with the stored predictions."""

    def predict(
        self,
        rows: File | pd.DataFrame,
        *,
        output: File | None = None,
        offline: bool = False,
        batch_size: int = 500,
        model: str | None = None,
        alias: str | None = None,
        api_key: str | None = None,
    ) -> PredictionResult:
        """Score rows through the running API, which stores each prediction, or in this process.

        Args:
            rows: A DataFrame with the model's columns, or a CSV, CSV.gz, Parquet or JSON file.
            output: Write ``.csv``, ``.parquet`` or ``.json``; None keeps the predictions in the result,
                for ``.frame()``.
            offline: Score in this process; nothing is stored in the database.
            batch_size: Number of rows in a request or a batch.
            model: The registered model, if several are served.
            alias: Its alias.
            api_key: The key, if the API requires one.

        Raises:
            UsageError: A column is missing, a value does not fit, or there are no rows.
            MlpipesError: The API is not running or stopped answering; nothing was written.
        """
        from mlpipes_cli.lifecycle import prediction

        with tempfile.TemporaryDirectory(prefix="mlpipes-") as folder:
            return prediction.predict(
                self._settings,
                self._table(rows, Path(folder)),
                self._events,
                output=None if output is None else Path(output),
                offline=offline,
                batch_size=batch_size,
                model=model,
                alias=alias,
                api_key=api_key,
            )

    def _table(self, rows: File | pd.DataFrame, folder: Path) -> Path:
        """Return the rows as a file: a DataFrame is written as Parquet, which keeps its types."""
        import pandas as pd

        if not isinstance(rows, pd.DataFrame):
            return self._file(rows)
        path = folder / "rows.parquet"
        rows.to_parquet(path, index=False)
        return path

    def feedback(
        self,
        rows: File | pd.DataFrame,
        *,
        id_column: str | None = None,
        value_column: str | None = None,
        model: str | None = None,
        version: int | None = None,
        latest: bool = False,
    ) -> Reported:
        """Record ground truth, directly in the database.

        Args:
            rows: A DataFrame with identifiers and truths, or a CSV, CSV.gz, Parquet or JSON file.
            id_column: The column of identifiers; the default is ``prediction_id`` or the model's id column.
            value_column: The column of truths; the default is the target's column, ``value`` or ``truth``.
            model: The model of the predictions; the default is that of the settings or the only one.
            version: Only predictions of this version.
            latest: If an identifier has several predictions, use only the newest.

        Raises:
            UsageError: The table cannot be read, or a row is wrong; then nothing is stored.
            MlpipesError: No row matches a stored prediction, or the database does not answer.
        """
        from mlpipes_cli.lifecycle.records.feedback import feedback

        with tempfile.TemporaryDirectory(prefix="mlpipes-") as folder:
            found = feedback(
                self._settings,
                self._table(rows, Path(folder)),
                self._events,
                id_column=id_column,
                value_column=value_column,
                model=model,
                version=version,
                latest=latest,
            )
        found.check()
        return found

    def predictions(
        self,
        *,
        limit: int = 20,
        model: str | None = None,
        version: int | None = None,
        alias: str | None = None,
        since: str | None = None,
        until: str | None = None,
    ) -> TableRows:
        """Return the newest stored predictions with their ground truth, newest first.

        Args:
            limit: The maximum number of predictions.
            model: Only of this registered model.
            version: Only of this version.
            alias: Only predictions of this alias.
            since: Start of the time range: ``30d``, ``2026-11-21``.
            until: End of the time range.

        Raises:
            UsageError: There is no prediction of the model, or a time cannot be read.
            MlpipesError: The stack is not running.
        """
        from mlpipes_cli.lifecycle.records import listing, log_context

        chosen = log_context.selection(model=model, version=version, alias=alias, since=since, until=until)
        return TableRows(listing.newest(self._settings, chosen, limit), listing.PredictionEntry)

    def export(
        self,
        output: File,
        *,
        columns: bool = False,
        model: str | None = None,
        version: int | None = None,
        alias: str | None = None,
        since: str | None = None,
        until: str | None = None,
    ) -> Exported:
        """Write predictions with their ground truth to a Parquet file, oldest first.

        Args:
            output: The file, ``.parquet``.
            columns: A column ``input_NAME`` for each input instead of one column of JSON text.
            model: Only of this registered model.
            version: Only of this version.
            alias: Only predictions of this alias.
            since: Start of the time range: ``30d``, ``2026-11-21``.
            until: End of the time range.

        Raises:
            UsageError: The file has another ending, or a time cannot be read.
            MlpipesError: The stack is not running, or the file cannot be written.
        """
        from mlpipes_cli.lifecycle.records import log_context
        from mlpipes_cli.lifecycle.records.export import export

        chosen = log_context.selection(model=model, version=version, alias=alias, since=since, until=until)
        return export(self._settings, self._events, chosen, Path(output), flat=columns)

    def prune(
        self, older_than: str, *, model: str | None = None, yes: bool = False, dry_run: bool = False
    ) -> PrunedPredictions:
        """Remove old predictions and their ground truth permanently.

        Args:
            older_than: ``90d``, or a date: predictions made before that time are removed.
            model: Only of this registered model.
            yes: Confirm; required unless ``dry_run``.
            dry_run: Only count.

        Raises:
            UsageError: The time cannot be read, or ``yes`` is missing.
            MlpipesError: The stack is not running.
        """
        from mlpipes_cli.lifecycle.records.prune import prune

        return prune(self._settings, self._events, older_than, model=model, yes=yes, dry_run=dry_run)

    def replay(self) -> Replayed:
        """Store predictions from local spool files in the database, without an API.

        Raises:
            MlpipesError: The database does not answer.
        """
        from mlpipes_cli.lifecycle.records.replay import replay

        return replay(self._settings, self._events)

    def performance(
        self,
        *,
        period: Literal["day", "week", "month", "all"] = "month",
        metrics: Sequence[str] = (),
        model: str | None = None,
        version: int | None = None,
        alias: str | None = None,
        since: str | None = None,
        until: str | None = None,
    ) -> Performance:
        """Return the live metrics of predictions that have a ground truth, by version and period.

        Args:
            period: What to group by in addition to the version, in UTC.
            metrics: Only these; all if empty.
            model: The registered model; the default is that of the settings or the only one.
            version: Only this version.
            alias: Only predictions of this alias.
            since: Start of the time range: ``30d``, ``2026-11-21``.
            until: End of the time range.

        Raises:
            UsageError: There is no such model or metric, or a time cannot be read.
            MlpipesError: The stack is not running.
        """
        from mlpipes_cli.lifecycle.performance.performance import performance
        from mlpipes_cli.lifecycle.records import log_context

        chosen = log_context.selection(model=model, version=version, alias=alias, since=since, until=until)
        grouped: Period | None = None if period == "all" else period
        return performance(self._settings, self._events, chosen, period=grouped, metrics=metrics)
