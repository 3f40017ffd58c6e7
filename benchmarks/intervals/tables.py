"""The tables of RESULTS.md, from counts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from counts import Cell, Counts, metrics_of
from populations import Population
from scipy.stats import beta

LEAST, MOST = 93.0, 97.0


def of_population(
    counts: Counts, population: Population, sizes: Sequence[int], names: list[str]
) -> list[str]:
    """Return a line a metric, a column a number of rows."""
    columns = [[counts.of(population.name, rows, name) for name in names] for rows in sizes]
    drawn = [sorted({cell.counts.total() for cell in column}) for column in columns]
    lines = _head("metric", sizes)
    ranges = [f"{each[0]:,}" if len(each) == 1 else f"{each[0]:,} to {each[-1]:,}" for each in drawn]
    lines.append("| holdouts | " + " | ".join(ranges) + " |")
    for name, cells in zip(names, zip(*columns, strict=True), strict=True):
        lines.append(f"| {name} | " + " | ".join(_text(cell) for cell in cells) + " |")
    return lines


def means(counts: Counts, populations: Iterable[Population], sizes: Sequence[int]) -> list[str]:
    """Return the mean over the populations, each of which counts the same, where most were drawn."""
    rates: dict[tuple[str, str], dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for population in populations:
        for name in metrics_of(population, None):
            for rows in sizes:
                cell = counts.of(population.name, rows, name)
                if cell.given >= _WORTH:
                    rates[population.task, name][rows].append(_rate(cell))
    lines = _head("metric | populations", sizes)
    for (_, name), found in rates.items():
        count = max(len(each) for each in found.values())
        drawn = [found[rows] if 2 * len(found[rows]) > count else [] for rows in sizes]
        cells = [f"{sum(each) / len(each):.1f}" if each else "" for each in drawn]
        lines.append(f"| {name} | {count} | " + " | ".join(cells) + " |")
    return lines


def outside(counts: Counts, populations: Iterable[Population], sizes: Sequence[int]) -> list[str]:
    """Return the cells outside of 93 to 97 %, with their chance bounds (Clopper and Pearson 1934)."""
    lines = ["| population | rows | metric | held | 95 % bounds | holdouts | |", "|---" * 7 + "|"]
    for population in populations:
        for rows in sizes:
            for name in metrics_of(population, None):
                cell = counts.of(population.name, rows, name)
                if cell.given >= _WORTH and not LEAST <= round(_rate(cell), 1) <= MOST:
                    low, high = _bounds(cell)
                    chance = "may be chance" if low <= MOST and high >= LEAST else "**not chance**"
                    lines.append(
                        f"| {population.name} | {rows:,} | {name} | {_rate(cell):.1f} "
                        f"| {low:.1f} to {high:.1f} | {cell.given:,} | {chance} |"
                    )
    return lines


_WORTH = 30  # intervals from which a rate says something


def _head(first: str, sizes: Sequence[int]) -> list[str]:
    columns = len(sizes) + 1 + first.count("|")
    return [f"| {first} | " + " | ".join(f"{rows:,}" for rows in sizes) + " |", "|---" * columns + "|"]


def _rate(cell: Cell) -> float:
    return 100.0 * cell.counts["held"] / cell.given


def _bounds(cell: Cell) -> tuple[float, float]:
    held, missed = cell.counts["held"], cell.given - cell.counts["held"]
    high = beta.ppf(0.975, held + 1, missed) if missed else 1.0
    return 100.0 * float(beta.ppf(0.025, held, missed + 1)), 100.0 * float(high)


def _text(cell: Cell) -> str:
    if not cell.counts:
        return ""
    if not cell.given:
        return "too few"
    above, below = (100.0 * cell.counts[what] / cell.given for what in ("above", "below"))
    return f"{_rate(cell):.1f} ({above:.0f}, {below:.0f})"
