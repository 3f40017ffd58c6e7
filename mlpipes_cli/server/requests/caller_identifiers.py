"""The caller's identifiers: their stored form, and their limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlpipes_cli.server.http.api_error import invalid_value
from mlpipes_cli.server.predictions import jsonb

LONGEST = 1000  # bytes of UTF-8; PostgreSQL's index takes up to 2704
SURELY_FITS = LONGEST // 4  # characters


def as_text(identifier: Any) -> str | None:
    """Return the identifier as it is stored: text as it is, everything else as JSON."""
    value = jsonb.plain(identifier)
    return value if value is None or isinstance(value, str) else jsonb.encode(value)


def fits(text: str) -> bool:
    """Return whether an identifier is short enough to be stored."""
    return len(text) <= SURELY_FITS or len(text.encode("utf-8", "replace")) <= LONGEST


def check(identifiers: Sequence[Any] | None) -> None:
    """Check the identifiers of a request's rows before the model is called.

    Raises:
        ApiError: An identifier cannot be stored (400).
    """
    for row, identifier in enumerate(identifiers or ()):
        try:
            text = as_text(identifier)
        except RecursionError:
            raise invalid_value(f"the id in row {row} is nested too deeply") from None
        if text is not None and not fits(text):
            raise invalid_value(f"the id in row {row} is longer than {LONGEST} bytes")
        if text is not None and jsonb.REPLACEMENT in text and _has_nul(identifier):
            raise invalid_value(f"the id in row {row} has a NUL character, which the database cannot store")


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(map(_has_nul, value)) or any(map(_has_nul, value.values()))
    return isinstance(value, (list, tuple)) and any(map(_has_nul, value))
