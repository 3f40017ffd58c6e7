"""Limits the size of a table before it is read: by its width and by its unpacked size.

The file's size does not matter: rows are read in batches, so a large file takes no more memory than a small
one. But a few kilobytes may hold a hundred thousand columns, or unpack to more than any machine's memory.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli.data.csv_files.header import open_plain
from mlpipes_cli.errors import UsageError
from mlpipes_cli.server.requests.bounds import MOST_CELLS, MOST_UNKNOWN

if TYPE_CHECKING:
    import pyarrow.parquet as pq

MOST_HEADER = 16 * 2**20  # bytes of a CSV file's first line
UNPACKED, TIMES = 128 * 2**20, 200  # bytes that a Parquet file may unpack to, or times its own size


def check_width(file: Path, columns: int, known: int) -> None:
    """Refuse a file with far more columns than the model takes.

    Args:
        file: The file.
        columns: How many it has.
        known: How many the model takes.

    Raises:
        UsageError: It has too many columns.
    """
    most = known + MOST_UNKNOWN
    if columns > most:
        hint = "leave out the columns that are not needed"
        raise UsageError(f"{file}: {columns} columns; at most {most} are read", hint)


def check_header(file: Path) -> None:
    """Check the length of a CSV file's first line before the line is split.

    Raises:
        UsageError: It is too long.
        OSError: It cannot be read or unpacked.
    """
    with open_plain(file) as raw:
        if len(raw.readline(MOST_HEADER + 1)) > MOST_HEADER:
            message = f"{file}: the first line has more than {MOST_HEADER >> 20} MB, so it is not a header"
            raise UsageError(message, "give a CSV file whose first line names the columns")


def check_parquet(file: Path, opened: pq.ParquetFile) -> None:
    """Compare the unpacked size that a Parquet file declares with its file size.

    Raises:
        UsageError: The unpacked size is too large.
    """
    groups = range(opened.metadata.num_row_groups)
    unpacked = sum(opened.metadata.row_group(at).total_byte_size for at in groups)
    if unpacked > max(UNPACKED, TIMES * file.stat().st_size):
        message = f"{file}: unpacks to {unpacked >> 20} MB, more than {TIMES} times its size"
        raise UsageError(message, "check where the file comes from; write it again with pyarrow or pandas")


def check_records(file: Path, document: Any) -> None:
    """Check the records of a JSON file before a table is made of them.

    Raises:
        UsageError: The records have different names, so that there would be far more cells than values.
    """
    if isinstance(document, list) and all(isinstance(record, dict) for record in document):
        columns = len(set().union(*document))
        if len(document) * columns > max(MOST_CELLS, file.stat().st_size):
            message = f"{file}: {len(document)} records with {columns} different names"
            raise UsageError(message, "give records that have the same names")
