"""Collects predictions with ground truth by version and period: positions of JSON texts, and scores."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mlpipes_cli.ports.prediction_records import Judged

Key = tuple[int, datetime | None]  # version and period


@dataclass
class CollectedRows:
    """Rows of one version and period.

    Attributes:
        prediction: Positions of the predictions in the list of texts.
        truth: Positions of the truths in the same list.
        callers: Hashes of the callers' ids; -1 for a row without one.
        scores: Arrays of (b,) or (b, classes); NaN if a row has no score.
    """

    prediction: array[int] = field(default_factory=lambda: array("q"))
    truth: array[int] = field(default_factory=lambda: array("q"))
    callers: array[int] = field(default_factory=lambda: array("q"))
    scores: list[NDArray[np.float64]] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """The number of rows."""
        return len(self.truth)

    def units(self) -> NDArray[np.int64]:
        """Return (n,) each row's caller, numbered from 0 in order; a row without an id is its own caller."""
        import numpy as np
        import pandas as pd

        callers = np.array(self.callers, dtype=np.int64)
        callers[callers < 0] = -1 - np.arange(int((callers < 0).sum()))
        return np.asarray(pd.factorize(callers)[0], dtype=np.int64)

    def joined_scores(self) -> NDArray[np.float64] | None:
        """Return (n,) or (n, classes) scores; None if a row has none, or their numbers differ."""
        import numpy as np

        if not self.scores or len({block.shape[1:] for block in self.scores}) != 1:
            return None
        joined = np.concatenate(self.scores)
        return joined if np.isfinite(joined).all() else None


class Collector:
    """Collects batches and keeps each distinct JSON text once.

    Attributes:
        groups: The collected rows by version and period.
    """

    def __init__(self) -> None:
        self.groups: dict[Key, CollectedRows] = {}
        self._positions: dict[str, int] = {}

    def take(self, batches: Iterable[Sequence[Judged]]) -> None:
        """Add the rows of batches."""
        for batch in batches:
            sorted_by_key: dict[Key, list[Judged]] = {}
            for row in batch:
                sorted_by_key.setdefault((row.version, row.period), []).append(row)
            for key, rows in sorted_by_key.items():
                group = self.groups.setdefault(key, CollectedRows())
                group.prediction.extend(map(self._position, (row.prediction for row in rows)))
                group.truth.extend(map(self._position, (row.truth for row in rows)))
                group.callers.extend(_hash(row.caller_id) for row in rows)
                group.scores.append(_scores([row.scores for row in rows]))

    def values(self) -> list[Any]:
        """Return the JSON value at each position."""
        loaded: list[Any] = json.loads(f"[{','.join(self._positions)}]")
        return loaded

    def _position(self, text: str) -> int:
        return self._positions.setdefault(text, len(self._positions))


def _hash(caller_id: str | None) -> int:
    """Return 63 bits that identify an id in less memory than its text; -1 for None."""
    if caller_id is None:
        return -1
    return int.from_bytes(hashlib.blake2b(caller_id.encode(), digest_size=8).digest()) >> 1


def _scores(texts: Sequence[str | None]) -> NDArray[np.float64]:
    """Return the rows' scores; NaN for rows without, or with another number than the others."""
    import numpy as np

    values = json.loads(f"[{','.join('null' if text is None else text for text in texts)}]")
    widths = {len(value) if isinstance(value, list) else 0 for value in values if value is not None}
    width = widths.pop() if len(widths) == 1 else 0
    missing: Any = [np.nan] * width if width else np.nan
    try:
        found = np.array([missing if value is None else value for value in values], dtype=np.float64)
    except (TypeError, ValueError):
        return np.full(len(values), np.nan)
    return found
