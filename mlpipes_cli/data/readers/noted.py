"""Notes single cells that are read otherwise than they seem to be written, so that this is said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlpipes_cli.data import flags
from mlpipes_cli.data.csv_files import quotes
from mlpipes_cli.data.readers.inputs import BadLine, Input
from mlpipes_cli.data.readers.kinds.csv_input import CsvInput

_WORDS = 20  # different words for true and false that are kept
_LOOKED_AT = 100  # cells of several lines that are looked at in a batch


@dataclass
class Cell:
    """The first of some cells of a column.

    Attributes:
        input: The position of its input.
        row: Its row of that input, from 0.
        text: Its text in the source.
        count: How many such cells there are.
    """

    input: int
    row: int
    text: str
    count: int = 0


@dataclass
class Noted:
    """What was noted, by the column's name in the source.

    Attributes:
        endless: Infinite numbers and numbers beyond float64, which are read as missing values.
        flags: Words other than true, false, 1 and 0 that are read as such.
        swallowed: Cells with a line that looks like a row.
    """

    endless: dict[str, Cell] = field(default_factory=dict)
    flags: dict[str, set[str]] = field(default_factory=dict)
    swallowed: dict[str, Cell] = field(default_factory=dict)

    def finite(self, name: str, made: pa.Array, source: pa.Array, at: int, before: int) -> pa.Array:
        """Return a column of numbers with its infinite ones as missing values.

        Args:
            name: The column.
            made: Its numbers.
            source: Its cells.
            at: The position of the input.
            before: The rows of the input before these.
        """
        endless = pc.fill_null(pc.is_inf(made), False)
        count = pc.sum(endless).as_py() or 0
        if not count:
            return made
        row = int(np.argmax(endless.to_numpy(zero_copy_only=False)))
        found = self.endless.setdefault(name, Cell(at, before + row, str(source[row].as_py())))
        found.count += count
        return pc.if_else(endless, pa.scalar(None, made.type), made)

    def worded(self, name: str, source: pa.Array) -> None:
        """Note the words of a column of flags."""
        found = self.flags.setdefault(name, set())
        if len(found) < _WORDS:
            found.update(text.strip().lower() for text in pc.unique(source).to_pylist() if text is not None)

    def rows_in(self, one: Input, name: str, source: pa.Array, at: int, before: int) -> None:
        """Note the cells of a CSV file's column of texts that hold what looks like rows."""
        if not isinstance(one, CsvInput) or name in self.swallowed:
            return
        data = source.buffers()[2]
        if data is None:
            return
        offsets = np.frombuffer(source.buffers()[1], dtype=np.int64)[source.offset :][: len(source) + 1]
        if b"\n" not in memoryview(data)[offsets[0] : offsets[-1]].tobytes():
            return
        lines = pc.fill_null(pc.match_substring(source, "\n"), False)
        for row in np.flatnonzero(lines.to_numpy(zero_copy_only=False))[:_LOOKED_AT].tolist():
            text = source[row].as_py()
            if quotes.swallows_rows([text], one.file.header):
                self.swallowed[name] = Cell(at, before + row, text, text.count("\n") + 1)
                return

    def lines(self, inputs: Sequence[Input]) -> Iterator[str]:
        """Yield a warning for each column with infinite numbers, or with rows in a cell."""
        for name, cell in self.endless.items():
            more = f"; {cell.count:,} such values in all" if cell.count > 1 else ""
            yield (
                f"{_place(inputs, cell)}: column {name!r}: {cell.text!r} is infinite or too large, and is"
                f" read as a missing value{more}"
            )
        for name, cell in self.swallowed.items():
            yield (
                f"{_place(inputs, cell, cell.count - 1)}: column {name!r}: a text of {cell.count:,} lines"
                " that look like rows of the file; check whether a quote there is not closed"
            )

    def flag_lines(self) -> Iterator[str]:
        """Yield a line for each column of flags that is written in other words than true and false."""
        for name, words in self.flags.items():
            if said := flags.named(words):
                yield f"column {name!r}: read {said}"


def _place(inputs: Sequence[Input], cell: Cell, earlier: int = 0) -> str:
    """Return where a cell stands; ``earlier`` lines before the end of its row."""
    one = inputs[cell.input]
    line = next(iter(one.places({cell.row}, left_out=False, most=0)), None)
    return place(one, line and replace(line, number=line.number - earlier))


def place(one: Input, line: BadLine | None) -> str:
    """Return where a row stands, for messages."""
    if line is None:
        return one.shown
    return f"{one.shown}:{line.number}" if one.place == "line" else f"{one.shown}, row {line.number}"
