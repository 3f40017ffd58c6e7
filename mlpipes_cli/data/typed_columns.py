"""Applies the settings for columns, whatever source they are read from, and keeps whole numbers exact."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from mlpipes_cli.data import column_types
from mlpipes_cli.data.canonical import canonical
from mlpipes_cli.data.column_types import LONG
from mlpipes_cli.data.csv_files import date_formats, missing, numbers, read_warnings
from mlpipes_cli.data.csv_files.numbers import Style
from mlpipes_cli.data.formats import Formats
from mlpipes_cli.data.origins.files import Read


class TypeMismatch(ValueError):
    """A value differs from what the settings declare for its column; the text is one line."""


def settled(read: Read, shown: str, aside: Collection[str | None]) -> Read:
    """Apply ``missing``, ``types`` and ``dates`` to the rows, and keep whole numbers exact.

    A column of integers that float64 cannot hold becomes a column of codes, as in a CSV file. Infinite
    numbers, such as results of a division by zero, become missing values.

    Args:
        read: The table as read; the columns of a CSV file have the settings applied already.
        shown: The name of the source in messages.
        aside: Columns whose numbers stay unchanged: the target, the identifiers, and unused columns.

    Raises:
        TypeMismatch: A value differs from what the settings declare for its column.
    """
    formats = read.formats
    if formats.before:
        return read
    changed: dict[str, pd.Series] = {}
    codes: dict[str, str] = {}
    numbered: list[str] = []
    infinite: dict[str, int] = {}
    for name in map(str, read.frame.columns):
        column: Any = read.frame[name] if name in read.frame.columns else None
        if not isinstance(column, pd.Series):
            continue  # a duplicate or missing column name: reported later
        made = _as_set(missing.without(column, formats.missing), formats)
        if name not in formats.types and name not in aside:
            if _would_round(made):
                made, codes[name] = _digits(made), LONG
            elif column_types.are_numbers_as_text(made):
                numbered.append(name)
        if name not in aside and (endless := missing.infinite(made)) is not None:
            made, infinite[name] = made.mask(endless), int(endless.sum())
        if made is not column:
            changed[name] = made
    said = [*read_warnings.of_codes(codes), *read_warnings.of_numbers_as_text(numbered)]
    if not changed and not said:
        return read
    notes = tuple(remark.line(shown, str) for remark in said)
    told = tuple(remark.line(shown, str) for remark in read_warnings.of_infinite(infinite))
    return replace(
        read,
        frame=read.frame.assign(**changed) if changed else read.frame,
        formats=formats.found(infinite=formats.infinite or bool(infinite)),
        notes=(*read.notes, *notes),
        warnings=(*read.warnings, *told),
    )


def blanked(frame: pd.DataFrame, formats: Formats) -> pd.DataFrame:
    """Set the words and numbers of ``missing`` to missing."""
    if not formats.missing:
        return frame
    return frame.assign(
        **{str(name): missing.without(frame[name], formats.missing) for name in frame.columns}
    )


def _as_set(column: pd.Series, formats: Formats) -> pd.Series:
    name = str(column.name)
    kind = formats.types.get(name)
    is_text = column.dtype == object or isinstance(column.dtype, (pd.StringDtype, pd.CategoricalDtype))
    if kind == "text" and not isinstance(column.dtype, pd.StringDtype):
        return _digits(column)
    if not is_text or (kind is None and name not in formats.dates):
        return column
    text = canonical(column)
    if not isinstance(text.dtype, pd.StringDtype):
        return text if kind is None else column
    try:
        return column_types.read(text, Style(), formats).values
    except column_types.WrongValue as error:
        raise TypeMismatch(f"column {name!r}, row {error.row + 1}: {error}") from None


def _would_round(column: pd.Series) -> bool:
    if pd.api.types.is_integer_dtype(column.dtype) or (
        pd.api.types.is_object_dtype(column.dtype) and _holds_integers(column)
    ):
        present = column.dropna()
        return len(present) > 0 and max(abs(int(present.min())), abs(int(present.max()))) > numbers.EXACT
    return False


def _holds_integers(column: pd.Series) -> bool:
    return bool(pd.api.types.infer_dtype(column, skipna=True) == "integer")


def _digits(column: pd.Series) -> pd.Series:
    """Convert a column to text; whole numbers have no fraction."""
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        column = date_formats.utc(column).dt.strftime("%Y-%m-%dT%H:%M:%S.%f")
    values = column.astype(object).where(column.notna(), None)
    texts: pd.Series = values.map(_text, na_action="ignore").astype("str")
    return texts


def _text(value: Any) -> str:
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)
