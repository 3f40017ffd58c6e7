"""Keeps rows that can be fetched only once in a private temporary folder, so that they can be read twice."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa

from mlpipes_cli.data.columns import twice
from mlpipes_cli.data.readers import typed
from mlpipes_cli.data.readers.kinds.arrow_input import ArrowInput, without_index
from mlpipes_cli.data.readers.unreadable import Unreadable
from mlpipes_cli.local_files import temporary_folders


class Spool:
    """A folder of parts, each with its own types, which :meth:`input` brings together."""

    def __init__(self) -> None:
        self._held = ExitStack()
        self._folder = self._held.enter_context(temporary_folders.folder("mlpipes-rows-"))
        self._schemas: list[pa.Schema] = []
        self._digest = hashlib.sha256()

    def close(self) -> None:
        """Remove the folder."""
        self._held.close()

    def fill(self, parts: Iterable[pa.Table]) -> None:
        """Add tables, in order.

        Raises:
            Unreadable: A table has other columns than the first.
        """
        for part in parts:
            if repeated := twice(part.column_names):
                raise Unreadable(f"duplicate column names: {', '.join(map(repr, repeated))}; rename them")
            part = part.select(without_index(part.schema).names).replace_schema_metadata(None)
            if self._schemas and set(part.column_names) != set(self._schemas[0].names):
                raise Unreadable(
                    f"part {len(self._schemas) + 1} has other columns: {', '.join(part.column_names[:8])}"
                )
            path = self._path(len(self._schemas))
            options = pa.ipc.IpcWriteOptions(compression="lz4")
            with pa.OSFile(str(path), "wb") as raw, pa.ipc.new_file(raw, part.schema, options=options) as out:
                out.write_table(part)
            self._schemas.append(part.schema)
            with path.open("rb") as raw:
                self._digest.update(hashlib.file_digest(raw, "sha256").digest())

    def _path(self, number: int) -> Path:
        return self._folder / f"{number}.arrow"

    def input(self, shown: str) -> ArrowInput:
        """Return the rows.

        Raises:
            Unreadable: There are no columns.
        """
        if not self._schemas:
            raise Unreadable("has no rows")
        schema = pa.schema([(name, self._type(name)) for name in self._schemas[0].names])

        def batches() -> Iterator[pa.RecordBatch]:
            for number in range(len(self._schemas)):
                with pa.OSFile(str(self._path(number))) as raw, pa.ipc.open_file(raw) as opened:
                    for at in range(opened.num_record_batches):
                        yield _cast(opened.get_batch(at), schema)

        return ArrowInput(shown, schema, batches, self._digest.hexdigest)

    def _type(self, name: str) -> pa.DataType:
        kinds = {schema.field(name).type for schema in self._schemas} - {pa.null()}
        if len(kinds) <= 1:
            return kinds.pop() if kinds else pa.null()
        of = pa.types
        if all(of.is_integer(kind) or of.is_floating(kind) for kind in kinds):
            return pa.int64() if all(map(of.is_integer, kinds)) else pa.float64()
        if all(of.is_date(kind) or of.is_timestamp(kind) for kind in kinds):
            return pa.timestamp("us")
        return pa.large_string()


def _cast(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    columns = []
    for field in schema:
        column = batch.column(field.name)
        if column.type != field.type:
            if field.type == pa.large_string():
                column = typed.as_text(typed.plain(column)) if column.type != pa.null() else column
            column = column.cast(field.type)
        columns.append(column)
    return pa.RecordBatch.from_arrays(columns, schema=schema)
