"""Judges the performance of one version in a window: the entry point of this package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlpipes_cli.metric_catalog import BY_TASK, Task
from mlpipes_cli.monitoring import wording
from mlpipes_cli.monitoring.performance_results import Estimate, MetricCheck, PerformanceCheck, SegmentCheck

if TYPE_CHECKING:
    import pandas as pd

    from mlpipes_cli.scoring.predictions import AnyArray, FloatArray, IntArray, Predictions

MIN_EFFECT = 0.1
PATIENCE = 730.0  # with a check a day, one false alarm in two years


def assess(
    live: Predictions | None,
    units: IntArray | None,
    holdout: Predictions | None,
    *,
    metric: str,
    alpha: float = 0.05,
    min_effect: float = MIN_EFFECT,
    patience: float = PATIENCE,
    predictions: int | None = None,
    segments: pd.DataFrame | None = None,
    holdout_segments: pd.DataFrame | None = None,
    unlabelled_scores: FloatArray | None = None,
    unlabelled_prediction: AnyArray | None = None,
    history: Sequence[Mapping[str, Any]] | None = None,
    seed: int = 0,
) -> PerformanceCheck:
    """Judge the rows of a window whose truth is known, and estimate where it is not.

    Args:
        live: Served predictions with a ground truth, oldest first; None if there is none. For a series of
            checks these are the rows whose truth arrived in the window, so that each truth counts once.
        units: (n,) the caller id of each row of `live`, numbered from 0 up; None if all differ.
        holdout: The predictions of the version for its holdout; None if they are not stored.
        metric: The metric that decides.
        alpha: The largest p-value that is significant, of the deciding metric in this window.
        min_effect: The smallest loss that matters, as a share of the holdout's skill: its distance to
            predictions that know nothing of the row (:mod:`.skill`).
        patience: Checks until a false alarm of the sequential test, on average at least.
        predictions: Predictions in the window, with and without truth; the rows that are given if None.
        segments: Columns of the rows of `live` by which the deciding metric is shown, in the same order.
        holdout_segments: The same columns of the rows of `holdout`.
        unlabelled_scores: (m,) or (m, classes) scores of the rows without truth.
        unlabelled_prediction: (m,) their predicted labels.
        history: ``decay["window"]`` of the checks of this version since its promotion, oldest first, without
            those that are None; None for a check that is not one of a series. Those of another metric are
            left out.
        seed: The same seed and rows give the same result.

    Raises:
        ValueError: A task has no such metric, or rows and segments differ in number.
    """
    from mlpipes_cli.monitoring.performance.estimate import estimates
    from mlpipes_cli.monitoring.performance.metric_checks import MetricRules, check_metrics, names_of

    task = _task(live, holdout, metric)
    _check_lengths(live, segments)
    _check_lengths(holdout, holdout_segments)
    rules = MetricRules(alpha, min_effect, seed)
    metrics: dict[str, MetricCheck] = {}
    if live is not None:
        metrics = check_metrics(live, units, holdout, names_of(live), rules)
    decay = _decay(metric, metrics.get(metric), live, units, holdout, history, patience, min_effect)
    unlabelled = 0 if unlabelled_scores is None else len(unlabelled_scores)
    estimated, why_none = estimates(holdout, unlabelled_scores, unlabelled_prediction, seed)
    rows = 0 if live is None else live.rows
    alarm = bool(metric in metrics and metrics[metric].worse) or bool(decay and decay["alarm"])
    return PerformanceCheck(
        task=task,
        metric=metric,
        predictions=rows + unlabelled if predictions is None else predictions,
        with_truth=rows,
        ids=rows if units is None or live is None else int(units.max()) + 1,
        alarm=alarm,
        metrics=metrics,
        decay=decay,
        estimates=estimated,
        segments=_segments(live, units, holdout, metric, segments, holdout_segments, rules),
        estimate_note=why_none,
        verdict=verdict(metrics.get(metric), metric, rows, decay, estimated.get(metric), alpha),
    )


def verdict(
    check: MetricCheck | None,
    metric: str,
    rows: int,
    decay: Mapping[str, Any] | None,
    estimate: Estimate | None,
    alpha: float,
) -> str:
    """Return the finding as one sentence."""
    decays = ""
    if decay and decay["alarm"]:
        checks = wording.count(-int(decay["since"]), "check")
        decays = f"decay over {checks}, {decay['lost']:.0%} of the skill is lost"
    if check is None or check.live is None:
        why = check.note if check is not None and rows else "no ground truth yet"
        guess = "" if estimate is None else f"; {_span(estimate.value, estimate.interval)} by estimate"
        return f"{metric}: {decays or why}{guess}"
    summary = f"{metric} {_span(check.live, check.interval)} of {rows:,} truths"
    if check.holdout is None or check.p is None or check.lost is None:
        return f"{summary}; {decays or check.note}"
    against = f"{check.holdout:.3g} on the holdout"
    chance = f"p {check.p:.2g}"
    if check.worse:
        return f"{summary} is worse than {against}: {check.lost:.0%} of the skill is lost, {chance}"
    if decays:
        return f"{summary} against {against}: {decays}"
    if check.p <= alpha:
        return f"{summary} is slightly worse than {against}: {check.lost:.1%} of the skill is lost, {chance}"
    return f"{summary} is not significantly worse than {against}, {chance}"


def _span(value: float, interval: tuple[float, float] | None) -> str:
    ends = "" if interval is None else f" [{interval[0] + 0.0:.3g}, {interval[1] + 0.0:.3g}]"  # no "-0"
    return f"{value + 0.0:.3g}{ends}"


def _task(live: Predictions | None, holdout: Predictions | None, metric: str) -> Task:
    known = [p.task for p in (live, holdout) if p is not None]
    tasks = [task for task, found in BY_TASK.items() if any(m.name == metric for m in found)]
    if not tasks or (known and known[0] not in tasks):
        raise ValueError(f"no metric {metric!r} of a {known[0] if known else 'known'} target")
    return known[0] if known else tasks[0]


def _check_lengths(p: Predictions | None, columns: pd.DataFrame | None) -> None:
    if columns is not None and (0 if p is None else p.rows) != len(columns):
        raise ValueError(f"{len(columns)} rows of segments for {0 if p is None else p.rows} predictions")


def _decay(
    metric: str,
    check: MetricCheck | None,
    live: Predictions | None,
    units: IntArray | None,
    holdout: Predictions | None,
    history: Sequence[Mapping[str, Any]] | None,
    patience: float,
    min_effect: float,
) -> dict[str, Any] | None:
    """Return the sequential test with this window; ``window`` is None if its rows wait for the next one."""
    if history is None:
        return None
    from mlpipes_cli.monitoring.performance.decay import Window, decay
    from mlpipes_cli.monitoring.performance.metric_checks import window_of

    current = window_of(check, live, units, holdout) if live is not None and holdout is not None else None
    windows = [Window.of(stored) for stored in history if stored.get("metric", metric) == metric]
    found = decay(
        [*windows, *([] if current is None else [current])], patience=patience, min_effect=min_effect
    )
    return {**found, "window": None if current is None else {"metric": metric, **current.stored()}}


def _segments(
    live: Predictions | None,
    units: IntArray | None,
    holdout: Predictions | None,
    metric: str,
    columns: pd.DataFrame | None,
    holdout_columns: pd.DataFrame | None,
    rules: Any,
) -> list[SegmentCheck]:
    if live is None or columns is None:
        return []
    from mlpipes_cli.monitoring.performance.segment_checks import check_segments

    return check_segments(live, units, holdout, metric, columns, holdout_columns, rules)
