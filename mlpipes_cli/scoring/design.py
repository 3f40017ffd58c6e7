"""How a holdout's rows were drawn, and how many of them carry the answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mlpipes_cli import metric_catalog
from mlpipes_cli.metric_catalog import FEWEST_ROWS
from mlpipes_cli.scoring.predictions import FloatArray, IntArray, Predictions

_FEWEST_PREDICTED = 5  # rows with a label, for what rests on them


@dataclass(frozen=True)
class Design:
    """How the rows were drawn; resamples draw likewise.

    Attributes:
        stratified: Whether the classes' shares of the rows are given, as in a stratified split, and not
            drawn as well. Rows of units are never drawn so.
        units: (n,) which rows belong together, from 0 up; None where each row stands for itself.
    """

    stratified: bool = True
    units: IntArray | None = None

    def strata(self, p: Predictions) -> IntArray:
        """(u,) of each unit, what resamples keep the sizes of."""
        if self.units is not None:
            return np.zeros(int(self.units.max()) + 1, dtype=np.int64)
        return p.target_codes if self.stratified else np.zeros(p.rows, dtype=np.int64)

    def of_rows(self, weights: FloatArray) -> FloatArray:
        """(b, n) weights of the rows, of (b, u) weights of the units."""
        return weights if self.units is None else np.take(weights, self.units, axis=1)

    def rows_of(self, member: npt.NDArray[np.bool_]) -> float:
        """How many rows say as much as the members do, if a unit always says the same (Kish 1965)."""
        if self.units is None:
            return float(member.sum())
        counts = np.bincount(self.units[member]).astype(np.float64)
        return float(counts.sum() ** 2 / (counts**2).sum())

    def telling_rows(self, p: Predictions, metric: str) -> int:
        """How many rows, or units, carry the answer: those of the rarer class; all of a regression.

        With several classes those of the rarest for a macro mean, else all but the most frequent's.
        """
        if p.task == "regression":
            return p.rows if self.units is None else len(np.unique(self.units))
        codes = p.target_codes
        if self.units is not None:
            codes = np.unique(np.stack([codes, self.units]), axis=1)[0]
        counts = np.bincount(codes, minlength=len(p.classes))
        if metric.endswith("_macro"):
            return int(counts[counts > 0].min())
        return int(min(counts.max(), counts.sum() - counts.max()))

    def can_tell(self, p: Predictions, metric: str) -> bool:
        """Whether the rows are enough for an interval of the metric."""
        enough = self._deciding_rows(p, metric) >= FEWEST_ROWS
        return enough and self._predicted_rows(p, metric) >= _FEWEST_PREDICTED

    def freedom(self, p: Predictions, metric: str) -> float:
        """Degrees of freedom of a standard error: half the deciding rows, as the promotion test has it."""
        return min((self._deciding_rows(p, metric) - 1) / 2, self._predicted_rows(p, metric) - 1)

    def _deciding_rows(self, p: Predictions, metric: str) -> int:
        """The telling rows; those of the rarest class also where it sways a weighted mean."""
        of_each = metric_catalog.of_each_class(metric)
        return self.telling_rows(p, metric.replace("_weighted", "_macro") if of_each else metric)

    def _predicted_rows(self, p: Predictions, metric: str) -> float:
        """How many rows have the rarest predicted label, where the metric rests on these as well."""
        rests = metric.startswith("precision") or (p.task == "binary" and metric == "mcc")
        if not rests:
            return np.inf
        codes, labels = p.target_codes, p.prediction_codes
        known = range(len(p.classes)) if p.task == "binary" else np.union1d(codes, labels)
        return min(self.rows_of(labels == code) if (labels == code).any() else 0.0 for code in known)
