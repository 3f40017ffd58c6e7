"""Reads a CSV file into a frame: one pass of the C parser, and a second one over doubtful columns.

A column that the parser reads as numbers or booleans in every row is final, unless it may hold codes. Columns
that it leaves as text are inspected again: first a sample of the values, then all of them unless the sample
is plain text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np
import pandas as pd

from mlpipes_cli.data import column_types
from mlpipes_cli.data.csv_files import csv_table, currency_signs, numbers, read_warnings
from mlpipes_cli.data.csv_files.header import Header, Unreadable, header_of
from mlpipes_cli.data.csv_files.leading_zeros import LeadingZeros
from mlpipes_cli.data.csv_files.numbers import Style
from mlpipes_cli.data.csv_files.read_warnings import Hole, Remark
from mlpipes_cli.data.formats import Formats


@dataclass
class _File:
    """A CSV file, and what reading it has found.

    Attributes:
        raw: Its bytes, seekable.
        header: Its first line.
        formats: The user's settings.
        identifier: The column of identifiers.
        words: In columns that are numbers by the first rows, placeholders and their first rows.
        holes: Placeholders for missing values.
        codes: Columns that hold codes, and the reason.
        dates: strftime patterns of date columns.
        said: All other remarks.
    """

    raw: BinaryIO
    header: Header
    formats: Formats
    identifier: str | None
    words: dict[str, dict[str, int]] = field(default_factory=dict)
    holes: list[Hole] = field(default_factory=list)
    codes: dict[str, str] = field(default_factory=dict)
    dates: dict[str, str] = field(default_factory=dict)
    said: list[Remark] = field(default_factory=list)

    def open(self, names: Sequence[str]) -> list[str]:
        """Return the columns whose type the settings do not declare."""
        texts = {name for name, kind in self.formats.types.items() if kind == "text"}
        return [name for name in names if name not in {*texts, *self.formats.dates, self.identifier}]


def read(
    raw: BinaryIO, formats: Formats, identifier: str | None = None
) -> tuple[pd.DataFrame, Formats, list[Remark]]:
    """Read the rows; return them with the formats that were found and remarks.

    Args:
        raw: A CSV file at its beginning, seekable.
        formats: The user's settings.
        identifier: The column of identifiers, which are kept as they are written.

    Raises:
        Unreadable: The file is not a CSV file, or a value does not have the format that ``formats`` declares.
    """
    header = header_of(raw, formats.separator, quote=formats.quote, names=formats.header)
    if formats.before:
        return _as_before(raw, header), formats.found(separator=header.separator), []
    file = _File(raw, header, formats, identifier)
    style, frame, zeros = _in_its_style(file)
    for name in _texts(frame, file):
        _take(file, frame, name, style)
    file.said += [one for name in _left_as_text(frame, file) if (one := currency_signs.remark(frame[name]))]
    doubtful = [name for name in frame.columns if _is_doubtful(file, name, frame[name], zeros)]
    if doubtful:
        _read_again(file, frame, doubtful, style)
    file.holes += [
        Hole(word, name, int(frame[name].isna().sum()), row, exact=False)
        for name, words in file.words.items()
        for word, row in words.items()
    ]
    found = formats.found(
        separator=header.separator,
        decimal=style.decimal,
        thousands=style.thousands,
        dates={**formats.dates, **file.dates},
        header=formats.header if header.in_file else header.columns,
    )
    doubt = [Remark(header.warning, warning=True)] if header.warning else []
    said = [*doubt, *csv_table.about_style(style, header.separator), *read_warnings.of_holes(file.holes)]
    return frame, found, [*said, *read_warnings.of_codes(file.codes), *file.said]


def _in_its_style(file: _File) -> tuple[Style, pd.DataFrame, bool]:
    """Return the number style, the frame that the parser makes of it, and whether there are leading zeros."""
    first = csv_table.sample(file.raw, file.header, file.formats)
    looked_at = [first[name] for name in file.open(list(first.columns))]
    inferred = csv_table.style_of(looked_at, file.header.separator, file.formats)
    if len(first) >= csv_table.sample_rows(file.header):
        for column in looked_at:
            if words := column_types.words_among_numbers(column, inferred.style):
                file.words[str(column.name)] = words
    frame, zeros = _parsed(file, inferred.style)
    csv_table.check_lengths(file.raw, frame.iloc[:, -1], file.header)
    left = [name for name in _texts(frame, file) if column_types.may_be_numbers(frame[name])]
    if left:  # the first rows did not show a style for these columns; all rows may
        looked_at = [*(column for column in looked_at if column.name not in left), *(frame[n] for n in left)]
        before, inferred = inferred, csv_table.style_of(looked_at, file.header.separator, file.formats)
        if inferred.style.decimal != before.style.decimal:
            frame, zeros = _parsed(file, inferred.style)
    if not (inferred.sure or (inferred.style == Style() and _proves_a_point(frame))):
        file.said.append(csv_table.unsure(inferred, looked_at[inferred.column]))
    return inferred.style, frame, zeros


def _proves_a_point(frame: pd.DataFrame) -> bool:
    """Return whether a number cannot have thousands separated by points: 0.5, or 1.25."""
    for name in frame.columns:
        if frame[name].dtype == np.float64:
            parts = np.abs(frame[name].to_numpy())
            parts = parts[np.isfinite(parts) & (parts != 0)]
            if (parts < 1).any() or (np.abs(parts * 1000 - np.round(parts * 1000)) > 1e-6 * parts).any():
                return True
    return False


def _parsed(file: _File, style: Style) -> tuple[pd.DataFrame, bool]:
    file.raw.seek(0)
    watched = LeadingZeros(file.raw, file.header.separator)
    as_text = [name for name, kind in file.formats.types.items() if kind == "text"]
    gaps = ["", *file.formats.missing]
    try:
        frame: pd.DataFrame = csv_table.parse(
            watched,  # type: ignore[arg-type]
            file.header,
            decimal=style.decimal,
            keep_default_na=False,
            na_values={name: [*gaps, *file.words.get(name, ())] for name in file.header.columns}
            if file.words
            else gaps,
            dtype=dict.fromkeys([*as_text, *file.formats.dates], "str"),
            float_precision="round_trip",  # the nearest float, so that a row hashes alike from any format
        )
    except OverflowError:  # more digits than any float has
        file.words.clear()
        return csv_table.texts(file.raw, file.header, file.formats), False
    misread = [name for name in file.words if isinstance(frame[name].dtype, pd.StringDtype)]
    if misread:  # the column has values other than numbers and placeholders, so those may be ordinary words
        again = csv_table.texts(file.raw, file.header, file.formats, usecols=misread)
        for name in misread:
            frame[name] = again[name]
            del file.words[name]
    return frame, watched.found


def _texts(frame: pd.DataFrame, file: _File) -> list[str]:
    """Return the columns that the parser left as text and that may hold another type."""
    names = [name for name in file.open(list(frame.columns)) if isinstance(frame[name].dtype, pd.StringDtype)]
    dated = [name for name in frame.columns if name in file.formats.dates]
    return dated + [n for n in names if n in file.formats.types or column_types.may_be_more(frame[n])]


def _left_as_text(frame: pd.DataFrame, file: _File) -> list[str]:
    """Return the text columns without a declared type, a remark or a code."""
    told = {*file.formats.types, *file.codes, *(remark.column for remark in file.said)}
    return [
        name
        for name in file.open(list(frame.columns))
        if name not in told and isinstance(frame[name].dtype, pd.StringDtype)
    ]


def _take(file: _File, frame: pd.DataFrame, name: str, style: Style) -> None:
    """Infer the type of a text column and replace the column."""
    try:
        column = column_types.read(frame[name], style, file.formats)
    except column_types.WrongValue as wrong:
        line = csv_table.lines(file.raw, file.header, [wrong.row])[wrong.row]
        raise Unreadable(f"column {name!r}, line {line}: {wrong}") from None
    frame[name] = column.values
    file.holes += column.holes
    file.said += column.remarks
    if column.codes:
        file.codes[name] = column.codes
    if column.date:
        file.dates[name] = column.date


def _is_doubtful(file: _File, name: str, values: pd.Series, zeros: bool) -> bool:
    """Return whether a column of numbers may hold codes, or identifiers that the file writes differently."""
    if name in file.formats.types or name in file.formats.dates or not isinstance(values.dtype, np.dtype):
        return False
    kind = values.dtype.kind
    if name == file.identifier:
        return kind in "fb" or (kind in "iu" and zeros)
    if kind in "iu":
        return zeros or (
            len(values) > 0 and max(abs(int(values.min())), abs(int(values.max()))) > numbers.EXACT
        )
    if kind != "f":
        return kind == "O" and pd.api.types.infer_dtype(values, skipna=True) == "integer"
    present = values.to_numpy()[np.isfinite(values.to_numpy())]
    if not len(present) or not (zeros or np.abs(present).max() >= numbers.EXACT):
        return False
    return bool((present == np.floor(present)).all())


def _read_again(file: _File, frame: pd.DataFrame, names: list[str], style: Style) -> None:
    """Read doubtful columns again as text, and keep codes and identifiers as the source writes them."""
    again = csv_table.texts(file.raw, file.header, file.formats, usecols=names)
    for name in names:
        cells = column_types.trimmed(column_types.texts_of(again[name]))
        if name == file.identifier:
            if frame[name].dtype.kind not in "iu" or column_types.code(cells) == column_types.ZEROS:
                frame[name] = again[name]
        elif name in file.words:
            frame[name] = again[name]
            del file.words[name]
            _take(file, frame, name, style)
        elif reason := column_types.code(cells):
            frame[name] = again[name]
            file.codes[name] = reason


def _as_before(raw: BinaryIO, header: Header) -> pd.DataFrame:
    raw.seek(0)
    frame: pd.DataFrame = csv_table.parse(raw, header, float_precision="round_trip")
    csv_table.check_lengths(raw, frame.iloc[:, -1], header)
    return frame
