"""A picklable Keras model. A logged model contains this module's code."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli.trainers.models.network import IMAGES_AT_ONCE, ROWS_AT_ONCE, TABLE, run

if TYPE_CHECKING:
    import numpy as np


class KerasNet:
    """A network in Keras' own file format, which is loaded on the first prediction.

    TensorFlow is not imported until then, so that the process may still be forked. Thread-safe. If
    ``OMP_NUM_THREADS`` is set, TensorFlow uses that number of threads, unless it has computed before.

    Args:
        content: The bytes of a ``.keras`` file.
        custom: The user's classes and functions that the file names.
        outputs: The number of outputs for a row.
    """

    def __init__(self, content: bytes, custom: Mapping[str, Any], outputs: int) -> None:
        self.content, self.outputs = content, outputs
        self.custom: Mapping[str, Any] | bytes = custom
        self._ask: Any = None
        self._lock = threading.Lock()

    def __call__(self, parts: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return (n, outputs) float32 for n rows."""
        if self._ask is None:
            with self._lock:
                if self._ask is None:
                    self._ask = self._traced(load(self.content, self.custom), parts)
        return run(parts, self._ask, self.outputs)

    def _traced(self, model: Any, parts: Mapping[str, np.ndarray]) -> Any:
        """Return a function of one batch, traced once for its size: many times faster than a plain call."""
        import tensorflow as tf

        size = ROWS_AT_ONCE if list(parts) == [TABLE] else IMAGES_AT_ONCE
        kinds = {
            name: tf.TensorSpec((size, *values.shape[1:]), tf.float32, name=name)
            for name, values in parts.items()
        }
        kind = kinds if len(kinds) > 1 else next(iter(kinds.values()))

        @tf.function(input_signature=[kind], autograph=False)  # type: ignore[untyped-decorator,unused-ignore]
        def traced(given: Any) -> Any:
            return model(given, training=False)

        def ask(batch: dict[str, np.ndarray]) -> np.ndarray:
            given = {name: tf.constant(values) for name, values in batch.items()}
            found: np.ndarray = traced(given if len(given) > 1 else next(iter(given.values()))).numpy()
            return found.reshape(size, -1).astype("float32")

        self._model = model  # keeps its variables alive
        return ask

    def __getstate__(self) -> dict[str, Any]:
        import cloudpickle

        return {
            "content": self.content,
            "custom": self.custom if isinstance(self.custom, bytes) else cloudpickle.dumps(self.custom),
            "outputs": self.outputs,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["content"], {}, state["outputs"])  # type: ignore[misc]
        self.custom = state["custom"]


def load(content: bytes, custom: Mapping[str, Any] | bytes) -> Any:
    """Load an uncompiled Keras model from the bytes of a ``.keras`` file.

    Args:
        content: The bytes of the file.
        custom: The user's classes and functions by name, or a pickle of such a mapping.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    if int(os.environ.get("OMP_NUM_THREADS") or 0):
        use_threads(int(os.environ["OMP_NUM_THREADS"]))
    if isinstance(custom, bytes):
        import pickle

        classes: Mapping[str, Any] = pickle.loads(custom)  # noqa: S301 (part of the same pickle)
    else:
        classes = custom
    with tempfile.TemporaryDirectory(prefix="mlpipes-keras-") as folder:
        path = Path(folder) / "model.keras"
        path.write_bytes(content)
        return keras.saving.load_model(path, custom_objects=dict(classes), compile=False, safe_mode=False)


def use_threads(threads: int) -> None:
    """Make TensorFlow compute on this many threads; it has no effect once TensorFlow has started."""
    import tensorflow as tf

    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        return
