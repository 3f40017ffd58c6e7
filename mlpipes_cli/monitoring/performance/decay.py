"""The sequential test for decay over the windows since a promotion, from what their checks have stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import log_ndtr, ndtri

from mlpipes_cli.scoring.predictions import FloatArray

FEWEST_COUNTED = 5  # rows of the rarer class, below which a window waits for the next one
_SIZES = 0.25  # typical size of a decay, in standard deviations of a row
LASTS = 0.1  # of the threshold: an alarm ends below
_FROM_THE_START = 0.25  # weight of a decay that is there from the promotion on, as a share of the patience


@dataclass(frozen=True)
class Window:
    """What the test needs of one window.

    Attributes:
        p: The p-value of "live is worse than the holdout" in this window alone.
        rows: The window's rows that tell (of the rarer class; all of a regression).
        holdout: The holdout's rows that tell.
        lost: The share of the holdout's skill that is lost.
    """

    p: float
    rows: int
    holdout: int
    lost: float

    @staticmethod
    def of(stored: Mapping[str, Any]) -> Window:
        """Return the window of a stored check."""
        return Window(float(stored["p"]), int(stored["rows"]), int(stored["holdout"]), float(stored["lost"]))

    def stored(self) -> dict[str, Any]:
        """Return what a check stores."""
        return {"p": self.p, "rows": self.rows, "holdout": self.holdout, "lost": self.lost}


def decay(windows: Sequence[Window], *, patience: float, min_effect: float) -> dict[str, Any]:
    """Test whether the performance is worse than the holdout's from some window on.

    Each window's p-value becomes a normal score. All windows are compared with one holdout, so their scores
    are correlated, by the share of the holdout's noise in each; the likelihood ratios respect that. For each
    window in which a decay may have begun there is one ratio, over sizes from a half-normal prior. Their
    sum is a Shiryaev-Roberts statistic (Shin, Ramdas and Rinaldo, "E-detectors", 2024): without a decay it
    takes at least `patience` windows on average until it reaches the threshold. A decay from the promotion
    on has more weight than one of a later window. An alarm lasts until the evidence has fallen to a tenth
    of the threshold, so that one event is one alarm.

    The result depends on the given windows alone; after a promotion it starts with none.

    Args:
        windows: Those of one version since its promotion and of one metric, oldest first, the current last.
        patience: Windows until a false alarm, on average at least.
        min_effect: The share of skill that has to be lost since the decay's likely begin.

    Returns:
        ``evidence``, ``threshold``, ``windows`` (how many), ``rows``, ``since`` (the position of the window
        in which the decay is most likely to have begun; negative, -1 is the current one), ``lost`` (the mean
        share of skill lost since), ``alarm``, ``alarming`` (windows that the alarm lasts, this one included).
    """
    level_of_alarm = threshold(patience)
    found: dict[str, Any] = {
        "evidence": 0.0, "threshold": level_of_alarm, "windows": len(windows),
        "rows": sum(window.rows for window in windows),
        "since": None, "lost": None, "alarm": False, "alarming": 0,
    }  # fmt: skip
    alarming = 0
    for age, (evidence, begin, lost) in enumerate(history(windows, patience)):
        level = level_of_alarm * (LASTS if alarming else 1.0)
        alarming = alarming + 1 if evidence >= level and lost >= min_effect else 0
        found |= {"evidence": evidence, "since": begin - age - 1, "lost": lost}
    return found | {"alarm": alarming > 0, "alarming": alarming}


def threshold(patience: float) -> float:
    """Return the evidence of an alarm: the statistic's mean after `patience` windows without a decay."""
    return patience * (1.0 + _FROM_THE_START)


def history(windows: Sequence[Window], patience: float) -> Iterator[tuple[float, int, float]]:
    """Yield for each window the statistic, where a decay has most likely begun, and the skill lost since."""
    rows = np.array([window.rows for window in windows], dtype=np.float64)
    lost = np.array([window.lost for window in windows]) * rows
    for last, ratios in enumerate(log_ratios(windows), start=1):
        ratios[0] += np.log1p(_FROM_THE_START * patience)
        begin = int(ratios.argmax())
        share = float(lost[begin:last].sum() / rows[begin:last].sum())
        yield float(np.exp(min(np.logaddexp.reduce(ratios), 500.0))), begin, share


def log_ratios(windows: Sequence[Window]) -> Iterator[FloatArray]:
    """Yield for the t-th window (t,) log likelihood ratios of a decay from each window on against none.

    In standard deviations of a row the differences d have the covariance 1/holdout for each pair, and
    1/rows more on the diagonal; its inverse follows from Sherman and Morrison's formula. A ratio needs the
    score and the information of its alternative (Jennison and Turnbull, "Group Sequential Methods", 2000).
    """
    every = np.array([window.rows for window in windows], dtype=np.float64)
    holdouts = np.array([window.holdout for window in windows], dtype=np.float64)
    scores = -ndtri(np.clip([window.p for window in windows], 1e-12, 1.0 - 1e-12))
    differences = every * scores * np.sqrt(1.0 / every + 1.0 / holdouts)
    for last in range(1, len(windows) + 1):
        holdout = float(holdouts[:last].mean())
        count = np.cumsum(every[:last][::-1])[::-1]
        total = np.cumsum(differences[:last][::-1])[::-1]
        score = total - count * total[0] / (holdout + count[0])
        information = count - count**2 / (holdout + count[0])
        spread = 1.0 + _SIZES**2 * information
        peak = (score * _SIZES) ** 2 / (2.0 * spread)
        yield np.log(2.0) - np.log(spread) / 2.0 + peak + log_ndtr(score * _SIZES / np.sqrt(spread))
