"""Check the memory that a Parquet file would take before it is read.

The footer has the numbers of rows and columns; each page's header has its uncompressed size, which the reader
uses too (Apache Parquet's format, "File format" and `PageHeader` in parquet.thrift, in Thrift's compact
protocol). A text that is stored once in a dictionary and used in every row only grows when it is read as
text. Decimals, lists and structs become Python objects, each of which takes more than a hundred bytes.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from mlpipes_cli.server.http.api_error import ApiError, bad_request, too_large
from mlpipes_cli.server.requests.bounds import Bounds

if TYPE_CHECKING:
    import pyarrow as pa

MOST_BYTES = 128 * 2**20  # the limit for a file, or four times its own size
MOST_FOOTER = 4 * 2**20
MOST_PAGES = 50_000
_WIDTHS = {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4, "INT64": 8, "DOUBLE": 8, "INT96": 12, "BYTE_ARRAY": 8}
_DECIMAL, _LIST, _STRUCT = (
    140,
    160,
    220,
)  # bytes of an object of Python and of the place that it has in a column
_FIXED = {3: 1, 7: 8}  # bytes and doubles of Thrift
_NO_FILE = "the body is not a valid Parquet file"


def check_parquet(body: bytes, bounds: Bounds) -> None:
    """Check the size of a Parquet file before it is read.

    Raises:
        ApiError: The body is not a Parquet file (400), or becomes too large (413).
    """
    if MOST_FOOTER < int.from_bytes(body[-8:-4], "little") <= len(body):
        raise too_large("the Parquet file's metadata is too large")
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(io.BytesIO(body))
        bounds.check(file.metadata.num_rows, file.metadata.num_columns, len(body))
        most = max(MOST_BYTES, 4 * len(body))
        groups = _groups(body)
        sizes = [
            _size(body, file.schema.column(at), kind, [of[at] for of in groups], file.metadata.num_rows)
            for at, kind in enumerate(_kinds(file.schema_arrow))
        ]
        texts = [at for at, (_, _, text) in enumerate(sizes) if text > most // len(sizes)]
        if (
            sum(packed for packed, _, _ in sizes) > most
            or sum(values for _, values, _ in sizes) > most
            or (texts and _texts(body, file.schema, texts) > most)
        ):
            raise too_large(
                f"the Parquet file unpacks to more than {most} bytes; split it into several requests"
            )
    except ApiError:
        raise
    except (pa.ArrowException, OSError, ValueError, IndexError, KeyError, TypeError):
        raise bad_request(_NO_FILE) from None


def _groups(body: bytes) -> list[list[dict[int, Any]]]:
    """Return the ``ColumnMetaData`` of each column, for each row group.

    They are parsed here: pyarrow's own access ends the process if a column's statistics are wrong.
    """
    length = int.from_bytes(body[-8:-4], "little")
    footer = _Compact(body, len(body) - 8 - length).struct()
    return [[chunk[3] for chunk in group[1]] for group in footer.get(4, [])]


def _kinds(schema: pa.Schema) -> list[pa.DataType]:
    """Return, for each of the file's columns, the type of the table's column that it belongs to."""
    return [field.type for field in schema for _ in range(_leaves(field.type))]


def _leaves(kind: pa.DataType) -> int:
    return sum(_leaves(kind.field(at).type) for at in range(kind.num_fields)) if kind.num_fields else 1


def _size(
    body: bytes, column: Any, kind: pa.DataType, chunks: list[dict[int, Any]], rows: int
) -> tuple[int, int, int]:
    """Return a column's bytes in its pages, in its values without texts, and the upper bound of its texts."""
    width = column.length if column.physical_type == "FIXED_LEN_BYTE_ARRAY" else _WIDTHS[column.physical_type]
    if column.logical_type.type == "DECIMAL":
        width = _DECIMAL
    packed, values, texts = 0, 0, 0
    if kind.num_fields == 1 and column.max_repetition_level == 1 and not kind.field(0).type.num_fields:
        values = rows * _LIST
    elif kind.num_fields:
        width = _STRUCT
    for chunk in chunks:
        if not (count := chunk[5]):
            continue
        start, first = chunk[9], chunk.get(11)
        if first is not None and 0 < first < start:
            start = first
        here = _unpacked(body, start, start + chunk[7])
        packed, values = packed + here, values + count * width
        texts += count * here if column.physical_type == "BYTE_ARRAY" else 0
    return packed, values, texts


def _unpacked(body: bytes, start: int, end: int) -> int:
    """Return the uncompressed size of the pages between two positions of the file, from their headers."""
    if not 0 < start <= end:
        raise ValueError(_NO_FILE)
    reader, end = _Compact(body, start), min(end, len(body))
    total = pages = 0
    while reader.at < end:
        head = reader.struct()
        unpacked, packed = head[2], head[3]
        if unpacked < 0 or packed < 0:
            raise ValueError(_NO_FILE)
        total, pages = total + unpacked, pages + 1
        if pages > MOST_PAGES:
            raise too_large("the Parquet file has too many pages")
        reader.at += packed
    return total


def _texts(body: bytes, schema: Any, columns: list[int]) -> int:
    """Return the bytes of all texts of these columns, each counted as often as it is used."""
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


class _Compact:
    """Reader of Thrift's compact protocol, as far as Parquet uses it.

    Args:
        body: The file.
        at: The position to begin at.
    """

    def __init__(self, body: bytes, at: int) -> None:
        self._body, self.at = body, at

    def struct(self, depth: int = 0) -> dict[int, Any]:
        """Read a struct: integers, structs and lists by field number; None for everything else."""
        if depth > 16:
            raise ValueError(_NO_FILE)
        found: dict[int, Any] = {}
        field = 0
        while head := self._byte():
            field = field + (head >> 4) if head >> 4 else self._number()
            found[field] = self._value(head & 15, depth)
        return found

    def _value(self, kind: int, depth: int) -> Any:
        if kind in (4, 5, 6):
            return self._number()
        if kind in (9, 10):
            return self._list(depth)
        if kind == 12:
            return self.struct(depth + 1)
        if kind == 8:
            length = self._unsigned()
            self.at += length
        elif kind in _FIXED:
            self.at += _FIXED[kind]
        elif kind not in (1, 2):  # booleans, whose type is their value
            raise ValueError(_NO_FILE)
        return None

    def _list(self, depth: int) -> list[Any]:
        head = self._byte()
        kind, size = head & 15, head >> 4
        size = self._unsigned() if size == 15 else size
        if width := 1 if kind in (1, 2) else _FIXED.get(kind):
            self.at += size * width
            return []
        return [self._value(kind, depth + 1) for _ in range(size)]  # each takes at least one byte

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
        byte = self._body[self.at]
        self.at += 1
        return byte
