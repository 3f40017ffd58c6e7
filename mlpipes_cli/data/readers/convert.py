"""Converts batches of texts to the types of a plan, and finds the cells that do not fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlpipes_cli.data import column_types, flags
from mlpipes_cli.data.csv_files import date_formats, numbers
from mlpipes_cli.data.csv_files.numbers import EXACT, PLAIN, Style, matches
from mlpipes_cli.data.formats import numbers as numbers_among
from mlpipes_cli.data.readers.plan import DURATION, ColumnPlan, Deviates

ARROW_TYPES = {
    "integer": pa.int64(),
    "number": pa.float64(),
    "text": pa.large_string(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "datetime": pa.timestamp("us"),
}
_OF_NUMBERS, _OF_WHOLE = b"0123456789.-eE", b"0123456789-"
_ZERO, _MINUS = ord("0"), ord("-")
Converted = tuple[pa.Array, np.ndarray | None]


def convert(texts: pa.Array, plan: ColumnPlan, style: Style, missing: Sequence[str]) -> Converted:
    """Return a column with the type of its plan, and which cells do not have it; None if all have.

    Args:
        texts: (n,) texts; an empty one is a missing value, and so is null.
        plan: The column's.
        style: How the file writes numbers.
        missing: Words that mean a missing value.

    Raises:
        Deviates: A cell does not have the type, which is not declared.
    """
    if plan.type == "text":
        return _texts(texts, missing)
    if style == PLAIN and not missing and plan.pattern is None:
        if (quick := _quickly(texts, plan)) is not None:
            return quick, None
    gaps = pc.is_in(texts, value_set=pa.array(["", *missing], pa.large_string()))
    cells = column_types.trimmed(pc.if_else(gaps, pa.scalar(None, pa.large_string()), texts))
    holes = column_types.hollow(cells)
    present = pc.if_else(pa.array(holes), pa.scalar(None, pa.large_string()), cells)
    made, fits = _KINDS[plan.type](present, plan, style)
    if plan.type in ("integer", "number") and (numbered := numbers_among(missing)):
        gone = pc.is_in(pc.cast(made, pa.float64()), value_set=pa.array(numbered, pa.float64()))
        made = pc.if_else(gone, pa.scalar(None, made.type), made)
    bad = ~(fits | holes)
    if not bad.any():
        return made, None
    if not (plan.told and plan.sure):
        raise Deviates(plan.source, str(texts[int(bad.argmax())].as_py()))
    return made, bad


def _texts(texts: pa.Array, missing: Sequence[str]) -> Converted:
    gaps = pc.is_in(texts, value_set=pa.array(["", *missing], pa.large_string()))
    made = pc.if_else(gaps, pa.scalar(None, pa.large_string()), texts) if pc.any(gaps).as_py() else texts
    data = made.buffers()[2]
    if data is not None and b"\0" in memoryview(data).tobytes():
        bad = np.asarray(pc.fill_null(pc.match_substring(made, "\0"), False).to_numpy(zero_copy_only=False))
        return made, bad if bad.any() else None
    return made, None


def _quickly(texts: pa.Array, plan: ColumnPlan) -> pa.Array | None:
    """Return plain numbers, if all cells are; None leaves it to the careful way.

    Only cells of digits, points, minus signs and e are converted here: Arrow and the careful way read
    those alike.
    """
    if plan.type not in ("integer", "number") or texts.null_count or not len(texts):
        return None
    offsets = np.frombuffer(texts.buffers()[1], dtype=np.int64)[texts.offset : texts.offset + len(texts) + 1]
    data = texts.buffers()[2]
    content = memoryview(data)[offsets[0] : offsets[-1]].tobytes() if data is not None else b""
    if content.translate(None, _OF_NUMBERS if plan.type == "number" else _OF_WHOLE):
        return None
    lengths = np.diff(offsets)
    empty = lengths == 0
    if empty.any():
        texts = pc.if_else(pa.array(empty), pa.scalar(None, pa.large_string()), texts)
    try:
        made = pc.cast(texts, ARROW_TYPES[plan.type])
    except pa.ArrowInvalid:
        return None
    if plan.type == "integer" and not plan.told:
        codes = np.frombuffer(content + b"  ", dtype=np.uint8)
        starts = offsets[:-1] - offsets[0]
        signed = (codes[np.minimum(starts, len(content))] == _MINUS) & ~empty
        at = np.minimum(starts + signed, len(content))
        if ((codes[at] == _ZERO) & (lengths - signed > 1)).any():
            return None
        ends = pc.min_max(made).as_py()
        if max(abs(ends["min"] or 0), abs(ends["max"] or 0)) > EXACT:
            return None
    return made


def _numbers(present: pa.Array, plan: ColumnPlan, style: Style) -> tuple[pa.Array, np.ndarray]:
    if plan.pattern == DURATION:
        fits = matches(present, date_formats.DURATION)
        return pa.array(date_formats.seconds(_only(present, fits)), from_pandas=True), fits
    fits = matches(present, numbers.pattern(style))
    return pc.cast(_only(numbers.plain(present, style), fits), pa.float64()), fits


def _integers(present: pa.Array, plan: ColumnPlan, style: Style) -> tuple[pa.Array, np.ndarray]:
    fits = matches(present, numbers.pattern(style))
    plain = numbers.plain(_only(present, fits), style)
    plain = pc.utf8_ltrim(plain, characters="+")
    fits = matches(plain, column_types.DIGITS)
    if not plan.told and column_types.code(_only(plain, fits)):
        return pa.nulls(len(present), pa.int64()), np.zeros(len(present), dtype=bool)
    long = pc.greater(pc.utf8_length(plain), 18)
    for at in np.flatnonzero(np.asarray(pc.fill_null(long, False).to_numpy(zero_copy_only=False)) & fits):
        fits[at] = -(2**63) <= int(plain[int(at)].as_py()) < 2**63
    return pc.cast(_only(plain, fits), pa.int64()), fits


def _flags(present: pa.Array, plan: ColumnPlan, _: Style) -> tuple[pa.Array, np.ndarray]:
    lower = pc.utf8_lower(present)
    if plan.told:
        known = pc.is_in(lower, value_set=pa.array(sorted(flags.TRUTHS), pa.large_string()))
        fits = np.asarray(known.to_numpy(zero_copy_only=False)) & np.asarray(present.is_valid())
    else:
        fits = matches(present, column_types.FLAG)
    yes = pc.is_in(lower, value_set=pa.array(sorted(flags.TRUE), pa.large_string()))
    return pc.if_else(pa.array(fits), yes, pa.scalar(None, pa.bool_())), fits


def _moments(present: pa.Array, plan: ColumnPlan, _: Style) -> tuple[pa.Array, np.ndarray]:
    made = _timestamps(present, plan.pattern)
    fits = np.asarray(made.is_valid())
    if plan.type == "datetime":
        return made, fits
    days = pc.floor_temporal(made, unit="day")
    fits &= np.asarray(pc.fill_null(pc.equal(days, made), False).to_numpy(zero_copy_only=False))
    return pc.cast(days, pa.date32()), fits


def _timestamps(present: pa.Array, pattern: str | None) -> pa.Array:
    if (order := date_formats.order_of(pattern)) is not None:
        present = date_formats.iso(present, order)
    elif pattern is not None:
        return _us(date_formats.read_as(present, pattern))
    iso = matches(present, date_formats.ISO)
    plain = _only(present, iso)
    try:
        return pc.cast(plain, pa.timestamp("us"))
    except pa.ArrowInvalid:
        return _us(date_formats.read(plain))


def _us(values: Any) -> pa.Array:
    made = pa.array(values, from_pandas=True)
    made = made.combine_chunks() if isinstance(made, pa.ChunkedArray) else made
    return pc.cast(made, pa.timestamp("us"))


def _only(texts: pa.Array, fits: np.ndarray) -> pa.Array:
    """Return the texts that fit; others are missing."""
    if fits.all():
        return texts
    return pc.if_else(pa.array(fits), texts, pa.scalar(None, texts.type))


_KINDS: dict[str, Callable[[pa.Array, ColumnPlan, Style], tuple[pa.Array, np.ndarray]]] = {
    "number": _numbers,
    "integer": _integers,
    "boolean": _flags,
    "date": _moments,
    "datetime": _moments,
}
