"""Encode any value of a row as text that a JSONB column accepts.

JSONB has no NaN, no infinities, no NUL character and no single surrogate. NaN, NaT and missing values become
null, infinities the strings ``Infinity`` and ``-Infinity``, both kinds of characters the replacement
character, dates ISO 8601 strings, bytes Base64.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Mapping
from datetime import date, time, timedelta
from typing import Any

_FORBIDDEN = re.compile("[\x00\ud800-\udfff]")
REPLACEMENT = "\ufffd"


def text(value: str) -> str:
    """Return the string without characters that a UTF-8 database cannot hold."""
    return _FORBIDDEN.sub(REPLACEMENT, value) if _FORBIDDEN.search(value) else value


def plain(value: Any) -> Any:
    """Return the value in JSON's own types (see the module for the conversions)."""
    if value is None or value is True or value is False:
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else _not_finite(value)
    if isinstance(value, str):
        return text(str(value))
    if isinstance(value, int):
        return int(value)
    if isinstance(value, Mapping):
        return {text(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(bytes(value)).decode("ascii")
    return _other(value)


def _not_finite(value: float) -> str | None:
    if math.isnan(value):
        return None
    return "Infinity" if value > 0 else "-Infinity"


def _other(value: Any) -> Any:
    if _is_missing(value):
        return None
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if hasattr(value, "tolist"):  # a NumPy scalar or array
        listed = value.tolist()
        return text(str(listed)) if type(listed) is type(value) else plain(listed)
    return text(str(value))


def _is_missing(value: Any) -> bool:
    """Return whether it is NaT, pandas' NA or NumPy's NaT: unequal to itself, or not comparable."""
    try:
        return bool(value != value)
    except (TypeError, ValueError):  # pandas' NA refuses to be a bool; so does an array
        return type(value).__name__ == "NAType"


def encode(value: Any) -> str:
    """Return the value as JSON text for a JSONB column."""
    return json.dumps(plain(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
