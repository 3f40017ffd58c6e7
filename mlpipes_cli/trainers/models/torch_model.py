"""A PyTorch module inside of a pickle. A logged model carries this module's code with it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlpipes_cli.trainers.models.network import TABLE, run

if TYPE_CHECKING:
    import numpy as np


class TorchNet:
    """Answers by a module, with the user's code by value; it is unpickled with the first question.

    PyTorch is not imported until then. Safe to use from several threads.

    Args:
        module: In evaluation mode.
        outputs: How many numbers it gives for a row.
    """

    def __init__(self, module: Any, outputs: int) -> None:
        self.module, self.outputs = module, outputs
        self._lock = threading.Lock()

    def __call__(self, parts: Mapping[str, np.ndarray]) -> np.ndarray:
        """(n, outputs) float32 for n rows."""
        if isinstance(self.module, bytes):
            with self._lock:
                if isinstance(self.module, bytes):
                    import pickle

                    self.module = pickle.loads(self.module)  # noqa: S301 (a part of the pickle that we stand in)
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
    """What ``forward`` gets: a tensor, or a dict of several; images as (n, channels, height, width)."""
    import numpy as np
    import torch

    tensors = {
        name: torch.from_numpy(values if name == TABLE else np.ascontiguousarray(np.moveaxis(values, 3, 1)))
        for name, values in batch.items()
    }
    return tensors if len(tensors) > 1 else next(iter(tensors.values()))
