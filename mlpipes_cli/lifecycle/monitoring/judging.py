"""Judges the performance of a version on the truths that arrived in a window."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlpipes_cli import metric_catalog
from mlpipes_cli.lifecycle.monitoring import frames
from mlpipes_cli.lifecycle.performance import evaluate
from mlpipes_cli.lifecycle.performance.collect import Collector
from mlpipes_cli.lifecycle.performance.prediction_schema import of_details
from mlpipes_cli.ports.prediction_records import Judged

if TYPE_CHECKING:
    import pandas as pd

    from mlpipes_cli.lifecycle.monitoring.frames import Gathered
    from mlpipes_cli.lifecycle.monitoring.reference import Reference
    from mlpipes_cli.lifecycle.performance.evaluate import Usable
    from mlpipes_cli.monitoring.performance_results import PerformanceCheck
    from mlpipes_cli.ports.monitoring import StoredCheck, TruthRow

FEWEST = metric_catalog.FEWEST_ROWS  # truths for a statement on the performance


@dataclass(frozen=True)
class Rules:
    """How the performance is judged.

    Attributes:
        metric: The metric that decides; None takes the first of the task.
        alpha: The probability of a false alarm of the test of this window.
        min_effect: The smallest loss that matters, as a share of the holdout's skill.
        segments: Inputs by whose values it is looked at, too.
        patience: Checks until a false alarm of the sequential test, on average at least.
        history: The windows of earlier checks for the sequential test, oldest first; None for a check that is
            not one of a series.
    """

    metric: str | None
    alpha: float
    min_effect: float
    segments: Sequence[str] = ()
    patience: float = 730.0
    history: Sequence[Mapping[str, Any]] | None = None


class Truths:
    """Predictions with ground truth that arrived in a window.

    Args:
        known: The reference of their version.
        segments: Inputs that are kept.
    """

    def __init__(self, known: Reference, segments: Sequence[str]) -> None:
        self._known = known
        self._columns = [column for column in known.columns if column.name in segments]
        self._inputs: dict[str, list[Any]] = {column.name: [] for column in self._columns}
        self._collector = Collector()

    def take(self, batches: Iterable[Sequence[TruthRow]]) -> None:
        """Add the rows of batches."""
        for batch in batches:
            self._collector.take(
                [[Judged(0, None, row.prediction, row.scores, row.truth, row.caller_id) for row in batch]]
            )
            if self._inputs:
                inputs = [json.loads(row.inputs) for row in batch]
                for name, values in self._inputs.items():
                    values.extend(row.get(name) if isinstance(row, dict) else None for row in inputs)

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return sum(group.rows for group in self._collector.groups.values())

    def usable(self) -> Usable | None:
        """Return the rows whose truth and prediction the model knows; None if there is none."""
        schema = of_details(self._known.details)
        group = self._collector.groups.get((0, None))
        if schema is None or group is None:
            return None
        return evaluate.usable(group, schema, self._collector.values())

    def segments(self, usable: Usable) -> pd.DataFrame | None:
        """Return the inputs of the usable rows; None if none are kept."""
        import pandas as pd

        if not self._columns:
            return None
        raw = pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in self._inputs.items()})
        typed, _ = frames.typed(raw, self._columns, self._known.formats)
        return typed[usable.kept].reset_index(drop=True)


def judge(known: Reference, truths: Truths, gathered: Gathered, rules: Rules) -> PerformanceCheck | None:
    """Return the performance, measured or estimated; None without truths and without an estimate.

    Args:
        known: The reference.
        truths: The predictions whose truth arrived in the window.
        gathered: All predictions of the window.
        rules: How the performance is judged.
    """
    from mlpipes_cli.monitoring.performance.assess import assess

    schema = of_details(known.details)
    if schema is None:
        return None
    names = [metric.name for metric in metric_catalog.BY_TASK[schema.task]]
    usable = truths.usable()
    segments = None if usable is None else truths.segments(usable)
    holdout, of_holdout = known.holdout, None
    if segments is not None and known.predictions is not None:
        holdout, of_holdout = known.predictions, known.rows[list(segments.columns)]
    scores, labels = _without_truth(known, gathered)
    found = assess(
        None if usable is None else usable.predictions,
        None if usable is None else usable.units,
        holdout,
        metric=rules.metric if rules.metric in names else names[0],
        alpha=rules.alpha,
        min_effect=rules.min_effect,
        patience=rules.patience,
        segments=segments,
        holdout_segments=of_holdout,
        unlabelled_scores=scores,
        unlabelled_prediction=labels,
        history=rules.history,
    )
    return found if found.with_truth or found.estimates else None


def _without_truth(known: Reference, gathered: Gathered) -> tuple[Any, Any]:
    """Return scores and labels of the predictions without a known truth; None where there are no scores."""
    import numpy as np

    schema, holdout = of_details(known.details), known.holdout
    if schema is None or holdout is None or holdout.scores is None:
        return None, None
    kept, labels = [], []
    width = None if holdout.scores.ndim == 1 else holdout.scores.shape[1]
    rows = zip(gathered.prediction, gathered.scores, gathered.judged, strict=True)
    for prediction, score, judged in rows:
        label = schema.label(prediction)
        found = len(score) if isinstance(score, list) else None
        if not judged and score is not None and found == width and label is not None:
            kept.append(score)
            labels.append(label)
    if not kept:
        return None, None
    return np.asarray(kept, dtype=np.float64), np.asarray(labels, dtype=object)


def previous_windows(checks: Sequence[StoredCheck], cause: str) -> list[Mapping[str, Any]]:
    """Return what earlier checks of a series stored for the sequential test, oldest first.

    Args:
        checks: Checks of one version, newest first.
        cause: The cause of the checks of the series.
    """
    found = [check.result.get("performance") for check in checks if check.cause == cause]
    windows = [(performance or {}).get("decay", None) for performance in reversed(found)]
    return [window["window"] for window in windows if window and window.get("window")]
