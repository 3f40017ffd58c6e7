"""What a fit tells after each epoch, and when it has told enough."""

from __future__ import annotations

import math
from collections.abc import Mapping

from mlpipes_cli.trainers.base import Training, TrainingError


class Progress:
    """Hands each epoch's measures on and keeps the best epoch.

    Args:
        training: Whose ``report`` is called.
        watched: The measure, a loss, that tells which epoch is the best.
    """

    def __init__(self, training: Training, watched: str) -> None:
        self._report, self._watched = training.report, watched
        self.epochs, self.best_epoch, self.best = 0, 0, math.inf

    def __call__(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """An epoch, from 1, is over.

        Raises:
            TrainingError: The loss is no number any more.
            Pruned: A search has seen enough.
        """
        plain = {name: float(value) for name, value in metrics.items()}
        self.epochs = epoch
        if plain.get(self._watched, math.inf) < self.best:
            self.best, self.best_epoch = plain[self._watched], epoch
        if not math.isfinite(plain.get("loss", 0.0)):
            raise TrainingError(
                f"the loss is {plain['loss']} after epoch {epoch}; try a lower `learning_rate`, and check "
                "the scale of the features"
            )
        self._report(epoch, {name: value for name, value in plain.items() if math.isfinite(value)})
