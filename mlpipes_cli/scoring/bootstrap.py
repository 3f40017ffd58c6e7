"""How sure a metric's value is: intervals for the luck of the holdout's rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from scipy.special import ndtri, stdtrit

from mlpipes_cli.scoring import ranking
from mlpipes_cli.scoring.design import Design
from mlpipes_cli.scoring.mean_intervals import Pair, Studentised
from mlpipes_cli.scoring.metrics import evaluate, ratios, scorer
from mlpipes_cli.scoring.predictions import FloatArray, Predictions
from mlpipes_cli.scoring.ranking_intervals import RankingSampler
from mlpipes_cli.scoring.resampling import count_matrices
from mlpipes_cli.scoring.share_intervals import wilson

Intervals = dict[str, Pair | None]


def intervals(
    p: Predictions,
    *,
    seed: int = 0,
    resamples: int = 1000,
    level: float = 0.95,
    design: Design | None = None,
    only: Collection[str] | None = None,
) -> Intervals:
    """A confidence interval for each metric of :func:`evaluate`, for the rows' randomness alone.

    What kind of number a metric is decides how (``docs/metrics.md``): rankings of two classes by tests of
    smoothed populations (:mod:`.inversion`), losses by the studentised bootstrap (:mod:`.studentised`), the
    other shares by Wilson's formula with the resamples' standard error (:mod:`.shares`). Each is stretched
    to hold the value itself. How often they hold the truth is in ``benchmarks/intervals``. The model is
    taken as it is: how much another training would differ is not in it.

    Args:
        p: The predictions.
        seed: The same seed gives the same intervals.
        resamples: How many.
        level: Such as 0.95.
        design: How the rows were drawn; within each class when left out.
        only: The metrics that are asked for; all when left out.

    Returns:
        (lower, upper) by name, or None where there are too few rows to tell, for those of the names that
        :func:`evaluate` gives.
    """
    values, design = evaluate(p), design or Design()
    values = {name: value for name, value in values.items() if only is None or name in only}
    told = {name: value for name, value in values.items() if design.can_tell(p, name)}
    tails = ((1.0 - level) / 2.0, (1.0 + level) / 2.0)
    samplers = _samplers(p, told, seed, design)
    found = _of_rankings(p, told, tails, samplers[0], design) if p.task == "binary" and samplers else {}
    rest = {name: value for name, value in told.items() if name not in found}
    found |= _of_resamples(p, rest, tails, resamples, seed, design, _bias(p, rest, samplers))
    return {name: _holding(found.get(name), value) for name, value in values.items()}


def _holding(pair: Pair | None, value: float) -> Pair | None:
    return None if pair is None else (min(pair[0], value), max(pair[1], value))


def _samplers(p: Predictions, told: Collection[str], seed: int, design: Design) -> list[RankingSampler]:
    """Of the positive class, or of each of several; none where no ranking is asked for."""
    if p.scores is None or not any(name.startswith(ranking.NAMES) for name in told):
        return []
    found, columns = [], [(1, p.scores)] if p.task == "binary" else list(enumerate(p.scores.T))
    for code, score in columns:
        positive = p.target_codes == code
        rows = design.rows_of(~positive), design.rows_of(positive)
        found.append(RankingSampler(positive, score, rows, seed, stratified=design.stratified))
    return found


def _of_rankings(
    p: Predictions, told: Mapping[str, float], tails: Pair, sampler: RankingSampler, design: Design
) -> dict[str, Pair]:
    wider = float(stdtrit(design.freedom(p, "ks"), tails[1]) / ndtri(tails[1]))
    ways = {"ks": sampler.ks, "roc_auc": sampler.roc_auc}
    return {name: way(told[name], tails, wider) for name, way in ways.items() if name in told}


def _bias(p: Predictions, names: Collection[str], samplers: Sequence[RankingSampler]) -> dict[str, float]:
    """By how much rankings are too high; of several classes their mean."""
    if not samplers:
        return {}
    each = [sampler.bias() for sampler in samplers]
    if p.task == "binary":
        return {name: value for name, value in each[0].items() if name in names}
    weights = np.bincount(p.target_codes, minlength=len(p.classes)) / p.rows
    found: dict[str, float] = {}
    for kind in ranking.NAMES:
        biases = np.array([bias[kind] for bias in each])
        found |= {f"{kind}_macro": float(biases.mean()), f"{kind}_weighted": float(weights @ biases)}
    return found


def _of_resamples(
    p: Predictions,
    told: Mapping[str, float],
    tails: Pair,
    resamples: int,
    seed: int,
    design: Design,
    bias: Mapping[str, float],
) -> dict[str, Pair]:
    """Of all that is computed for resamples of the rows, drawn once for all of it."""
    strata, lossy = design.strata(p), ratios(p)
    losses = Studentised({name: lossy[name] for name in told if name in lossy}, strata, design.units)
    shares = scorer(p, [name for name in told if name not in losses.names])
    drawn: list[dict[str, FloatArray]] = []
    for counts in count_matrices(strata, resamples, seed) if told else ():
        losses.draw(counts)
        if shares.names:
            drawn.append(shares.values(design.of_rows(counts)))
    errors = {name: _deviation(np.concatenate([piece[name] for piece in drawn])) for name in shares.names}
    found = losses.intervals(tails)
    for name, error in errors.items():
        least = -1.0 if name == "mcc" else 0.0
        reach = ndtri(tails[1]) if _is_plain_share(name) else stdtrit(design.freedom(p, name), tails[1])
        value = min(max(told[name] - bias.get(name, 0.0), least), 1.0)
        found[name] = wilson(value, error, reach, least, design.telling_rows(p, name))
    return found


def _is_plain_share(name: str) -> bool:
    """Whether it is a share of rows, of which Wilson's formula needs no help."""
    return name.startswith(("recall", "accuracy"))


def _deviation(values: FloatArray) -> float:
    return float(np.std(values[np.isfinite(values)], ddof=1))
