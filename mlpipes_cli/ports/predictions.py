"""Where predictions are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class PredictionRow(NamedTuple):
    """One prediction as it is kept.

    Attributes:
        prediction_id: A UUID version 7, as text.
        caller_id: What the caller's id column held, or None.
        made_at: Milliseconds since the epoch, those inside the identifier.
        model: The registered model's name.
        version: Its version.
        alias: The alias under which it was served.
        inputs: The row as the model saw it, JSON in UTF-8 that JSONB takes.
        prediction: The prediction, JSON in UTF-8.
        scores: A number, or one a class, JSON in UTF-8; None where the model has none.
        latency_ms: From the request's arrival until the row was handed to the database.
        trace_id: The caller's W3C trace, 32 hexadecimal digits, or None.
        shadow_of: The ``prediction_id`` that this one shadows: the same row, answered by the model
            whose answer went out; None for an answer that went out.
    """

    prediction_id: str
    caller_id: str | None
    made_at: int
    model: str
    version: int
    alias: str
    inputs: bytes
    prediction: bytes
    scores: bytes | None
    latency_ms: float
    trace_id: str | None = None
    shadow_of: str | None = None


class PredictionLog(Protocol):
    """Keeps predictions; lives in the event loop in which it was opened.

    ``write`` may be called again before an earlier call has returned.
    """

    async def open(self) -> None:
        """Make or upgrade the tables and connect; several processes may do so at once.

        Raises:
            MlpipesError: The database does not answer or refuses.
        """

    async def write(self, rows: Sequence[PredictionRow], *, perhaps_there: bool = False) -> None:
        """Keep all rows or none; when it returns they are on disk.

        A lost connection is made anew, and rows of which nobody can tell whether they were kept are
        written once more, so that each is there once. Every wait is bounded.

        Args:
            rows: They may belong to several models and months.
            perhaps_there: Some may be in the table already (the same identifier); those are left.

        Raises:
            Rejected: A row cannot be kept, whenever it is tried.
            MlpipesError: They were not kept, or nobody can tell whether they were.
        """

    async def ping(self) -> bool:
        """Whether the database answers a query right now; within a few seconds."""

    async def close(self) -> None:
        """Give the connections back."""
