"""Bootstrap resamples as matrices of counts, in blocks that fit the processor's cache."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from mlpipes_cli.scoring.predictions import FloatArray, IntArray

_DRAWN = 2**18  # numbers drawn at once: 2 MB; another size would give other resamples
_GIVEN = 2**17  # numbers returned at once: 1 MB; with fewer, numpy's call overhead dominates
_KEPT = 2**26  # numbers kept for other predictions of the same rows: 64 MB, at one byte each


def count_matrices(strata: IntArray, resamples: int, seed: int) -> Iterator[FloatArray]:
    """Draw rows with replacement, as many of each stratum as it has, ``resamples`` times.

    Drawing within each class (the two-sample bootstrap; Efron and Tibshirani 1993, chapter 8) keeps
    every class in every resample, so that no metric becomes undefined.

    Args:
        strata: (n,) non-negative codes; all zeros for one stratum.
        resamples: The number of resamples.
        seed: The same seed gives the same resamples.

    Yields:
        (b, n) float64 matrices of how often each row was drawn; their b add up to ``resamples``.
    """
    drawn: Iterable[npt.NDArray[np.integer]]
    if resamples * len(strata) <= _KEPT:  # all candidates of an experiment predict the same rows
        drawn = _kept(np.asarray(strata, dtype=np.int64).tobytes(), resamples, seed)
    else:
        drawn = _drawn(strata, resamples, seed)
    given = max(1, _GIVEN // len(strata))
    for counts in drawn:
        for first in range(0, len(counts), given):
            yield counts[first : first + given].astype(np.float64)


def columns(matrix: FloatArray, positions: IntArray) -> FloatArray:
    """Return the (B, m) columns at m positions.

    The positions have to exist: unlike numpy by default, this function does not check them.
    """
    return np.take(matrix, positions, axis=1, mode="clip")


@lru_cache(maxsize=1)
def _kept(strata: bytes, resamples: int, seed: int) -> list[npt.NDArray[np.uint8]]:
    """Draw and keep counts as bytes.

    A row is drawn once on average, and 256 times in less than one of 10^500 draws.
    """
    drawn = _drawn(np.frombuffer(strata, dtype=np.int64), resamples, seed)
    return [counts.astype(np.uint8) for counts in drawn]


def _drawn(strata: IntArray, resamples: int, seed: int) -> Iterator[IntArray]:
    random = np.random.default_rng(seed)
    members = [np.flatnonzero(strata == code) for code in np.unique(strata)]
    at_once = max(1, min(resamples, _DRAWN // len(strata)))
    for start in range(0, resamples, at_once):
        counts = np.empty((min(at_once, resamples - start), len(strata)), dtype=np.int64)
        for rows in members:
            counts[:, rows] = _draw(random, len(counts), len(rows))
        yield counts


def _draw(random: np.random.Generator, resamples: int, rows: int) -> IntArray:
    drawn = random.integers(rows, size=(resamples, rows))
    drawn += np.arange(resamples)[:, None] * rows
    return np.bincount(drawn.ravel(), minlength=resamples * rows).reshape(resamples, rows)
