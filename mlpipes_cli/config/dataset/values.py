"""Values of ``dataset.yaml`` that rows are compared with: bounds, and the values that are right."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from typing import Annotated, Any

from pydantic import PlainValidator, WithJsonSchema

_TIMES = {"date", "datetime"}


def _bound(value: Any) -> Any:
    if isinstance(value, str):
        value = _of_text(value)
    if isinstance(value, bool) or not isinstance(value, (int, float, date)):
        raise ValueError(f"expected a number or a date such as 2024-05-31, got {value!r}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"expected a finite number, got {value}")
    return value


def _of_text(text: str) -> Any:
    """Return the number or the moment that a text has; else the text."""
    for kind in (int, float, date.fromisoformat, datetime.fromisoformat):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _value(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()  # YAML reads 2024-05-31 as a date
    if value is None:
        raise ValueError("null is not a value; name one, or remove it")
    if not isinstance(value, (str, bool, int, float)):
        raise ValueError(f"expected a text, a number, true, false or a date, got {value!r}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"expected a finite number, got {value}")
    return value


_MOMENT = {"type": "string", "format": "date-time"}
Bound = Annotated[
    int | float | date | datetime,
    PlainValidator(_bound),
    WithJsonSchema({"anyOf": [{"type": "number"}, _MOMENT]}),
]
Value = Annotated[
    str | int | float | bool,
    PlainValidator(_value),
    WithJsonSchema(
        {"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "number"}, {"type": "boolean"}]}
    ),
]


def check_bounds(least: Any, most: Any, kind: str | None) -> None:
    """Check the bounds of a column.

    Args:
        least: ``min``, or None.
        most: ``max``, or None.
        kind: The column's type, if it is declared.

    Raises:
        ValueError: The bounds are of different kinds, in the wrong order, or not of the column's type.
    """
    for name, bound in (("min", least), ("max", most)):
        if bound is not None and kind is not None and isinstance(bound, date) != (kind in _TIMES):
            what = "a date" if isinstance(bound, date) else "a number"
            raise ValueError(f"`{name}` ({bound}) is {what}, and the type is {kind}")
    if least is None or most is None:
        return
    if isinstance(least, date) != isinstance(most, date):
        raise ValueError("`min` and `max` are of different kinds")
    if _comparable(least) > _comparable(most):
        raise ValueError(f"`min` ({least}) is above `max` ({most})")


def _comparable(bound: Any) -> Any:
    """Return a number, or a moment in UTC: a date is its first moment, and no zone means UTC."""
    if not isinstance(bound, date):
        return bound
    if not isinstance(bound, datetime):
        return datetime(bound.year, bound.month, bound.day, tzinfo=UTC)
    return bound.replace(tzinfo=UTC) if bound.tzinfo is None else bound.astimezone(UTC)


def check_values(values: tuple[Any, ...] | None, kind: str | None) -> None:
    """Check that values are of a column's declared type.

    Raises:
        ValueError: One is not.
    """
    for value in values or () if kind is not None else ():
        if not _FITS[str(kind)](value):
            hint = "; put it in quotes" if kind == "text" else ""
            raise ValueError(f"`values`: {value!r} does not fit the type {kind}{hint}")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_moment(value: Any) -> bool:
    return isinstance(value, str) and isinstance(_of_text(value), date)


_FITS = {
    "text": lambda value: isinstance(value, str),
    "boolean": lambda value: value in (0, 1) and not isinstance(value, str),
    "integer": lambda value: _is_number(value) and float(value).is_integer() and abs(value) < 2**63,
    "number": _is_number,
    "date": _is_moment,
    "datetime": _is_moment,
}
