"""A year of daily checks: false alarms and delays of several rules for a decay.

All rules see the same series. A window's difference to the holdout is normal, in standard deviations of a
row; every window of a series has the same holdout, whose error they share.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.stats import norm

from mlpipes_cli.monitoring.performance.decay import LASTS, Window, history, log_ratios, threshold

_DAYS = 365
_SIZES = ((5, 100), (25, 100), (25, 1000), (200, 1000), (25, 4000), (200, 4000))
Rule = Callable[[Sequence[Window]], "np.ndarray"]


def _series(
    random: np.random.Generator, rows: int, holdout: int, shift: float, since: int, days: int
) -> list[Window]:
    moved = random.normal(size=days) / np.sqrt(rows) + random.normal() / np.sqrt(holdout)
    moved[since:] += shift
    scores = moved / np.sqrt(1.0 / rows + 1.0 / holdout)
    # a tenth of the skill is a shift of 0.1 standard deviations
    return [Window(float(norm.sf(z)), rows, holdout, float(d)) for z, d in zip(scores, moved, strict=True)]


_YEAR = """False alarms: per cent of years with one, and mean alarms a year (days in a row are one). Decay:
median days until the alarm, and the per cent found within 28 days (of series without an alarm before)."""


def _each_alone(level: float, floor: float = -9.0) -> Rule:
    return lambda windows: np.array([window.p <= level and window.lost >= floor for window in windows])


def _horizons(windows: Sequence[Window]) -> np.ndarray:
    """A budget of one a year over the last 1, 7 and 28 windows, a third each."""
    rows, holdout = windows[0].rows, windows[0].holdout
    total = np.concatenate([[0.0], np.cumsum([window.lost for window in windows])])
    alarms = np.zeros(len(windows), dtype=bool)
    for length in (1, 7, 28):
        ends = np.arange(1, len(windows) + 1)
        taken = np.minimum(length, ends)
        means = (total[ends] - total[ends - taken]) / taken
        alarms |= norm.sf(means / np.sqrt(1.0 / holdout + 1.0 / (rows * taken))) <= 1.0 / _DAYS / 3.0
    return alarms


def _e_process(windows: Sequence[Window]) -> np.ndarray:
    """A single mixture likelihood ratio from the promotion on: at most 5 % false alarms for all time."""
    return np.array([ratios[0] >= np.log(20.0) for ratios in log_ratios(windows)])


def _ours(patience: float, floor: float) -> Rule:
    def rule(windows: Sequence[Window]) -> np.ndarray:
        alarms, alarming = np.zeros(len(windows), dtype=bool), False
        for place, (evidence, _, lost) in enumerate(history(windows, patience)):
            alarming = evidence >= threshold(patience) * (LASTS if alarming else 1.0) and lost >= floor
            alarms[place] = alarming
        return alarms

    return rule


def _either(*rules: Rule) -> Rule:
    return lambda windows: np.any([rule(windows) for rule in rules], axis=0)


RULES: dict[str, Rule] = {
    "5 % each check": _each_alone(0.05),
    "1/365 each check": _each_alone(1.0 / _DAYS),
    "1/365 over 1, 7, 28": _horizons,
    "e-process, 5 % ever": _e_process,
    "ours": _ours(2.0 * _DAYS, -9.0),
    "ours, floor": _ours(2.0 * _DAYS, 0.1),
    "ours or 1/730 each, floor": _either(_ours(2.0 * _DAYS, 0.1), _each_alone(0.5 / _DAYS, 0.1)),
}


def year(draws: int, seed: int) -> list[str]:
    """Return the tables: false alarms of a year, and days until a decay is found."""
    random = np.random.default_rng(seed)
    lines = ["## A year of daily checks", "", _YEAR, ""]
    lines += [
        "| rows that tell: a day, holdout | " + " | ".join(RULES) + " |",
        "|---" * (len(RULES) + 1) + "|",
    ]
    for rows, holdout in _SIZES:
        alarms = _alarms(random, rows, holdout, 0.0, 0, _DAYS, draws // 2)
        cells = [f"{100 * a.any(axis=1).mean():.0f}, {_begins(a).mean():.2f}" for a in alarms.values()]
        lines.append(f"| {rows}, {holdout:,}; nothing changes | " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)
    for shift, since in ((0.2, 0), (0.2, 180), (0.4, 180)):
        for rows, holdout in _SIZES:
            alarms = _alarms(random, rows, holdout, shift, since, since + 100, draws // 4)
            lines.append(
                f"| {rows}, {holdout:,}; {shift:g} sd from day {since} | "
                + " | ".join(_delay(a, since) for a in alarms.values())
                + " |"
            )
            print(lines[-1], flush=True)
    return lines


def _alarms(
    random: np.random.Generator, rows: int, holdout: int, shift: float, since: int, days: int, draws: int
) -> dict[str, np.ndarray]:
    series = [_series(random, rows, holdout, shift, since, days) for _ in range(draws)]
    return {name: np.array([rule(windows) for windows in series]) for name, rule in RULES.items()}


def _begins(alarms: np.ndarray) -> np.ndarray:
    return np.asarray((np.diff(alarms * 1, prepend=0, axis=1) == 1).sum(axis=1))


def _delay(alarms: np.ndarray, since: int) -> str:
    quiet = alarms[~alarms[:, :since].any(axis=1)][:, since:]
    if not len(quiet):
        return "none quiet"
    days = np.where(quiet.any(axis=1), quiet.argmax(axis=1) + 1.0, np.inf)
    middle = float(np.median(days))
    return (
        f"{middle:.0f}, {100 * (days <= 28).mean():.0f} %"
        if np.isfinite(middle)
        else f"-, {100 * (days <= 28).mean():.0f} %"
    )
