"""The metrics of served predictions with a ground truth; no number from too few rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from mlpipes_cli import metric_catalog
from mlpipes_cli.metric_catalog import FEWEST_ROWS
from mlpipes_cli.scoring.bootstrap import Intervals, intervals
from mlpipes_cli.scoring.design import Design
from mlpipes_cli.scoring.metrics import evaluate
from mlpipes_cli.scoring.predictions import IntArray, Predictions

_WORK = 1.0e7  # row weights that the intervals may use, if that leaves enough of them
_RESAMPLES, _FEWEST_RESAMPLES = 1000, 400
_ROWS = 20_000  # with more, intervals are those of so many rows, made shorter
_TELLING = 200  # rows of the rarer class that these have at least


@dataclass(frozen=True)
class LiveMetrics:
    """The metrics of some predictions.

    Attributes:
        metrics: By name; only those that enough rows tell.
        intervals: The 95 % interval of each; None if there are too few rows for one.
        note: Why metrics are missing, or an empty text.
    """

    metrics: Mapping[str, float]
    intervals: Intervals
    note: str


def caller_design(p: Predictions, units: IntArray | None) -> Design:
    """Return the design of live rows, which are drawn by caller.

    Args:
        p: The predictions.
        units: (n,) the caller of each row, from 0 up; None if each row has a caller of its own.
    """
    repeated = units is not None and int(units.max()) + 1 < p.rows
    return Design(stratified=False, units=units if repeated else None)


def measure(
    p: Predictions, units: IntArray | None, *, only: Collection[str] | None = None, seed: int = 0
) -> LiveMetrics:
    """Compute the metrics that enough rows tell, each with its interval.

    Args:
        p: The predictions.
        units: (n,) the caller of each row, from 0 up: intervals draw the rows of one caller together.
        only: The metrics to compute; all of the task if omitted.
        seed: Of the resamples.
    """
    design = caller_design(p, units)
    names = [m.name for m in metric_catalog.BY_TASK[p.task] if only is None or m.name in only]
    telling = {name: design.telling_rows(p, name) for name in names}
    metrics: dict[str, float] = {}
    spans: Intervals = {}
    if max(telling.values(), default=0) >= FEWEST_ROWS:
        metrics = {name: value for name, value in evaluate(p).items() if telling.get(name, 0) >= FEWEST_ROWS}
        spans = _spans(p, design, metrics, min(telling.values()), seed)
    return LiveMetrics(metrics, spans, _note(p, min(telling.values(), default=0), design))


def _spans(p: Predictions, design: Design, metrics: Mapping[str, float], fewest: int, seed: int) -> Intervals:
    """Compute the intervals; of many rows from a random part of them (Politis, Romano and Wolf 1999).

    The length of an interval falls with the root of the number of rows, so that of m of n callers is scaled
    by the root of m / n, on either side of the value.
    """
    part, among, share = p, design, _ROWS / p.rows
    if share < 1.0 and fewest > 0:
        share = min(1.0, max(share, _TELLING / fewest))
    if share < 1.0:
        random = np.random.default_rng([seed, 3])
        callers = np.arange(p.rows) if design.units is None else design.units
        kept = random.permutation(int(callers.max()) + 1) < round(share * (int(callers.max()) + 1))
        rows = np.flatnonzero(kept[callers])
        units = None if design.units is None else np.unique(callers[rows], return_inverse=True)[1]
        part, among = p.take(rows), Design(stratified=False, units=units)
    resamples = int(min(_RESAMPLES, max(_FEWEST_RESAMPLES, _WORK / part.rows)))
    drawn = intervals(part, resamples=resamples, design=among, only=metrics, seed=seed)
    if part is p:
        return {name: drawn[name] for name in metrics}
    middles, scale = evaluate(part), float(np.sqrt(share))
    found: Intervals = {}
    for name, value in metrics.items():
        pair = drawn.get(name)
        if pair is None or name not in middles:
            found[name] = None
            continue
        low, high = (value + scale * (end - middles[name]) for end in pair)
        found[name] = (
            (low, min(high, 1.0)) if metric_catalog.higher_is_better(name) else (max(low, 0.0), high)
        )
    return found


def too_few(task: str, telling: int, *, callers: bool = False) -> str:
    """Return the sentence for rows that are too few for a statement, or an empty text.

    Args:
        task: binary, multiclass or regression.
        telling: The rows that determine the precision (:meth:`Design.telling_rows`).
        callers: Whether callers are counted, not rows.
    """
    if telling >= FEWEST_ROWS:
        return ""
    what = "caller ids" if callers else "rows"
    kind = what if task == "regression" else f"{what} of the rarer class"
    return f"too few: {telling} {kind}, at least {FEWEST_ROWS} are needed"


def _note(p: Predictions, fewest: int, design: Design) -> str:
    if fewest < FEWEST_ROWS:
        return too_few(p.task, fewest, callers=design.units is not None)
    return "no scores: labels only" if p.scores is None and p.task != "regression" else ""


def last_of_each(p: Predictions, units: IntArray | None) -> IntArray:
    """Return the positions of the rows that count: of a caller, the last row of each true class.

    A caller that was scored ten times counts once. If its truth changed, it counts once for each class.
    """
    if units is None:
        return np.arange(p.rows)
    keys = units * max(len(p.classes), 1) + p.target_codes
    _, first = np.unique(keys[::-1], return_index=True)
    return np.sort(p.rows - 1 - first)
