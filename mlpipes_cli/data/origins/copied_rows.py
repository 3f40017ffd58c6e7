"""Decodes rows of COPY's binary format into Arrow columns, without a loop over values.

Source: PostgreSQL's manual, COPY, "Binary Format", and "Message Flow", "COPY Operations": the server sends
one message for each row. A row is the number of its fields, and for each field its length (-1 is null) and
its value in network byte order. Dates and moments count from 2000-01-01.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    Column = tuple[NDArray[Any], NDArray[np.bool_]]  # (n,) values, and which rows have one

SIZES = {"integer": 8, "number": 8, "boolean": 1, "date": 4, "datetime": 8}
SQL_TYPES = {
    "integer": "bigint", "number": "double precision", "boolean": "boolean", "date": "date",
    "datetime": "timestamp",
}  # fmt: skip
_DTYPES = {"integer": ">i8", "number": ">f8", "boolean": "?", "date": ">i4", "datetime": ">i8"}
_SIGNATURE, _FIXED_HEADER = b"PGCOPY\n\xff\r\n\0", 19  # the signature, flags, and the length of what follows
_END = b"\xff\xff"
_COUNT, _WORD = 2, 4  # bytes of the number of fields, and of a length
_BLOCK = 1 << 23  # bytes that are decoded at once
_DAY = 86_400_000_000  # microseconds
_DAYS, _MICROSECONDS = 10_957, 10_957 * _DAY  # from 1970 to 2000
_YEAR_1, _YEAR_10000 = -719_162, 2_932_897  # days since 1970


class Undecodable(ValueError):
    """A value has no place in a frame; the text is one line that names the column."""


class CopiedRows:
    """A file to which ``copy ... to stdout (format binary)`` is written; decodes it in blocks.

    Args:
        names: The columns.
        kinds: Their types: those of :data:`SQL_TYPES`, to which the query has to cast them.
    """

    def __init__(self, names: Sequence[str], kinds: Sequence[str]) -> None:
        self._names, self._kinds = names, kinds
        self._width = _COUNT + sum(_WORD + SIZES[kind] for kind in kinds)
        self._begun = False
        self._rows: list[bytes] = []
        self._size = 0
        self._batches: list[pa.RecordBatch] = []

    def write(self, message: bytes) -> int:
        """Take a message of the server: a row, the header before the first row, or the end."""
        size = len(message)
        if not self._begun:
            message, self._begun = _without_header(message), True
        if message and message != _END:
            self._rows.append(message)
            self._size += len(message)
            if self._size >= _BLOCK:
                self._decode()
        return size

    def table(self) -> pa.Table:
        """Return all rows that were written.

        Raises:
            Undecodable: A date is infinite, before the year 1 or after 9999.
        """
        import pyarrow as pa

        if self._rows or not self._batches:
            self._decode()
        return pa.Table.from_batches(self._batches)

    def _decode(self) -> None:
        import pyarrow as pa

        rows, self._rows, self._size = self._rows, [], 0
        sizes = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
        full = sizes == self._width  # a row with a null is shorter
        columns = self._full(b"".join(rows if full.all() else [rows[at] for at in np.flatnonzero(full)]))
        if not full.all():
            gaps = np.flatnonzero(~full)
            with_nulls = self._with_nulls(b"".join([rows[at] for at in gaps]), sizes[gaps])
            order = np.argsort(np.concatenate([np.flatnonzero(full), gaps]))
            columns = [_joined(one, other, order) for one, other in zip(columns, with_nulls, strict=True)]
        arrays = [
            _array(name, kind, *column)
            for name, kind, column in zip(self._names, self._kinds, columns, strict=True)
        ]
        self._batches.append(pa.RecordBatch.from_arrays(arrays, names=list(self._names)))

    def _full(self, rows: bytes) -> list[Column]:
        """Return the columns of rows without nulls, which are equally long."""
        fields: list[tuple[str, str]] = [("count", ">i2")]
        for at, kind in enumerate(self._kinds):
            fields += [(f"size{at}", ">i4"), (f"value{at}", _DTYPES[kind])]
        decoded = np.frombuffer(rows, dtype=np.dtype(fields))
        _check(decoded["count"], len(self._kinds))
        everywhere = np.ones(len(decoded), dtype=bool)
        found = []
        for at, kind in enumerate(self._kinds):
            _check(decoded[f"size{at}"], SIZES[kind])
            found.append((decoded[f"value{at}"], everywhere))
        return found

    def _with_nulls(self, rows: bytes, sizes: NDArray[np.int64]) -> list[Column]:
        """Return the columns of rows of different lengths."""
        content = np.frombuffer(rows, dtype=np.uint8)
        ends = np.cumsum(sizes)
        place = ends - sizes
        _check(_gathered(content, place, ">i2"), len(self._kinds))
        place = place + _COUNT
        found = []
        for kind in self._kinds:
            length = _gathered(content, place, ">i4")
            there = length != -1
            _check(length[there], SIZES[kind])
            place = place + _WORD
            values = np.zeros(len(sizes), dtype=np.dtype(_DTYPES[kind]).newbyteorder("="))
            values[there] = _gathered(content, place[there], _DTYPES[kind])
            found.append((values, there))
            place = place + np.where(there, SIZES[kind], 0)
        if not np.array_equal(place, ends):
            raise _not_as_asked()
        return found


def _without_header(message: bytes) -> bytes:
    if not message.startswith(_SIGNATURE):
        raise _not_as_asked()
    more = int.from_bytes(message[_FIXED_HEADER - _WORD : _FIXED_HEADER], "big")
    return message[_FIXED_HEADER + more :]


def _gathered(content: NDArray[np.uint8], places: NDArray[np.int64], dtype: str) -> NDArray[Any]:
    """Return the values that begin at these places."""
    size = np.dtype(dtype).itemsize
    found: NDArray[Any] = content[places[:, None] + np.arange(size)].view(dtype)
    return found.reshape(-1)


def _joined(one: Column, other: Column, order: NDArray[np.int64]) -> Column:
    values, there = zip(one, other, strict=True)
    return np.concatenate(values)[order], np.concatenate(there)[order]


def _check(found: NDArray[Any], expected: int) -> None:
    if np.any(found != expected):
        raise _not_as_asked()


def _not_as_asked() -> RuntimeError:
    return RuntimeError("PostgreSQL sent rows that do not have the types that were asked for")


def _array(name: str, kind: str, values: NDArray[Any], there: NDArray[np.bool_]) -> pa.Array:
    import pyarrow as pa

    types = {"integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_()}
    native = values.astype(values.dtype.newbyteorder("="))
    if kind == "date":
        native = native.astype(np.int64)
        _check_years(name, native[there], _YEAR_1 - _DAYS, _YEAR_10000 - _DAYS)
        native = (native + _DAYS) * _DAY
    elif kind == "datetime":
        _check_years(name, native[there], _YEAR_1 * _DAY - _MICROSECONDS, _YEAR_10000 * _DAY - _MICROSECONDS)
        native = native + _MICROSECONDS
    mask = None if there.all() else ~there
    if kind in types:
        return pa.array(native, types[kind], mask=mask)
    return pa.array(native, pa.int64(), mask=mask).view(pa.timestamp("us"))


def _check_years(name: str, values: NDArray[np.int64], first: int, end: int) -> None:
    if len(values) and not first <= values.min() <= values.max() < end:
        raise Undecodable(f"column {name!r} has a date that is infinite, before the year 1 or after 9999")
