"""Lengths of time in ``pipeline.yaml``: a number of seconds, or ``30s``, ``10m``, ``2h``, ``1d``."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
MOST = 30 * _UNITS["d"]


def parse(value: Any) -> float:
    """Return the seconds that a value of the file means.

    Raises:
        ValueError: It is neither a number nor such a text, or it is out of bounds.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        seconds = float(value)
    elif isinstance(value, str) and (
        found := re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?)\s*([smhd]?)", value.strip())
    ):
        seconds = float(found[1]) * _UNITS[found[2] or "s"]
    else:
        raise ValueError(f"expected seconds, or a time such as 30s, 10m or 2h, got {value!r}")
    if not 0.0 <= seconds <= MOST:
        raise ValueError(f"{value!r}: use a time from 0 to 30d")
    return seconds


_SCHEMA = {
    "anyOf": [
        {"type": "number", "minimum": 0, "maximum": MOST},
        {"type": "string", "pattern": r"^\d{1,9}(\.\d{1,6})?\s*[smhd]?$"},
    ]
}
Seconds = Annotated[float, BeforeValidator(parse), WithJsonSchema(_SCHEMA)]
Timeout = Annotated[float, BeforeValidator(parse), Field(gt=0.0), WithJsonSchema(_SCHEMA)]
