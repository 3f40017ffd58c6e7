"""Leaves rows of the holdout in the model's folder, for serving to check its shortcuts on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mlpipes_cli.mlflow_tags import MODEL_SAMPLE

if TYPE_CHECKING:
    from mlpipes_cli.data.prepared import Prepared

_MOST_BYTES = 32 * 2**20  # in memory; rows with long texts are fewer


def write(prepared: Prepared, folder: Path, most_rows: int) -> None:
    """Write features of the holdout beside MLmodel, as a compressed Arrow file; no target, no id.

    The same data gives the same rows: all of the holdout, or as many as there may be, drawn without
    replacement.

    Args:
        prepared: The experiment's data.
        folder: The saved model.
        most_rows: None are written where this is 0.
    """
    import numpy as np
    import pyarrow as pa

    rows = prepared.holdout
    if not most_rows or not len(rows):
        return
    generator = np.random.RandomState(0)  # a stream that never changes
    size = int(prepared.X(rows[:200]).memory_usage(index=False, deep=True).sum()) / len(rows[:200])
    most_rows = max(1, min(most_rows, int(_MOST_BYTES / max(1.0, size))))
    if len(rows) > most_rows:
        rows = np.sort(generator.choice(rows, most_rows, replace=False))
    table = pa.Table.from_pandas(prepared.X(rows), preserve_index=False)
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with (
        pa.OSFile(str(folder / MODEL_SAMPLE), "wb") as file,
        pa.ipc.new_file(file, table.schema, options=options) as writer,
    ):
        writer.write_table(table)
