"""The newest predictions, for display."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class RecentPrediction:
    """A stored prediction, shortened for display.

    Attributes:
        prediction_id: Its identifier, as text.
        made_at: Milliseconds since the epoch.
        version: The model's version that made it.
        alias: The alias under which the version answered.
        inputs: JSON text; values of more than ``WIDTH`` characters are shortened and end with an ellipsis.
        prediction: JSON text, shortened in the same way.
        scores: JSON text, or None if the model has none.
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
    """Reads the prediction log; several tasks of one event loop may call it."""

    async def recent(self, model: str, limit: int) -> Sequence[RecentPrediction]:
        """Return the newest returned predictions of a model, of all its versions, newest first.

        Predictions of a mirrored version are left out, because they were not returned to a client.

        Args:
            model: The registered model's name.
            limit: The maximum number of predictions.

        Raises:
            MlpipesError: The database does not answer within a few seconds.
        """
