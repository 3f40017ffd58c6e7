"""Makes the plan of a table of texts: declared types, and inferred ones where none is declared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlpipes_cli.data import column_types
from mlpipes_cli.data.csv_files import date_formats, numbers
from mlpipes_cli.data.csv_files.numbers import InferredStyle
from mlpipes_cli.data.csv_files.read_warnings import rows
from mlpipes_cli.data.readers.evidence import Evidence
from mlpipes_cli.data.readers.plan import DURATION, ColumnPlan

_DECLARED = {"number": "number", "date": "date", "flag": "boolean"}
_MOST_FOR_STYLE = 200_000  # cells of a column that decide on the number style


@dataclass(frozen=True)
class Declared:
    """What the settings say of a column.

    Attributes:
        name: Its name in the table.
        type: Its type; None leaves it to the values.
        pattern: How its dates are written, as for strftime.
    """

    name: str
    type: str | None = None
    pattern: str | None = None


class UnclearDates(ValueError):
    """The dates of a declared column may have the day or the month first."""

    def __init__(self, column: str, example: str, mixed: bool, mark: str) -> None:
        said = "the column mixes both orders" if mixed else "the day or the month may come first"
        fix = f"set its `format`, such as {date_formats.written('day', mark)!r}"
        super().__init__(f"column {column!r}: dates such as {example}: {said}; {fix}")
        self.column = column


@dataclass
class TextLook:
    """What looking at a table of texts has found.

    Attributes:
        evidence: By column.
        style: How numbers are written.
        rows: How many rows were seen.
    """

    evidence: dict[str, Evidence]
    style: InferredStyle
    rows: int = 0


def cells(texts: pa.Array, missing: Sequence[str]) -> tuple[pa.Array, np.ndarray]:
    """Return trimmed texts, and which of them are holes."""
    if missing:
        gone = pc.is_in(texts, value_set=pa.array(list(missing), pa.large_string()))
        texts = pc.if_else(gone, pa.scalar(None, pa.large_string()), texts)
    trimmed = column_types.trimmed(texts)
    return trimmed, column_types.hollow(trimmed)


def style_of(
    batch: pa.RecordBatch | pa.Table,
    separator: str,
    missing: Sequence[str],
    told: tuple[str | None, str | None],
) -> InferredStyle:
    """Infer the number style from texts; ``told`` is the decimal mark and the thousands separator, if set."""
    filled = []
    for column in batch.columns:
        texts = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        trimmed, holes = cells(texts[:_MOST_FOR_STYLE], missing)
        filled.append(trimmed.filter(pa.array(~holes)))
    return numbers.infer(filled, separator, told[0], told[1])


def look(
    batches: Iterable[pa.RecordBatch], style: InferredStyle, missing: Sequence[str], names: Sequence[str]
) -> TextLook:
    """Collect the evidence of some columns over all batches."""
    found = TextLook({name: Evidence(style.style) for name in names}, style)
    for batch in batches:
        found.rows += batch.num_rows
        for name in names:
            found.evidence[name].add(*cells(batch.column(name), missing))
    return found


def column(source: str, told: Declared, evidence: Evidence, *, whole: bool) -> ColumnPlan:
    """Return the plan of a column.

    Args:
        source: Its name in the source.
        told: What is declared of it.
        evidence: What its values show.
        whole: Whether all values were seen.

    Raises:
        UnclearDates: It is declared to hold dates, whose order the values do not show.
    """
    if told.type is not None or told.pattern is not None:
        made = _declared(source, told, evidence)
        return replace(made, sure=whole or made.type not in ("date", "datetime") or told.pattern is not None)
    made = _inferred(ColumnPlan(source, told.name, "text"), evidence)
    settled = made.type == "text" and (not made.why or bool(evidence.code))
    return replace(made, sure=whole or settled)


def _declared(source: str, told: Declared, evidence: Evidence) -> ColumnPlan:
    kind = told.type or (
        "datetime" if any(part in str(told.pattern) for part in ("%H", "%I", "%T")) else "date"
    )
    pattern = told.pattern
    if kind in ("date", "datetime") and pattern is None and (order := evidence.order) is not None:
        if order in ("unclear", "mixed"):
            raise UnclearDates(source, evidence.example, order == "mixed", evidence.mark)
        pattern = date_formats.written(order, evidence.mark)
    if kind == "number" and evidence.all_are("duration") and not evidence.all_are("number"):
        pattern = DURATION
    return ColumnPlan(source, told.name, kind, told=True, pattern=pattern)


def _inferred(plan: ColumnPlan, seen: Evidence) -> ColumnPlan:
    if not seen.present:
        return replace(plan, type="number")
    if seen.all_are("flag"):
        return replace(plan, type="boolean")
    if seen.all_are("number"):
        if reason := seen.code:
            return plan.as_text(f"holds codes ({reason}), read as text")
        return replace(plan, type="integer" if seen.all_are("whole") else "number")
    if seen.all_are("date"):
        return _dates(plan, seen)
    if seen.all_are("duration"):
        return replace(plan, type="number", pattern=DURATION)
    return plan.as_text(_strays(seen))


def _dates(plan: ColumnPlan, seen: Evidence) -> ColumnPlan:
    order = seen.order
    if order == "mixed":
        return plan.as_text("mixes dates with the day first and dates with the month first, so it stays text")
    if order == "unclear":
        return plan.as_text(
            f"dates such as {seen.example} may have the day or the month first, so the column stays text;"
            f" set its `format`, {date_formats.written('day', seen.mark)!r} or"
            f" {date_formats.written('month', seen.mark)!r}"
        )
    return replace(
        plan,
        type="datetime" if seen.times else "date",
        pattern=None if order is None else date_formats.written(order, seen.mark),
    )


def why_text(seen: Evidence) -> str:
    """Return why a column of a source with types stays text although its texts look like something else."""
    for kind, what in (("number", "numbers"), ("date", "dates"), ("flag", "true and false")):
        if seen.all_are(kind):
            return f"holds {what} as text, read as text; `type: {_DECLARED[kind]}` reads {what}"
    return _strays(seen)


def _strays(seen: Evidence) -> str:
    for kind, what in (("number", "numbers"), ("date", "dates"), ("flag", "true and false")):
        share = seen.fits[kind] / seen.present
        strays = seen.strays.get(kind, [])
        one_word = len(strays) == 1 and not any(mark.isdigit() for mark in strays[0])
        if (numbers.HALF if one_word else numbers.MOST) <= share < 1.0:
            count = seen.present - seen.fits[kind]
            return (
                f"{strays[0]!r} ({rows(count)} with such values) among {seen.fits[kind]} {what}, so"
                f" the column stays text; `missing: [{strays[0]!r}]` makes it a missing value, and"
                " `type` and `load: {on_bad_rows: set_aside}` keep such rows out"
            )
    if (short := seen.short_year) is not None:
        return (
            f"dates such as {short} have a year of two digits, so the column stays text; set its `format`,"
            f" such as {date_formats.written('day', date_formats.mark(short)).replace('%Y', '%y')!r}"
        )
    if (signed := seen.signed) is not None:
        return (
            f"values such as {signed!r} are numbers with a sign, so the column stays text; plain numbers, or"
            " a `derive` step of `clean`, make it a column of numbers"
        )
    if seen.may_be_number:
        return "its numbers have another format than the rest of the file, so it stays text"
    return ""
