"""Lengths of time in our files: ``20s``, ``30m``, ``12h``, ``7d``, ``2w``."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_UNITS = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "s": "seconds"}  # the longest first


def parse(text: Any) -> timedelta:
    """Return the length of time that a text says.

    Raises:
        ValueError: It is not one.
    """
    found = re.fullmatch(r"([1-9]\d{0,5})\s*([smhdw])", text.strip()) if isinstance(text, str) else None
    if found is None:
        raise ValueError(f"expected a time such as 30m, 12h, 7d or 2w, got {text!r}")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def words(span: timedelta) -> str:
    """Return the text of a length of time, in the largest unit that is whole."""
    for letter, unit in _UNITS.items():
        one = timedelta(**{unit: 1})
        if span >= one and not span % one:
            return f"{span // one}{letter}"
    return f"{max(span // timedelta(seconds=1), 1)}s"


Span = Annotated[
    timedelta,
    BeforeValidator(lambda value: value if isinstance(value, timedelta) else parse(value)),
    PlainSerializer(words, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^[1-9][0-9]{0,5}\s*[smhdw]$"}),
]
