"""Where predictions are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class PredictionRow:
    """One prediction as it is kept.

    Attributes:
        prediction_id: A UUID version 7, as text.
        caller_id: What the caller's id column held, or None.
        made_at: Milliseconds since the epoch, those inside the identifier.
        model: The registered model's name.
        version: Its version.
        alias: The alias under which it was served.
        inputs: The row as the model saw it, JSON text that JSONB takes.
        prediction: The prediction, JSON text.
        scores: A number, or one a class, JSON text; None where the model has none.
        latency_ms: From the request's arrival until the row was handed to the database.
    """

    prediction_id: str
    caller_id: str | None
    made_at: int
    model: str
    version: int
    alias: str
    inputs: str
    prediction: str
    scores: str | None
    latency_ms: float


class PredictionStore(Protocol):
    """Keeps predictions.

    ``write`` is called from one thread at a time; ``ping`` and ``interrupt`` from any.
    """

    def prepare(self) -> None:
        """Make or upgrade the tables; several processes may do so at once.

        Raises:
            MlpipesError: The database does not answer or refuses.
        """

    def write(self, rows: Sequence[PredictionRow]) -> None:
        """Keep all rows or none; when it returns they are on disk.

        A row that is there already (the same identifier) is left as it is. After a lost
        connection the next call connects anew.

        Raises:
            Rejected: A row cannot be kept, whenever it is tried.
            MlpipesError: They were not kept, or nobody can tell whether they were.
        """

    def ping(self) -> bool:
        """Whether the database answers a query right now."""

    def interrupt(self) -> None:
        """Make a ``write`` that hangs in another thread fail."""

    def close(self) -> None:
        """Give the connection back."""
