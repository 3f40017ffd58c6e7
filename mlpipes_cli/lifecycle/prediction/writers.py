"""Writes results to a file, which is complete or absent, to the screen, or for the caller."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Protocol, Self

from mlpipes_cli.errors import MlpipesError, UsageError
from mlpipes_cli.local_files import atomic_files

if TYPE_CHECKING:
    import pandas as pd


class Format(Protocol):
    """Writes parts of a table to an open file."""

    def write(self, part: pd.DataFrame) -> None:
        """Add rows."""

    def finish(self) -> None:
        """Write the end of the file."""

    def abandon(self) -> None:
        """Close the file, which is no longer needed."""


class ResultWriter(Protocol):
    """Accepts the result part by part."""

    records: list[dict[str, Any]] | None

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def write(self, part: pd.DataFrame) -> None:
        """Add rows."""

    def finish(self) -> None:
        """Publish the file after the last rows."""


def make_writer(output: Path | None, lines: Callable[[str], None] | None) -> ResultWriter:
    """Return a writer for a file (by its suffix), for CSV text, or one that keeps the records.

    Raises:
        UsageError: The suffix is unknown, or the folder does not exist.
    """
    if output is None:
        return _Kept(lines)
    form = next((f for end, f in _FORMATS.items() if output.name.lower().endswith(end)), None)
    if form is None:
        raise UsageError(f"{output}: unknown kind of file", f"write to one of {', '.join(_FORMATS)}")
    if not output.absolute().parent.is_dir():
        raise UsageError(f"{output}: no such folder", "create the folder first")
    if output.is_dir():
        raise UsageError(f"{output}: is a folder", "give a file")
    return _File(output, form)


class _Kept:
    """Writes CSV text to the screen, or keeps the records."""

    def __init__(self, lines: Callable[[str], None] | None) -> None:
        self._lines, self._first = lines, True
        self.records: list[dict[str, Any]] | None = [] if lines is None else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def write(self, part: pd.DataFrame) -> None:
        if self._lines is not None:
            self._lines(part.to_csv(index=False, header=self._first).rstrip("\n"))
            self._first = False
        elif self.records is not None:
            self.records += _records(part)

    def finish(self) -> None:
        return None


class _File:
    """Writes to a temporary file beside the output and renames it at the end."""

    def __init__(self, output: Path, form: Callable[[IO[bytes]], Format]) -> None:
        self._output, self._form = output, form
        self.records: list[dict[str, Any]] | None = None

    def __enter__(self) -> Self:
        try:
            self._new = atomic_files.Replacement(
                self._output, atomic_files.PRIVATE, keep_mode=True, durable=True
            )
        except OSError as error:
            raise self._unwritable(error) from None
        self._format = self._form(self._new.file)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            if kind is not None:
                self._format.abandon()
        self._new.drop()

    def write(self, part: pd.DataFrame) -> None:
        try:
            self._format.write(part)
        except OSError as error:
            raise self._unwritable(error) from None

    def finish(self) -> None:
        try:
            self._format.finish()
            self._new.put()
        except OSError as error:
            raise self._unwritable(error) from None

    def _unwritable(self, error: OSError) -> MlpipesError:
        return MlpipesError(
            f"{self._output}: cannot be written ({error.strerror or error})",
            "check the folder and the free disk space",
        )


class _Csv:
    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._first = file, True

    def write(self, part: pd.DataFrame) -> None:
        self._file.write(part.to_csv(index=False, header=self._first).encode())
        self._first = False

    def finish(self) -> None:
        return None

    def abandon(self) -> None:
        return None


class _Json:
    """Writes a JSON list of records, one on each line."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._between = file, "[\n"

    def write(self, part: pd.DataFrame) -> None:
        for record in _records(part):
            line = json.dumps(record, ensure_ascii=False, allow_nan=False)
            self._file.write(f"{self._between}{line}".encode())
            self._between = ",\n"

    def finish(self) -> None:
        self._file.write(b"[]\n" if self._between == "[\n" else b"\n]\n")

    def abandon(self) -> None:
        return None


class _Parquet:
    """Writes Parquet; the first part decides the types."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._writer: Any = None
        self._schema: Any = None

    def write(self, part: pd.DataFrame) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.Table.from_pandas(part, schema=self._schema, preserve_index=False)
        if self._writer is None:
            self._schema = table.schema
            self._writer = pq.ParquetWriter(self._file, self._schema)
        self._writer.write_table(table)

    def finish(self) -> None:
        if self._writer is None:
            import pandas as pd

            self.write(pd.DataFrame({"prediction": []}))
        self.abandon()

    def abandon(self) -> None:
        if self._writer is not None:
            self._writer.close()


_FORMATS: dict[str, Callable[[IO[bytes]], Format]] = {".csv": _Csv, ".parquet": _Parquet, ".json": _Json}


def _records(part: pd.DataFrame) -> list[dict[str, Any]]:
    """Return plain records; identifiers that a CSV gave as text become whole numbers if they are."""
    from mlpipes_cli.server.predictions.jsonb import plain

    records: list[dict[str, Any]] = plain(part.to_dict("records"))
    name = str(part.columns[0])
    if name != "prediction":
        for record in records:
            record[name] = _number_if_plain(record[name])
    return records


def _number_if_plain(value: Any) -> Any:
    if isinstance(value, str) and value.isascii() and value.isdigit() and str(int(value)) == value:
        return int(value)
    return value
