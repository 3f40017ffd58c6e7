"""What is wrong with a request's data, naming the column and what was expected; never a value of it."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

from mlpipes_cli.server.model import InputColumn, ServedModel
from mlpipes_cli.suggest import did_you_mean

_WORDS = {
    "double": "a number (double)",
    "float": "a number (float)",
    "long": "a whole number (long)",
    "integer": "a whole number (integer)",
    "boolean": "true or false (boolean)",
    "string": "text (string)",
    "datetime": "a date and time in ISO 8601 (datetime)",
    "binary": "Base64 text (binary)",
}
_NUMERIC = {"double", "float", "long", "integer"}
_SHOWN = 5


def kind_of(value: Any) -> str:
    """What JSON calls the value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    names = {dict: "an object", list: "a list", str: "text", int: "a number", float: "a number"}
    return next((name for kind, name in names.items() if isinstance(value, kind)), type(value).__name__)


def expected(column: InputColumn) -> str:
    """What the column takes."""
    return _WORDS.get(column.type, column.type)


def explain(data: Any, model: ServedModel) -> str | None:
    """The first thing that is wrong with the data's columns, or None where nothing is found."""
    if isinstance(data, dict):
        try:
            data = pd.DataFrame(data)
        except (ValueError, TypeError):
            return None
    if not isinstance(data, pd.DataFrame) or not model.columns:
        return None
    if not all(isinstance(name, str) for name in data.columns):
        data = data.set_axis([str(name) for name in data.columns], axis=1)
    return _missing(data, model) or next(
        filter(None, (_wrong(data, column) for column in model.columns)), None
    )


def _missing(data: pd.DataFrame, model: ServedModel) -> str | None:
    there = {str(name) for name in data.columns}
    missing = [column for column in model.columns if column.required and column.name not in there]
    if not missing:
        return None
    unknown = there - model.features
    parts = [
        f"column {column.name!r} is missing, expected {expected(column)}{did_you_mean(column.name, unknown)}"
        for column in missing[:_SHOWN]
    ]
    more = len(missing) - _SHOWN
    return "; ".join(parts) + (f"; and {more} more columns are missing" if more > 0 else "")


def _wrong(data: pd.DataFrame, column: InputColumn) -> str | None:
    if column.name not in data.columns:
        return None
    values = data[column.name]
    if isinstance(values, pd.DataFrame):
        return f"column {column.name!r} stands twice"
    for position, value in enumerate(values.tolist()):
        problem = _problem(value, column)
        if problem:
            return f"column {column.name!r}: expected {expected(column)}, got {problem} in row {position}"
    return None


def _problem(value: Any, column: InputColumn) -> str | None:
    if isinstance(value, (dict, list)):
        return kind_of(value)
    if value is None or value != value:
        if column.type in {"long", "integer", "boolean"}:
            return "a missing value"
        return None
    if column.type in _NUMERIC:
        try:
            number = float(value)
        except (TypeError, ValueError):
            return kind_of(value)
        except OverflowError:
            return "a number that is too large"
        if column.type in {"long", "integer"} and not number.is_integer():
            return "a number with a fraction"
    if column.type == "datetime":
        try:
            pd.Timestamp(value)
        except (TypeError, ValueError):
            return "text" if isinstance(value, str) else kind_of(value)
    if column.type == "boolean" and not isinstance(value, bool):
        return kind_of(value)
    if column.type == "string" and not isinstance(value, str):
        return kind_of(value)
    return None


def without_values(message: str) -> str:
    """MLflow's own words without the request's data, which it likes to quote."""
    if "Failed to enforce schema" in message:
        message = message.rsplit("Error: ", 1)[-1]
    elif re.match(r"(Ensure that input|Failed to (parse|convert)|Provided dataframe)", message):
        message = re.split(r"\s*Error: |\nInput", message, maxsplit=1)[0]
    message = message.split(" IMPORTANT: ")[0]
    return " ".join(message.split())[:400]
