"""How often the 95 % intervals hold the truth, for every metric.

``python benchmarks/intervals/measure.py`` prints a table a population. ``--only``, ``--rows`` and
``--metrics`` pick cells, ``--holdouts N`` draws so many for each, ``--seed N`` draws others, and
``--output FILE`` also writes it all.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Collection
from pathlib import Path

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # before NumPy: one core
    os.environ.setdefault(_variable, "1")
sys.path.insert(0, str(Path(__file__).parent))

import numpy as np  # noqa: E402
from populations import POPULATIONS, THRESHOLDS, Population  # noqa: E402

from mlpipes_cli import metric_catalog  # noqa: E402
from mlpipes_cli.scoring.bootstrap import intervals  # noqa: E402

ROWS = (5, 10, 20, 50, 200, 1000)
_HEAD = """# How often the 95 % intervals hold the truth

Made by `python benchmarks/intervals/measure.py --output benchmarks/intervals/RESULTS.md`: per cent of
simulated holdouts whose interval holds the true value, that of a million rows; in brackets the per cent of
intervals that lie above it and below it. Columns are rows of the rarest class (of a regression: all rows).
*normal*: normal scores of both classes; *flat*: KS is reached over a wide range of thresholds; *leaves*: a
handful of scores, as of a small tree; *rule*: two scores; unless the name says otherwise one row in five is
of the rarer class. The first line of a table is the number of holdouts, which the cells of a column share.
The threshold of the labels goes from 0.6 to 2 times the class's share from holdout to holdout.
"""
_HOLDOUTS = 540  # a multiple of the thresholds; those of 1,000 rows take long, and are a third
_RESAMPLES = 400
_MOST_ROWS = 12_000


def coverage(
    population: Population, rows: int, holdouts: int, seed: int = 0, only: Collection[str] | None = None
) -> dict[str, Counter[str]]:
    """By metric: how many intervals were given, held the truth, lay above it and below it."""
    found: dict[str, Counter[str]] = {}
    for number in range(holdouts):
        threshold = THRESHOLDS[number % len(THRESHOLDS)]
        p = population.holdout(rows, np.random.default_rng([seed, rows, number]), threshold)
        truth = population.truth(threshold)
        for name, pair in intervals(p, seed=number, resamples=_RESAMPLES, only=only).items():
            found.setdefault(name, Counter())[_verdict(pair, truth[name])] += 1
    return found


def _verdict(pair: tuple[float, float] | None, truth: float) -> str:
    if pair is None:
        return "too few"
    return "above" if truth < pair[0] else "below" if truth > pair[1] else "held"


def table(population: Population, options: argparse.Namespace) -> list[str]:
    """Lines of Markdown: a line a metric, a column a number of rows."""
    sizes = [rows for rows in options.rows if rows * (population.others + 1) <= _MOST_ROWS]
    holdouts = [options.holdouts if rows < 1000 else options.holdouts // 3 for rows in sizes]
    columns = [
        coverage(population, rows, count, options.seed, options.metrics)
        for rows, count in zip(sizes, holdouts, strict=True)
    ]
    lines = [
        "| metric | " + " | ".join(f"{rows:,}" for rows in sizes) + " |",
        "|---" * (len(sizes) + 1) + "|",
    ]
    lines.append("| holdouts | " + " | ".join(f"{count:,}" for count in holdouts) + " |")
    for metric in metric_catalog.BY_TASK[population.task]:
        if not options.metrics or metric.name in options.metrics:
            cells = [_cell(found.get(metric.name, Counter())) for found in columns]
            lines.append(f"| {metric.name} | " + " | ".join(cells) + " |")
    return lines


def _cell(counted: Counter[str]) -> str:
    given = counted.total() - counted["too few"]
    if not given:
        return "too few"
    held, above, below = (100.0 * counted[what] / given for what in ("held", "above", "below"))
    return f"{held:.1f} ({above:.0f}, {below:.0f})"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", metavar="NAME", help="one population, or those with it in their names")
    parser.add_argument("--rows", type=int, nargs="*", default=ROWS)
    parser.add_argument("--metrics", nargs="*", metavar="NAME", help="the lines of the tables, not all")
    parser.add_argument(
        "--holdouts", type=int, default=_HOLDOUTS, help="a cell, a third with 1,000 rows or more"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    written = [_HEAD]
    named = [population for population in POPULATIONS if population.name == options.only]
    for population in named or [one for one in POPULATIONS if (options.only or "") in one.name]:
        lines = [f"### {population.name}", "", *table(population, options), ""]
        print("\n".join(lines), flush=True)
        written += lines
    if options.output:
        options.output.write_text("\n".join(written), encoding="utf-8")


if __name__ == "__main__":
    main()
