"""A Keras model inside of a pickle. A logged model carries this module's code with it."""

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
    """Answers by a model in Keras' own file format, which is read with the first question.

    TensorFlow is not imported until then, so that a process may still be forked. Safe to use from several
    threads. Where ``OMP_NUM_THREADS`` is set, TensorFlow keeps to it, unless it computed before.

    Args:
        content: The bytes of a ``.keras`` file.
        custom: The user's classes and functions that the file names.
        outputs: How many numbers it gives for a row.
    """

    def __init__(self, content: bytes, custom: Mapping[str, Any], outputs: int) -> None:
        self.content, self.outputs = content, outputs
        self.custom: Mapping[str, Any] | bytes = custom
        self._ask: Any = None
        self._lock = threading.Lock()

    def __call__(self, parts: Mapping[str, np.ndarray]) -> np.ndarray:
        """(n, outputs) float32 for n rows."""
        if self._ask is None:
            with self._lock:
                if self._ask is None:
                    self._ask = self._traced(load(self.content, self.custom), parts)
        return run(parts, self._ask, self.outputs)

    def _traced(self, model: Any, parts: Mapping[str, np.ndarray]) -> Any:
        """A function of one batch, traced once for its size: many times faster than a plain call."""
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

        self._model = model  # its variables live as long as it does
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
    """The Keras model of a ``.keras`` file's bytes, not compiled.

    Args:
        content: Of the file.
        custom: The user's classes and functions by name, or the pickle of that.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    if int(os.environ.get("OMP_NUM_THREADS") or 0):
        use_threads(int(os.environ["OMP_NUM_THREADS"]))
    if isinstance(custom, bytes):
        import pickle

        classes: Mapping[str, Any] = pickle.loads(custom)  # noqa: S301 (a part of the pickle that we stand in)
    else:
        classes = custom
    with tempfile.TemporaryDirectory(prefix="mlpipes-keras-") as folder:
        path = Path(folder) / "model.keras"
        path.write_bytes(content)
        return keras.saving.load_model(path, custom_objects=dict(classes), compile=False, safe_mode=False)


def use_threads(threads: int) -> None:
    """Have TensorFlow compute on so many threads; once it has begun, that cannot be changed any more."""
    import tensorflow as tf

    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        return
