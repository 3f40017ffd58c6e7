"""Empirical distribution functions of samples, drawn once for many populations.

All populations are asked with the same random numbers: what differs between their samples is what differs
between them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mlpipes_cli.scoring.predictions import FloatArray

_LARGE = 5_000  # rows from which on an empirical distribution function is as good as a Brownian bridge


class Sampler:
    """Draws samples of distributions over g cells.

    Args:
        rows: (t,) of each sample.
        cells: g.
        random: Where the numbers come from.
    """

    def __init__(self, rows: npt.NDArray[np.int64], cells: int, random: np.random.Generator) -> None:
        self._rows = rows[:, None].astype(np.float64)
        self._large = int(rows.min()) >= _LARGE
        if self._large:
            self._noise = random.standard_normal((len(rows), cells))
            return
        # Uniform numbers in order, by the gaps of a Poisson process; from sample to sample they go on by 2.
        arrivals = np.cumsum(random.standard_exponential((len(rows), int(rows.max()) + 1)), axis=1)
        ordered = arrivals / np.take_along_axis(arrivals, rows[:, None], axis=1)
        self._firsts = 2.0 * np.arange(len(rows))[:, None]
        self._ordered = (np.minimum(ordered, 1.5) + self._firsts).ravel()
        self._before = (np.arange(len(rows)) * ordered.shape[1])[:, None]

    def __call__(self, distribution: FloatArray) -> FloatArray:
        """(t, g) the samples' shares up to each cell, of a (g,) distribution function."""
        if self._large:
            steps = np.sqrt(np.maximum(np.diff(distribution, prepend=0.0), 0.0))
            moved = np.cumsum(steps * self._noise, axis=1)
            return np.asarray(distribution + (moved - distribution * moved[:, -1:]) / np.sqrt(self._rows))
        places = np.searchsorted(self._ordered, (distribution + self._firsts).ravel(), side="right")
        counts = places.reshape(len(self._rows), -1) - self._before
        return np.asarray(np.minimum(counts / self._rows, 1.0))
