"""Convert a table to the model's columns, for the slow path and for ``predict --offline``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from mlpipes_cli.data import conversion
from mlpipes_cli.data.formats import Formats
from mlpipes_cli.data.plain_numbers import plain_numbers
from mlpipes_cli.server.http.api_error import too_large
from mlpipes_cli.server.models.model_columns import ModelColumns
from mlpipes_cli.server.models.signature import InputColumn
from mlpipes_cli.server.requests import pictures
from mlpipes_cli.suggest import did_you_mean

_SHOWN = 5


class Unfit(Exception):
    """A table does not fit the model; the message is one line that quotes no value.

    Attributes:
        late: Whether the columns are wrong rather than a value; MLflow finds a wrong value first.
    """

    def __init__(self, message: str, late: bool = False) -> None:
        super().__init__(message)
        self.late = late


def fitted(
    table: pd.DataFrame, model: ModelColumns, *, cells: bool = False, encoded: bool = True
) -> pd.DataFrame:
    """Return the model's columns in its order, converted; other columns are left out.

    An optional column that is missing is filled with missing values.

    Args:
        table: The table as received.
        model: A model with named columns.
        cells: Whether the table was a CSV, whose cells are text.
        encoded: Whether bytes are Base64 text.

    Raises:
        Unfit: A value does not fit, or a column is missing.
        ApiError: The pictures have too many pixels together (413).
        MlflowException: A list, an object or bytes do not fit.
    """
    if not all(isinstance(name, str) for name in table.columns):
        table = table.set_axis([str(name) for name in table.columns], axis=1)
    table = table.reset_index(drop=True)
    names, numbers = plain_numbers(table, model.doubles, model.formats, cells=cells)
    if set(names) == model.features:
        found = pd.DataFrame(numbers, columns=names)
        return found if names == model.names else found[model.names]
    made: dict[str, Any] = dict(zip(names, numbers.T, strict=True))
    present = set(table.columns)
    for column in model.columns:
        if column.name in present and column.name not in made and column.type in conversion.EXPECTED:
            made[column.name] = _converted(table[column.name], column, model.formats, cells)
    if lacking := [c for c in model.columns if c.required and c.name not in present]:
        raise Unfit(_lacking(lacking, present - model.features), late=True)
    made |= _pictures(table, [name for name in model.pictures if name in present])
    rest = [
        c.name
        for c in model.columns
        if c.type not in conversion.EXPECTED and c.name in present and c.name not in made
    ]
    if rest:
        made |= dict(model.mlflow.enforce_some(table[rest], rest, encoded).items())
    for column in model.columns:
        if column.name not in made and model.fills and column.type in conversion.EXPECTED:
            made[column.name] = _filled(column, len(table))
    return pd.DataFrame({name: made[name] for name in model.names if name in made}, index=table.index)


def _pictures(table: pd.DataFrame, names: Sequence[str]) -> dict[str, Any]:
    if twice := [name for name in names if table[name].ndim > 1]:
        raise Unfit(f"column {twice[0]!r} appears twice", late=True)
    try:
        return dict(pictures.read(table, names))
    except pictures.WrongPicture as error:
        raise Unfit(str(error)) from None
    except pictures.TooManyPixels as error:
        raise too_large(str(error)) from None


def _converted(values: Any, column: InputColumn, formats: Formats, cells: bool) -> pd.Series:
    if values.ndim > 1:
        raise Unfit(f"column {column.name!r} appears twice", late=True)
    try:
        found = conversion.convert(values, column.type, formats, cells=cells)
    except conversion.ConversionError as misfit:
        message = f"expected {expected(column)}, got {misfit.got} in row {misfit.row}"
        raise Unfit(f"column {column.name!r}: {message}") from None
    if column.type == "datetime" and column.signed is None:
        return _of_nanoseconds(found, column)
    return found


def _of_nanoseconds(values: pd.Series, column: InputColumn) -> pd.Series:
    """Convert dates to the type that MLflow gives to a model with dates in its signature."""
    try:
        return values.astype("datetime64[ns]")
    except pd.errors.OutOfBoundsDatetime:
        got = "got a date before 1678 or after 2261"
        raise Unfit(f"column {column.name!r}: expected {expected(column)}, {got}") from None


def _filled(column: InputColumn, rows: int) -> Any:
    try:
        return conversion.absent(column.type, rows)
    except conversion.ConversionError:  # integers have no missing value
        raise Unfit(f"column {column.name!r} is missing, expected {expected(column)}", late=True) from None


def expected(column: InputColumn) -> str:
    """Return the description of what a column accepts."""
    if column.type == "binary":
        return "Base64 text (binary)"
    word = conversion.EXPECTED.get(column.type)
    return column.type if word is None else f"{word} ({column.type})"


def _lacking(columns: list[InputColumn], unknown: set[str]) -> str:
    parts = [
        f"column {column.name!r} is missing, expected {expected(column)}{did_you_mean(column.name, unknown)}"
        for column in columns[:_SHOWN]
    ]
    more = len(columns) - _SHOWN
    return "; ".join(parts) + (f"; and {more} more columns are missing" if more > 0 else "")
