"""The typed run of ``trainer: torch``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from mlpipes_cli.config.checked import Checked
from mlpipes_cli.config.runs import FunctionPath, Run
from mlpipes_cli.trainers.networks.params import AtLeastZero, NetworkParams, Positive

INSIDE_TORCH = r"(module|image)__\w+"


class TorchParams(NetworkParams):
    """``params`` of a PyTorch run."""

    module: dict[str, Any] | None = Field(
        default=None, description="Keyword arguments for the class or function."
    )  # keywords for the user's class or function
    weight_decay: AtLeastZero | None = Field(default=None, description="The weight decay of the optimizer.")
    clip: Positive | None = Field(default=None, description="The largest norm of the gradients.")


class TorchRun(Run):
    """The user's ``torch.nn.Module``, in a plain training loop."""

    trainer: Literal["torch"] = Field(description="A PyTorch module.")
    module: FunctionPath = Field(description="A class, or a function that returns a module, as module:name.")
    params: Annotated[dict[str, Any], Checked(TorchParams, INSIDE_TORCH)] = Field(
        default_factory=dict, description="How the network is trained."
    )
