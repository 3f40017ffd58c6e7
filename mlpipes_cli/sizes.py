"""Parse amounts of memory such as ``512M``. Imports nothing of this package."""

from __future__ import annotations

import re

_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def size(text: str | int) -> int:
    """Return the bytes of ``512M`` or ``2G`` (powers of 1024).

    Raises:
        ValueError: The text is not a size.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", str(text).strip(), re.IGNORECASE)
    if found is None or float(found[1]) <= 0:
        raise ValueError(f"{text!r} is not an amount of memory such as 512M or 2G")
    return int(float(found[1]) * _UNITS[found[2].upper()])
