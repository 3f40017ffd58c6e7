"""Measure the check of changes: false alarms, power, a year of checks, and time.

python benchmarks/monitoring/measure.py null|power|year --state FOLDER [--minutes M] [--rules ours,bonferroni]
python benchmarks/monitoring/measure.py table --state FOLDER

Counts are kept in FOLDER after each round, so that a run can be stopped and continued: every round visits
every cell with new seeds.
"""

from __future__ import annotations

import argparse
import json
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from populations import CHANGES, POPULATIONS, changed, table, twelve
from rules import RULES
from tables import print_tables
from year import years

from mlpipes_cli.local_files.atomic_files import write_text

Cell = tuple[str, int, int, int]  # population or change, columns, reference rows, current rows
_SECONDS = 1.0  # of a cell in a round


def null_cells() -> Iterator[Cell]:
    for current in (50, 1_000, 10_000, 100_000):
        for reference in (500, 10_000, 100_000):
            for population in POPULATIONS:
                for columns in (1, 10, 100):
                    small = max(current, reference) <= 10_000 and columns * current <= 100_000
                    if small or columns < 100 or population == "mixed":
                        yield population, columns, reference, current


def power_cells() -> Iterator[Cell]:
    for current in (50, 100, 300, 1_000, 10_000, 100_000):
        for change in ("none", *CHANGES):
            yield change, 12, 10_000, current


def tables_of(kind: str, cell: Cell, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    name, columns, reference, current = cell
    rng = np.random.default_rng([seed, columns, reference, current, zlib.crc32(name.encode())])
    if kind == "null":
        return table(name, reference, columns, rng), table(name, current, columns, rng)
    return twelve(reference, rng), changed(name, twelve(current, rng), rng)


class Counts:
    """Counts by cell and rule, kept in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.counts: dict[str, dict[str, int]] = json.loads(path.read_text()) if path.exists() else {}

    def of(self, cell: Cell, rule: str) -> dict[str, int]:
        empty = {"checks": 0, "alarm": 0, "significant": 0}
        return self.counts.setdefault("|".join(map(str, (rule, *cell))), empty)

    def save(self) -> None:
        write_text(self.path, json.dumps(self.counts, indent=0))


def simulate(kind: str, rules: list[str], state: Path, minutes: float, most: int, only: list[int]) -> None:
    counts = Counts(state / f"{kind}-{'-'.join(rules)}.json")
    end = time.monotonic() + 60 * minutes
    every = null_cells() if kind == "null" else power_cells()
    cells = [cell for cell in every if not only or cell[3] in only]
    while time.monotonic() < end:
        left = [cell for cell in cells if counts.of(cell, rules[0])["checks"] < most]
        if not left:
            return
        for cell in left:
            one_cell(kind, cell, rules, counts, most)
            counts.save()
            if time.monotonic() > end:
                return


def one_cell(kind: str, cell: Cell, rules: list[str], counts: Counts, most: int) -> None:
    start = time.process_time()
    while time.process_time() - start < _SECONDS and counts.of(cell, rules[0])["checks"] < most:
        seed = counts.of(cell, rules[0])["checks"]
        reference, current = tables_of(kind, cell, seed)
        for rule in rules:
            found, kept = RULES[rule](reference, current, seed), counts.of(cell, rule)
            kept["checks"] += 1
            for word, answer in found.items():
                kept[word] += answer


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["null", "power", "year", "table"])
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--most", type=int, default=2_000, help="checks of a cell")
    parser.add_argument("--current", default="", help="only cells of these numbers of current rows")
    parser.add_argument("--rules", default="ours,bonferroni")
    given = parser.parse_args()
    given.state.mkdir(parents=True, exist_ok=True)
    if given.what == "table":
        print_tables(given.state)
    elif given.what == "year":
        years(given.state / "years.json", given.minutes)
    else:
        only = [int(rows) for rows in given.current.split(",") if rows]
        simulate(given.what, given.rules.split(","), given.state, given.minutes, given.most, only)


if __name__ == "__main__":
    main()
