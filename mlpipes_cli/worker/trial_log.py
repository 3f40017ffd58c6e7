"""Records the trials of a search as they end: one line of JSON for each trial.

The file also has the trials of a candidate that was killed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlpipes_cli.trainers.search.trials import Trial
from mlpipes_cli.worker.protocol import pack


class TrialLog:
    """Appends to a file.

    Args:
        path: The file; created with the first trial.
        tell: Receives a short text on the progress of the search.
        most: The maximum number of trials.
    """

    def __init__(self, path: Path, tell: Callable[[str], None], most: int) -> None:
        self._path, self._tell, self._most = path, tell, most
        self._ended = 0

    def __call__(self, trial: Trial, metric: str) -> None:
        steps = zip(range(len(trial.folds)), trial.times, trial.folds, strict=True)
        line = {
            "number": trial.number,
            "status": trial.status,
            "started": trial.started,
            "ended": trial.ended,
            "params": pack(trial.values),
            "metrics": {} if trial.mean is None else {metric: trial.mean},
            "steps": [{"step": k, "time": when, "metrics": {metric: value}} for k, when, value in steps],
            "error": trial.error,
        }
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        self._ended += 1
        self._tell(f"{self._ended} of {self._most} trials")


def read(path: Path) -> list[dict[str, Any]]:
    """Return the trials so far: fields of :class:`mlpipes_cli.ports.TrialRecord`, params as JSON values."""
    if not path.is_file():
        return []
    whole = [line for line in path.read_text(encoding="utf-8").splitlines(True) if line.endswith("\n")]
    return [json.loads(line) for line in whole]
