"""Predictions: made, stored, judged by the ground truth."""

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
    """Score rows, and work with what is stored of them."""

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
            batch_size: Rows a request or a batch.
            model: The registered model, where several are served.
            alias: Its alias.
            api_key: Where the API asks for one.

        Raises:
            UsageError: A column is missing, a value does not fit, or there are no rows.
            MlpipesError: The API is not running, or stopped answering; nothing was written.
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
        """The rows as a file: a DataFrame goes through Parquet, which keeps its types."""
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
        """Record what turned out to be true, straight into the database.

        Args:
            rows: A DataFrame with identifiers and truths, or a CSV, CSV.gz, Parquet or JSON file.
            id_column: The identifiers; ``prediction_id`` or the model's id column when left out.
            value_column: The truths; the target's column, ``value`` or ``truth`` when left out.
            model: Whose predictions; that of the settings or the only one when left out.
            version: Only predictions of this version.
            latest: Of several predictions for an identifier only the newest is meant.

        Raises:
            UsageError: The table cannot be read, or a row is wrong; nothing is stored then.
            MlpipesError: No row is about a stored prediction, or the database does not answer.
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
        """The newest stored predictions with their truth, the newest first.

        Args:
            limit: How many.
            model: Only of this registered model.
            version: Only of this version.
            alias: Only what this alias answered.
            since: From then on: ``30d``, ``2026-11-21``.
            until: Until then.

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
        """Write predictions with their truth to a Parquet file, the oldest first.

        Args:
            output: The file, ``.parquet``.
            columns: A column ``input_NAME`` for each input, not one of JSON text.
            model: Only of this registered model.
            version: Only of this version.
            alias: Only what this alias answered.
            since: From then on: ``30d``, ``2026-11-21``.
            until: Until then.

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
        """Remove old predictions and what was true of them, for good.

        Args:
            older_than: ``90d``, or a date: what was made before goes.
            model: Only of this registered model.
            yes: Agree; wanted unless ``dry_run``.
            dry_run: Only count.

        Raises:
            UsageError: The time cannot be read, or ``yes`` is missing.
            MlpipesError: The stack is not running.
        """
        from mlpipes_cli.lifecycle.records.prune import prune

        return prune(self._settings, self._events, older_than, model=model, yes=yes, dry_run=dry_run)

    def replay(self) -> Replayed:
        """Put predictions that wait in local files into the database, without an API.

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
        """The live metrics of what has a ground truth, by version and period.

        Args:
            period: What to group by beside the version, in UTC.
            metrics: Only these; all if empty.
            model: The registered model; that of the settings or the only one when left out.
            version: Only this version.
            alias: Only what this alias answered.
            since: From then on: ``30d``, ``2026-11-21``.
            until: Until then.

        Raises:
            UsageError: There is no such model or metric, or a time cannot be read.
            MlpipesError: The stack is not running.
        """
        from mlpipes_cli.lifecycle.performance.performance import performance
        from mlpipes_cli.lifecycle.records import log_context

        chosen = log_context.selection(model=model, version=version, alias=alias, since=since, until=until)
        grouped: Period | None = None if period == "all" else period
        return performance(self._settings, self._events, chosen, period=grouped, metrics=metrics)
