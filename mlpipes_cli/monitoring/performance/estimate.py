"""Estimates metrics where the truth is late, from calibrated scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mlpipes_cli import metric_catalog
from mlpipes_cli.metric_catalog import FEWEST_ROWS
from mlpipes_cli.monitoring.performance.calibration import Calibrator
from mlpipes_cli.monitoring.performance_results import Estimate
from mlpipes_cli.scoring.metrics import scorer
from mlpipes_cli.scoring.predictions import AnyArray, FloatArray, IntArray, Predictions

_FEWEST_UNLABELLED = 50
_RESAMPLES = 200
_CELLS = 256  # of scores, for two classes
_ROWS = 2_000  # of either side at most, for several classes
_REACH = 1.96
METHOD = (
    "estimate without truth, from calibrated scores (CBPE; Białek et al. 2024); "
    "it cannot see a changed relation between inputs and truth"
)


@dataclass(frozen=True)
class _Rows:
    """Rows without truth, or groups of them.

    Attributes:
        scores: (g,) or (g, classes).
        labels: (g,) positions of the predicted labels; None if unknown.
        counts: (g,) how many rows each stands for.
    """

    scores: FloatArray
    labels: IntArray | None
    counts: IntArray


def estimates(
    holdout: Predictions | None, scores: FloatArray | None, prediction: AnyArray | None, seed: int
) -> tuple[dict[str, Estimate], str]:
    """Estimate the metrics of rows without truth.

    The holdout tells which probability a score means (:class:`Calibrator`). A row then counts for each class
    by its probability, and each metric takes its value from these parts: confidence-based performance
    estimation (Białek, Kuberski, Perrakis and Bifet 2024, arXiv:2401.08348). The interval comes from
    resamples of the holdout and of the rows (Efron 1979). It rests on this: a score means what it meant on
    the holdout. So it sees rows that are harder than the holdout's, and is blind to a changed relation
    between inputs and truth (concept drift).

    Args:
        holdout: The holdout's predictions.
        scores: (m,) or (m, classes) scores of rows without truth; rows with NaN are left out.
        prediction: (m,) their predicted labels; if None they follow from the scores where that reproduces
            the holdout's labels.
        seed: The same seed gives the same estimates.

    Returns:
        The estimates by metric, and why there are none, or an empty text.
    """
    if scores is None or not len(scores):
        return {}, ""
    why = _why_none(holdout)
    if why or holdout is None or holdout.scores is None:
        return {}, why
    good = np.isfinite(scores) if scores.ndim == 1 else np.isfinite(scores).all(axis=1)
    if good.sum() < _FEWEST_UNLABELLED:
        return (
            {},
            f"no estimate: {int(good.sum())} scores are too few, at least {_FEWEST_UNLABELLED} are needed",
        )
    scores = np.asarray(scores, dtype=np.float64)[good]
    if scores.shape[1:] != holdout.scores.shape[1:]:
        return {}, "no estimate: the scores have another number of classes than the holdout's"
    labels = _codes(holdout, prediction[good]) if prediction is not None else _implied(holdout, scores)
    random = np.random.default_rng([seed, 5])
    rows, known = _grouped(scores, labels, random), _known(holdout, random)
    values = _values(holdout, rows, known, random, seed)
    found = {}
    for name, drawn in values.items():
        value, error = float(drawn[0]), float(np.std(drawn[1:][np.isfinite(drawn[1:])], ddof=1))
        low, high = value - _REACH * error, value + _REACH * error
        higher = metric_catalog.higher_is_better(name)
        low, high = (low, min(high, 1.0)) if higher else (max(low, 0.0), high)
        found[name] = Estimate(name, value, (low, high), int(good.sum()), METHOD)
    return found, ""


def _why_none(holdout: Predictions | None) -> str:
    if holdout is None:
        return "no estimate: the version has no stored holdout predictions"
    if holdout.task == "regression":
        return "no estimate: the predictions of a regression have no scores"
    if holdout.scores is None:
        return "no estimate: the model has no scores"
    rarest = int(np.bincount(holdout.target_codes, minlength=len(holdout.classes)).min())
    if rarest < FEWEST_ROWS:
        few = f"the holdout has {rarest} rows of the rarest class"
        return f"no estimate: {few}, at least {FEWEST_ROWS} are needed"
    return ""


def _implied(holdout: Predictions, scores: FloatArray) -> IntArray | None:
    """Return the labels of the scores: the largest one, or by the threshold between the holdout's labels."""
    own, codes = holdout.scores, holdout.prediction_codes
    assert own is not None
    if own.ndim == 2:
        return np.asarray(scores.argmax(axis=1)) if (own.argmax(axis=1) == codes).all() else None
    below, above = own[codes == 0], own[codes == 1]
    if not len(below) or not len(above) or below.max() >= above.min():
        return None
    return np.asarray((scores > (below.max() + above.min()) / 2.0).astype(np.int64))


def _codes(holdout: Predictions, prediction: AnyArray) -> IntArray | None:
    codes = {label: code for code, label in enumerate(holdout.classes)}
    found = np.array([codes.get(label, -1) for label in prediction.tolist()], dtype=np.int64)
    return None if (found < 0).any() else found


def _grouped(scores: FloatArray, labels: IntArray | None, random: np.random.Generator) -> _Rows:
    """Return cells of similar scores and the same label; of several classes a random part of the rows."""
    if scores.ndim == 2:
        kept = np.sort(random.permutation(len(scores))[:_ROWS])
        return _Rows(
            scores[kept], None if labels is None else labels[kept], np.ones(len(kept), dtype=np.int64)
        )
    cell = np.unique(scores, return_inverse=True)[1]
    if cell.max() >= _CELLS:
        edges = np.unique(np.quantile(scores, np.arange(1, _CELLS) / _CELLS, method="lower"))
        cell = np.searchsorted(edges, scores)
    keys = cell * 2 + (0 if labels is None else labels)
    found, group, counts = np.unique(keys, return_inverse=True, return_counts=True)
    means = np.bincount(group, weights=scores) / counts
    return _Rows(means, None if labels is None else found % 2, counts)


def _known(holdout: Predictions, random: np.random.Generator) -> Predictions:
    if len(holdout.classes) == 2 or holdout.rows <= _ROWS:
        return holdout
    return holdout.take(np.sort(random.permutation(holdout.rows)[:_ROWS]))


def _values(
    holdout: Predictions, rows: _Rows, known: Predictions, random: np.random.Generator, seed: int
) -> Mapping[str, FloatArray]:
    """Return (1 + resamples,) values of each metric, the plain one first."""
    own, classes = known.scores, len(holdout.classes)
    assert own is not None
    codes = known.target_codes
    keys = np.arange(len(codes)) if own.ndim == 2 else np.unique(own, return_inverse=True)[1]
    _, first, counts = np.unique(keys * classes + codes, return_index=True, return_counts=True)
    columns = (
        [(1, own, rows.scores)]
        if own.ndim == 1
        else [(k, own[:, k], rows.scores[:, k]) for k in range(classes)]
    )
    calibrators = [
        Calibrator(
            score[first], codes[first] == code, counts, at,
            probabilities=holdout.are_probabilities, seed=seed,
        )
        for code, score, at in columns
    ]  # fmt: skip
    of_known = random.multinomial(known.rows, counts / known.rows, size=_RESAMPLES)
    of_rows = random.multinomial(int(rows.counts.sum()), rows.counts / rows.counts.sum(), size=_RESAMPLES)
    weights = [
        _parts(calibrators, weight, row)
        for weight, row in zip(
            np.concatenate([counts[None, :], of_known]),
            np.concatenate([rows.counts[None, :], of_rows]),
            strict=True,
        )
    ]
    every = _every_class(holdout, rows)
    names = [
        metric.name
        for metric in metric_catalog.BY_TASK[holdout.task]
        if rows.labels is not None or metric.name.startswith(("ks", "roc_auc", "pr_auc", "log_loss", "brier"))
    ]
    return scorer(every, names).values(np.stack(weights))


def _parts(calibrators: list[Calibrator], weight: IntArray, rows: IntArray) -> FloatArray:
    """Return (classes * g,) how much each row counts for each class."""
    found = np.stack([calibrator.convert(weight.astype(np.float64)) for calibrator in calibrators])
    shares = np.stack([1.0 - found[0], found[0]]) if len(found) == 1 else found / found.sum(axis=0)
    return np.asarray((shares * rows).ravel())


def _every_class(holdout: Predictions, rows: _Rows) -> Predictions:
    """Return each row once with every class as its truth."""
    classes, count = len(holdout.classes), len(rows.counts)
    labels = np.array(holdout.classes, dtype=object)
    predicted = np.zeros(count, dtype=np.int64) if rows.labels is None else rows.labels
    return Predictions(
        holdout.task,
        holdout.classes,
        labels[np.repeat(np.arange(classes), count)],
        np.concatenate([rows.scores] * classes),
        labels[np.tile(predicted, classes)],
        np.arange(classes * count),
    )
