"""Reads what a spool holds, without locking any of it."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mlpipes_cli.adapters.spool.folders import SET_ASIDE, folders_in
from mlpipes_cli.adapters.spool.segments import segments_in
from mlpipes_cli.errors import MlpipesError


@dataclass(frozen=True)
class PendingRecords:
    """The content of a spool.

    Attributes:
        rows: Predictions that were answered and are not in the database yet.
        bytes: The size of their files.
        oldest_seconds: The age of the oldest; 0 if there is none.
        set_aside: Files with parts that could not be replayed, kept for inspection.
    """

    rows: int = 0
    bytes: int = 0
    oldest_seconds: float = 0.0
    set_aside: int = 0

    def __bool__(self) -> bool:
        """Return whether there is anything to report."""
        return bool(self.rows or self.set_aside)


def pending_records(root: Path) -> PendingRecords:
    """Read a spool, whether or not servers are using it; it need not exist.

    Raises:
        MlpipesError: Access is denied.
    """
    rows, size, oldest = 0, 0, None
    try:
        for folder in folders_in(root) if root.is_dir() else []:
            with suppress(FileNotFoundError):  # just replayed by a server
                for segment in segments_in(folder):
                    rows, size = rows + segment.rows, size + segment.bytes
                    if segment.oldest is not None:
                        oldest = segment.oldest if oldest is None else min(oldest, segment.oldest)
        aside = sum(1 for _ in (root / SET_ASIDE).iterdir()) if (root / SET_ASIDE).is_dir() else 0
    except OSError as error:
        raise MlpipesError(f"{root}: the spool cannot be read ({error.strerror})") from None
    return PendingRecords(rows, size, 0.0 if oldest is None else max(time.time() - oldest / 1000, 0.0), aside)
