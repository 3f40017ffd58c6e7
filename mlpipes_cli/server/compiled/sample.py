"""The rows of the holdout that training stored in the model's folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlpipes_cli.mlflow_tags import MODEL_SAMPLE

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Sample:
    """Rows to check a compiled predictor on.

    Attributes:
        frame: The features, with the types of the training.
    """

    frame: pd.DataFrame


def read_sample(model_folder: Path) -> Sample | None:
    """Return the sample of a model, or None if there is none that can be read."""
    path = model_folder / MODEL_SAMPLE
    if not path.is_file():
        return None
    import pyarrow as pa

    try:
        with pa.memory_map(str(path)) as source:
            frame = pa.ipc.open_file(source).read_all().to_pandas()
    except (pa.ArrowException, OSError, ValueError):
        return None
    return Sample(frame) if len(frame) else None
