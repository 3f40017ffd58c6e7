"""Parse the timestamps in the lines of a log.

PostgreSQL writes ``2026-11-21 10:00:00.123 UTC``, Python's programs ``2026/11/21 10:00:00`` or
``2026-11-21 10:00:00,123``, others as in RFC 3339. A line without a timestamp, such as one of a
traceback, has the time of the line above it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta, timezone

from mlpipes_cli.errors import UsageError

_STAMP = re.compile(
    r"\W{0,2}(\d{4})[-/](\d\d)[-/](\d\d)[ T](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,6})\d*)?"
    r" ?(Z|UTC|GMT|[+-]\d\d:?\d\d)?(?!\w)"
)


def seconds(line: str) -> float | None:
    """Return the timestamp at the start of a line in seconds since the epoch; without a zone it is local."""
    found = _STAMP.match(line)
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    try:
        moment = datetime(
            int(year), int(month), int(day), int(hour), int(minute), int(second),
            int((fraction or "0").ljust(6, "0")), _zone(zone),
        )  # fmt: skip
    except ValueError:
        return None
    return moment.timestamp()


def _zone(text: str | None) -> timezone | None:
    if not text:
        return None
    if text in ("Z", "UTC", "GMT"):
        return UTC
    sign = -1 if text[0] == "-" else 1
    return timezone(sign * timedelta(hours=int(text[1:3]), minutes=int(text[-2:])))


def later(lines: Iterable[str], since: float, name: str) -> Iterator[str]:
    """Yield the lines that were written later than ``since``, in seconds since the epoch.

    Raises:
        UsageError: There are lines, and none has a timestamp.
    """
    any_line = any_stamp = fresh = False
    for line in lines:
        stamp = seconds(line)
        any_line = True
        if stamp is not None:
            any_stamp, fresh = True, stamp > since
        if fresh:
            yield line
    if any_line and not any_stamp:
        raise UsageError(f"--since: the log of {name} has no timestamps", "use --tail N instead")
