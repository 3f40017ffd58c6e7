"""Count how often other tools' defaults call a column drifted, on the tables of ``measure.py``.

python benchmarks/monitoring/peers.py nannyml|evidently --state FOLDER [--minutes M] [--most CHECKS]
python benchmarks/monitoring/peers.py table --state FOLDER

Runs in an environment of its own with the tool, NumPy and pandas: it imports nothing of mlpipes. A check
alarms if any column is called drifted. NannyML chunks the reference by the number of current rows, which are
one chunk.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from populations import changed, twelve

REFERENCE = 10_000
SIZES = (50, 100, 300, 1_000)
CHANGED = ("none", "shift by 0.1", "shift by 0.2", "shift by 0.5", "share by 0.05", "unit", "gone")


def nannyml(reference: pd.DataFrame, current: pd.DataFrame) -> bool:
    """Univariate drift with its default methods and thresholds."""
    from nannyml import UnivariateDriftCalculator

    calculator = UnivariateDriftCalculator(column_names=list(reference), chunk_size=len(current))
    found = calculator.fit(reference).calculate(current).to_df()
    alerts = found.loc[found[("chunk", "chunk", "period")] == "analysis"].xs("alert", axis=1, level=2)
    return bool(alerts.to_numpy(bool).any())


def evidently(reference: pd.DataFrame, current: pd.DataFrame) -> bool:
    """The drift preset with its default tests and thresholds."""
    from evidently import Report
    from evidently.presets import DataDriftPreset

    found = Report([DataDriftPreset()]).run(current, reference).dict()
    (count,) = [one["value"] for one in found["metrics"] if "DriftedColumnsCount" in one["metric_name"]]
    return bool(count["count"] > 0)


PEERS: dict[str, Callable[[pd.DataFrame, pd.DataFrame], bool]] = {"nannyml": nannyml, "evidently": evidently}


def simulate(peer: str, path: Path, minutes: float, most: int) -> None:
    """Visit each cell in turn with new seeds, and keep the counts after each check."""
    counts: dict[str, list[int]] = json.loads(path.read_text()) if path.exists() else {}
    end = time.monotonic() + 60 * minutes
    while time.monotonic() < end:
        cells = [(change, size) for size in SIZES for change in CHANGED]
        left = [cell for cell in cells if counts.get("|".join(map(str, cell)), [0])[0] < most]
        if not left:
            return
        for change, size in left:
            kept = counts.setdefault(f"{change}|{size}", [0, 0])
            rng = np.random.default_rng([kept[0], size, zlib.crc32(change.encode())])
            reference, current = twelve(REFERENCE, rng), changed(change, twelve(size, rng), rng)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                kept[1] += PEERS[peer](reference, current)
            kept[0] += 1
            path.write_text(json.dumps(counts))


def table(state: Path) -> None:
    """Print the share of checks with an alarm, in percent, and in brackets the number of checks."""
    for path in sorted(state.glob("peer-*.json")):
        counts = json.loads(path.read_text())
        print(
            f"\n### {path.stem.removeprefix('peer-')}\n\n| change | {' | '.join(f'{s:,}' for s in SIZES)} |"
        )
        print(f"| --- |{' --- |' * len(SIZES)}")
        for change in CHANGED:
            kept = [counts.get(f"{change}|{size}", [0, 0]) for size in SIZES]
            cells = [f"{100 * alarms / checks:.0f} ({checks})" if checks else "" for checks, alarms in kept]
            print(f"| {change} | {' | '.join(cells)} |")


if __name__ == "__main__":
    os.environ |= {"NML_DISABLE_USAGE_LOGGING": "1", "DO_NOT_TRACK": "1"}  # both report their use otherwise
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=[*PEERS, "table"])
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--most", type=int, default=100)
    asked = parser.parse_args()
    asked.state.mkdir(parents=True, exist_ok=True)
    if asked.what == "table":
        table(asked.state)
    else:
        simulate(asked.what, asked.state / f"peer-{asked.what}.json", asked.minutes, asked.most)
