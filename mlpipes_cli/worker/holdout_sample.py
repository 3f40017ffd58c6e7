"""Stores a sample of holdout rows in the model's folder, on which serving verifies its fast predictors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mlpipes_cli.mlflow_tags import MODEL_SAMPLE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mlpipes_cli.data.prepared import Prepared

_MOST_BYTES = 32 * 2**20  # in memory; fewer rows if they contain long texts


def write(prepared: Prepared, folder: Path, most_rows: int) -> None:
    """Write features of the holdout beside MLmodel as a compressed Arrow file, without target and id.

    The same data gives the same rows: the whole holdout, or the maximum number of rows, drawn without
    replacement.

    Args:
        prepared: The experiment's data.
        folder: The saved model.
        most_rows: The maximum number of rows; nothing is written if it is 0.
    """
    import pyarrow as pa

    rows = prepared.holdout
    if not most_rows or not len(rows):
        return
    size = int(prepared.X(rows[:200]).memory_usage(index=False, deep=True).sum()) / len(rows[:200])
    most_rows = max(1, min(most_rows, int(_MOST_BYTES / max(1.0, size))))
    rows = rows[drawn(len(rows), most_rows)]
    table = pa.Table.from_pandas(prepared.X(rows), preserve_index=False)
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with (
        pa.OSFile(str(folder / MODEL_SAMPLE), "wb") as file,
        pa.ipc.new_file(file, table.schema, options=options) as writer,
    ):
        writer.write_table(table)


def drawn(rows: int, most_rows: int) -> NDArray[np.int64]:
    """Return the sorted positions in a holdout of that many rows whose features are kept."""
    import numpy as np

    if rows <= most_rows:
        return np.arange(rows, dtype=np.int64)
    generator = np.random.RandomState(0)  # a generator whose numbers never change between releases
    return np.sort(generator.choice(rows, most_rows, replace=False)).astype(np.int64)
