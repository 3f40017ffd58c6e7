"""Parses times as people write them: ``10m``, ``2026-11-21T10:00``, RFC 3339."""

from __future__ import annotations

import re
import time
from datetime import datetime

from mlpipes_cli.errors import UsageError

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_AGO = re.compile(r"(?:\d+(?:\.\d+)?[smhd])+")


def seconds(text: str, option: str = "--since", now: float | None = None) -> float:
    """Return the time in seconds since the epoch.

    Args:
        text: An age (``90s``, ``10m``, ``1h30m``, ``2d``), or a time; without a zone it is local.
        option: The option's name, for the message.
        now: Replaces the clock.

    Raises:
        UsageError: It is neither.
    """
    text = text.strip()
    if _AGO.fullmatch(text):
        ago = sum(float(part[:-1]) * _UNITS[part[-1]] for part in re.findall(r"[\d.]+[smhd]", text))
        return (time.time() if now is None else now) - ago
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        raise UsageError(
            f"{option}: {text!r} is not a valid time", "use 10m, 2h, 2026-11-21T10:00 or 2026-11-21T10:00:00Z"
        ) from None
