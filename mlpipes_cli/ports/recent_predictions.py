"""The newest predictions, for people to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class RecentPrediction:
    """A stored prediction, cut to what a page shows.

    Attributes:
        prediction_id: Its identifier, as text.
        made_at: Milliseconds since the epoch.
        version: The model's version that made it.
        alias: The alias under which that version answered.
        inputs: JSON text; values of more than ``WIDTH`` characters are cut and end in an ellipsis.
        prediction: JSON text, cut in the same way.
        scores: JSON text, or None where the model has none.
        latency_ms: As stored.
    """

    prediction_id: str
    made_at: int
    version: int
    alias: str
    inputs: str
    prediction: str
    scores: str | None
    latency_ms: float


WIDTH = 80


class RecentPredictions(Protocol):
    """Looks at the prediction log; may be asked by several tasks of one event loop."""

    async def recent(self, model: str, limit: int) -> Sequence[RecentPrediction]:
        """The newest answered predictions of a model, all versions, the newest first.

        What a mirrored version predicted was answered to nobody and is left out.

        Args:
            model: The registered model's name.
            limit: At most so many.

        Raises:
            MlpipesError: The database does not answer within a few seconds.
        """
