"""Parquet bodies whose description of themselves is damaged: refused, or read; the process goes on."""

from __future__ import annotations

import io
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlpipes_cli.server.http.api_error import ApiError
from mlpipes_cli.server.requests.bounds import Bounds
from mlpipes_cli.server.requests.parquet_bounds import check_parquet

BOUNDS = Bounds(2, 50_000)
# pyarrow ends the process where it gives access to statistics whose sizes are wrong; so not in this one.
EVERY_BIT = """
import io, sys
from mlpipes_cli.server.requests.bounds import Bounds
from mlpipes_cli.server.http.api_error import ApiError
from mlpipes_cli.server.requests.parquet_bounds import check_parquet
body = sys.stdin.buffer.read()
footer = len(body) - 8 - int.from_bytes(body[-8:-4], "little")
said = {}
for bit in range(8 * footer, 8 * (len(body) - 8)):
    damaged = bytearray(body)
    damaged[bit // 8] ^= 1 << bit % 8
    try:
        check_parquet(bytes(damaged), Bounds(2, 50_000))
        status = 200
    except ApiError as fault:
        status = fault.status
    said[status] = said.get(status, 0) + 1
print(*sorted(said))
"""


def parquet(**options: object) -> bytes:
    into = io.BytesIO()
    table = pa.table({"age": pa.array([1.0, None], pa.float64()), "city": ["Ulm", "Bonn"]})
    pq.write_table(table, into, store_schema=False, **options)
    return into.getvalue()


def test_no_damaged_bit_of_the_footer_ends_the_process() -> None:
    done = subprocess.run(
        [sys.executable, "-c", EVERY_BIT], input=parquet(), capture_output=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout.decode().split()) == (0, ["200", "400"]), done.stderr[-500:]


@pytest.mark.parametrize("kind", [b"\xf7", b"\xf3", b"\xf1"], ids=["doubles", "bytes", "truths"])
def test_a_list_that_says_it_is_endless_is_no_work(kind: bytes) -> None:
    body = parquet(compression="none", use_dictionary=False)
    list_of_2_to_the_60 = b"\x19" + kind + b"\x80" * 8 + b"\x10"
    damaged = body[:4] + list_of_2_to_the_60 + body[4 + len(list_of_2_to_the_60) :]
    with pytest.raises(ApiError) as refused:
        check_parquet(damaged, BOUNDS)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (pa.decimal128(30, 2), 1),
        (pa.list_(pa.int8()), []),
        (pa.list_(pa.int8(), 2), [1, 2]),
        (pa.struct([("a", pa.int8())]), {"a": 1}),
        (pa.list_(pa.struct([("a", pa.int8())])), [{"a": 1}]),
        (pa.struct([("a", pa.list_(pa.int8()))]), {"a": [1]}),
    ],
    ids=str,
)
def test_objects_of_python_are_counted_as_such(kind: pa.DataType, value: object) -> None:
    """A few kilobytes may hold ten million of them, which took up to 2 GB."""

    def body(columns: int, rows: int) -> bytes:
        cells = pa.array([value] * rows, kind)
        into = io.BytesIO()
        pq.write_table(pa.table({f"c{at}": cells for at in range(columns)}), into, compression="brotli")
        return into.getvalue()

    many = body(20, 50_000)
    assert len(many) < 60_000
    with pytest.raises(ApiError, match="unpacks to more than") as refused:
        check_parquet(many, BOUNDS)
    assert refused.value.status == 413
    check_parquet(body(2, 50_000), BOUNDS)


def test_what_pages_unpack_to_is_known_for_all_groups_and_kinds() -> None:
    for options in ({}, {"row_group_size": 1}, {"use_dictionary": False}, {"data_page_version": "2.0"}):
        check_parquet(parquet(**options), BOUNDS)
