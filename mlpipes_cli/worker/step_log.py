"""Records the steps of a fit as they happen: one line of JSON for each step."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class StepLog:
    """Appends to a file, which outlives the process.

    Args:
        path: The file; created with the first step.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, step: int, metrics: Mapping[str, float]) -> None:
        values = {str(name): float(value) for name, value in metrics.items()}
        values = {name: value for name, value in values.items() if math.isfinite(value)}
        line = json.dumps({"step": int(step), "time": time.time(), "metrics": values})
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def read(path: Path) -> list[dict[str, Any]]:
    """Return the steps so far: ``step``, ``time`` (seconds since 1970), ``metrics`` by name."""
    if not path.is_file():
        return []
    whole = [line for line in path.read_text(encoding="utf-8").splitlines(True) if line.endswith("\n")]
    return [json.loads(line) for line in whole]
