"""What a Parquet file would take in memory, found out before it is read.

Its footer says how many rows and columns there are; what its pages unpack to stands in front of each of
them, where the reader takes it from (Apache Parquet's format, "File format" and `PageHeader` in
parquet.thrift, in Thrift's compact protocol). Text that stands once in a dictionary and is meant in each row
grows only when it is read as text.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from mlpipes_cli.server.bounds import Bounds
from mlpipes_cli.server.faults import Fault, bad_request, too_large

if TYPE_CHECKING:
    import pyarrow.parquet

MOST_BYTES = 128 * 2**20  # that a file may become, or four times its own size
MOST_FOOTER = 4 * 2**20
MOST_PAGES = 50_000
_WIDTHS = {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4, "INT64": 8, "DOUBLE": 8, "INT96": 12, "BYTE_ARRAY": 8}
_NO_FILE = "the body is not a valid Parquet file"


def check_parquet(body: bytes, bounds: Bounds) -> None:
    """Look at a Parquet file before it is read.

    Raises:
        Fault: It is none (400), or becomes too large (413).
    """
    if MOST_FOOTER < int.from_bytes(body[-8:-4], "little") <= len(body):
        raise too_large("the Parquet file's description of itself is too long")
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(io.BytesIO(body))
        bounds.check(file.metadata.num_rows, file.metadata.num_columns, len(body))
        most = max(MOST_BYTES, 4 * len(body))
        sizes = [_size(body, file, at) for at in range(file.metadata.num_columns)]
        texts = [at for at, (_, _, text) in enumerate(sizes) if text > most // len(sizes)]
        if (
            sum(packed for packed, _, _ in sizes) > most
            or sum(values for _, values, _ in sizes) > most
            or (texts and _texts(body, file.schema, texts) > most)
        ):
            raise too_large(f"the Parquet file unpacks to more than {most} bytes; send several requests")
    except Fault:
        raise
    except (pa.ArrowException, OSError, ValueError, IndexError, KeyError):
        raise bad_request(_NO_FILE) from None


def _size(body: bytes, file: pyarrow.parquet.ParquetFile, at: int) -> tuple[int, int, int]:
    """A column's bytes in its pages, in its values without texts, and in texts at the most."""
    column = file.schema.column(at)
    width = column.length if column.physical_type == "FIXED_LEN_BYTE_ARRAY" else _WIDTHS[column.physical_type]
    packed = values = texts = 0
    for group in range(file.metadata.num_row_groups):
        chunk = file.metadata.row_group(group).column(at)
        if not chunk.num_values:
            continue
        start, first = chunk.data_page_offset, chunk.dictionary_page_offset
        if chunk.has_dictionary_page and first is not None and 0 < first < start:
            start = first
        here = _Pages(body, start, start + chunk.total_compressed_size).unpacked()
        packed, values = packed + here, values + chunk.num_values * width
        texts += chunk.num_values * here if column.physical_type == "BYTE_ARRAY" else 0
    return packed, values, texts


def _texts(body: bytes, schema: Any, columns: list[int]) -> int:
    """The bytes of all texts of these columns, each counted as often as it is meant."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    paths = [schema.column(at).path for at in columns]
    table = pq.ParquetFile(io.BytesIO(body), read_dictionary=paths).read(columns=paths)
    total = 0
    for column in table.columns:
        for chunk in column.chunks:
            while pa.types.is_nested(chunk.type):
                chunk = chunk.flatten() if not pa.types.is_struct(chunk.type) else chunk.field(0)
            if pa.types.is_dictionary(chunk.type):
                lengths = pc.binary_length(chunk.dictionary.cast(pa.binary()))
                total += pc.sum(lengths.cast(pa.int64()).take(chunk.indices)).as_py() or 0
            else:
                total += chunk.nbytes
    return total


class _Pages:
    """The pages of one column between two places of the file."""

    def __init__(self, body: bytes, start: int, end: int) -> None:
        self._body, self._at, self._end = body, start, min(end, len(body))
        if not 0 < start <= end:
            raise ValueError(_NO_FILE)

    def unpacked(self) -> int:
        """The bytes that they unpack to, as they say themselves."""
        total = pages = 0
        while self._at < self._end:
            head = self._struct(0)
            unpacked, packed = head[2], head[3]
            if unpacked < 0 or packed < 0:
                raise ValueError(_NO_FILE)
            total, pages = total + unpacked, pages + 1
            if pages > MOST_PAGES:
                raise too_large("the Parquet file has too many pages")
            self._at += packed
        return total

    def _struct(self, depth: int) -> dict[int, int]:
        """The whole numbers of a struct by the numbers of their fields; all else is passed over."""
        if depth > 16:
            raise ValueError(_NO_FILE)
        found: dict[int, int] = {}
        field = 0
        while head := self._byte():
            field = field + (head >> 4) if head >> 4 else self._number()
            kind = head & 15
            if kind in (4, 5, 6):
                found[field] = self._number()
            elif kind not in (1, 2):  # truths, which are their own kind
                self._skip(kind, depth)
        return found

    def _skip(self, kind: int, depth: int) -> None:
        if kind == 12:
            self._struct(depth + 1)
        elif kind == 8:
            length = self._unsigned()
            self._at += length
        elif kind in (3, 7):
            self._at += 1 if kind == 3 else 8
        elif kind in (9, 10):
            head = self._byte()
            for _ in range(self._unsigned() if head >> 4 == 15 else head >> 4):
                if (inner := head & 15) in (1, 2):
                    self._at += 1
                elif inner in (4, 5, 6):
                    self._unsigned()
                else:
                    self._skip(inner, depth + 1)
        else:
            raise ValueError(_NO_FILE)

    def _number(self) -> int:
        value = self._unsigned()
        return (value >> 1) ^ -(value & 1)

    def _unsigned(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
            if shift > 63:
                raise ValueError(_NO_FILE)

    def _byte(self) -> int:
        byte = self._body[self._at]
        self._at += 1
        return byte
