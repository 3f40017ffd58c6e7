"""Writes the text of a first ``dataset.yaml``: a line for each column, with what was found in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mlpipes_cli.config.yaml_source import dump_flow, dump_yaml
from mlpipes_cli.lifecycle.datasets import names, opening

if TYPE_CHECKING:
    from mlpipes_cli.data.readers.facts import Facts
    from mlpipes_cli.data.readers.inputs import Input
    from mlpipes_cli.data.readers.plan import ColumnPlan
    from mlpipes_cli.data.readers.reading import Reading

AUTO = ""  # no column has this name
_FEW = {"text": 20, "integer": 10}  # distinct values that are listed, by type
_REPEATED = 5  # how often a listed value has to stand in the rows on average
_LONGEST = 60  # characters of a listed value
_OF_KEYS = ("id", "key", "uuid", "guid", "no", "nr", "number")


def written(
    dataset: str,
    source: Any,
    inputs: Sequence[Input],
    reading: Reading,
    *,
    stratify: str | None = None,
    key: str | None = AUTO,
    present: str | None = None,
) -> str:
    """Return the text of a ``dataset.yaml``. Columns are named as in the source.

    Args:
        dataset: The data set's name.
        source: As the file names it.
        inputs: What was read.
        reading: All rows have been read by it.
        stratify: The column that the split is stratified by.
        key: The column that identifies a row; by default the one that looks like it.
        present: A column; rows without a value of it are left out.
    """
    rows = sum(reading.rows)
    aside = f", and {reading.set_aside} that cannot be read" if reading.set_aside else ""
    stored = names.columns([one.source for one in reading.plan.columns])
    lines = [
        f"# From {rows:,} rows{aside}. Check what is expected of each column: `mlpipes data check` holds it.",
        _line("dataset", dataset),
        _line("source", source) if isinstance(source, str) else f"source: {dump_flow(source)}",
    ]
    found = opening.understood(inputs, reading)
    if "header" in found:
        lines.append("header: false  # the first line of the file is a row; `rename` gives columns names")
    for setting in ("separator", "encoding", "decimal", "thousands"):
        if setting in found:
            guess = "  # a guess, since the file is not UTF-8" if found[setting] == "cp1252" else ""
            lines.append(_line(setting, found[setting]) + guess)
    if aside:
        lines.append("load: {on_bad_rows: refuse}  # set_aside loads the other rows")
    key = key_of(reading, stratify) if key == AUTO else key
    if key is not None:
        lines.append(f"key: {dump_flow([stored[key]])}  # another value in every row")
    lines.append("columns:")
    index = _index(reading.plan.columns, reading.facts)
    for one in reading.plan.columns:
        role = "index" if one.source == index else "key" if one.source == key else ""
        lines.append(f"  {_column(one, reading.facts[one.source], stored, role)}")
    if present is not None:
        where = {"where": f"{stored[present]} is not null"}
        lines.append(f"clean:\n  - {dump_flow(where)}  # the other rows have nothing to learn from")
    split: dict[str, Any] = {"validation": 0.1, "test": 0.2, "seed": 42}
    if stratify is not None:
        split["stratify"] = stored[stratify]
    lines.append(f"split: {dump_flow(split)}")
    return "\n".join(lines) + "\n"


def _line(key: str, value: Any) -> str:
    return dump_yaml({key: value}).strip()


def dropped(reading: Reading) -> set[str]:
    """Return the columns that are left out: those without a value, and one that only numbers the rows."""
    empty = {name for name, facts in reading.facts.items() if facts.missing == facts.rows}
    index = _index(reading.plan.columns, reading.facts)
    return empty if index is None else empty | {index}


def _index(columns: Sequence[ColumnPlan], facts: dict[str, Facts]) -> str | None:
    """Return the unnamed first column that only numbers the rows, as pandas writes one."""
    first = columns[0]
    seen = facts[first.source]
    if not first.source.startswith("Unnamed: ") or first.type != "integer" or not seen.unique:
        return None
    return first.source if seen.least in (0, 1) and seen.most - seen.least == seen.rows - 1 else None


def key_of(reading: Reading, *others: str | None) -> str | None:
    """Return the column that looks like one that identifies a row, and is none of the others."""
    columns = reading.plan.columns
    no_key = {*others, _index(columns, reading.facts)}
    unique = [one.source for one in columns if reading.facts[one.source].unique and one.source not in no_key]
    unique = [name for name in unique if reading.facts[name].type in ("integer", "text")]
    stored = names.columns([one.source for one in columns])
    likely = [name for name in unique if stored[name].rsplit("_", 1)[-1] in _OF_KEYS]
    first = [name for name in unique if name == columns[0].source]
    return next(iter((*likely, *first)), None)


def _column(plan: ColumnPlan, facts: Facts, stored: dict[str, str], role: str) -> str:
    name = dump_flow({plan.source: 0})[1:-1].rsplit(": ", 1)[0].removeprefix("? ")
    if role == "index":
        return f"{name}: {{drop: true}}  # only numbers the rows"
    told: dict[str, Any] = {"type": plan.type}
    if stored[plan.source] != plan.source:
        told["rename"] = stored[plan.source]
    if plan.pattern and "%" in plan.pattern:
        told["format"] = plan.pattern
    told |= {"unique": True} if role == "key" else _values(facts)
    told["missing"] = _missing(facts)
    if facts.missing == facts.rows:
        told = {"drop": True}
    said = plan.why
    if facts.missing == facts.rows:
        said = "no value in any row"
    elif facts.constant:
        said = said or "the same value in every row"
    return f"{name}: {dump_flow(told)}" + (f"  # {' '.join(said.split())}" if said else "")


def _values(facts: Facts) -> dict[str, Any]:
    few = _FEW.get(facts.type, 0)
    present = facts.rows - facts.missing
    if facts.values and len(facts.values) <= few and present >= _REPEATED * len(facts.values):
        if all(len(str(value)) <= _LONGEST for value in facts.values):
            return {"values": sorted(facts.values)}
    natural = facts.type in ("integer", "number") and facts.least is not None and facts.least >= 0
    return {"min": 0} if natural else {}  # the extremes of these rows say little of the next ones


def _missing(facts: Facts) -> float:
    """Return a share of missing values that such rows exceed in 1 of 700 files by chance."""
    share = facts.missing / facts.rows
    return min(1.0, math.ceil(100 * (share + 3 * math.sqrt(share * (1 - share) / facts.rows))) / 100)
