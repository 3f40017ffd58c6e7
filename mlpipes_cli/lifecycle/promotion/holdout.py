"""Loads the challenger's holdout, from the cache or from the data source that the run names."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlpipes_cli import mlflow_tags
from mlpipes_cli.errors import MlpipesError, Refused
from mlpipes_cli.lifecycle.promotion.holdout_archive import HoldoutArchive
from mlpipes_cli.ports import RunRecord

if TYPE_CHECKING:
    import pandas as pd

    from mlpipes_cli.config.experiment import Data
    from mlpipes_cli.config.yaml_source import YamlSource
    from mlpipes_cli.data.formats import Formats
    from mlpipes_cli.data.prepared import Prepared
    from mlpipes_cli.project import ProjectFolder

NO_COMPARISON = "run `mlpipes rollback`, or delete the alias in MLflow to promote without a comparison"


@dataclass(frozen=True)
class ChallengerHoldout:
    """The rows of a holdout.

    Attributes:
        frame: Features, target and the other requested columns, with a RangeIndex.
        target: The target's column.
        ids: (n,) the rows' ids.
    """

    frame: pd.DataFrame
    target: str
    ids: pd.Series


@dataclass(frozen=True)
class HoldoutSource:
    """Loads holdouts.

    Attributes:
        project: The project with the cache and the data.
        archive: The runs' artifacts.
        database_url: For data in the project's own PostgreSQL, as a read-only role.
    """

    project: ProjectFolder
    archive: HoldoutArchive
    database_url: str | None

    def rows(self, run: RunRecord, columns: Collection[str], *, before: bool = False) -> ChallengerHoldout:
        """Return the holdout rows of a run, in the order of its prepared data, with at least these columns.

        Columns that the run's experiment dropped are read from the source again.

        Args:
            run: The run.
            columns: The columns that are needed.
            before: Read as earlier releases did, which did not record how (``data.formats.Formats.before``).

        Raises:
            Refused: The data changed since the run, is missing, or lacks a column.
        """
        prepared = self._cached(run)
        if prepared is None or not set(columns) <= set(prepared.frame.columns):
            prepared = self._made_again(run, columns)
        if before and reading_matters(prepared.frame, columns):
            prepared = self._as_before(run, columns, prepared)
        missing = [name for name in columns if name not in prepared.frame.columns]
        if missing:
            raise Refused(
                f"the challenger's data has no {', '.join(map(repr, missing))}, which the incumbent requires",
                NO_COMPARISON,
            )
        frame = prepared.frame.iloc[prepared.holdout].reset_index(drop=True)
        return ChallengerHoldout(frame, prepared.target_name, prepared.ids(prepared.holdout))

    def _cached(self, run: RunRecord) -> Prepared | None:
        from mlpipes_cli.data.prepared_cache import open_store

        fingerprint = run.tags.get(mlflow_tags.DATA_FINGERPRINT, "")
        folder = self.project.cache / "data" / fingerprint
        if not fingerprint or not folder.is_dir():
            return None
        try:
            prepared = open_store(folder)
        except MlpipesError:
            return None  # damaged: it can be prepared again
        return prepared if prepared.fingerprint == fingerprint else None

    def _made_again(self, run: RunRecord, columns: Collection[str]) -> Prepared:
        from mlpipes_cli.data.formats import BEFORE

        for formats in (None, BEFORE):  # the run may be of a release that read files differently
            frame, data, source = self._read_again(run, formats)
            prepared = self._prepared(run, frame, data, source)
            if prepared.fingerprint == run.tags.get(mlflow_tags.DATA_FINGERPRINT):
                break
        else:
            if mlflow_tags.RETRAINING in run.tags:
                raise Refused(
                    f"the served rows that the run {run.run_id[:8]} was judged on are no longer in the cache",
                    "run `mlpipes retrain` again",
                )
            raise Refused(f"the data has changed since the run {run.run_id[:8]} was trained", "train again")
        drop = tuple(name for name in data.drop if name not in columns)
        if drop == data.drop:
            return prepared
        wider = self._prepared(run, frame, data.model_copy(update={"drop": drop}), source)
        return wider if list(wider.holdout) == list(prepared.holdout) else prepared

    def _as_before(self, run: RunRecord, columns: Collection[str], now: Prepared) -> Prepared:
        """Return the same rows as earlier releases read them."""
        from mlpipes_cli.data.formats import BEFORE

        frame, data, source = self._read_again(run, BEFORE)
        drop = tuple(name for name in data.drop if name not in columns)
        then = self._prepared(run, frame, data.model_copy(update={"drop": drop}), source)
        if list(then.holdout) != list(now.holdout):
            raise Refused(
                "the incumbent was trained with a release that read this data differently", NO_COMPARISON
            )
        return then

    def _base(self, run: RunRecord) -> Path:
        """Return the folder of the run's experiment file, the base of its relative paths."""
        return (self.project.root / run.tags.get(mlflow_tags.EXPERIMENT_FILE, "experiment.yaml")).parent

    def _prepared(self, run: RunRecord, frame: pd.DataFrame, data: Data, source: YamlSource) -> Prepared:
        from mlpipes_cli.data.prepare import prepare

        try:
            return prepare(frame, data, source)
        except MlpipesError as error:
            raise _unreadable(run, error) from None

    def _read_again(self, run: RunRecord, formats: Formats | None) -> tuple[pd.DataFrame, Data, YamlSource]:
        from mlpipes_cli.config.experiment import load_experiment
        from mlpipes_cli.data.origins.sources import read

        path = self.archive.need(run, mlflow_tags.RESOLVED_EXPERIMENT)
        try:
            config, source = load_experiment(path, mlflow_tags.RESOLVED_EXPERIMENT)
            url, base = self.database_url, self._base(run)
            found = read(config.data, base, source, database_url=url, environ=os.environ, formats=formats)
        except MlpipesError as error:
            raise _unreadable(run, error) from None
        return found.frame, found.data or config.data, source


def _unreadable(run: RunRecord, error: MlpipesError) -> Refused:
    return Refused(
        f"the data of the run {run.run_id[:8]} cannot be read again: {error.lines()[0]}", "train again"
    )


def reading_matters(frame: pd.DataFrame, columns: Collection[str]) -> bool:
    """Return whether earlier releases may have read a column differently: dates, and words among text."""
    import pandas as pd

    kinds = [frame[name].dtype for name in columns if name in frame.columns]
    return any(isinstance(kind, pd.StringDtype) or kind.kind == "M" for kind in kinds)
