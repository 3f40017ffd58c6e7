"""A change of several columns together: the correlations of all pairs of features.

A feature is the normal score of a number, or whether a row has a frequent level. A change of three columns
together that leaves each pair the same is not seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from mlpipes_cli.monitoring.alarm.units import Units
from mlpipes_cli.monitoring.columns.parts import Column, LevelPart, NumberPart

Floats = NDArray[np.float64]
MOST_FEATURES = 100
_LEVELS = 2  # of a column
_SHARES = (0.1, 0.9)  # of the rows that a level holds to be a feature
_SAMPLED = 20_000  # rows that say which features are looked at, and how much products vary
_STRONGEST = 0.999


@dataclass(frozen=True, eq=False)
class Pairs:
    """Features and their pairs.

    Attributes:
        values: Features of the rows of both samples, of shape (rows, features): mean 0, variance 1.
        columns: The column of each feature.
        first: The first feature of each pair.
        second: The second feature of each pair.
        variance: How much a product of two features varies, against that of two normal ones, for each pair.
    """

    values: NDArray[np.float32]
    columns: tuple[str, ...]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    variance: Floats

    @property
    def figures(self) -> int:
        """How many sums the statistic is made of: features, their squares, and their products."""
        return 2 * len(self.columns) + self.first.size

    def sums(self, units: Units) -> NDArray[np.float32]:
        """Return the sums over each unit, of shape (units, figures)."""
        found = np.empty((units.number, self.figures), dtype=np.float32)
        features = len(self.columns)
        step = max(2_000_000 // max(units.size * features + features * features, 1), 1)
        for start in range(0, units.number, step):
            rows = self.values[units.rows[start : start + step]]
            products = np.matmul(rows.transpose(0, 2, 1), rows)
            block = found[start : start + step]
            block[:, :features] = rows.sum(axis=1)
            block[:, features : 2 * features] = np.diagonal(products, axis1=1, axis2=2)
            block[:, 2 * features :] = products[:, self.first, self.second]
        return found

    def differences(self, observed: Floats, total: Floats, first: int, rows: int) -> Floats:
        """Return how far the correlations of the smaller sample are from those of the larger one.

        In standard errors, by Fisher's transformation, of shape (draws, pairs).
        """
        correlations = self._correlations(observed / first)
        other = self._correlations((total - observed) / (rows - first))
        error = np.sqrt(self.variance * (1 / first + 1 / (rows - first)))
        return np.asarray((correlations - other) / error)

    def statistic(self, observed: Floats, total: Floats, first: int, rows: int) -> Floats:
        """Return minus the logarithm of the smallest p-value of all pairs, times their number."""
        z = np.abs(self.differences(observed, total, first, rows)).max(axis=1)
        return np.asarray(-(np.log(2 * self.first.size) + log_ndtr(-z)))

    def _correlations(self, means: Floats) -> Floats:
        features = len(self.columns)
        mean, square = means[:, :features], means[:, features : 2 * features]
        deviation = np.sqrt(np.maximum(square - mean**2, 1e-9))
        product = means[:, 2 * features :] - mean[:, self.first] * mean[:, self.second]
        correlation = product / (deviation[:, self.first] * deviation[:, self.second])
        return np.asarray(np.arctanh(np.clip(correlation, -_STRONGEST, _STRONGEST)))


def make_pairs(columns: Sequence[Column], rng: np.random.Generator) -> Pairs | None:
    """Return the features of columns and their pairs; None with fewer than two columns that have any."""
    values: list[NDArray[np.float32]] = []
    names: list[str] = []
    for column in columns:
        for feature in _features(column):
            deviation = float(feature.std())
            if deviation > 1e-6:
                values.append(((feature - feature.mean()) / deviation).astype(np.float32))
                names.append(column.name)
    if len(set(names)) < 2:
        return None
    table = np.column_stack(values)
    rows = table.shape[0]
    sample = table if rows <= _SAMPLED else table[rng.choice(rows, _SAMPLED, replace=False)]
    if len(names) > MOST_FEATURES:
        related = np.abs(sample.T @ sample / sample.shape[0]).sum(axis=1)
        kept = np.sort(np.argsort(-related, kind="stable")[:MOST_FEATURES])
        table, sample, names = table[:, kept], sample[:, kept], [names[index] for index in kept]
    first, second = np.triu_indices(len(names), 1)
    apart = np.array(names, dtype=object)
    different = apart[first] != apart[second]
    first, second = first[different], second[different]
    if not first.size:
        return None
    squares = sample.astype(np.float64) ** 2
    fourth = (squares.T @ squares / sample.shape[0])[first, second]
    correlation = (sample.T @ sample / sample.shape[0])[first, second].astype(np.float64)
    variance = np.maximum((fourth - correlation**2) / (1 + correlation**2), 0.05)
    return Pairs(table, tuple(names), first, second, variance)


def _features(column: Column) -> list[NDArray[np.float64]]:
    part = column.parts[0]
    if isinstance(part, NumberPart):
        if part.moves:
            return []
        assert part.cells.scores is not None
        scores = np.nan_to_num(part.cells.scores)
        return [scores[part.cells.codes]]
    if not isinstance(part, LevelPart):
        return []
    shares = np.bincount(part.cells.codes, minlength=part.cells.number) / part.cells.codes.size
    often = [cell for cell in np.argsort(-shares, kind="stable") if _SHARES[0] <= shares[cell] <= _SHARES[1]]
    most = 1 if len(often) == 2 and np.count_nonzero(shares) == 2 else _LEVELS
    return [(part.cells.codes == cell).astype(np.float64) for cell in often[:most]]


def separability(
    pairs: Pairs, reference: int, rng: np.random.Generator, most: int = _SAMPLED
) -> tuple[float, list[str]]:
    """Return how well products of features tell a row's side, and the columns that tell most.

    Each half of the rows is scored by weights from the other half, the differences of correlations of the
    pairs that stand out; the result is the mean of 2 * AUC - 1, at least 0.

    Args:
        pairs: Features and pairs.
        reference: Rows of the reference, which come first.
        rng: Halves the rows, and samples them where there are many.
        most: Rows of each sample that are looked at.
    """
    rows = pairs.values.shape[0]
    sides = [rng.permutation(reference)[:most], reference + rng.permutation(rows - reference)[:most]]
    found, weights = [], np.zeros(pairs.first.size)
    for fold in (0, 1):
        fit = [side[fold::2] for side in sides]
        judge = [side[1 - fold :: 2] for side in sides]
        weight = _weights(pairs, fit)
        weights += np.abs(weight)
        scores = [_scores(pairs, rows_of, weight) for rows_of in judge]
        found.append(2 * _auc(*scores) - 1)
    strongest: dict[str, float] = {}
    for index in np.argsort(-weights, kind="stable")[:10]:
        if weights[index] >= weights.max() / 2:
            for feature in (pairs.first[index], pairs.second[index]):
                strongest.setdefault(pairs.columns[feature], float(weights[index]))
    return max(float(np.mean(found)), 0.0), list(strongest)


def _weights(pairs: Pairs, sides: Sequence[NDArray[np.int64]]) -> Floats:
    sums = []
    for rows in sides:
        values = pairs.values[rows].astype(np.float64)
        products = values.T @ values
        sums.append(
            np.concatenate([values.sum(axis=0), np.diag(products), products[pairs.first, pairs.second]])
        )
    first, number = len(sides[1]), len(sides[0]) + len(sides[1])
    z = pairs.differences(sums[1][None], (sums[0] + sums[1])[None], first, number)[0]
    limit = np.sqrt(2 * np.log(2 * z.size))  # what the largest of so many reaches by chance
    strong = np.abs(z) >= min(limit, np.abs(z).max())
    return np.asarray(np.where(strong, z, 0.0))


def _scores(pairs: Pairs, rows: NDArray[np.int64], weight: Floats) -> Floats:
    used = np.flatnonzero(weight)[:2_000]
    values = pairs.values[rows]
    return np.asarray((values[:, pairs.first[used]] * values[:, pairs.second[used]]) @ weight[used])


def _auc(reference: Floats, current: Floats) -> float:
    """Return the probability that a current row scores higher than one of the reference; ties count half."""
    ordered = np.sort(reference)
    below = np.searchsorted(ordered, current, side="left") + np.searchsorted(ordered, current, side="right")
    return float(below.mean() / (2 * reference.size))
