"""COPY's binary format, written here by hand as PostgreSQL's manual has it."""

from __future__ import annotations

import datetime as dt
import struct
from typing import Any

import pyarrow as pa
import pytest

from mlpipes_cli.data.origins import copied_rows
from mlpipes_cli.data.origins.copied_rows import CopiedRows, Undecodable

HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
NAMES = ["whole", "number", "flag", "day", "moment"]
KINDS = ["integer", "number", "boolean", "date", "datetime"]
FORMATS = {"integer": ">q", "number": ">d", "boolean": ">?", "date": ">i", "datetime": ">q"}
ROWS: list[tuple[Any, ...]] = [
    (-(2**63), 0.1 + 0.2, True, dt.date(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59, 999999)),
    (2**63 - 1, -0.0, False, dt.date(9999, 12, 31), dt.datetime(1, 1, 1)),
    (None, 5e-324, None, dt.date(2000, 1, 1), None),
    (7, None, True, None, dt.datetime(1969, 12, 31, 23, 59, 59, 1)),
    (None, None, None, None, None),
    (0, 1e308, False, dt.date(1999, 12, 31), dt.datetime(2000, 1, 1)),
]


def field(kind: str, value: Any) -> bytes:
    if value is None:
        return struct.pack(">i", -1)
    if isinstance(value, dt.datetime):
        value = (value - dt.datetime(2000, 1, 1)) // dt.timedelta(microseconds=1)
    elif isinstance(value, dt.date):
        value = (value - dt.date(2000, 1, 1)).days
    content = struct.pack(FORMATS[kind], value)
    return struct.pack(">i", len(content)) + content


def message(row: tuple[Any, ...], kinds: list[str] = KINDS) -> bytes:
    fields = [field(kind, value) for kind, value in zip(kinds, row, strict=True)]
    return struct.pack(">h", len(row)) + b"".join(fields)


def decoded(messages: list[bytes], names: list[str] = NAMES, kinds: list[str] = KINDS) -> pa.Table:
    rows = CopiedRows(names, kinds)
    first, *others = [*messages, b"\xff\xff"]
    for one in (HEADER + first, *others):
        assert rows.write(one) == len(one)
    return rows.table()


@pytest.mark.parametrize("block", [1, 120, 1 << 20])
def test_values_and_nulls_in_their_order(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copied_rows, "_BLOCK", block)
    table = decoded([message(row) for row in ROWS])
    assert [str(one) for one in table.schema.types] == [
        "int64", "double", "bool", "timestamp[us]", "timestamp[us]"
    ]  # fmt: skip
    found = list(zip(*(column.to_pylist() for column in table.columns), strict=True))
    assert [row[:3] for row in found] == [row[:3] for row in ROWS]
    assert str(found[1][1]) == "-0.0"
    days = [None if row[3] is None else row[3].date() for row in found]
    assert days == [row[3] for row in ROWS] and [row[4] for row in found] == [row[4] for row in ROWS]


def test_a_table_without_rows() -> None:
    assert decoded([b""]).num_rows == 0


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("date", struct.pack(">i", 2**31 - 1)),
        ("date", struct.pack(">i", -(2**31))),
        ("datetime", struct.pack(">q", 2**63 - 1)),
        ("datetime", struct.pack(">q", -(2**63))),
        ("date", struct.pack(">i", -730_121)),  # the last day before the year 1
        ("date", struct.pack(">i", 2_921_940)),  # the first day of the year 10000
    ],
)
def test_dates_without_a_year_of_four_digits_are_refused(kind: str, content: bytes) -> None:
    row = struct.pack(">hi", 1, len(content)) + content
    with pytest.raises(
        Undecodable, match="column 'd' has a date that is infinite, before the year 1 or after"
    ):
        decoded([row], ["d"], [kind])


@pytest.mark.parametrize(
    "wrong",
    [
        message((1, 2.0), ["integer", "number"]),
        struct.pack(">hii", 1, 4, 1),
        struct.pack(">hiqi", 1, 8, 1, 0),
        struct.pack(">hiq", 2, 8, 1),
    ],
)
def test_other_rows_than_were_asked_for_are_never_read_as_something_else(wrong: bytes) -> None:
    with pytest.raises(RuntimeError, match="do not have the types that were asked for"):
        decoded([wrong], ["a"], ["integer"])
    with pytest.raises(RuntimeError, match="do not have the types"):
        CopiedRows(["a"], ["integer"]).write(b"1,2\n")
