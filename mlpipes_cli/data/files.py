"""Tables in files: CSV (plain or gzip) and Parquet.

The C parser of pandas reads CSV, with numbers rounded to the nearest float: 150 MB in 3.2 s where its
quicker, inexact numbers take 2.6 s and its Arrow parser 1.5 s. The Arrow parser guesses other types
(dates, durations), and inexact numbers hash unlike the same rows from a database.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from pathlib import Path
from typing import BinaryIO

import pandas as pd

from mlpipes_cli.data.arrow import to_frame
from mlpipes_cli.data.columns import twice
from mlpipes_cli.data.header import Header, Unreadable, header_of, open_plain, ragged_line


def read_table(path: Path) -> pd.DataFrame:
    """Read a local .csv, .csv.gz or .parquet file.

    Raises:
        Unreadable: It cannot be read as what its name says.
    """
    try:
        if path.name.lower().endswith(".parquet"):
            with path.open("rb") as raw:
                return _parquet(raw)
        with open_plain(path) as raw:
            return _csv(raw)
    except FileNotFoundError:
        raise Unreadable("no such file") from None
    except PermissionError:
        raise Unreadable("no permission to read it; check the file's mode") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise Unreadable(f"is no whole gzip file ({error})") from None
    except OSError as error:
        raise Unreadable((error.strerror or str(error)).lower()) from None


def read_bytes(content: bytes, name: str) -> pd.DataFrame:
    """Read a table that was fetched; its name tells the kind.

    Raises:
        Unreadable: It cannot be read as what its name says.
    """
    if name.lower().endswith(".parquet"):
        return _parquet(io.BytesIO(content))
    if name.lower().endswith(".gz"):
        try:
            content = gzip.decompress(content)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise Unreadable(f"is no whole gzip file ({error})") from None
    return _csv(io.BytesIO(content))


def _csv(raw: BinaryIO) -> pd.DataFrame:
    header = header_of(raw)
    raw.seek(0)
    try:
        frame = pd.read_csv(
            raw,
            sep=header.separator,
            encoding="utf-8-sig",
            engine="c",
            low_memory=False,
            index_col=False,
            float_precision="round_trip",  # the nearest float, so that a row hashes alike from any format
        )
    except pd.errors.ParserError as error:
        raise Unreadable(_what_broke(str(error))) from None
    except UnicodeDecodeError as error:
        raise Unreadable(f"is not UTF-8 ({error.reason}); save it as UTF-8") from None
    _check_lengths(raw, frame, header)
    return frame


def _what_broke(message: str) -> str:
    found = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", message)
    if found:
        expected, line, seen = found.groups()
        return f"line {line} has {seen} fields, but the header has {expected}"
    return f"is no CSV ({message.removeprefix('Error tokenizing data. C error: ').strip()})"


def _check_lengths(raw: BinaryIO, frame: pd.DataFrame, header: Header) -> None:
    """A line that is too short leaves a gap in the last column, so only then are lines counted."""
    if not frame.iloc[:, -1].isna().any():
        return
    raw.seek(0)
    if (found := ragged_line(raw, header)) is not None:
        raise Unreadable(f"line {found[0]} has {found[1]} fields, but the header has {len(header.columns)}")


def _parquet(raw: BinaryIO) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(raw).read()
        if repeated := twice(table.column_names):
            raise Unreadable(
                f"column names stand twice: {', '.join(map(repr, repeated))}; each needs its own"
            )
        frame = to_frame(table)
    except pa.ArrowException as error:
        raise Unreadable(f"is no Parquet file ({' '.join(str(error).split())[:120]})") from None
    if frame.empty:
        raise Unreadable("has no rows")
    return frame
