"""Stops a trial of a search early if it is worse than the median of the others at the same point.

Source: the median rule of Golovin et al., Google Vizier (2017), as in ``optuna``'s ``MedianPruner`` with its
five first trials that are never stopped. A point is the end of a fold, where the mean of the metric so far
counts, or a step of a fold's fit, where the best reported value so far counts. Values are only compared with
values of the same kind, which is why this module implements the rule: a study of Optuna has only one series
of values for each trial.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mlpipes_cli import metric_catalog
from mlpipes_cli.trainers.base import Pruned
from mlpipes_cli.trainers.search.trials import Trial, TrialWatch

FIRST = 5  # trials that have to be finished before one is stopped
_LOSSES = ("val_loss", "valid_loss", "validation_loss")

Point = tuple[str, int, int]  # the kind of value, the fold, and the step or -1 for a fold's end


class Median:
    """Records the values of finished trials at each point.

    Args:
        metric: The metric that the search optimises.
    """

    def __init__(self, metric: str) -> None:
        self.metric = metric
        self._seen: dict[Point, list[float]] = {}

    def watch(self) -> MedianWatch:
        """Start watching a new trial."""
        return MedianWatch(self)

    def ended(self, trial: Trial, watch: MedianWatch) -> None:
        """Record a trial, if it is finished."""
        if trial.status == "finished":
            for point, value in watch.points.items():
                self._seen.setdefault(point, []).append(value)

    def look(self, point: Point, value: float) -> None:
        """Compare a value, larger is better, with those of the others.

        Raises:
            Pruned: The value is worse than their median.
        """
        values = sorted(self._seen.get(point, []))
        if len(values) < FIRST:
            return
        middle = len(values) // 2
        median = values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2
        if value < median:
            name, fold, step = point
            where = f"fold {fold + 1}" if step < 0 else f"step {step} of fold {fold + 1}"
            raise Pruned(f"worse than half of the trials after {where} ({name})")


@dataclass(eq=False)
class MedianWatch(TrialWatch):
    """The values of one trial so far.

    Attributes:
        points: Values, larger is better.
    """

    median: Median
    points: dict[Point, float] = field(default_factory=dict)
    _best: dict[tuple[str, int], float] = field(default_factory=dict)

    def step(self, fold: int, step: int, metrics: Mapping[str, float]) -> None:
        """Compare the reported metric, or else the loss of the fit's validation rows."""
        name = next((n for n in self._names() if n in metrics), None)
        if name is None:
            return
        value = float(metrics[name]) * (-1.0 if self._less_is_better(name) else 1.0)
        if value != value:  # NaN
            return
        best = self._best[name, fold] = max(value, self._best.get((name, fold), value))
        self._at((name, fold, step), best)

    def fold(self, fold: int, mean: float) -> None:
        name = self.median.metric
        self._at((name, fold, -1), -mean if self._less_is_better(name) else mean)

    def _at(self, point: Point, value: float) -> None:
        self.points[point] = value
        self.median.look(point, value)

    def _names(self) -> tuple[str, ...]:
        return (f"val_{self.median.metric}", self.median.metric, *_LOSSES)

    def _less_is_better(self, name: str) -> bool:
        return name in _LOSSES or not metric_catalog.higher_is_better(self.median.metric)
