"""What the written peers share: the logged scikit-learn pipeline, and one question to it.

Runs in the peers' own environments, so it needs nothing but what the model needs.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pandas as pd


class Model:
    """The pipeline as training logged it, loaded once."""

    def __init__(self) -> None:
        folder = Path(os.environ["BENCH_MODEL"])
        self.pipeline: Any = cloudpickle.loads((folder / "model.pkl").read_bytes())

    def predict(self, records: Sequence[dict[str, Any]]) -> tuple[list[Any], list[float]]:
        """Labels and the second class's scores, from one call of the pipeline."""
        scores = self.pipeline.predict_proba(pd.DataFrame(records))
        labels = self.pipeline.classes_[np.argmax(scores, axis=1)]
        return labels.tolist(), scores[:, 1].tolist()
