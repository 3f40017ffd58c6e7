"""The sampling design of a holdout, and the effective number of rows behind a metric."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mlpipes_cli import metric_catalog
from mlpipes_cli.metric_catalog import FEWEST_ROWS
from mlpipes_cli.scoring.predictions import FloatArray, IntArray, Predictions

_FEWEST_PREDICTED = 5  # minimum number of rows with a predicted label, for metrics that depend on it


@dataclass(frozen=True)
class Design:
    """The sampling design of the rows; resamples follow it.

    Attributes:
        stratified: Whether the classes' shares of the rows are fixed, as in a stratified split, and not
            drawn as well. Rows in units are never stratified.
        units: (n,) the unit of each row, from 0 up; None if each row is a unit of its own.
    """

    stratified: bool = True
    units: IntArray | None = None

    def strata(self, p: Predictions) -> IntArray:
        """Return (u,) the stratum of each unit; resamples keep the strata's sizes."""
        if self.units is not None:
            return np.zeros(int(self.units.max()) + 1, dtype=np.int64)
        return p.target_codes if self.stratified else np.zeros(p.rows, dtype=np.int64)

    def of_rows(self, weights: FloatArray) -> FloatArray:
        """Convert (b, u) weights of the units to (b, n) weights of the rows."""
        return weights if self.units is None else np.take(weights, self.units, axis=1)

    def rows_of(self, member: npt.NDArray[np.bool_]) -> float:
        """Return the effective number of member rows, if all rows of a unit are alike (Kish 1965)."""
        if self.units is None:
            return float(member.sum())
        counts = np.bincount(self.units[member]).astype(np.float64)
        return float(counts.sum() ** 2 / (counts**2).sum())

    def telling_rows(self, p: Predictions, metric: str) -> int:
        """Return the number of rows, or units, that determine the precision.

        For two classes, these are the rows of the rarer class; for regression, all rows; for several classes,
        the rows of the rarest class for a macro mean, else all but those of the most frequent class.
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
        """Return whether there are enough rows for an interval of the metric."""
        enough = self._deciding_rows(p, metric) >= FEWEST_ROWS
        return enough and self._predicted_rows(p, metric) >= _FEWEST_PREDICTED

    def freedom(self, p: Predictions, metric: str) -> float:
        """Return the degrees of freedom of a standard error: the deciding rows, less one.

        Half of them, as in promotion, where few rows carry the metric: PR AUC depends on those at the top,
        and a metric of two classes on those of the rarer one alone.
        """
        half = 2 if p.task == "binary" or metric.startswith("pr_auc") else 1
        return min((self._deciding_rows(p, metric) - 1) / half, self._predicted_rows(p, metric) - 1)

    def _deciding_rows(self, p: Predictions, metric: str) -> int:
        """Return the telling rows; those of the rarest class also if it dominates a weighted mean."""
        of_each = metric_catalog.of_each_class(metric)
        return self.telling_rows(p, metric.replace("_weighted", "_macro") if of_each else metric)

    def _predicted_rows(self, p: Predictions, metric: str) -> float:
        """Return the rows with the rarest predicted label, infinity if the metric does not depend on it."""
        rests = metric.startswith("precision") or (p.task == "binary" and metric == "mcc")
        if not rests:
            return np.inf
        codes, labels = p.target_codes, p.prediction_codes
        known = range(len(p.classes)) if p.task == "binary" else np.union1d(codes, labels)
        return min(self.rows_of(labels == code) if (labels == code).any() else 0.0 for code in known)
