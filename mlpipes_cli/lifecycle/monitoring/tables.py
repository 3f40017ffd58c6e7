"""Reads the two tables of a check without a stack: the same values as in training, of the same meaning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mlpipes_cli.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from mlpipes_cli.ports import Reporter

_TYPES: Mapping[str, str] = {"number": "double", "boolean": "boolean", "date": "datetime", "text": "string"}


def read(file: Path, reporter: Reporter) -> pd.DataFrame:
    """Return the rows of a file as training reads them, and say how it was read.

    Raises:
        UsageError: It is missing, cannot be read or has no rows.
    """
    from mlpipes_cli.data import typed_columns
    from mlpipes_cli.data.csv_files.header import Unreadable
    from mlpipes_cli.data.formats import Formats
    from mlpipes_cli.data.origins.files import read_table
    from mlpipes_cli.lifecycle.prediction.readers import check_file

    check_file(file)
    try:
        found = typed_columns.settled(read_table(file, Formats(), str(file)), str(file), aside=())
    except Unreadable as error:
        raise UsageError(f"{file}: {error}", error.hint) from None
    except typed_columns.TypeMismatch as error:
        raise UsageError(f"{file}: {error}", "correct the file") from None
    if not len(found.frame):
        raise UsageError(f"{file}: the table has no rows", "give a table with at least one row")
    for note in found.notes:
        reporter.info(note)
    for warning in found.warnings:
        reporter.warn(warning)
    found = replace(found, frame=found.frame.reset_index(drop=True))
    found.frame.columns = found.frame.columns.map(str)
    return found.frame


def agreed(reference: pd.DataFrame, current: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Bring columns whose types differ only by how a file keeps them to one type.

    Columns of the current rows take the meaning that they have in the reference if all values fit it, else
    the reference takes that of the current rows if all of its values fit. Otherwise both stay as they are.
    Numbers and dates never become texts, as all would: current values that are none are faults of the data.
    """
    left, right = {}, {}
    for name in reference.columns.intersection(current.columns):
        here, there = _meaning(reference[name]), _meaning(current[name])
        if here == there or here is None or there is None:
            continue
        if (made := _as(current[name], here)) is not None:
            right[name] = made
        elif (here, there) in (("number", "text"), ("date", "text")):
            continue
        elif (made := _as(reference[name], there)) is not None:
            left[name] = made
    return reference.assign(**left), current.assign(**right)


def _meaning(values: pd.Series) -> str | None:
    """Return number, boolean, date or text; None for values of other kinds."""
    import pandas as pd

    types = pd.api.types
    if types.is_bool_dtype(values.dtype):
        return "boolean"
    if types.is_numeric_dtype(values.dtype):
        return "number"
    if types.is_datetime64_any_dtype(values.dtype):
        return "date"
    if isinstance(values.dtype, pd.CategoricalDtype):
        return _meaning(values.astype(values.dtype.categories.dtype))
    kind = types.infer_dtype(values, skipna=True)
    return {"string": "text", "boolean": "boolean", "empty": "text"}.get(kind)


def _as(values: pd.Series, meaning: str) -> pd.Series | None:
    from mlpipes_cli.data import conversion

    try:
        return conversion.convert(values, _TYPES[meaning], cells=True)
    except conversion.ConversionError:
        return None
