"""Parses dates and durations as text files write them."""

from __future__ import annotations

import re
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from mlpipes_cli import timestamps
from mlpipes_cli.timestamps import DURATION as DURATION

Order = Literal["day", "month", "unclear", "mixed"]
_TIME = r"(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?: ?(?:Z|[+-]\d{2}(?::?\d{2})?))?)?"
ISO = rf"^\d{{4}}-\d{{2}}-\d{{2}}{_TIME}$"
_ANY_ISO = f"^(?:{timestamps.ISO.pattern})$"  # what a request may hold, too
_NUMBERS = (
    r"(?P<first>\d{1,2})(?P<mark>[/.-])(?P<second>\d{1,2})[/.-](?P<year>\d{4})"
    r"(?:[T ](?P<hour>\d{1,2})(?P<rest>:\d{2}(?::\d{2}(?:\.\d{1,9})?)?))?"
)
THREE_NUMBERS = f"^{_NUMBERS}$"  # a day of a month, or a month and a day
DATE = f"{ISO}|{THREE_NUMBERS}"
SHORT_YEAR = re.compile(r"\d{1,2}([/.-])\d{1,2}\1\d{2}")
PATTERNS: dict[Order, str] = {"day": "%d/%m/%Y", "month": "%m/%d/%Y"}


def written(order: Order, mark: str) -> str:
    """Return the strftime pattern of dates with this order and this mark between their numbers."""
    return PATTERNS[order].replace("/", mark)


def mark(date: str) -> str:
    """Return what stands between the numbers of a date that begins with a day or a month."""
    return date[2] if not date[2].isdigit() else date[1]


def order_of(pattern: str | None) -> Order | None:
    """Return the order of a pattern that :func:`written` makes; None for another one."""
    plain = None if pattern is None else pattern.replace(".", "/").replace("-", "/")
    return next((order for order, known in PATTERNS.items() if known == plain), None)


def order(texts: pa.Array) -> Order | None:
    """Return whether the day or the month comes first in dates such as 31/12/2024.

    A number above 12 in either position decides; points as separators mean that the day comes first.
    Return None if there are no such dates.
    """
    parts = _parts(texts)
    if parts is None:
        return None
    first, second = (pc.max(pc.cast(parts[name], pa.int64())).as_py() for name in ("first", "second"))
    if first > 12 and second > 12:
        return "mixed"
    if first > 12 or (second <= 12 and pc.all(pc.equal(parts["mark"], ".")).as_py()):
        return "day"
    return "month" if second > 12 else "unclear"


def iso(texts: pa.Array, first: Order) -> pa.Array:
    """Convert dates such as 31/12/2024 to 2024-12-31; leave all other texts as they are."""
    parts = _parts(texts, keep=True)
    if parts is None:
        return texts
    day, month = ("first", "second") if first == "day" else ("second", "first")
    two = {name: pc.utf8_lpad(parts[name], 2, "0") for name in (day, month, "hour")}
    empty, dash, mark = (pa.scalar(text, pa.large_string()) for text in ("", "-", "T"))
    time = pc.binary_join_element_wise(mark, two["hour"], parts["rest"], empty)
    time = pc.if_else(pc.equal(parts["hour"], empty), empty, time)
    written = pc.binary_join_element_wise(parts["year"], two[month], two[day], dash)
    written = pc.binary_join_element_wise(written, time, empty)
    return pc.coalesce(written, texts)


def _parts(texts: pa.Array, *, keep: bool = False) -> dict[str, Any] | None:
    found = pc.extract_regex(texts, THREE_NUMBERS)
    if found.null_count == len(found):
        return None
    if not keep:
        found = found.drop_null()
    return {
        name: pc.struct_field(found, name) for name in ("first", "mark", "second", "year", "hour", "rest")
    }


def read(texts: pa.Array) -> pd.Series:
    """Parse ISO 8601 texts as datetime64[us], naive, in UTC; other texts become NaT.

    pandas takes more for ISO 8601 than a request may hold: ``2021``, ``2021/10/08``, ``now``.
    """
    texts = pc.if_else(pc.fill_null(pc.match_substring_regex(texts, _ANY_ISO), False), texts, None)
    texts = pc.replace_substring_regex(texts, r"([.,]\d{6})\d+", r"\1")
    values = pd.Series(np.asarray(texts.to_numpy(zero_copy_only=False), dtype=object), dtype=object)
    return utc(pd.to_datetime(values, format="ISO8601", errors="coerce", utc=True))


def read_as(texts: pa.Array, written: str) -> pd.Series:
    """Parse texts by a strftime pattern or ISO 8601, as datetime64[us], naive, in UTC; others become NaT."""
    texts = pc.if_else(pc.fill_null(pc.match_substring_regex(texts, r"\d"), False), texts, None)  # no `now`
    values = pd.Series(np.asarray(texts.to_numpy(zero_copy_only=False), dtype=object), dtype=object)
    found = utc(pd.to_datetime(values, format=written, errors="coerce", utc=True))
    return found if written.startswith("%Y") else found.fillna(read(texts))


def utc(values: pd.Series) -> pd.Series:
    """Convert timestamps of any time zone to datetime64[us], naive, in UTC."""
    naive = values.dt.tz_convert("UTC").dt.tz_localize(None) if values.dt.tz is not None else values
    return naive.astype("datetime64[us]")


def seconds(texts: pa.Array) -> np.ndarray:
    """Convert durations such as ``1 days 02:00:00`` to seconds, (n,) float64."""
    values = pd.Series(np.asarray(texts.to_numpy(zero_copy_only=False), dtype=object), dtype=object)
    return np.asarray(pd.to_timedelta(values).dt.total_seconds(), dtype=np.float64)
