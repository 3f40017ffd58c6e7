"""How often the 95 % intervals hold the truth, for every metric.

``python benchmarks/intervals/measure.py --counts benchmarks/intervals/counts.json`` tops up every cell to its
number of holdouts and prints all tables. ``--only``, ``--rows`` and ``--metrics`` pick the cells to draw, and
``--holdouts N`` says how many they should have in all: what the file has is not drawn again, so a table is
built up by several runs, each of which can be stopped at any time. ``--holdouts 0`` only prints.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # before NumPy: one core
    os.environ.setdefault(_variable, "1")
sys.path.insert(0, str(Path(__file__).parent))

import tables  # noqa: E402
from counts import Counts, fill, metrics_of, populations_named  # noqa: E402
from populations import Population  # noqa: E402

ROWS = (5, 10, 20, 50, 200, 1000)
_HOLDOUTS = 540  # a multiple of the thresholds; those of 1,000 rows take long, and are a third
_MOST_ROWS = 12_000


def sizes_of(population: Population, rows: list[int]) -> list[int]:
    """Return those numbers of rows with which a holdout is not too large."""
    return [one for one in rows if one * (population.others + 1) <= _MOST_ROWS]


def report(counts: Counts, rows: list[int]) -> list[str]:
    """Return all tables as lines of Markdown."""
    populations = populations_named(None)
    lines = ["## Each population", ""]
    for population in populations:
        sizes, names = sizes_of(population, rows), metrics_of(population, None)
        lines += [f"### {population.name}", "", *tables.of_population(counts, population, sizes, names), ""]
    enough = [one for one in rows if one >= 20]
    lines += ["## Mean over true values", "", *tables.means(counts, populations, enough), ""]
    return [*lines, "## Outside of 93 to 97 %", "", *tables.outside(counts, populations, enough), ""]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", metavar="NAME", help="one population, or those with it in their names")
    parser.add_argument("--rows", type=int, nargs="*", default=ROWS)
    parser.add_argument("--metrics", nargs="*", metavar="NAME", help="those to draw, not all")
    parser.add_argument(
        "--holdouts", type=int, default=_HOLDOUTS, help="a cell in all, a third with 1,000 rows or more"
    )
    parser.add_argument("--counts", type=Path, metavar="FILE", help="keeps the counts of all cells")
    parser.add_argument("--quiet", action="store_true", help="draw, but print no tables")
    options = parser.parse_args()
    counts = Counts(options.counts)
    for population in populations_named(options.only) if options.holdouts else []:
        for rows in sizes_of(population, options.rows):
            holdouts = options.holdouts if rows < 1000 else options.holdouts // 3
            fill(counts, population, rows, holdouts, metrics_of(population, options.metrics))
    if not options.quiet:
        print("\n".join(report(counts, list(ROWS))))


if __name__ == "__main__":
    main()
