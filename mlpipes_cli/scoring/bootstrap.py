"""Confidence intervals of metrics, for the randomness of the holdout's rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from scipy.special import ndtri, stdtrit

from mlpipes_cli.scoring import ranking
from mlpipes_cli.scoring.design import Design
from mlpipes_cli.scoring.intervals import label_intervals
from mlpipes_cli.scoring.intervals.mean_intervals import Pair, Studentised
from mlpipes_cli.scoring.intervals.ranking_intervals import Correction, RankingSampler
from mlpipes_cli.scoring.intervals.share_intervals import wilson
from mlpipes_cli.scoring.metrics import evaluate, ratios, scorer
from mlpipes_cli.scoring.predictions import FloatArray, Predictions
from mlpipes_cli.scoring.resampling import count_matrices

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
    """Compute a confidence interval for each metric of :func:`evaluate`, for the rows' randomness alone.

    The method depends on the kind of metric (``docs/explanation/metrics.md``): tests of smoothed populations
    for rankings of two classes (:mod:`.intervals.ranking_intervals`), tests of rates for their labels
    (:mod:`.intervals.label_intervals`), the studentised bootstrap for losses
    (:mod:`.intervals.mean_intervals`), Wilson's formula with the resamples' standard error for the other
    shares (:mod:`.intervals.share_intervals`). Each interval is widened to contain the value itself.
    ``benchmarks/intervals`` measures their coverage. The model is taken as fixed: the variation between
    trainings is not included.

    Args:
        p: The predictions.
        seed: The same seed gives the same intervals.
        resamples: The number of resamples.
        level: The confidence level, such as 0.95.
        design: How the rows were drawn; within each class if omitted.
        only: The metrics to compute; all if omitted.

    Returns:
        (lower, upper) by name, or None if there are too few rows, for those of the names that
        :func:`evaluate` returns.
    """
    values, design = evaluate(p), design or Design()
    values = {name: value for name, value in values.items() if only is None or name in only}
    estimable = {name: value for name, value in values.items() if design.can_tell(p, name)}
    tails = ((1.0 - level) / 2.0, (1.0 + level) / 2.0)
    samplers = _samplers(p, estimable, seed, design)
    found = _of_rankings(p, estimable, tails, samplers[0], design) if p.task == "binary" and samplers else {}
    found |= _of_labels(p, estimable, tails, design)
    rest = {name: value for name, value in estimable.items() if name not in found}
    found |= _of_resamples(p, rest, tails, resamples, seed, design, _corrections(p, rest, samplers))
    return {name: _holding(found.get(name), value) for name, value in values.items()}


def _holding(pair: Pair | None, value: float) -> Pair | None:
    return None if pair is None else (min(pair[0], value), max(pair[1], value))


def _samplers(p: Predictions, estimable: Collection[str], seed: int, design: Design) -> list[RankingSampler]:
    """Return samplers of the positive class, or of each of several; none if no ranking is requested."""
    if p.scores is None or not any(name.startswith(ranking.NAMES) for name in estimable):
        return []
    found, columns = [], [(1, p.scores)] if p.task == "binary" else list(enumerate(p.scores.T))
    for code, score in columns:
        positive = p.target_codes == code
        rows = design.rows_of(~positive), design.rows_of(positive)
        found.append(RankingSampler(positive, score, rows, seed, stratified=design.stratified))
    return found


def _of_rankings(
    p: Predictions, estimable: Mapping[str, float], tails: Pair, sampler: RankingSampler, design: Design
) -> dict[str, Pair]:
    rows = design.telling_rows(p, "ks")
    found = {}
    if "ks" in estimable:
        found["ks"] = sampler.ks(estimable["ks"], tails, rows)
    if "roc_auc" in estimable:
        found["roc_auc"] = sampler.roc_auc(estimable["roc_auc"], tails, rows)
    return found


def _of_labels(p: Predictions, estimable: Collection[str], tails: Pair, design: Design) -> dict[str, Pair]:
    """Return the intervals of two classes' label metrics; empty if rows are not independent."""
    if p.task != "binary" or design.units is not None:
        return {}
    rows = {name: design.telling_rows(p, name) for name in label_intervals.NAMES if name in estimable}
    return label_intervals.label_intervals(p, rows, tails, stratified=design.stratified)


def _corrections(
    p: Predictions, names: Collection[str], samplers: Sequence[RankingSampler]
) -> dict[str, Correction]:
    """Return what ranking metrics' bias does to their interval; for several classes, the mean of it."""
    kinds = [kind for kind in ranking.NAMES if any(name.startswith(kind) for name in names)]
    each = [sampler.corrections(kinds) for sampler in samplers if kinds]
    if not each or p.task == "binary":
        return each[0] if each else {}
    weights = np.bincount(p.target_codes, minlength=len(p.classes)) / p.rows
    found: dict[str, Correction] = {}
    for kind in kinds:
        pairs = np.array([correction[kind] for correction in each])
        found[f"{kind}_macro"] = Correction(*pairs.mean(axis=0).tolist())
        found[f"{kind}_weighted"] = Correction(*(weights @ pairs).tolist())
    return found


def _of_resamples(
    p: Predictions,
    estimable: Mapping[str, float],
    tails: Pair,
    resamples: int,
    seed: int,
    design: Design,
    corrections: Mapping[str, Correction],
) -> dict[str, Pair]:
    """Compute the intervals of all metrics that need resamples, which are drawn once for all of them."""
    strata, lossy = design.strata(p), ratios(p)
    losses = Studentised({name: lossy[name] for name in estimable if name in lossy}, strata, design.units)
    shares = scorer(p, [name for name in estimable if name not in losses.names])
    drawn: list[dict[str, FloatArray]] = []
    for counts in count_matrices(strata, resamples, seed) if estimable else ():
        losses.draw(counts)
        if shares.names:
            drawn.append(shares.values(design.of_rows(counts)))
    errors = {name: _deviation(np.concatenate([values[name] for values in drawn])) for name in shares.names}
    found = losses.intervals(tails)
    for name, error in errors.items():
        least = -1.0 if name == "mcc" else 0.0
        plain = label_intervals.is_plain(name)
        reach = ndtri(tails[1]) if plain else stdtrit(design.freedom(p, name), tails[1])
        bias, longer = corrections.get(name, Correction(0.0, 1.0))
        value = min(max(estimable[name] - bias, least), 1.0)
        found[name] = wilson(value, error * longer, reach, least, design.telling_rows(p, name))
    return found


def _deviation(values: FloatArray) -> float:
    return float(np.std(values[np.isfinite(values)], ddof=1))
