"""Counts of what intervals held, kept in a file so that a table can be built up by several runs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from populations import POPULATIONS, THRESHOLDS, Population

from mlpipes_cli import metric_catalog
from mlpipes_cli.scoring.bootstrap import intervals

RESAMPLES = 400
_CHUNK = 10 * len(THRESHOLDS)


@dataclass
class Cell:
    """One metric of holdouts of one size from one population.

    Attributes:
        population: Its name.
        rows: The rows of the rarest class; of a regression, all rows.
        metric: Its name.
        first: The interval of the first holdout. Another one means another method: counts of two methods
            are never added up.
        counts: How many intervals were given, held the truth, lay above it and below it.
    """

    population: str
    rows: int
    metric: str
    first: list[float] | None = None
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def given(self) -> int:
        """The number of holdouts with an interval."""
        return self.counts.total() - self.counts["too few"]


class Counts:
    """The cells of a file; all in memory if there is none."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._cells: dict[tuple[str, int, str], Cell] = {}
        if path and path.is_file():
            for one in json.loads(path.read_text(encoding="utf-8")):
                cell = Cell(
                    one["population"], one["rows"], one["metric"], one["first"], Counter(one["counts"])
                )
                self._cells[cell.population, cell.rows, cell.metric] = cell

    def __iter__(self) -> Iterator[Cell]:
        return iter(self._cells.values())

    def of(self, population: str, rows: int, metric: str) -> Cell:
        """Return a cell, empty if nothing was drawn for it."""
        return self._cells.setdefault((population, rows, metric), Cell(population, rows, metric))

    def save(self) -> None:
        """Write the file as a whole."""
        if self._path:
            found = [vars(cell) for _, cell in sorted(self._cells.items()) if cell.counts]
            beside = self._path.with_name(f"{self._path.name}.new")
            beside.write_text("[\n" + ",\n".join(map(json.dumps, found)) + "\n]\n", encoding="utf-8")
            beside.replace(self._path)


def fill(counts: Counts, population: Population, rows: int, holdouts: int, metrics: Sequence[str]) -> None:
    """Draw until each of these cells has so many holdouts, and save after each chunk of them."""
    cells = {metric: counts.of(population.name, rows, metric) for metric in metrics}
    for metric, pair in _intervals(population, rows, 0, metrics)[1].items():
        first = list(pair) if pair else None
        if cells[metric].counts and cells[metric].first != first:
            print(f"{population.name}, {rows} rows, {metric}: another method, drawn anew", flush=True)
            cells[metric].counts.clear()
        cells[metric].first = first
    while missing := [name for name, cell in cells.items() if cell.counts.total() < holdouts]:
        least = min(cells[name].counts.total() for name in missing)
        drawn = [name for name in missing if cells[name].counts.total() == least]
        for number in range(least, min(least + _CHUNK, holdouts)):
            truth, found = _intervals(population, rows, number, drawn)
            for metric in drawn:
                cells[metric].counts[_verdict(found.get(metric), truth[metric])] += 1
        counts.save()


def _intervals(
    population: Population, rows: int, number: int, metrics: Sequence[str]
) -> tuple[dict[str, float], dict[str, tuple[float, float] | None]]:
    """Return the truth and the intervals of a holdout, which its number alone fixes."""
    threshold = THRESHOLDS[number % len(THRESHOLDS)]
    p = population.numbered(rows, number, threshold)
    found = intervals(p, seed=number, resamples=RESAMPLES, only=metrics)
    return population.truth(threshold), found


def _verdict(pair: tuple[float, float] | None, truth: float) -> str:
    if pair is None:
        return "too few"
    return "above" if truth < pair[0] else "below" if truth > pair[1] else "held"


def metrics_of(population: Population, wanted: Sequence[str] | None) -> list[str]:
    """Return the names of the population's metrics, in the catalogue's order."""
    names = [metric.name for metric in metric_catalog.BY_TASK[population.task]]
    return [name for name in names if not wanted or name in wanted]


def populations_named(part: str | None) -> list[Population]:
    """Return the one of that name, else those with it in their names."""
    named = [population for population in POPULATIONS if population.name == part]
    return named or [population for population in POPULATIONS if (part or "") in population.name]
