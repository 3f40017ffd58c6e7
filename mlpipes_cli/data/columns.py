"""Checks the columns that an experiment names against the columns of the data (without pandas)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from mlpipes_cli.config.experiment import Data
from mlpipes_cli.config.yaml_source import Location, YamlSource
from mlpipes_cli.suggest import did_you_mean


def named(data: Data) -> list[tuple[Location, str]]:
    """List each column that the experiment file names, and where it does."""
    found: list[tuple[Location, str]] = [(("data", "target"), data.target)]
    if data.id is not None:
        found.append((("data", "id"), data.id))
    found += [(("data", "drop", position), name) for position, name in enumerate(data.drop)]
    if data.weights:
        found.append((("data", "weights"), data.weights))
    for role in ("by", "group"):
        if (name := getattr(data.split, role)) is not None:
            found.append((("data", "split", role), name))
    found += [(("data", "types", name), name) for name in data.types]
    found += [(("data", "dates", name), name) for name in data.dates]
    return found


def missing(columns: Sequence[str], data: Data, source: YamlSource) -> list[str]:
    """Return a problem for each named column that the data does not have."""
    listed = ", ".join(columns[:8]) + (", ..." if len(columns) > 8 else "")
    return [
        source.problem(
            where, f"no column {name!r} in the data" + (did_you_mean(name, columns) or f"; it has {listed}")
        )
        for where, name in named(data)
        if name not in columns
    ]


def twice(columns: Sequence[str]) -> list[str]:
    """Return the names that occur more than once."""
    return [name for name, times in Counter(columns).items() if times > 1]
