"""The format of a spool file: a sequence of records, each with the rows of one write.

A record is a header and a payload. The header holds a magic number, the payload's length, its number of rows,
the time of its oldest row (milliseconds since the epoch), the payload's CRC-32, and the CRC-32 of the
header itself. The payload is MessagePack: a list of rows, each a list in the order of ``PredictionRow``.
New fields of a row come last and have a default, so that old files stay readable.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from mmap import mmap

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports import PredictionRow

_MARK = b"\xf5\xfeP1"  # no text in UTF-8 holds these bytes
_HEADER = struct.Struct("<4sIIQI")
_CHECK = struct.Struct("<I")
_SIZE = _HEADER.size + _CHECK.size
LARGEST = 2**32 - 1


@dataclass(frozen=True)
class SpoolRecord:
    """A complete record: its position, its number of rows, and the time of its oldest row (ms)."""

    start: int
    end: int
    rows: int
    oldest: int


@dataclass(frozen=True)
class Damage:
    """Bytes that were written and are no longer a valid record."""

    start: int
    end: int


@dataclass(frozen=True)
class TornRecord:
    """The beginning of a record whose write was interrupted."""

    start: int
    end: int


def pack(rows: Sequence[PredictionRow]) -> bytes:
    """Encode the rows of one write as a record.

    Raises:
        MlpipesError: It exceeds the maximum size of a record.
    """
    import msgspec

    payload = msgspec.msgpack.encode(rows)
    if len(payload) > LARGEST:
        raise MlpipesError("the predictions are too large for the spool", "send fewer rows per request")
    oldest = min(row.made_at for row in rows)
    header = _HEADER.pack(_MARK, len(payload), len(rows), oldest, zlib.crc32(payload))
    return b"".join((header, _CHECK.pack(zlib.crc32(header)), payload))


def unpack(data: bytes, record: SpoolRecord) -> list[PredictionRow]:
    """Return the rows of a record.

    Raises:
        ValueError: They are from another release, or malformed.
    """
    import msgspec

    payload = memoryview(data)[record.start + _SIZE : record.end]
    try:
        return msgspec.msgpack.decode(payload, type=list[PredictionRow])
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise ValueError(str(error)) from None


def scan(data: bytes | mmap, *, whole: bool = True) -> Iterator[SpoolRecord | Damage | TornRecord]:
    """Yield everything in a file, in order and without a gap.

    Args:
        data: The file's content.
        whole: Check the payloads too, not only the headers.
    """
    position, size = 0, len(data)
    while position < size:
        found: SpoolRecord | Damage | TornRecord | None = _record(data, position, whole)
        if found is None:
            following = _next(data, position + 1, whole)
            torn = following == size and _is_torn(data, position)
            found = TornRecord(position, size) if torn else Damage(position, following)
        yield found
        position = found.end


def _record(data: bytes | mmap, start: int, whole: bool) -> SpoolRecord | None:
    header = _header(data, start)
    if header is None:
        return None
    length, rows, oldest, check = header
    end = start + _SIZE + length
    if end > len(data) or (whole and zlib.crc32(data[start + _SIZE : end]) != check):
        return None
    return SpoolRecord(start, end, rows, oldest)


def _header(data: bytes | mmap, start: int) -> tuple[int, int, int, int] | None:
    """Return length, rows, oldest row and checksum of the record that begins here; None without one."""
    head = data[start : start + _SIZE]
    if len(head) < _SIZE or not head.startswith(_MARK):
        return None
    if _CHECK.unpack_from(head, _HEADER.size)[0] != zlib.crc32(head[: _HEADER.size]):
        return None
    _, length, rows, oldest, check = _HEADER.unpack_from(head)
    return length, rows, oldest, check


def _next(data: bytes | mmap, start: int, whole: bool) -> int:
    """Return where the next complete record begins; the end of the file if there is none."""
    while (start := data.find(_MARK, start)) >= 0:
        if _record(data, start, whole) is not None:
            return start
        start += 1
    return len(data)


def _is_torn(data: bytes | mmap, start: int) -> bool:
    """Return whether the rest of the file is a record of which only the end is missing."""
    rest = data[start : start + _SIZE]
    if len(rest) < _SIZE:
        return rest.startswith(_MARK) or _MARK.startswith(rest)
    header = _header(data, start)
    return header is not None and start + _SIZE + header[0] > len(data)
