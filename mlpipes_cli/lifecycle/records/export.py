"""``mlpipes predictions export``: writes the log to one Parquet file, in constant memory."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from mlpipes_cli.errors import MlpipesError, UsageError
from mlpipes_cli.lifecycle.records import log_context
from mlpipes_cli.lifecycle.records.arrow import Layout
from mlpipes_cli.local_files import atomic_files

if TYPE_CHECKING:
    import pyarrow as pa

    from mlpipes_cli.ports import Reporter, Task
    from mlpipes_cli.ports.prediction_records import LogSnapshot, Selection
    from mlpipes_cli.project import ProjectFolder

_FETCHED = 1_000  # rows in one batch
_GROUP_ROWS, _GROUP_BYTES = 50_000, 64 * 1024 * 1024


@dataclass(frozen=True)
class Exported:
    """The file that was written.

    Attributes:
        file: Its path.
        rows: How many predictions it holds.
        columns: Their names.
        bytes: Its size.
        seconds: How long it took.
    """

    file: str
    rows: int
    columns: tuple[str, ...]
    bytes: int
    seconds: float


def export(
    project: ProjectFolder, reporter: Reporter, selection: Selection, output: Path, *, flat: bool = False
) -> Exported:
    """Write predictions with their truth to a Parquet file, the oldest first.

    All rows are from one snapshot, even if predictions are added meanwhile. The file is complete or absent.

    Args:
        project: The project.
        reporter: Receives progress.
        selection: The predictions to export.
        output: The file, ``.parquet``.
        flat: Write a column for each input, in place of one with JSON text.

    Raises:
        UsageError: The file has another suffix, its folder is missing, or there is no such model.
        MlpipesError: The stack is not running, the database stopped answering, or the disk is full.
    """
    started = time.monotonic()
    if output.suffix.lower() != ".parquet":
        raise UsageError(f"{output}: unknown kind of file", "write to a file that ends in .parquet")
    if not output.absolute().parent.is_dir():
        raise UsageError(f"{output}: no such folder", "create the folder first")
    if output.is_dir():
        raise UsageError(f"{output}: is a folder", "give a file")
    log = log_context.connect(project)
    if selection.model is not None:
        log.check_model(selection.model)
    try:
        with (
            log.records.snapshot(selection, inputs=flat, size=_FETCHED) as snapshot,
            reporter.task(f"exporting to {output.name}", snapshot.rows) as task,
            atomic_files.replacing(output, atomic_files.PRIVATE, keep_mode=True, durable=True) as file,
        ):
            layout = Layout(snapshot, flat)
            rows = _write(file, snapshot, layout, task)
    except OSError as error:
        raise MlpipesError(
            f"{output}: cannot be written ({error.strerror or error})",
            "check the folder and the free disk space",
        ) from None
    names = tuple(layout.schema.names)
    return Exported(str(output), rows, names, output.stat().st_size, round(time.monotonic() - started, 3))


def _write(file: BinaryIO, snapshot: LogSnapshot, layout: Layout, task: Task) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = 0
    with pq.ParquetWriter(file, layout.schema, compression="zstd") as writer:
        waiting: list[pa.Table] = []
        for batch in snapshot.batches:
            waiting.append(layout.table(batch))
            rows += len(batch)
            task.advance(len(batch))
            if sum(map(len, waiting)) >= _GROUP_ROWS or sum(t.nbytes for t in waiting) >= _GROUP_BYTES:
                writer.write_table(pa.concat_tables(waiting).combine_chunks())
                waiting = []
        if waiting:
            writer.write_table(pa.concat_tables(waiting).combine_chunks())
    return rows
