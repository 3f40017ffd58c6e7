"""Fetches the artifacts of runs about their holdout once and keeps them (a finished run never changes)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli import mlflow_tags
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports import Registry, RunRecord

if TYPE_CHECKING:
    from mlpipes_cli.scoring.predictions import Predictions

_AT_ONCE = 8


@dataclass(frozen=True)
class HoldoutArchive:
    """The artifacts of runs.

    Attributes:
        registry: The source of the artifacts.
        folder: Keeps them, in a folder for each run.
    """

    registry: Registry
    folder: Path

    def find(self, run: RunRecord, name: str) -> Path | None:
        """Return the artifact as a local file, or None if the run has none of that name."""
        path = self.folder / run.run_id / name
        if path.is_file() or self.registry.artifact(run.run_id, name, path):
            return path
        return None

    def need(self, run: RunRecord, name: str) -> Path:
        """Return the artifact as :meth:`find` does, or raise an error.

        Raises:
            MlpipesError: The run has none of that name.
        """
        path = self.find(run, name)
        if path is None:
            raise MlpipesError(f"the run {run.run_id} has no {name}", "train it again")
        return path

    def classes(self, run: RunRecord) -> tuple[Any, ...]:
        """Return the run's classes, for binary (negative, positive)."""
        about = json.loads(self.need(run, mlflow_tags.CLASSES).read_text(encoding="utf-8"))
        return tuple(about["classes"])

    def predictions(self, run: RunRecord) -> Predictions:
        """Return the run's predictions on its holdout."""
        import pandas as pd

        from mlpipes_cli.scoring.predictions import Predictions

        frame = pd.read_parquet(self.need(run, mlflow_tags.HOLDOUT_PREDICTIONS))
        task: Any = run.tags[mlflow_tags.TASK]
        return Predictions.from_frame(frame, task, self.classes(run))

    def all_predictions(self, runs: Sequence[RunRecord]) -> list[Predictions | None]:
        """Return the predictions of several runs, fetched concurrently; None if missing or unreadable."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(self._readable, runs))

    def _readable(self, run: RunRecord) -> Predictions | None:
        names = (mlflow_tags.HOLDOUT_PREDICTIONS, mlflow_tags.CLASSES)
        for _ in range(2):  # the local copy may be damaged, and is fetched again
            paths = [self.find(run, name) for name in names]
            if None in paths:
                return None
            try:
                return self.predictions(run)
            except (ValueError, KeyError, TypeError):  # cut, or of another kind; pyarrow raises ValueErrors
                for path in filter(None, paths):
                    path.unlink(missing_ok=True)
        return None
