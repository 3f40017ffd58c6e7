"""Reads one or several inputs as typed batches, by one plan, and collects the rows that do not fit."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from mlpipes_cli.data.csv_files.numbers import PLAIN, InferredStyle, Style
from mlpipes_cli.data.formats import Formats
from mlpipes_cli.data.readers import convert, opening, planning, typed
from mlpipes_cli.data.readers.evidence import Evidence
from mlpipes_cli.data.readers.facts import Facts
from mlpipes_cli.data.readers.inputs import BadLine, Input
from mlpipes_cli.data.readers.kinds.csv_input import CsvInput
from mlpipes_cli.data.readers.kinds.json_input import JsonInput
from mlpipes_cli.data.readers.noted import Noted, place
from mlpipes_cli.data.readers.plan import ColumnPlan, Deviates, Plan
from mlpipes_cli.data.readers.planning import Declared
from mlpipes_cli.data.readers.unreadable import Unreadable

_ARTICLES = {"integer": "an integer", "number": "a number", "text": "a text", "boolean": "true or false"}
SAMPLE = 2000  # rows that show a first plan
_LONGEST_WORD = 30  # characters of a word that may mean a missing value
_SHOWN = 5  # bad rows in a message
MOST_BAD = 100_000  # rows that are set aside


@dataclass(frozen=True)
class BadCell:
    """A cell that does not have the type of its column.

    Attributes:
        row: The row of its input, from 0.
        reason: The column, the value, and what it should be.
        word: The value, if it is a word where a number, a date or a flag should be.
    """

    row: int
    reason: str
    word: str = ""


class TooManyBadRows(Exception):
    """More rows are bad than are kept aside."""


@dataclass
class Reading:
    """The typed rows of some inputs.

    Attributes:
        inputs: What is read, in order.
        declared: What is declared of each column, by its name in the source.
        formats: The settings.
        keep_bad: Whether bad rows are collected; else reading stops after the batch with the first one.
        plan: How columns are read.
        bad: The bad cells, by the position of their input.
        rows: The rows of each input that have been read.
        styles: How each input writes numbers.
        facts: What the columns are like, by their names in the source.
        words: Words that are read as missing values, with the columns where they were seen first.
        keep_infinite: Whether infinite numbers stay; else they are missing values.
        noted: Cells of the last reading that are read otherwise than they seem to be written.
    """

    inputs: Sequence[Input]
    declared: Mapping[str, Declared]
    formats: Formats
    keep_bad: bool = False
    plan: Plan = field(default_factory=lambda: Plan(()))
    bad: dict[int, list[BadCell]] = field(default_factory=dict)
    rows: list[int] = field(default_factory=list)
    styles: dict[int, InferredStyle] = field(default_factory=dict)
    facts: dict[str, Facts] = field(default_factory=dict)
    words: dict[str, list[str]] = field(default_factory=dict)
    keep_infinite: bool = False
    noted: Noted = field(default_factory=Noted)
    _as_text: dict[str, str] = field(default_factory=dict)

    def first_plan(self) -> Plan:
        """Make the plan that the first rows show; a later value may deviate from it.

        Raises:
            Unreadable: An input is not what its name says.
            UnclearDates: The order of declared dates does not show.
        """
        if not self.inputs[0].texts:
            return self._typed_plan()
        with _named(self.inputs[0]):
            some, whole = self.inputs[0].head(SAMPLE)
        whole = whole and len(self.inputs) == 1
        style = self._style(0, some)
        seen = planning.look([] if some is None else [some], style, self.formats.missing, list(self.declared))
        try:
            self.plan = self._made(seen.evidence, whole=whole)
        except planning.UnclearDates:
            return self.whole_plan()  # a later date may show the order
        if not whole and any(one.type == "text" and not one.sure for one in self.plan.columns):
            return self.whole_plan()
        return self.plan

    def whole_plan(self) -> Plan:
        """Make the plan that all rows show."""
        if not self.inputs[0].texts:
            return self._typed_plan()
        names = list(self.declared)
        evidence = {name: Evidence(Style()) for name in names}
        for at, one in enumerate(self.inputs):
            style: Style | None = None
            for batch in _rows_of(one):
                style = self._style(at, batch).style if style is None else style
                for name in names:
                    evidence[name].style = style
                    evidence[name].add(*planning.cells(batch.column(name), self.formats.missing))
        self.plan = self._made(evidence, whole=True)
        return self.plan

    def _made(self, evidence: Mapping[str, Evidence], *, whole: bool) -> Plan:
        columns = [
            planning.column(name, told, evidence[name], whole=whole) for name, told in self.declared.items()
        ]
        columns = [
            one.as_text(self._as_text[one.source]) if one.source in self._as_text else one for one in columns
        ]
        self.words = {}
        for one in columns:
            for word in evidence[one.source].words if one.type != "text" else ():
                self.words.setdefault(word, []).append(one.source)
        return Plan(tuple(columns), missing=self.formats.missing)

    def _style(self, at: int, batch: pa.RecordBatch | None) -> InferredStyle:
        if at not in self.styles:
            told = (self.formats.decimal, self.formats.thousands)
            one = self.inputs[at]
            separator = one.separator if isinstance(one, CsvInput) else ","
            empty = pa.RecordBatch.from_arrays([], names=[])
            untyped = [name for name, one in self.declared.items() if one.type != "text"]
            some = empty if batch is None else batch.select(untyped)
            self.styles[at] = planning.style_of(some, separator, self.formats.missing, told)
        return self.styles[at]

    def _typed_plan(self) -> Plan:
        hints = self._hints()
        dates = self._dates() if all(isinstance(one, JsonInput) for one in self.inputs) else {}
        columns = []
        for name, told in self.declared.items():
            kinds = {typed.type_of(one.schema().field(name)): one.shown for one in reversed(self.inputs)}
            kind = typed.common(list(kinds))
            if told.type is not None or told.pattern is not None:
                kind = told.type or "datetime"
                columns.append(ColumnPlan(name, told.name, kind, told=True, pattern=told.pattern))
            elif name in dates and name not in self._as_text:
                columns.append(dates[name])
            elif len(kinds) > 1 and kind == "text":
                said = ", ".join(f"{one} in {shown}" for one, shown in list(kinds.items())[::-1][:3])
                columns.append(ColumnPlan(name, told.name, kind).as_text(f"is {said}, so it is read as text"))
            else:
                why = hints.get(name, "")
                columns.append(ColumnPlan(name, told.name, kind, told=kind != "text", why=why))
        self.plan = Plan(tuple(columns), missing=self.formats.missing)
        return self.plan

    def _hints(self) -> dict[str, str]:
        """Return why columns of texts are text although the first rows look like something else."""
        texts = [name for name in self.declared if typed.is_text(self.inputs[0].schema().field(name))]
        with _named(self.inputs[0]):
            some, _ = self.inputs[0].head(SAMPLE) if texts else (None, True)
        made: dict[str, str] = {}
        if some is None:
            return made
        for name in texts:
            seen = Evidence(Style())
            seen.add(*planning.cells(typed.plain(some.column(name)), self.formats.missing))
            made[name] = planning.why_text(seen)
        return made

    def _dates(self) -> dict[str, ColumnPlan]:
        """Return the plans of the columns of texts that hold only dates: JSON has no dates of its own."""
        texts = [
            name
            for name, told in self.declared.items()
            if told.type is None
            and all(one.schema().field(name).type == pa.large_string() for one in self.inputs)
        ]
        evidence = {name: Evidence(Style()) for name in texts}
        for one in self.inputs if texts else ():
            for batch in _rows_of(one):
                for name in texts:
                    evidence[name].add(*planning.cells(batch.column(name), self.formats.missing))
        made = {
            name: planning.column(name, self.declared[name], evidence[name], whole=True) for name in texts
        }
        return {name: plan for name, plan in made.items() if plan.type in ("date", "datetime")}

    def deviated(self, error: Deviates) -> Plan:
        """Make another plan, after a value did not have the type that the first rows show."""
        before = next(one for one in self.plan.columns if one.source == error.column)
        if before.sure and not before.told:  # all values were seen, and this one is no valid date
            self._as_text[error.column] = (
                f"{error.text!r} is not a valid {before.type}, so the column stays text"
            )
        return self.whole_plan()

    def batches(self) -> Iterator[list[pa.Array]]:
        """Yield the rows of all inputs as a list of typed columns for each batch, without bad rows.

        Raises:
            Unreadable: An input cannot be read.
            Deviates: A value does not have the type that the first rows show.
            TooManyBadRows: More are bad than are kept.
        """
        self.bad, self.rows = {}, [0] * len(self.inputs)
        self.facts = {one.source: Facts(one.type) for one in self.plan.columns}
        self.noted = Noted()
        for at, one in enumerate(self.inputs):
            for batch in _rows_of(one):
                columns = self._typed(at, one, batch)
                for plan, column in zip(self.plan.columns, columns, strict=True):
                    self.facts[plan.source].add(column)
                yield columns
                if not self.keep_bad and (self.bad or one.wrong):
                    return
            if not self.keep_bad and one.wrong:
                return

    def _typed(self, at: int, one: Input, batch: pa.RecordBatch) -> list[pa.Array]:
        style = self._style(at, batch).style if one.texts else PLAIN
        columns, wrong = [], np.zeros(batch.num_rows, dtype=bool)
        reasons: dict[int, list[str]] = {}
        words: dict[int, str] = {}
        start = self.rows[at]
        before = start + len(self.bad.get(at, ()))
        for plan in self.plan.columns:
            source = batch.column(plan.source)
            made, bad = (
                convert.convert(source, plan, style, self.plan.missing)
                if one.texts
                else typed.converted(source, plan, self.plan.missing)
            )
            columns.append(self._noted(plan, made, source, at, before))
            if bad is not None:
                wrong |= bad
                for row in np.flatnonzero(bad)[: MOST_BAD + 1].tolist():
                    value = source[row].as_py()
                    reasons.setdefault(row, []).append(_reason(plan, value))
                    words.setdefault(row, _word(plan, value))
        self.rows[at] += batch.num_rows - int(wrong.sum())
        if not reasons:
            return columns
        found = [BadCell(before + row, "; ".join(said), words[row]) for row, said in sorted(reasons.items())]
        self.bad.setdefault(at, []).extend(found)
        if sum(map(len, self.bad.values())) > MOST_BAD:
            raise TooManyBadRows
        kept = pa.array(~wrong)
        return [column.filter(kept) for column in columns]

    def _noted(self, plan: ColumnPlan, made: pa.Array, source: pa.Array, at: int, before: int) -> pa.Array:
        one = self.inputs[at]
        if plan.type == "number" and not self.keep_infinite:
            return self.noted.finite(plan.source, made, source, at, before)
        if plan.type == "boolean" and one.texts:
            self.noted.worded(plan.source, source)
        if plan.type == "text":
            self.noted.rows_in(one, plan.source, source, at, before)
        return made

    @property
    def bad_word(self) -> str:
        """The word in the first bad cell that has one where a number, a date or a flag should be."""
        return next((cell.word for cells in self.bad.values() for cell in cells if cell.word), "")

    def bad_lines(self, most: int | None = None) -> Iterator[tuple[Input, BadLine]]:
        """Yield the bad rows of the last reading with where they stand; ``most`` of each input."""
        for at, one in enumerate(self.inputs):
            cells = {cell.row: cell.reason for cell in self.bad.get(at, ())[:most]}
            if cells or one.wrong:
                for line in one.places(cells, left_out=one.wrong > 0, most=most):
                    reason = line.reason if line.row is None else cells[line.row]
                    yield one, replace(line, reason=reason)

    def places(self, rows: Sequence[int]) -> list[str]:
        """Return where rows stand in the inputs.

        Args:
            rows: Rows from 0, in the order in which :meth:`batches` has yielded them from all inputs.
        """
        found, start = [], 0
        for at, one in enumerate(self.inputs):
            bad = np.sort(np.array([cell.row for cell in self.bad.get(at, ())], dtype=np.int64))
            inside = sorted(row - start for row in rows if start <= row < start + self.rows[at])
            # the row before which k bad rows stand is k rows later than it was yielded
            wanted = {row + int(np.searchsorted(bad - np.arange(len(bad)), row, "right")) for row in inside}
            if wanted:
                found += [place(one, line) for line in one.places(wanted, left_out=False, most=0)]
            start += self.rows[at]
        return found

    def problems(self) -> list[str]:
        """Return a line for each of the first bad rows."""
        found = []
        for one, line in self.bad_lines(_SHOWN):
            found.append(f"{place(one, line)}: {line.reason}")
        return found[:_SHOWN]

    @property
    def set_aside(self) -> int:
        """How many records the last reading has left out."""
        return sum(map(len, self.bad.values())) + sum(one.wrong for one in self.inputs)


def _rows_of(one: Input) -> Generator[pa.RecordBatch]:
    with _named(one), opening.unchanged(getattr(one, "path", None)):
        yield from one.batches()


@contextmanager
def _named(one: Input) -> Iterator[None]:
    """Put the input's name before what is wrong with it."""
    try:
        yield
    except Unreadable as error:
        raise Unreadable(error.of(one.shown)) from None


def _word(plan: ColumnPlan, value: object) -> str:
    """Return a value that is one short word, where the column has another type than text."""
    if plan.type == "text" or not isinstance(value, str) or len(value) > _LONGEST_WORD:
        return ""
    return "" if any(mark.isdigit() for mark in value) else value.strip()


def _reason(plan: ColumnPlan, value: object) -> str:
    shown = repr(value)
    shown = shown if len(shown) <= 80 else f"{shown[:77]}..."
    if plan.type == "text":
        return f"column {plan.source!r}: a text with a NUL character, which PostgreSQL cannot store"
    kind = _ARTICLES.get(plan.type, f"a {plan.type}")
    written = f" written as {plan.pattern!r}" if plan.pattern and "%" in plan.pattern else ""
    return f"column {plan.source!r}: {shown} is not {kind}{written}"
