"""Storage of predictions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class PredictionRow(NamedTuple):
    """One prediction as it is stored.

    Attributes:
        prediction_id: A UUID version 7, as text.
        caller_id: The value of the caller's id column, or None.
        made_at: Milliseconds since the epoch, the same as in the identifier.
        model: The registered model's name.
        version: Its version.
        alias: The alias under which the version was served.
        inputs: The input row of the model, JSON in UTF-8 that JSONB accepts.
        prediction: The prediction, JSON in UTF-8.
        scores: One number, or one per class, JSON in UTF-8; None if the model has none.
        latency_ms: From the request's arrival until the row was passed to the database.
        trace_id: The caller's W3C trace, 32 hexadecimal digits, or None.
        shadow_of: The ``prediction_id`` that this one shadows: the prediction for the same row that was
            returned; None for a prediction that was returned.
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
    """Stores predictions; belongs to the event loop in which it was opened.

    ``write`` may be called again before an earlier call has returned.
    """

    async def open(self) -> None:
        """Create or upgrade the tables and connect; several processes may do so at once.

        Raises:
            MlpipesError: The database does not answer or refuses.
        """

    async def write(self, rows: Sequence[PredictionRow], *, perhaps_there: bool = False) -> None:
        """Store all rows or none; they are on disk when the call returns.

        A lost connection is opened again. Rows that may or may not have been stored are written again, so
        that each is stored exactly once. Every wait has a time limit.

        Args:
            rows: They may belong to several models and months.
            perhaps_there: Some rows may be in the table already (the same identifier); those are skipped.

        Raises:
            Rejected: A row can never be stored.
            MlpipesError: The rows were not stored, or it is unknown whether they were.
        """

    async def ping(self) -> bool:
        """Return whether the database answers a query right now; takes a few seconds at most."""

    async def close(self) -> None:
        """Close the connections."""
