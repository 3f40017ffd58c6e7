"""Confidence intervals of shares and other bounded metrics, from their standard error."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri, stdtrit


def widening(freedom: float, tails: tuple[float, float]) -> float:
    """Return how many times as long Student's interval is as the normal distribution's.

    Of ``n`` rows of the rarer class there are at most ``2 (n - 1)`` degrees of freedom, as of two samples of
    so many rows.
    """
    return float(stdtrit(freedom, tails[1]) / ndtri(tails[1]))


def wilson(value: float, error: float, reach: float, least: float, rows: int) -> tuple[float, float]:
    """Compute Wilson's score interval (1927) with the effective number of rows (Korn and Graubard 1998).

    A share whose standard error is as large as that of a share of ``n`` rows gets their interval:
    unlike the value plus and minus some standard errors it stays within the bounds, is longer towards the
    middle, and does not shrink to a point for 20 correct predictions out of 20.

    Args:
        value: Between ``least`` and 1.
        error: Its standard error.
        reach: The normal distribution's or Student's quantile.
        least: The lower bound, such as 0, or -1 for a correlation.
        rows: The effective number if the error is 0, since all predictions are correct or all are wrong.
    """
    width = 1.0 - least
    share, spread = (value - least) / width, error / width
    inside = share * (1.0 - share)
    n = inside / spread**2 if spread > 0.0 and inside > 0.0 else float(rows)
    n = max(n, 1.0)
    middle = (share + reach**2 / (2.0 * n)) / (1.0 + reach**2 / n)
    half = reach / (1.0 + reach**2 / n) * np.sqrt(inside / n + reach**2 / (4.0 * n**2))
    lower, upper = least + width * (middle - half), least + width * (middle + half)
    return float(max(lower, least)), float(min(upper, 1.0))
