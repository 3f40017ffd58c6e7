"""Encodes typed columns as rows of COPY's binary format, without a loop over rows.

Source: PostgreSQL's manual, COPY, "Binary Format": for each row the number of its fields, and for each field
its length (-1 is null) and its value in network byte order. Dates and moments count from 2000-01-01.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

HEADER, TRAILER = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
_DAYS, _MICROSECONDS = 10_957, 946_684_800_000_000  # from 1970 to 2000
_WORD = 4  # bytes of a length
_SIZES = {"integer": 8, "number": 8, "boolean": 1, "date": 4, "datetime": 8}


def encode(columns: Sequence[pa.Array], types: Sequence[str], load: int, first: int) -> bytes:
    """Return the rows of a batch.

    Args:
        columns: (n,) values of each column, in Arrow's types for ``types``.
        types: ``integer``, ``number``, ``text``, ``boolean``, ``date`` or ``datetime``.
        load: The number of the load, which follows the columns.
        first: The number of the first row; the row's number comes last.
    """
    import numpy as np

    rows = len(columns[0])
    if not rows:
        return b""
    fixed: list[tuple[np.ndarray, np.ndarray | None]] = []
    parts: list[tuple[np.ndarray, np.ndarray]] = []  # the bytes of all rows, and their number in each row
    count = np.full(rows, len(columns) + 2, dtype=">i2")
    fixed.append((count, None))
    for column, kind in zip(columns, types, strict=True):
        if kind == "text":
            parts += _block(fixed, rows)
            fixed = []
            parts.append(_texts(column))
        else:
            fixed += _field(column, kind)
    word = np.full(rows, 8, dtype=">i4")
    fixed += [(word, None), (np.full(rows, load, dtype=">i8"), None)]
    fixed += [(word, None), (np.arange(first, first + rows, dtype=">i8"), None)]
    parts += _block(fixed, rows)
    return parts[0][0].tobytes() if len(parts) == 1 else _interleaved(parts, rows)


def _field(column: pa.Array, kind: str) -> list[tuple[np.ndarray, np.ndarray | None]]:
    """Return the length and the value of each row, and which rows have a value, if not all."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    size, rows = _SIZES[kind], len(column)
    if kind in ("date", "datetime"):
        column = column.cast(pa.int32() if kind == "date" else pa.int64())
    present = None
    if column.null_count:
        present = np.asarray(column.is_valid().to_numpy(zero_copy_only=False))
        column = pc.fill_null(column, False if kind == "boolean" else 0)
    if kind == "boolean":
        values = column.to_numpy(zero_copy_only=False).astype("i1")
    elif kind == "date":
        values = (column.to_numpy() - np.int32(_DAYS)).astype(">i4")
    elif kind == "datetime":
        values = (column.to_numpy() - _MICROSECONDS).astype(">i8")
    else:
        values = column.to_numpy().astype(">i8" if kind == "integer" else ">f8")
    lengths = (
        np.full(rows, size, dtype=">i4") if present is None else np.where(present, size, -1).astype(">i4")
    )
    return [(lengths, None), (values, present)]


def _block(
    fixed: list[tuple[np.ndarray, np.ndarray | None]], rows: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return fields of fixed sizes beside each other, row by row, without the values of nulls."""
    import numpy as np

    if not fixed:
        return []
    made = np.empty(rows, dtype=[(f"f{at}", one.dtype) for at, (one, _) in enumerate(fixed)])
    for at, (one, _) in enumerate(fixed):
        made[f"f{at}"] = one
    width = made.dtype.itemsize
    flat = made.view(np.uint8)
    if all(present is None for _, present in fixed):
        return [(flat, np.full(rows, width, dtype=np.int64))]
    kept = np.ones((rows, width), dtype=bool)
    for at, (_, present) in enumerate(fixed):
        if present is not None:
            kind, start = made.dtype.fields[f"f{at}"][:2]  # type: ignore[index]
            kept[:, start : start + kind.itemsize] = present[:, None]
    return [(flat[kept.reshape(-1)], kept.sum(axis=1, dtype=np.int64))]


def _texts(column: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Return the length and the bytes of each text, text by text."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    rows, present = len(column), None
    if column.null_count:
        present = np.asarray(column.is_valid().to_numpy(zero_copy_only=False))
        column = pc.fill_null(column, pa.scalar("", pa.large_string()))
    offsets = np.frombuffer(column.buffers()[1], dtype=np.int64)[column.offset : column.offset + rows + 1]
    content = column.buffers()[2]
    data = (
        np.frombuffer(content, dtype=np.uint8)
        if content is not None and content.size
        else np.empty(0, np.uint8)
    )
    lengths = np.diff(offsets)
    total = int(lengths.sum())
    out = np.empty(total + _WORD * rows, dtype=np.uint8)
    starts = np.arange(rows, dtype=np.int64) * _WORD + (offsets[:-1] - offsets[0])
    words = (lengths if present is None else np.where(present, lengths, -1)).astype(">i4").view(np.uint8)
    where = (starts[:, None] + np.arange(_WORD)).reshape(-1)
    of_text = np.ones(len(out), dtype=bool)
    of_text[where] = False
    out[where] = words
    out[of_text] = data[offsets[0] : offsets[-1]]
    return out, lengths + _WORD


def _interleaved(parts: list[tuple[np.ndarray, np.ndarray]], rows: int) -> bytes:
    """Return the parts of each row one after the other."""
    import numpy as np

    sizes = np.stack([size for _, size in parts], axis=1)  # (n, parts)
    ends = np.cumsum(sizes.reshape(-1)).reshape(sizes.shape)
    out = np.empty(int(ends[-1, -1]), dtype=np.uint8)
    for at, (flat, size) in enumerate(parts):
        starts = ends[:, at] - size
        if (size == size[0]).all():
            out[(starts[:, None] + np.arange(int(size[0]))).reshape(-1)] = flat
        else:
            before = np.cumsum(size) - size
            out[np.repeat(starts - before, size) + np.arange(len(flat))] = flat
    return out.tobytes()
