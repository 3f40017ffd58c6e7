"""Reports the metrics of each epoch, and stops a fit whose loss is no longer finite."""

from __future__ import annotations

import math
from collections.abc import Mapping

from mlpipes_cli.trainers.base import Training, TrainingError


class Progress:
    """Reports each epoch's metrics and records the best epoch.

    Args:
        training: The training whose ``report`` is called.
        watched: The loss that determines the best epoch.
    """

    def __init__(self, training: Training, watched: str) -> None:
        self._report, self._watched = training.report, watched
        self.epochs, self.best_epoch, self.best = 0, 0, math.inf

    def __call__(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Record the metrics of a finished epoch, counted from 1.

        Raises:
            TrainingError: The loss is no longer finite.
            Pruned: A search stops this fit early.
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
