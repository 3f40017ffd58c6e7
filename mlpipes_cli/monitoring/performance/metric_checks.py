"""Each metric on live rows beside the holdout's, and whether it is worse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from mlpipes_cli.metric_catalog import BY_TASK, FEWEST_ROWS
from mlpipes_cli.monitoring.performance.decay import FEWEST_COUNTED, Window
from mlpipes_cli.monitoring.performance.permutation import shifts
from mlpipes_cli.monitoring.performance.skill import lost
from mlpipes_cli.monitoring.performance_results import MetricCheck
from mlpipes_cli.scoring.design import Design
from mlpipes_cli.scoring.live import caller_design, last_of_each, measure, too_few
from mlpipes_cli.scoring.metrics import evaluate, scorer
from mlpipes_cli.scoring.predictions import FloatArray, IntArray, Predictions

_MOVED_SHARES = 0.01  # classes' shares that differ by more are told


@dataclass(frozen=True)
class MetricRules:
    """When a metric is worse.

    Attributes:
        alpha: The largest p-value that is significant.
        min_effect: The smallest share of the holdout's skill whose loss matters.
        seed: Of every random draw.
    """

    alpha: float
    min_effect: float
    seed: int


def check_metrics(
    live: Predictions,
    units: IntArray | None,
    holdout: Predictions | None,
    names: tuple[str, ...],
    rules: MetricRules,
) -> dict[str, MetricCheck]:
    """Check each of the named metrics that is known for one of the sides.

    The live value and its interval are those of all rows, at the live share of each class, as
    ``mlpipes performance`` shows them. The test takes the last row of a caller and the holdout's share of
    each class (:func:`.permutation.shifts`).
    """
    found = measure(live, units, only=names, seed=rules.seed)
    design = caller_design(live, units)
    counted = live.take(last_of_each(live, units))
    known = evaluate(holdout) if holdout is not None else {}
    why = _why_untested(counted, holdout)
    defined = set(evaluate(counted)) & set(known)
    tested = tuple(name for name in names if name in defined and _enough(counted, holdout, name))
    moved = shifts(counted, holdout, tested, rules.seed) if holdout is not None and not why else {}
    standard = _standardised(counted, holdout, tuple(moved)) if holdout is not None and moved else {}
    checks: dict[str, MetricCheck] = {}
    for name in names:
        value = found.metrics.get(name)
        few = too_few(live.task, design.telling_rows(live, name), callers=design.units is not None)
        check = MetricCheck(
            name, value, found.intervals.get(name), known.get(name), None, False, few or _undefined(value)
        )
        if name in moved and holdout is not None:
            shift = moved[name]
            share = lost(shift.loss, name, holdout, known[name])
            check = replace(check, lost=share, standardised=standard[name], tested_p=shift.p)
            if not few and value is not None:
                worse = shift.p <= rules.alpha and share >= rules.min_effect
                check = replace(check, p=shift.p, worse=worse, note=_prevalence(counted, holdout))
        elif not few and value is not None:
            check = replace(check, note=why or _holdout_few(holdout, name))
        checks[name] = check
    return checks


def window_of(
    check: MetricCheck | None, live: Predictions, units: IntArray | None, holdout: Predictions
) -> Window | None:
    """Return what the sequential test needs of this window; None if it has to wait for more rows."""
    if check is None or check.tested_p is None or check.lost is None:
        return None
    counted = live.take(last_of_each(live, units))
    rows = Design().telling_rows(counted, check.metric)
    if rows < FEWEST_COUNTED:
        return None
    return Window(check.tested_p, rows, Design().telling_rows(holdout, check.metric), check.lost)


def names_of(live: Predictions) -> tuple[str, ...]:
    """Return every metric of the task."""
    return tuple(metric.name for metric in BY_TASK[live.task])


def _enough(live: Predictions, holdout: Predictions | None, name: str) -> bool:
    if holdout is None:
        return False
    rows = Design()
    return rows.telling_rows(live, name) >= FEWEST_COUNTED and rows.telling_rows(holdout, name) >= FEWEST_ROWS


def _why_untested(live: Predictions, holdout: Predictions | None) -> str:
    if holdout is None:
        return "not compared: the version has no stored holdout predictions"
    if (live.task, live.classes) != (holdout.task, holdout.classes):
        return "not compared: the holdout has other classes"
    if set(np.unique(holdout.target_codes)) - set(np.unique(live.target_codes)):
        return "not compared: a class of the holdout has no truth yet"
    if set(np.unique(live.target_codes)) - set(np.unique(holdout.target_codes)):
        return "not compared: a class of the truths has no row in the holdout"
    return ""


def _undefined(value: float | None) -> str:
    return "" if value is not None else "not defined for these rows"


def _holdout_few(holdout: Predictions | None, name: str) -> str:
    if holdout is None:
        return ""
    rows = Design().telling_rows(holdout, name)
    if rows >= FEWEST_ROWS:
        return "not compared: not defined for the holdout"
    return f"not compared: the holdout has too few rows, {rows}, at least {FEWEST_ROWS} are needed"


def _standardised(live: Predictions, holdout: Predictions, names: tuple[str, ...]) -> Mapping[str, float]:
    """Return the live metrics with the holdout's share of each class."""
    values = scorer(live, names).values(_class_weights(live, holdout)[None, :])
    return {name: float(value[0]) for name, value in values.items()}


def _class_weights(live: Predictions, holdout: Predictions) -> FloatArray:
    classes = max(len(live.classes), 1)
    shares = np.bincount(holdout.target_codes, minlength=classes) / holdout.rows
    own = np.bincount(live.target_codes, minlength=classes) / live.rows
    factors = np.divide(shares, own, out=np.zeros_like(own), where=own > 0)
    return np.asarray(factors[live.target_codes])


def _prevalence(live: Predictions, holdout: Predictions) -> str:
    """Say that the classes' shares differ, and that the comparison does not count it."""
    if live.task == "regression":
        return ""
    live_shares, holdout_shares = (
        np.bincount(p.target_codes, minlength=len(p.classes)) / p.rows for p in (live, holdout)
    )
    widest = int(np.abs(live_shares - holdout_shares).argmax()) if live.task == "multiclass" else 1
    if abs(live_shares[widest] - holdout_shares[widest]) <= _MOVED_SHARES:
        return ""
    return (
        f"compared at the holdout's share of {live.classes[widest]!r}, {holdout_shares[widest]:.1%}; "
        f"among the truths it is {live_shares[widest]:.1%}"
    )
