"""Years of daily checks of unchanged data, over windows of 1, 7 and 28 days, with one reference a year."""

from __future__ import annotations

import json
import time
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from mlpipes_cli.config.monitoring import Monitoring
from mlpipes_cli.lifecycle.monitoring import budget
from mlpipes_cli.local_files.atomic_files import write_text
from mlpipes_cli.monitoring.results import Options
from mlpipes_cli.monitoring.series import WINDOWS, compare_windows, events

DAYS, ROWS, REFERENCE = 365, 100, 1_000


def rows(number: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return unchanged rows: a normal column, a skewed one with zeros, and five levels."""
    names, shares = np.array(list("abcde"), dtype=object), [0.4, 0.3, 0.2, 0.07, 0.03]
    return pd.DataFrame(
        {
            "normal": rng.normal(size=number),
            "zeros": np.where(rng.random(number) < 0.6, 0.0, rng.exponential(size=number)),
            "levels": names[rng.choice(5, number, p=shares)],
        }
    )


def one_day(reference: pd.DataFrame, served: pd.DataFrame, day: int) -> dict[str, bool]:
    """Return whether a day's check alarms, and whether any comparison of it is significant."""
    windows = {window: served.iloc[: (day + 1) * ROWS].tail(window * ROWS) for window in WINDOWS}
    alpha = budget.of_time(Monitoring(), timedelta(days=1))
    found = compare_windows(reference, windows, Options(alpha=alpha, seed=day))
    certain = sum(
        any(check.significant for check in one.columns)
        or (one.joint is not None and one.joint.p is not None and one.joint.p <= found.alpha)
        for one in found.windows.values()
    )
    return {"alarm": found.alarm, "significant": certain > 0}


def years(path: Path, minutes: float) -> None:
    """Simulate years until the time is over, and keep what each day said."""
    kept: dict[str, list[dict[str, bool]]] = json.loads(path.read_text()) if path.exists() else {}
    end = time.monotonic() + 60 * minutes
    for year in range(1_000):
        rng = np.random.default_rng([year, 365])
        reference, served = rows(REFERENCE, rng), rows(DAYS * ROWS, rng)
        done = kept.setdefault(str(year), [])
        for day in range(len(done), DAYS):
            if time.monotonic() > end:
                write_text(path, json.dumps(kept))
                _print(kept)
                return
            done.append(one_day(reference, served, day))


def _print(kept: dict[str, list[dict[str, bool]]]) -> None:
    start = datetime(2026, 1, 1)
    days = sum(map(len, kept.values()))
    for word in ("significant", "alarm"):
        histories = [
            [(start + timedelta(days=day), said[word]) for day, said in enumerate(year)]
            for year in kept.values()
        ]
        alarms = sum(said[word] for year in kept.values() for said in year)
        found = sum(len(events(history)) for history in histories)
        print(f"{word}: {alarms} days, {found} events in {days} daily checks ({days / DAYS:.1f} years)")
