"""The one parser of sizes such as ``512m``. Imports nothing of this package.

A unit is a power of 1024, as Docker and the JVM read it; pydantic's ByteSize takes ``512M`` for 512,000,000
(``docs/adr/0001``).
"""

from __future__ import annotations

import re
from typing import Any

PATTERN = r"^([0-9]+(?:\.[0-9]+)?)\s*([kKmMgGtT]?)[iI]?[bB]?$"
_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


def size(value: Any) -> int:
    """Return the bytes of ``512M``, ``1.5g``, ``64kb`` or a plain number.

    Raises:
        ValueError: The value is not a size, or less than a byte.
    """
    text = str(value).strip() if isinstance(value, (str, int)) and not isinstance(value, bool) else ""
    found = re.fullmatch(PATTERN, text)
    number = int(float(found[1]) * _UNITS[found[2].lower()]) if found else 0
    if number <= 0:
        raise ValueError(f"expected a size such as 512m or 2g, got {value!r}")
    return number
