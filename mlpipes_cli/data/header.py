"""The first lines of a CSV file, read with the standard library alone."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TextIO

from mlpipes_cli.data.columns import twice

_KINDS = {
    b"PAR1": "a Parquet file",
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"\x1f\x8b": "compressed with gzip (name it .csv.gz)",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"%PDF": "a PDF",
    b"\xff\xfe": "in UTF-16 (save it as UTF-8)",
    b"\xfe\xff": "in UTF-16 (save it as UTF-8)",
}
_SEPARATORS = ",;\t|"


class Unreadable(Exception):
    """The file cannot be read as what its name says; the text says why."""

    def of(self, shown: str) -> str:
        """The whole complaint about a file of that name."""
        text = str(self)
        return f"{shown} {text}" if text.startswith(("is ", "has ")) else f"{shown}: {text}"


@dataclass(frozen=True)
class Header:
    """The first line of a CSV file.

    Attributes:
        columns: Their names; one without a name is called as pandas does: ``Unnamed: 3``.
        separator: What stands between them.
    """

    columns: tuple[str, ...]
    separator: str


def open_plain(path: Path) -> BinaryIO:
    """The file's bytes, decompressed if its name ends in .gz."""
    return gzip.open(path, "rb") if path.name.lower().endswith(".gz") else path.open("rb")  # type: ignore[return-value]


def read_header(path: Path) -> Header:
    """Read and check the first lines of a local CSV file.

    Raises:
        Unreadable: No permission, no CSV, not UTF-8, empty, a header that is not clear.
    """
    try:
        with open_plain(path) as raw:
            return header_of(raw)
    except PermissionError:
        raise Unreadable("no permission to read it; check the file's mode") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise Unreadable(f"is no whole gzip file ({error})") from None
    except OSError as error:
        raise Unreadable((error.strerror or str(error)).lower()) from None


def header_of(raw: BinaryIO) -> Header:
    """As :func:`read_header`, from bytes that were opened already."""
    start = raw.read(8192)
    _check_kind(start)
    raw.seek(0)
    text = io.TextIOWrapper(raw, encoding="utf-8-sig", newline="")
    try:
        return _parse(text)
    except UnicodeDecodeError as error:
        raise Unreadable(f"is not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8") from None
    except csv.Error as error:
        raise Unreadable(f"is no CSV ({error})") from None
    finally:
        text.detach()


def _check_kind(start: bytes) -> None:
    if not start.strip(b"\r\n\t \xef\xbb\xbf"):
        raise Unreadable("is empty")
    for magic, kind in _KINDS.items():
        if start.startswith(magic):
            raise Unreadable(f"is no CSV but {kind}")
    if b"\0" in start:
        raise Unreadable("is no CSV but a binary file")


def _parse(text: TextIO) -> Header:
    line = next((line for line in text if line.strip()), "")
    text.seek(0)
    separator = max(_SEPARATORS, key=lambda char: (line.count(char) > 0, -_SEPARATORS.index(char)))
    records = rows(text, separator)
    _, first = next(records, (1, []))
    columns = tuple(name if name else f"Unnamed: {at}" for at, name in enumerate(first))
    if repeated := twice(columns):
        raise Unreadable(f"column names stand twice: {', '.join(map(repr, repeated))}; each needs its own")
    number, second = next(records, (0, []))
    if not second:
        raise Unreadable("has a header and no rows")
    if len(second) > len(columns):
        raise Unreadable(f"line {number} has {len(second)} fields, but the header has {len(columns)}")
    return Header(columns, separator)


def rows(text: TextIO, separator: str) -> Iterator[tuple[int, list[str]]]:
    """The records that are not blank, each with the number of its last line."""
    reader = csv.reader(text, delimiter=separator)
    for record in reader:
        if record:
            yield reader.line_num, record


def ragged_line(raw: BinaryIO, header: Header) -> tuple[int, int] | None:
    """Line and number of fields of the first record that is not as long as the header."""
    text = io.TextIOWrapper(raw, encoding="utf-8-sig", newline="")
    try:
        for number, record in rows(text, header.separator):
            if len(record) != len(header.columns):
                return number, len(record)
    finally:
        text.detach()
    return None
