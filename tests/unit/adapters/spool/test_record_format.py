from __future__ import annotations

import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpipes_cli.adapters.spool import record_format
from mlpipes_cli.adapters.spool.record_format import Damage, SpoolRecord, TornRecord, pack, scan, unpack
from mlpipes_cli.ports import PredictionRow
from mlpipes_cli.server.predictions.uuid7 import milliseconds_of, uuid7


def row(text: str = "x", **changes: object) -> PredictionRow:
    identifier = uuid7()
    made = PredictionRow(
        str(identifier), None, milliseconds_of(identifier), "people", 3, "production",
        b'{"a": "%s"}' % text.encode(), b"1", b"0.25", 1.5,
    )  # fmt: skip
    return made._replace(**changes)  # type: ignore[arg-type]


WRITES = [[row("ä"), row(caller_id="1", trace_id="0" * 32)], [row("b" * 500, scores=None)], [row("c")]]
FILE = b"".join(map(pack, WRITES))
ENDS = [len(b"".join(map(pack, WRITES[:n]))) for n in range(4)]


def rows_in(data: bytes) -> list[list[PredictionRow]]:
    return [unpack(data, found) for found in scan(data) if isinstance(found, SpoolRecord)]


def test_rows_come_back_as_they_were() -> None:
    assert rows_in(FILE) == WRITES
    found = list(scan(FILE, whole=False))
    assert found == list(scan(FILE))
    assert [r.rows for r in found if isinstance(r, SpoolRecord)] == [2, 1, 1]
    assert [r.oldest for r in found if isinstance(r, SpoolRecord)] == [
        min(x.made_at for x in w) for w in WRITES
    ]


def test_a_write_that_did_not_come_to_its_end_is_cut_off_wherever_it_stopped() -> None:
    for size in range(len(FILE) + 1):
        whole = sum(end <= size for end in ENDS[1:])
        found = list(scan(FILE[:size]))
        assert [type(x) for x in found[:whole]] == [SpoolRecord] * whole
        assert found[whole:] == ([] if size in ENDS else [TornRecord(ENDS[whole], size)])


@given(st.integers(0, len(FILE) - 1), st.integers(1, 255))
def test_a_changed_byte_costs_its_own_record_and_no_other(place: int, change: int) -> None:
    data = bytearray(FILE)
    data[place] ^= change
    hurt = sum(end <= place for end in ENDS[1:])
    found = list(scan(bytes(data)))
    assert found[hurt] == Damage(ENDS[hurt], ENDS[hurt + 1])
    assert rows_in(bytes(data)) == [write for n, write in enumerate(WRITES) if n != hurt]


@given(st.binary(max_size=200), st.sampled_from(ENDS))
def test_whatever_lies_in_between_the_records_around_it_are_found(rubbish: bytes, place: int) -> None:
    data = FILE[:place] + rubbish + FILE[place:]
    found = list(scan(data))
    assert rows_in(data) == WRITES
    assert [found[0].start, *(x.end for x in found)] == [0, *(x.start for x in found[1:]), len(data)]


def test_lost_blocks_at_the_end_are_damage_and_not_a_torn_write() -> None:
    data = FILE[: ENDS[2] + 40] + bytes(len(FILE) - ENDS[2] - 40)
    assert list(scan(data))[-1] == Damage(ENDS[2], len(FILE))


def record_of(rows: list[tuple[object, ...]]) -> bytes:
    """As another release would have written it."""
    payload = msgspec.msgpack.encode(rows)
    header = record_format._HEADER.pack(record_format._MARK, len(payload), len(rows), 0, zlib.crc32(payload))
    return header + record_format._CHECK.pack(zlib.crc32(header)) + payload


def test_an_older_release_had_fewer_fields() -> None:
    old = tuple(row())[:10]
    assert rows_in(record_of([old])) == [[PredictionRow(*old)]]


def test_what_a_newer_release_wrote_is_no_row_of_ours() -> None:
    data = record_of([(*row(), {"new": 1}), tuple(row())])
    with pytest.raises(ValueError, match="length 10 to 12, got 13"):
        unpack(data, next(found for found in scan(data) if isinstance(found, SpoolRecord)))
