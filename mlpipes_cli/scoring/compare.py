"""Tests whether a challenger is better than the incumbent by more than chance explains.

The challenger is the best of K candidates, and the test uses the rows on which it was selected. So its
difference has to exceed what the largest of all K differences reaches by chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtrit

from mlpipes_cli import metric_catalog
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.metric_catalog import FEWEST_ROWS
from mlpipes_cli.scoring.design import Design
from mlpipes_cli.scoring.metrics import scorer
from mlpipes_cli.scoring.noise import Noise, is_ks, resample
from mlpipes_cli.scoring.predictions import FloatArray, Predictions

_BORROWED_ROWS = 100  # weight of the shared estimate in the candidates' standard errors, in rows
_WORK = 1.0e9  # maximum number of row weights that one comparison processes


@dataclass(frozen=True)
class ModelComparison:
    """The result of comparing the chosen challenger with the incumbent.

    Attributes:
        metric: The metric's name.
        incumbent: The incumbent's value.
        challenger: The chosen challenger's value.
        difference: The challenger's improvement, positive regardless of the metric's direction.
        lower: The difference's one-sided lower bound, corrected for the number of candidates; minus
            infinity if there are too few rows.
        p_value: The probability of such a difference by chance if no candidate is better by more
            than the required improvement.
        candidates: K, the number of candidates that the challenger was chosen from.
        rows: n, the number of rows that all of them were scored on.
        better: Whether ``lower`` is above both 0 and the required improvement.
        reason: One sentence with the numbers.
    """

    metric: str
    incumbent: float
    challenger: float
    difference: float
    lower: float
    p_value: float
    candidates: int
    rows: int
    better: bool
    reason: str


def compare(
    incumbent: Predictions,
    challengers: Sequence[Predictions],
    chosen: int,
    metric: str,
    *,
    confidence: float = 0.95,
    min_improvement: float = 0.0,
    seed: int = 0,
    resamples: int | None = None,
) -> ModelComparison:
    """Test whether one of K challengers is better than the incumbent, on rows that all have scored.

    Uses a paired bootstrap over the rows, drawn within each class. The chosen challenger's difference
    has to exceed what the largest of the K studentised differences reaches by chance (the single step
    of White's reality check, Econometrica 2000, studentised as by Hansen, JBES 2005, and Romano and
    Wolf, Econometrica 2005). So the error rate holds however the challenger was chosen from the K.
    For few rows: the wider of both tails counts (Hall 1988), Student's t replaces the normal
    distribution, standard errors are shrunk towards their median (as in Smyth's moderated t, 2004),
    and below twenty rows of the rarer class the result is undecided. KS is treated separately,
    see :mod:`mlpipes_cli.scoring.noise`. ``benchmarks/promotion`` measures the error rates.

    Args:
        incumbent: The predictions of the model to replace.
        challengers: The predictions of all K candidates for the same rows in the same order.
        chosen: The position of the challenger that would replace it.
        metric: A metric of the catalogue.
        confidence: One minus the accepted rate of false promotions.
        min_improvement: The required improvement, in the metric's unit.
        seed: The same seed gives the same result.
        resamples: The number of resamples; determined by the size of the holdout if omitted.

    Raises:
        MlpipesError: The rows are not the same, or the metric is undefined for a model.
        IndexError: ``chosen`` is not a position in ``challengers``.
    """
    if not 0 <= chosen < len(challengers):
        raise IndexError(f"no challenger at position {chosen} of {len(challengers)}")
    _check(incumbent, challengers, metric)
    count = resamples or int(np.clip(_WORK / (incumbent.rows * (len(challengers) + 1)), 400, 2000))
    noise = resample(incumbent, challengers, metric, count, seed)
    return decide(noise, chosen, metric, incumbent, confidence, min_improvement)


def decide(
    noise: Noise,
    chosen: int,
    metric: str,
    holdout: Predictions,
    confidence: float = 0.95,
    min_improvement: float = 0.0,
) -> ModelComparison:
    """Decide from resampled noise (see :func:`compare`)."""
    rare = Design().telling_rows(holdout, metric)
    difference, lower, p_value = float(noise.differences[chosen]), -np.inf, 1.0
    if rare >= FEWEST_ROWS:
        unit = _moderated(noise.spread, rare) * _small_sample(rare, confidence)
        luck = _largest(noise, unit, metric)
        own_unit = float(unit[chosen] * noise.worth[chosen])  # in the metric's own unit
        lower = difference - _quantile(luck, confidence) * own_unit
        p_value = _p_value(luck, difference - min_improvement, own_unit)
    better = bool(lower > max(min_improvement, 0.0))
    found = ModelComparison(
        metric,
        noise.incumbent,
        float(noise.challengers[chosen]),
        difference,
        float(lower),
        p_value,
        len(noise.differences),
        holdout.rows,
        better,
        "",
    )
    reason = _reason(found, rare, confidence, min_improvement)
    return ModelComparison(**{**found.__dict__, "reason": reason})


def _moderated(spread: FloatArray, rows: int) -> FloatArray:
    """Shrink standard errors towards their median, the less the more rows there are.

    A candidate that is better by chance usually looks more certain as well; with few rows the best of many
    would profit from that twice.
    """
    positive = spread[spread > 0]
    middle = float(np.median(positive**2)) if len(positive) else 0.0
    drawn = np.sqrt((_BORROWED_ROWS * middle + rows * spread**2) / (_BORROWED_ROWS + rows))
    return np.where(spread > 0, drawn, 0.0)


def _small_sample(rows: int, confidence: float) -> float:
    """Return the ratio of Student's t quantile to the normal one.

    The degrees of freedom are half the telling rows.
    """
    return float(stdtrit((rows - 1) / 2, confidence) / ndtri(confidence))


def _largest(noise: Noise, unit: FloatArray, metric: str) -> FloatArray:
    """Return (B, tails) the largest error of each resample over the candidates, in standard errors."""
    scaled = np.divide(noise.errors, unit, out=np.zeros_like(noise.errors), where=unit > 0)
    upper = scaled.max(axis=1)
    return upper[:, None] if is_ks(metric) else np.stack([upper, (-scaled).max(axis=1)], axis=1)


def _quantile(luck: FloatArray, confidence: float) -> float:
    position = min(len(luck) - 1, int(np.ceil((len(luck) + 1) * confidence)) - 1)
    return max(float(np.sort(luck, axis=0)[position].max()), 0.0)


def _p_value(luck: FloatArray, excess: float, unit: float) -> float:
    if unit == 0.0:
        return 0.0 if excess > 0 else 1.0
    at_least = (luck >= excess / unit).sum(axis=0).max()
    return float((at_least + 1) / (len(luck) + 1))


def _check(incumbent: Predictions, challengers: Sequence[Predictions], metric: str) -> None:
    for p in challengers:
        same = p.task == incumbent.task and p.classes == incumbent.classes and p.rows == incumbent.rows
        if not same or not np.array_equal(p.target, incumbent.target):
            raise MlpipesError(
                "the models were not scored on the same rows", "score all of them on one holdout"
            )
    for name, p in [("incumbent", incumbent), *(("challenger", p) for p in challengers)]:
        if not _is_defined(p, metric):
            raise MlpipesError(
                f"{metric} is undefined for the {name} on these {p.rows} rows",
                "compare by another metric, or give the models scores and both classes",
            )


def _is_defined(p: Predictions, metric: str) -> bool:
    values = scorer(p, (metric,)).values(np.ones((1, p.rows)))
    return metric in values and bool(np.isfinite(values[metric][0]))


def _reason(c: ModelComparison, rare: int, confidence: float, min_improvement: float) -> str:
    decimals = _decimals(c)
    direction = "" if metric_catalog.higher_is_better(c.metric) else " (lower is better)"
    text = (
        f"{c.metric} {c.challenger:.{decimals}f} against {c.incumbent:.{decimals}f}{direction}: "
        f"{c.difference:+.{decimals}f}"
    )
    if c.difference <= 0:
        return f"{text}, no improvement"
    if rare < FEWEST_ROWS:
        rows = "1 row of the rarer class is" if rare == 1 else f"{rare} rows of the rarer class are"
        return f"{text}, but {rows} too few; at least {FEWEST_ROWS} are needed"
    several = f"corrected for {c.candidates} candidates on" if c.candidates > 1 else "on"
    bound = f"the {confidence * 100:g} % lower bound is {c.lower:+.{decimals}f} ({several} {c.rows} rows)"
    if c.better:
        return f"{text}, and {bound}"
    needed = f", not above the required {min_improvement:g}" if min_improvement > 0 else ""
    return f"{text}, but {bound}{needed}"


def _decimals(c: ModelComparison) -> int:
    """Return enough decimals to show the first digit of the difference."""
    least = 3 if max(abs(c.incumbent), abs(c.challenger)) < 100 else 1
    if c.difference == 0:
        return least
    return int(np.clip(-np.floor(np.log10(abs(c.difference))), least, 9))
