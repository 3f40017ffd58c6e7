"""Infers the encoding of a text file: UTF-8, UTF-16, or cp1252 where the bytes are not UTF-8."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import BinaryIO

from mlpipes_cli.data.readers.unreadable import Unreadable

UTF8, FALLBACK = "utf-8", "cp1252"
_BLOCK = 1 << 20
KINDS = {  # by their first bytes: what a file is that is no text
    b"PAR1": "a Parquet file",
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"\x1f\x8b": "compressed with gzip (name it .csv.gz)",
    b"BZh": "compressed with bzip2 (name it .csv.bz2)",
    b"\xfd7zXZ\0": "compressed with xz (name it .csv.xz)",
    b"\x28\xb5\x2f\xfd": "compressed with zstd (name it .csv.zst)",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"%PDF": "a PDF",
}
_MARKS = (
    (codecs.BOM_UTF8, UTF8),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def infer(raw: BinaryIO) -> str:
    """Return the encoding of a text file, whose bytes are all read.

    Without a byte order mark, a file whose bytes are valid UTF-8 is UTF-8, one with a zero in every second
    byte is UTF-16, and any other is cp1252, if that defines all its bytes.

    Args:
        raw: The decompressed bytes, at their beginning.

    Raises:
        Unreadable: The bytes have none of these encodings.
    """
    start = raw.read(_BLOCK)
    for mark, name in _MARKS:
        if start.startswith(mark):
            return name
    if start.startswith(tuple(KINDS)):
        return UTF8  # whoever parses the text says what the file is
    if (wide := _without_mark(start)) is not None:
        return wide
    if b"\0" in start:
        return UTF8
    decoders = {name: codecs.getincrementaldecoder(name)() for name in (UTF8, FALLBACK)}
    place: int = 0
    failed: UnicodeDecodeError | None = None
    for block in _blocks(start, raw):
        if not (block.isascii() and UTF8 in decoders and decoders[UTF8].getstate()[0] == b""):
            for name in list(decoders):
                try:
                    decoders[name].decode(block)
                except UnicodeDecodeError as error:
                    del decoders[name]
                    failed = error if name == UTF8 else failed
                    place = place if name != UTF8 else place + error.start
        if not decoders:
            break
    if UTF8 in decoders:
        try:
            decoders[UTF8].decode(b"", final=True)
            return UTF8
        except UnicodeDecodeError as error:
            failed = error
    if FALLBACK in decoders:
        return FALLBACK
    reason = failed.reason if failed is not None else "invalid bytes"
    raise Unreadable(f"is not UTF-8 ({reason}), nor cp1252; set `encoding`, or save it as UTF-8")


def _blocks(start: bytes, raw: BinaryIO) -> Iterator[bytes]:
    yield start
    while block := raw.read(_BLOCK):
        yield block


def _without_mark(start: bytes) -> str | None:
    """Return the kind of UTF-16 if nearly every second byte is zero, as in text of Latin letters."""
    some = start[:4096]
    if len(some) < 4 or b"\0" not in some:
        return None
    even, odd = some[0::2].count(0), some[1::2].count(0)
    half = len(some) // 2
    if odd > 0.9 * half and even == 0:
        return "utf-16-le"
    return "utf-16-be" if even > 0.9 * half and odd == 0 else None


def check(name: str) -> None:
    """Check that an encoding exists and is one of text.

    Raises:
        Unreadable: It does not.
    """
    try:
        if codecs.lookup(name)._is_text_encoding:  # no public name tells bytes-to-bytes codecs apart
            return
    except LookupError:
        pass
    raise Unreadable(f"unknown encoding {name!r}; use a name such as utf-8, cp1252, utf-16 or latin-1")
