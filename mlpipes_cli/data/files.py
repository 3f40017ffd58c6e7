"""Tables in files: CSV (plain or gzip) and Parquet, read whole.

The C parser of pandas reads CSV, with numbers rounded to the nearest float: 150 MB in 3.2 s where its
quicker, inexact numbers take 2.6 s and its Arrow parser 1.5 s. The Arrow parser guesses other types
(dates, durations), and inexact numbers hash unlike the same rows from a database. What it leaves as text is
looked at by :mod:`~mlpipes_cli.data.column_types`.
"""

from __future__ import annotations

import gzip
import io
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pandas as pd

from mlpipes_cli.data import csv_frame, csv_table
from mlpipes_cli.data.columns import twice
from mlpipes_cli.data.formats import Formats
from mlpipes_cli.data.header import OPENING, Unreadable, not_opened, open_plain
from mlpipes_cli.data.parquet import plain


@dataclass(frozen=True)
class Read:
    """A table that was read.

    Attributes:
        frame: Its rows.
        formats: How it was written: what was set, and what the file showed.
        notes: How it was read, a line each.
        warnings: What is odd in it, a line each.
    """

    frame: pd.DataFrame
    formats: Formats
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def read_table(path: Path, formats: Formats, shown: str, identifier: str | None = None) -> Read:
    """Read a local .csv, .csv.gz or .parquet file.

    Args:
        path: The file.
        formats: What is set.
        shown: What messages call the file.
        identifier: The column of identifiers, which are kept as they are written.

    Raises:
        Unreadable: It cannot be read as what its name says, or a value is not what ``formats`` says.
    """
    try:
        if path.name.lower().endswith(".parquet"):
            with path.open("rb") as raw:
                return Read(_parquet(raw), formats)
        with open_plain(path) as raw:
            return _csv(raw, formats, shown, identifier)
    except OPENING as error:
        raise not_opened(error) from None


def read_bytes(content: bytes, formats: Formats, shown: str, identifier: str | None = None) -> Read:
    """As :func:`read_table`, of what was fetched; the end of ``shown`` tells the kind.

    Raises:
        Unreadable: It cannot be read as what its name says, or a value is not what ``formats`` says.
    """
    if shown.lower().endswith(".parquet"):
        return Read(_parquet(io.BytesIO(content)), formats)
    if shown.lower().endswith(".gz"):
        try:
            content = gzip.decompress(content)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise not_opened(error) from None
    return _csv(io.BytesIO(content), formats, shown, identifier)


def _csv(raw: BinaryIO, formats: Formats, shown: str, identifier: str | None) -> Read:
    frame, found, remarks = csv_frame.read(raw, formats, identifier)
    rows = [remark.row for remark in remarks if remark.row is not None]
    lines = csv_table.lines(raw, found.separator or ",", rows)
    said = [(remark.warning, remark.line(shown, lambda row: f"line {lines[row]}")) for remark in remarks]
    notes = tuple(line for warning, line in said if not warning)
    return Read(frame, found, notes, tuple(line for warning, line in said if warning))


def _parquet(raw: BinaryIO) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(raw).read()
        if repeated := twice(table.column_names):
            raise Unreadable(f"duplicate column names: {', '.join(map(repr, repeated))}; rename them")
        frame = plain(table)
    except pa.ArrowException as error:
        raise Unreadable(f"is not a valid Parquet file ({' '.join(str(error).split())[:120]})") from None
    if frame.empty:
        raise Unreadable("has no rows")
    return frame
