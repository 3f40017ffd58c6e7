"""What a file of rows would become, found out before it does: by its width and by what it unpacks to.

Its size says nothing: rows are read in batches, so a file of gigabytes takes no more memory than a small one.
But a few kilobytes may hold a hundred thousand columns, or unpack to what no machine holds.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli.data.header import open_plain
from mlpipes_cli.errors import UsageError
from mlpipes_cli.server.requests.bounds import MOST_CELLS, MOST_UNKNOWN

if TYPE_CHECKING:
    import pyarrow.parquet as pq

MOST_HEADER = 16 * 2**20  # bytes of a CSV file's first line
UNPACKED, TIMES = 128 * 2**20, 200  # a Parquet file may unpack to so many bytes, or times its own size


def check_width(file: Path, columns: int, known: int) -> None:
    """Have a file refused that has far more columns than anybody asks for.

    Args:
        file: It.
        columns: How many it has.
        known: How many the model takes.

    Raises:
        UsageError: It has too many.
    """
    most = known + MOST_UNKNOWN
    if columns > most:
        hint = "leave out the columns that are not needed"
        raise UsageError(f"{file}: {columns} columns; at most {most} are read", hint)


def check_header(file: Path) -> None:
    """Look at a CSV file's first line before it is split.

    Raises:
        UsageError: It is too long.
        OSError: It cannot be read, or not be unpacked.
    """
    with open_plain(file) as raw:
        if len(raw.readline(MOST_HEADER + 1)) > MOST_HEADER:
            told = f"{file}: the first line has more than {MOST_HEADER >> 20} MB, so it is not a header"
            raise UsageError(told, "give a CSV file whose first line names the columns")


def check_parquet(file: Path, opened: pq.ParquetFile) -> None:
    """Hold what a Parquet file says that it unpacks to against its size.

    Raises:
        UsageError: It is too much.
    """
    groups = range(opened.metadata.num_row_groups)
    unpacked = sum(opened.metadata.row_group(at).total_byte_size for at in groups)
    if unpacked > max(UNPACKED, TIMES * file.stat().st_size):
        told = f"{file}: unpacks to {unpacked >> 20} MB, more than {TIMES} times its size"
        raise UsageError(told, "check where the file comes from; write it again with pyarrow or pandas")


def check_records(file: Path, document: Any) -> None:
    """Look at the records of a JSON file before a table is made of them.

    Raises:
        UsageError: Each has names of its own, so that there would be far more cells than values.
    """
    if isinstance(document, list) and all(isinstance(record, dict) for record in document):
        columns = len(set().union(*document))
        if len(document) * columns > max(MOST_CELLS, file.stat().st_size):
            told = f"{file}: {len(document)} records with {columns} different names"
            raise UsageError(told, "give records that have the same names")
