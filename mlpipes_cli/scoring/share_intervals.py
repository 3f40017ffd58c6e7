"""Intervals of shares: of what lies between two bounds, from its standard error."""

from __future__ import annotations

import numpy as np


def wilson(value: float, error: float, reach: float, least: float, rows: int) -> tuple[float, float]:
    """Wilson's score interval (1927) with the effective number of rows (Korn and Graubard 1998).

    A share whose standard error is as large as that of a share of ``n`` rows gets their interval:
    unlike value plus and minus so many errors it stays within the bounds, is longer towards the
    middle, and of 20 right answers out of 20 it does not say that there is no doubt.

    Args:
        value: Between ``least`` and 1.
        error: Its standard error.
        reach: The normal distribution's or Student's quantile.
        least: The lower bound, such as 0, or -1 for a correlation.
        rows: The effective number where the error is 0, for all answers are right or all are wrong.
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
