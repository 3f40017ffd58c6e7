"""What a check finds of a model's performance: live metrics beside the holdout's, and its decay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class MetricCheck:
    """One metric, live and on the holdout.

    Attributes:
        metric: The metric's name.
        live: Its value on served rows with ground truth; None below the rows that allow a statement.
        interval: The 95 % interval of `live`.
        holdout: Its value on the version's holdout, if known.
        p: The one-sided p-value of "live is worse than the holdout", a test of two samples; None without
            a statement.
        worse: Whether it is significantly worse, by the alpha of the check.
        note: Why nothing could be stated, what the comparison does not count, or an empty text.
        lost: The share of the holdout's skill that is lost, less what chance alone gives; its skill is its
            distance to predictions that know nothing of the row. None without a comparison.
        standardised: The live value with the holdout's share of each class, a caller id counted once; None
            without a comparison.
        tested_p: As `p`, also below the rows that allow a statement; for the sequential test.
    """

    metric: str
    live: float | None
    interval: tuple[float, float] | None
    holdout: float | None
    p: float | None
    worse: bool
    note: str = ""
    lost: float | None = None
    standardised: float | None = None
    tested_p: float | None = None


@dataclass(frozen=True)
class Estimate:
    """A metric estimated from calibrated scores, where the truth is late.

    Attributes:
        metric: The metric's name.
        value: The estimate.
        interval: Its 95 % interval, that of the calibration included.
        rows: Rows whose scores it rests on.
        method: The method, with its source.
    """

    metric: str
    value: float
    interval: tuple[float, float]
    rows: int
    method: str


@dataclass(frozen=True)
class SegmentCheck:
    """The deciding metric on the rows of one value of a column.

    Attributes:
        column: The column's name.
        value: Its value, or a range of it.
        rows: Rows with ground truth.
        check: The metric there; `p` is adjusted for all segments.
    """

    column: str
    value: Any
    rows: int
    check: MetricCheck


@dataclass(frozen=True)
class PerformanceCheck:
    """The performance of one version in a window.

    Attributes:
        task: binary, multiclass or regression.
        metric: The metric that decides.
        predictions: Predictions in the window.
        with_truth: How many have a ground truth.
        ids: Caller ids of these; an id counts once.
        alarm: Whether the deciding metric is worse than on the holdout, significantly and by enough, in this
            window or by the sequential test.
        metrics: Every metric of the task, by name.
        decay: The sequential test over all windows since the promotion, as JSON values: its evidence and
            threshold, and ``window``, which the next checks get as their history. None for a single check.
        estimates: Estimates where the truth is late, by metric.
        segments: The deciding metric by segment.
        verdict: One sentence.
        estimate_note: Why there are no estimates for the rows without truth, or an empty text.
    """

    task: str
    metric: str
    predictions: int
    with_truth: int
    ids: int
    alarm: bool
    metrics: Mapping[str, MetricCheck]
    decay: Mapping[str, Any] | None
    estimates: Mapping[str, Estimate]
    segments: Sequence[SegmentCheck]
    verdict: str
    estimate_note: str = ""
