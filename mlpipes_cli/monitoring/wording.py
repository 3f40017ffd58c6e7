"""Numbers, shares and sentences of a check as people read them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from mlpipes_cli.monitoring.results import ColumnCheck, JointCheck

_NAMED = 3  # columns that a verdict names
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def number(value: float) -> str:
    """Return a number with three significant digits, thousands apart, such as ``3,200`` or ``0.0125``."""
    if not math.isfinite(value):
        return str(value)
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1e12 or size < 1e-4:
        return f"{value:.3g}"
    digits = max(2 - math.floor(math.log10(size)), 0)
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(share: float) -> str:
    """Return a share in percent with up to two digits behind the point, such as ``2.5 %``."""
    value = share * 100
    if 0 < value < 0.01:
        return "under 0.01 %"
    text = f"{value:.1f}".removesuffix(".0") if value >= 10 else f"{value:.2g}"
    return f"{text} %"


def p_value(p: float) -> str:
    """Return a p-value with two digits, or four where it is small."""
    return "<0.0001" if p < 0.0001 else f"{p:.4f}" if p < 0.01 else f"{p:.2f}"


def date(seconds: float) -> str:
    """Return seconds since 1970 as a day."""
    try:
        return (_EPOCH + timedelta(seconds=seconds)).date().isoformat()
    except (OverflowError, ValueError):
        return number(seconds)


def count(rows: int, noun: str) -> str:
    """Return a number with its noun, such as ``1 row`` or ``2,000 rows``."""
    return f"{rows:,} {noun if rows == 1 else noun + 's'}"


def verdict(columns: Sequence[ColumnCheck], joint: JointCheck | None, detectable: str, alone: bool) -> str:
    """Return the sentence that a check begins with.

    Args:
        columns: The columns, those that alarm first.
        joint: The joint check, if it was made.
        detectable: The change that would have been seen, as words.
        alone: Whether there is a single column.
    """
    found = [column for column in columns if column.alarm]
    if found:
        named = ", ".join(f"{column.name} ({_why(column)})" for column in found[:_NAMED])
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        of = "" if alone else f" of {len(columns)}"
        return f"{len(found)}{of} column{'' if len(columns) == 1 else 's'} changed: {named}{more}"
    if joint is not None and joint.alarm:
        named = ", ".join(joint.columns[:_NAMED])
        return f"no single column changed, but how columns go together did: {named}"
    small = sum(column.significant for column in columns)
    if small:
        which = next(column for column in columns if column.significant)
        return f"only small changes: {count(small, 'column')}, the largest {which.name} ({_why(which)})"
    seen = f"; {detectable} would have been seen" if detectable else ""
    return f"no change found{seen}"


def _why(column: ColumnCheck) -> str:
    return column.effects[0].words if column.effects else column.note


def too_few(rows: int, reference: int, fewest: int) -> str:
    """Return the sentence of a check without rows enough for a statement."""
    return (
        f"too few rows for a statement: {count(rows, 'current row')} and {count(reference, 'row')}"
        f" of the reference; at least {fewest} of each are needed"
    )
