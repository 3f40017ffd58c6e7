"""Tables of rows to score: CSV, Parquet and JSON files, read in batches."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

_KINDS = {".csv": "csv", ".csv.gz": "csv", ".parquet": "parquet", ".json": "json"}


@dataclass(frozen=True)
class Table:
    """A file's rows.

    Attributes:
        columns: The names.
        rows: How many there are, or None where only reading tells.
        batches: The rows in order.
    """

    columns: list[str]
    rows: int | None
    batches: Iterator[pd.DataFrame]


def check_file(file: Path) -> str:
    """The kind of the file.

    Raises:
        UsageError: It is not there, not readable, or of no kind that is known.
    """
    kind = next((kind for end, kind in _KINDS.items() if file.name.lower().endswith(end)), None)
    if file.is_dir():
        raise UsageError(f"{file}: is a folder", "give a file")
    if not file.exists():
        raise UsageError(f"{file}: no such file", "give the path of a table")
    if kind is None:
        raise UsageError(f"{file}: unknown kind of file", f"it takes {', '.join(_KINDS)}")
    try:
        with file.open("rb") as opened:
            opened.read(1)
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}", "check the file's mode") from None
    return kind


def open_table(file: Path, batch_size: int, *, typed: bool) -> Table:
    """Open a table.

    Args:
        file: One that :func:`check_file` accepted.
        batch_size: Rows a batch.
        typed: The columns' types are known, so a CSV's text is kept as it is.

    Raises:
        UsageError: It cannot be read.
    """
    readers = {"csv": _csv, "parquet": _parquet, "json": _json}
    return readers[check_file(file)](file, batch_size, typed)


def _csv(file: Path, batch_size: int, typed: bool) -> Table:
    import pandas as pd

    options: dict[str, Any] = {"dtype": str} if typed else {"low_memory": False}
    failures = (ValueError, OSError, EOFError)  # pandas' own errors are ValueErrors
    try:
        header = pd.read_csv(file, nrows=0, encoding="utf-8-sig")
        reader = pd.read_csv(file, chunksize=batch_size, encoding="utf-8-sig", **options)
    except failures as error:
        raise _unreadable(file, error) from None

    def batches() -> Iterator[pd.DataFrame]:
        with reader:
            try:
                yield from reader
            except failures as error:
                raise _unreadable(file, error) from None

    return Table([str(name) for name in header.columns], _count_lines(file), batches())


def _count_lines(file: Path) -> int | None:
    """Roughly the rows of a plain CSV, for the progress bar; None for a packed one."""
    if file.suffix == ".gz":
        return None
    with file.open("rb") as opened:
        lines = sum(block.count(b"\n") for block in iter(lambda: opened.read(1 << 20), b""))
    return max(lines - 1, 1)


def _parquet(file: Path, batch_size: int, typed: bool) -> Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from mlpipes_cli.data.arrow import to_frame

    try:
        opened = pq.ParquetFile(file)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(file, error) from None

    def batches() -> Iterator[pd.DataFrame]:
        with opened:
            try:
                for batch in opened.iter_batches(batch_size):
                    yield to_frame(pa.Table.from_batches([batch]))
            except (pa.ArrowException, OSError) as error:
                raise _unreadable(file, error) from None

    return Table(list(opened.schema_arrow.names), opened.metadata.num_rows, batches())


def _json(file: Path, batch_size: int, typed: bool) -> Table:
    try:
        document = json.loads(file.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise _unreadable(file, error) from None
    try:
        frame = _frame(document)
    except (ValueError, TypeError, AttributeError):
        raise UsageError(
            f"{file}: no table", "it takes a list of records, an object of lists, or {columns, data}"
        ) from None

    def batches() -> Iterator[pd.DataFrame]:
        for start in range(0, len(frame), batch_size):
            yield frame.iloc[start : start + batch_size].reset_index(drop=True)

    return Table([str(name) for name in frame.columns], len(frame), batches())


def _frame(document: Any) -> pd.DataFrame:
    import pandas as pd

    if isinstance(document, dict) and len(document) == 1:
        inner = next(
            (document[key] for key in ("dataframe_records", "dataframe_split") if key in document), None
        )
        document = document if inner is None else inner
    if isinstance(document, dict):
        if {"columns", "data"} <= document.keys() <= {"columns", "data", "index"}:
            return pd.DataFrame(document["data"], columns=document["columns"], dtype=object)
        if document and not any(isinstance(value, list) for value in document.values()):
            return pd.DataFrame([document], dtype=object)
        if not all(isinstance(value, list) for value in document.values()):
            raise ValueError("lists and single values")
        return pd.DataFrame(document, dtype=object)
    if not isinstance(document, list) or not all(isinstance(record, dict) for record in document):
        raise ValueError("no records")
    return pd.DataFrame(document, dtype=object)


def _unreadable(file: Path, error: BaseException) -> UsageError:
    reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
    return UsageError(f"{file}: cannot be read ({reason})", "check the file")
