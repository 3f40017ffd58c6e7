"""A picklable PyTorch module. A logged model contains this module's code."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlpipes_cli.trainers.models.network import TABLE, run

if TYPE_CHECKING:
    import numpy as np


class TorchNet:
    """A network in a module that contains the user's code by value; the first prediction unpickles it.

    PyTorch is not imported until then. Thread-safe.

    Args:
        module: The module in evaluation mode.
        outputs: The number of outputs for a row.
    """

    def __init__(self, module: Any, outputs: int) -> None:
        self.module, self.outputs = module, outputs
        self._lock = threading.Lock()

    def __call__(self, parts: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return (n, outputs) float32 for n rows."""
        if isinstance(self.module, bytes):
            with self._lock:
                if isinstance(self.module, bytes):
                    import pickle

                    self.module = pickle.loads(self.module)  # noqa: S301 (part of the same pickle)
        return run(parts, self._ask, self.outputs)

    def _ask(self, batch: dict[str, np.ndarray]) -> np.ndarray:
        import torch

        with torch.inference_mode():
            found = self.module(given(batch))
        values: np.ndarray = found.numpy()
        return values.reshape(len(values), -1).astype("float32")

    def __getstate__(self) -> dict[str, Any]:
        import cloudpickle

        module = self.module
        content = module if isinstance(module, bytes) else cloudpickle.dumps(module)
        return {"module": content, "outputs": self.outputs}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["module"], state["outputs"])  # type: ignore[misc]


def given(batch: Mapping[str, np.ndarray]) -> Any:
    """Return the input of ``forward``: one tensor or a dict; images as (n, channels, height, width)."""
    import numpy as np
    import torch

    tensors = {
        name: torch.from_numpy(values if name == TABLE else np.ascontiguousarray(np.moveaxis(values, 3, 1)))
        for name, values in batch.items()
    }
    return tensors if len(tensors) > 1 else next(iter(tensors.values()))
