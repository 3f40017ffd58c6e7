"""Reads a CSV file in batches for a consumer that declares the column types: a model, or ground truth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from mlpipes_cli.data import column_types
from mlpipes_cli.data.csv_files import csv_table, date_formats, numbers, read_warnings
from mlpipes_cli.data.csv_files.header import OPENING, Header, header_of, not_opened, open_plain
from mlpipes_cli.data.csv_files.numbers import Style
from mlpipes_cli.data.csv_files.read_warnings import Hole, Remark
from mlpipes_cli.data.formats import Formats

# `number` becomes float64 and `digits` text such as 3142.5; `any` is `digits` unless the first rows
# are mere text
Kind = Literal["number", "digits", "flag", "moment", "text", "any"]


class UnclearDate(ValueError):
    """The dates of a column may have the day or the month first; the row counts from 0."""

    def __init__(self, column: str, row: int, shown: str) -> None:
        super().__init__(f"{shown!r} may have the day or the month first")
        self.column, self.row = column, row


@dataclass
class Stream:
    """A CSV file that is read in batches, by columns of known kinds.

    Attributes:
        path: The file.
        formats: The format settings that the file itself does not show.
        kinds: The required type by column; other columns stay as the file writes them.
        hint: The likely number style, or None if unknown.
        said: Remarks: how the file is written and, once it has been read, its placeholders.
    """

    path: Path
    formats: Formats
    kinds: Mapping[str, Kind]
    hint: Style | None
    said: list[Remark] = field(default_factory=list)
    _style: Style = numbers.PLAIN
    _dates: dict[str, str] = field(default_factory=dict)
    _holes: dict[tuple[str, str], Hole] = field(default_factory=dict)

    def batches(self, size: int) -> Iterator[pd.DataFrame]:
        """Yield the rows in batches of ``size``.

        Values that are not valid numbers or dates stay text, so that the consumer can report them.

        Raises:
            Unreadable: The file is not a CSV file.
            UnclearDate: The day and the month of a date are ambiguous.
        """
        try:
            with open_plain(self.path, self.formats.encoding) as raw:
                yield from self._batches(raw, size)
        except OPENING as error:
            raise not_opened(error) from None

    def _batches(self, raw: BinaryIO, size: int) -> Iterator[pd.DataFrame]:
        header = self._header(raw, rows_needed=False)
        self._look(raw, header)
        start, checked = 0, False
        reader = csv_table.texts(raw, header, self.formats, chunksize=size, low_memory=True)
        with reader:
            while (batch := _next(reader, raw, header)) is not None:
                if not checked and batch.iloc[:, -1].isna().any():
                    with open_plain(self.path, self.formats.encoding) as again:
                        csv_table.check_lengths(again, batch.iloc[:, -1], header)
                    checked = True
                columns = {str(name): self._shaped(batch[name], start) for name in batch.columns}
                start += len(batch)
                yield pd.DataFrame(columns)
        self.said += read_warnings.of_holes(self._holes.values())

    def _header(self, raw: BinaryIO, *, rows_needed: bool = True) -> Header:
        told = self.formats
        return header_of(
            raw, told.separator, rows_needed=rows_needed, quote=told.quote, names=told.header, judge=False
        )

    def _look(self, raw: BinaryIO, header: Header) -> None:
        """Infer the number style from the first rows."""
        self.said += csv_table.about_encoding(self.path, self.formats)
        first = csv_table.sample(raw, header, self.formats)
        unknown = {name for name, kind in self.kinds.items() if kind == "any" and name in first.columns}
        texts = {name for name in unknown if not column_types.may_be_more(first[name])}
        self.kinds = {**self.kinds, **{name: "text" if name in texts else "digits" for name in unknown}}
        columns = [first[n] for n in first.columns if self.kinds.get(n) in ("number", "digits")]
        clear = replace(self.formats, decimal=None, thousands=None)
        inferred = csv_table.style_of(columns, header.separator, clear, self.hint, 0.0)
        self._style = inferred.style
        marked = any(
            numbers.matches(column_types.texts_of(column), numbers.MARKED).any() for column in columns
        )
        shown = inferred.style if marked else numbers.PLAIN
        self.said += csv_table.about_style(shown, header.separator)
        if not inferred.sure:
            self.said.append(csv_table.unsure(inferred, columns[inferred.column]))

    def _shaped(self, values: pd.Series, start: int) -> pd.Series:
        kind = self.kinds.get(str(values.name), "text")
        if kind == "text":
            return values.reset_index(drop=True)
        texts = column_types.trimmed(column_types.texts_of(values))
        holes = column_types.hollow(texts)
        self._note(str(values.name), column_types.holes(str(values.name), texts, holes), start)
        present = pc.if_else(pa.array(holes), None, texts)
        if kind == "moment":
            return self._moments(str(values.name), present, start)
        if kind == "flag":
            return _texts(present)
        fits = numbers.matches(present, numbers.pattern(self._style)) | holes
        plain = numbers.plain(present, self._style)
        if fits.all():
            return pd.Series(numbers.floats(plain)) if kind == "number" else _texts(plain)
        if (numbers.matches(present, date_formats.DURATION) | holes).all():
            return pd.Series(date_formats.seconds(present))
        return _texts(pc.if_else(pa.array(fits), plain, present))

    def _moments(self, name: str, present: pa.Array, start: int) -> pd.Series:
        three = numbers.matches(present, date_formats.THREE_NUMBERS)
        if three.any():
            if name not in self._dates:
                self._dates[name] = self._order(name, start, int(three.argmax()), present)
            first: date_formats.Order = (
                "day" if self._dates[name] == date_formats.PATTERNS["day"] else "month"
            )
            present = date_formats.iso(present, first)
        found = date_formats.read(present)
        if (written := self.formats.dates.get(name)) is not None:
            found = found.fillna(date_formats.read_as(present, written))
        unread = found.isna().to_numpy() & np.asarray(pc.is_valid(present))
        return _texts(present) if unread.any() else found

    def _order(self, name: str, start: int, row: int, present: pa.Array) -> str:
        """Return the date pattern of a column: all its values decide, then the model's own pattern."""
        found = []
        with open_plain(self.path, self.formats.encoding) as raw:
            header = self._header(raw)
            for part in csv_table.texts(raw, header, self.formats, usecols=[name], chunksize=100_000):
                cells = column_types.trimmed(column_types.texts_of(part[name]))
                kept = cells.filter(pa.array(numbers.matches(cells, date_formats.THREE_NUMBERS)))
                found.append(pc.unique(kept))
        first = date_formats.order(pa.concat_arrays(found))
        if first in ("day", "month"):
            return date_formats.PATTERNS[first]
        told = self.formats.dates.get(name, "")
        as_day, as_month = told.find("%d"), told.find("%m")
        if first == "mixed" or min(as_day, as_month) < 0:
            raise UnclearDate(name, start + row, str(present[row].as_py()))
        return date_formats.PATTERNS["day" if as_day < as_month else "month"]

    def _note(self, name: str, holes: list[Hole], start: int) -> None:
        for hole in holes:
            known = self._holes.get((name, hole.word))
            made = replace(hole, first=hole.first + start) if known is None else known
            rows = hole.rows + (known.rows if known else 0)
            self._holes[name, hole.word] = replace(made, rows=rows)


def _next(reader: Iterator[pd.DataFrame], raw: BinaryIO, header: Header) -> pd.DataFrame | None:
    try:
        return next(reader, None)
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise csv_table.broken(error, raw, header) from None


def _texts(texts: pa.Array) -> pd.Series:
    return pd.Series(texts.to_numpy(zero_copy_only=False), dtype="str")
