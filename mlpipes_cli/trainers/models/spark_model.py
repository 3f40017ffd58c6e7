"""A model trained by Spark, with scikit-learn's methods. A logged model contains this module's code."""

from __future__ import annotations

import io
import tempfile
import threading
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli.trainers.models.spark_session import shared

if TYPE_CHECKING:
    import numpy as np

_ANSWERS = {"predict_proba": 2, "decision_function": 1}  # positions in the results of evaluators


class SparkModel:
    """Predicts rows with an evaluator: NumPy's, or Spark itself.

    Args:
        evaluator: Has ``answer(X)`` (see ``spark_trees``).
        features: Names of the columns, in the order of Spark's training data.
        labels: The labels in the order of Spark's class positions; () for regression.
        scores: The method for scores: ``predict_proba``, ``decision_function`` or empty.
    """

    def __init__(self, evaluator: Any, features: Sequence[str], labels: Sequence[Any], scores: str) -> None:
        import numpy as np

        self.evaluator, self.features, self.scores = evaluator, tuple(features), scores
        if labels:
            plain = {type(label) for label in labels} in ({int}, {bool})
            self.classes_ = np.array(labels) if plain else np.array(labels, dtype=object)

    def predict(self, X: Any) -> np.ndarray:
        """Return (n,) labels, or float64."""
        import numpy as np

        found: np.ndarray = self.evaluator.answer(self._matrix(X))[0]
        return self.classes_[found.astype(np.int64)] if "classes_" in vars(self) else found

    def __getattr__(self, name: str) -> Any:
        if name not in _ANSWERS or vars(self).get("scores") != name:
            raise AttributeError(name)
        position = _ANSWERS[name]

        def ask(X: Any) -> np.ndarray:
            """Return (n, classes), or (n,) for the second of two classes if these are not probabilities."""
            found: np.ndarray = self.evaluator.answer(self._matrix(X))[position]
            return found[:, 1] if position == 1 and found.shape[1] == 2 else found

        return ask

    def _matrix(self, X: Any) -> np.ndarray:
        import numpy as np
        import pandas as pd

        if isinstance(X, pd.DataFrame):
            X = X[list(self.features)]
        return np.ascontiguousarray(X, dtype=np.float64)


class InSpark:
    """Evaluates in a local Spark session of this process, which is started with the first prediction.

    Args:
        saved: The folder that ``PipelineModel.save`` wrote.
        memory: Bytes of Java's heap, if this model starts the session.
    """

    def __init__(self, saved: Path, memory: int) -> None:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(saved.rglob("*")):
                if path.is_file() and not path.name.startswith("."):
                    archive.write(path, path.relative_to(saved))
        self.content, self.memory = packed.getvalue(), memory
        self._lock = threading.Lock()
        self._loaded: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return {"content": self.content, "memory": self.memory}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._lock, self._loaded = threading.Lock(), None

    def answer(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
        """Evaluate the rows; see ``spark_trees``."""
        with self._lock:  # Spark's clients are not thread-safe
            session = shared(self.memory)
            return in_session(self._model(session), session, X)

    def _model(self, session: Any) -> Any:
        from pyspark.ml import PipelineModel

        if self._loaded is None or self._loaded[0] is not session.sparkContext:
            with tempfile.TemporaryDirectory(prefix="spark-model-") as folder:
                with zipfile.ZipFile(io.BytesIO(self.content)) as archive:
                    archive.extractall(folder)
                self._loaded = (session.sparkContext, PipelineModel.load(Path(folder).as_uri()))
        return self._loaded[1]


def in_session(model: Any, session: Any, X: np.ndarray) -> tuple[Any, Any, Any]:
    """Evaluate (n, features) rows with a fitted Spark model; see ``spark_trees``."""
    import numpy as np
    from pyspark.ml.functions import vector_to_array

    asked = model.transform(table(session, X))
    there = [name for name in ("rawPrediction", "probability") if name in asked.columns]
    answered = asked.select("prediction", *[vector_to_array(name).alias(name) for name in there]).toArrow()
    scores = [
        np.array(answered[name].combine_chunks().flatten().to_numpy()).reshape(len(X), -1)
        if name in there
        else None
        for name in ("rawPrediction", "probability")
    ]
    return answered["prediction"].to_numpy(), scores[0], scores[1]


def table(session: Any, X: np.ndarray, others: Mapping[str, np.ndarray] | None = None) -> Any:
    """Convert (n, features) float64 to a Spark DataFrame of one vector column, and other columns if given."""
    import pyarrow as pa
    from pyspark.ml.functions import array_to_vector

    step = max(1, 2**28 // max(1, X.shape[1]))
    kind = pa.list_(pa.float64())
    parts = [
        pa.FixedSizeListArray.from_arrays(pa.array(X[at : at + step].ravel()), X.shape[1]).cast(kind)
        for at in range(0, len(X), step)
    ]
    columns = {"features": pa.chunked_array(parts, kind)}
    columns |= {name: pa.array(values) for name, values in (others or {}).items()}
    frame = session.createDataFrame(pa.table(columns))
    return frame.select(array_to_vector("features").alias("features"), *frame.columns[1:])
