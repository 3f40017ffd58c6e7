"""Reads tables of rows to score, or of truths, in batches: CSV, Parquet and JSON files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli.data.arrow import NotConvertible, named_range
from mlpipes_cli.data.columns import twice
from mlpipes_cli.data.csv_files.header import OPENING, Unreadable, not_opened, read_header
from mlpipes_cli.data.formats import Formats, Names
from mlpipes_cli.data.readers import opening
from mlpipes_cli.data.readers.unreadable import NoNames
from mlpipes_cli.errors import UsageError
from mlpipes_cli.lifecycle.prediction import bounds, json_table

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from mlpipes_cli.data.csv_files.csv_stream import Kind
    from mlpipes_cli.ports import Reporter

_KINDS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".json": "json",
} | dict.fromkeys((".jsonl", ".ndjson", ".xlsx", ".xls"), "input")
_OF_MODELS: dict[str, Kind] = {  # by MLflow's types
    "double": "number",
    "float": "number",
    "long": "digits",
    "integer": "digits",
    "boolean": "flag",
    "datetime": "moment",
}


@dataclass
class Table:
    """A file that holds a table.

    Attributes:
        file: The file.
        columns: The names.
        rows: How many there are, or None if only reading the file finds out.
    """

    file: Path
    columns: list[str]
    rows: int | None
    _read: Callable[[Table, int, Mapping[str, Kind] | None, Formats], Iterator[pd.DataFrame]]
    _notes: list[str] = field(default_factory=list)
    _warnings: list[str] = field(default_factory=list)

    def batches(
        self, size: int, kinds: Mapping[str, Kind] | None, formats: Formats
    ) -> Iterator[pd.DataFrame]:
        """Yield the rows in order, in batches of ``size``.

        Args:
            size: Rows in a batch.
            kinds: The kinds of columns of text files (others stay as text); None reads the
                file whole and infers them, as training does.
            formats: How the file is written, if it does not show that itself.

        Raises:
            UsageError: The file cannot be read.
        """
        return self._read(self, size, kinds, formats)

    def renamed(self, names: Mapping[str, str]) -> Table:
        """Return the table with other names of some columns.

        Args:
            names: The new name by the one in the file.
        """
        back = {new: old for old, new in names.items()}

        def read(
            _: Table, size: int, kinds: Mapping[str, Kind] | None, formats: Formats
        ) -> Iterator[pd.DataFrame]:
            here = None if kinds is None else {back.get(name, name): kind for name, kind in kinds.items()}
            dates = {back.get(name, name): how for name, how in formats.dates.items()}
            for batch in self.batches(size, here, formats.found(dates=dates)):
                yield batch.rename(columns=dict(names))

        columns = [names.get(name, name) for name in self.columns]
        return Table(self.file, columns, self.rows, read, self._notes, self._warnings)

    def tell(self, reporter: Reporter) -> None:
        """Report how the file was read, and what is unusual in it, after it was read."""
        for note in self._notes:
            reporter.info(note)
        for warning in self._warnings:
            reporter.warn(warning)


def kinds_of(types: Mapping[str, str]) -> dict[str, Kind]:
    """Return the kinds of a model's columns, by MLflow's types of them."""
    return {name: _OF_MODELS.get(kind, "text") for name, kind in types.items()}


def check_file(file: Path) -> str:
    """Return the kind of the file.

    Raises:
        UsageError: It is missing, not readable, or of an unknown kind.
    """
    kind = _KINDS.get(opening.kind(file.name))
    if kind in ("parquet", "json") and opening.compression(file.name):
        kind = None
    if file.is_dir():
        raise UsageError(f"{file}: is a folder", "give a file")
    if not file.exists():
        raise UsageError(f"{file}: no such file", "give the path of a table")
    if not file.is_file():
        raise UsageError(f"{file}: is not a regular file", "give a file")
    if kind is None:
        raise UsageError(f"{file}: unknown kind of file", f"supported: {', '.join(_KINDS)}")
    try:
        with file.open("rb") as opened:
            opened.read(1)
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}", "check the file's mode") from None
    return kind


def open_table(file: Path, known: int = 0, names: Names = None) -> Table:
    """Open a table.

    Args:
        file: One that :func:`check_file` accepted.
        known: How many of its columns are needed.
        names: The names of a CSV file's columns, if the model's own files had no line of names.

    Raises:
        UsageError: It cannot be read, or becomes too large.
    """
    openings: dict[str, Callable[[Path], Table]] = {
        "csv": partial(_csv, names=names), "parquet": _parquet, "json": _json, "input": _input
    }  # fmt: skip
    table = openings[check_file(file)](file)
    bounds.check_width(file, len(table.columns), known)
    return table


def check_names(file: Path) -> None:
    """Refuse a CSV file whose first line is a row; asked if columns are missing, since names decide first.

    Raises:
        UsageError: It is a row.
    """
    if _KINDS.get(opening.kind(file.name)) == "csv":
        try:
            read_header(file, rows_needed=False)
        except NoNames as error:
            raise _refused(file, error) from None
        except Unreadable:
            return


def _csv(file: Path, names: Names = None) -> Table:
    try:
        bounds.check_header(file)
        header = read_header(file, rows_needed=False, names=names, judge=False)
    except OPENING as error:
        raise _refused(file, not_opened(error)) from None
    except Unreadable as error:
        raise _refused(file, error) from None
    return Table(file, list(header.columns), _count_lines(file), _csv_batches)


def _csv_batches(
    table: Table, size: int, kinds: Mapping[str, Kind] | None, formats: Formats
) -> Iterator[pd.DataFrame]:
    from mlpipes_cli.data.csv_files.csv_stream import Stream, UnclearDate
    from mlpipes_cli.data.csv_files.numbers import Style

    file = table.file
    try:
        if kinds is None:
            yield from _whole(table, size, formats)
            return
        hint = Style(formats.decimal, formats.thousands) if formats.decimal else None
        stream = Stream(file, formats, kinds, hint)
        yield from stream.batches(size)
    except Unreadable as error:
        raise _refused(file, error) from None
    except UnclearDate as error:
        raise UsageError(
            f"{file}: column {error.column!r}, row {error.row + 1}: {error}", "write dates as 2024-05-31"
        ) from None
    for remark in stream.said:
        line = remark.line(str(file), lambda row: f"row {row + 1}")
        (table._warnings if remark.warning else table._notes).append(line)


def _whole(table: Table, size: int, formats: Formats) -> Iterator[pd.DataFrame]:
    from mlpipes_cli.data.origins.files import read_table

    found = read_table(table.file, formats, str(table.file))
    table._notes.extend(found.notes)
    table._warnings.extend(found.warnings)
    for start in range(0, len(found.frame), size):
        yield found.frame.iloc[start : start + size].reset_index(drop=True)


def _count_lines(file: Path) -> int | None:
    """Estimate the rows of a plain CSV for the progress bar; None for a compressed one."""
    if opening.compression(file.name):
        return None
    with file.open("rb") as opened:
        lines = sum(block.count(b"\n") for block in iter(lambda: opened.read(1 << 20), b""))
    return max(lines - 1, 1)


def _parquet(file: Path) -> Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        opened = pq.ParquetFile(file)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(file, error) from None
    bounds.check_parquet(file, opened)
    if repeated := twice(opened.schema_arrow.names):
        message = f"{file}: duplicate column names: {', '.join(map(repr, repeated))}; rename them"
        raise UsageError(message, "correct the file")

    def batches(_: Table, size: int, kinds: Any, formats: Formats) -> Iterator[pd.DataFrame]:
        from mlpipes_cli.data.origins.parquet import plain
        from mlpipes_cli.data.typed_columns import blanked

        with opened:
            try:
                start = 0
                for batch in opened.iter_batches(size):
                    table = pa.Table.from_batches([batch])
                    yield blanked(_with_whole_ids(plain(table, start), table, kinds), formats)
                    start += len(table)
            except NotConvertible as error:
                raise UsageError(f"{file}: {error}", "correct the file") from None
            except (pa.ArrowException, OSError) as error:
                raise _unreadable(file, error) from None

    index = named_range(opened.schema_arrow.metadata)
    names = dict.fromkeys([*([index[0]] if index else []), *opened.schema_arrow.names])
    return Table(file, list(names), opened.metadata.num_rows, batches)


def _with_whole_ids(frame: pd.DataFrame, table: pa.Table, kinds: Mapping[str, Kind] | None) -> pd.DataFrame:
    """Restore whole numbers in columns outside the model, such as ids, beside missing values."""
    import pandas as pd
    import pyarrow as pa

    whole = {
        field.name: pd.Series(table.column(at).to_pylist(), dtype=object, index=frame.index)
        for at, field in enumerate(table.schema)
        if kinds is not None
        and field.name not in kinds
        and pa.types.is_integer(field.type)
        and table.column(at).null_count
    }
    return frame.assign(**whole)


def _json(file: Path) -> Table:
    from mlpipes_cli.server.http.api_error import ApiError
    from mlpipes_cli.server.requests import strict_json

    try:
        document = strict_json.parse(file.read_bytes())
    except ApiError as error:
        raise UsageError(f"{file}: {error}", "correct the file") from None
    except (ValueError, RecursionError) as error:
        raise _unreadable(file, error) from None
    bounds.check_records(file, document)
    try:
        frame = json_table.frame(document)
    except json_table.Uneven as error:
        raise UsageError(f"{file}: {error}", "correct the file") from None
    except (ValueError, TypeError, AttributeError):
        raise UsageError(
            f"{file}: not a table", "give a list of records, an object of lists, or {columns, data}"
        ) from None

    def batches(_: Table, size: int, kinds: Any, formats: Formats) -> Iterator[pd.DataFrame]:
        from mlpipes_cli.data.typed_columns import blanked

        for start in range(0, len(frame), size):
            yield blanked(frame.iloc[start : start + size].reset_index(drop=True), formats)

    return Table(file, [str(name) for name in frame.columns], len(frame), batches)


def _input(file: Path) -> Table:
    """Open JSON lines or a workbook, as training and `mlpipes data load` read them."""
    from mlpipes_cli.data.readers import resolve

    try:
        opened = resolve.open_file(file, str(file), Formats())
        names = opened.names()
    except OPENING as error:
        raise _refused(file, not_opened(error)) from None
    except Unreadable as error:
        raise _refused(file, error) from None

    def batches(_: Table, size: int, kinds: Any, formats: Formats) -> Iterator[pd.DataFrame]:
        import pyarrow as pa

        from mlpipes_cli.data.origins.parquet import plain
        from mlpipes_cli.data.typed_columns import blanked

        try:
            for batch in opened.batches():
                for start in range(0, batch.num_rows, size):
                    table = pa.Table.from_batches([batch.slice(start, size)])
                    yield blanked(_with_whole_ids(plain(table), table, kinds), formats)
        except Unreadable as error:
            raise _refused(file, error) from None
        if opened.wrong:
            line = next(iter(opened.places((), left_out=True, most=1)))
            raise UsageError(f"{file}:{line.number}: {line.reason}", "correct the file")

    return Table(file, names, None, batches)


def _unreadable(file: Path, error: BaseException) -> UsageError:
    reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
    return UsageError(f"{file}: cannot be read ({reason})", "check the file")


def _refused(file: Path, error: Unreadable) -> UsageError:
    reason = f"{file}: {error}" if isinstance(error, NoNames) else error.of(str(file))
    return UsageError(reason, error.hint)
