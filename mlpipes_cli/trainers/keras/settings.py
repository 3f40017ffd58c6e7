"""The typed run of ``trainer: keras``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from mlpipes_cli.config.base import Strict
from mlpipes_cli.config.checked import Checked
from mlpipes_cli.config.runs import FunctionPath, Run
from mlpipes_cli.trainers.networks.params import AtLeastZero, Named, NetworkParams, Share

INSIDE_KERAS = r"(function|image|reduce_on_plateau)__\w+|layers__\d+__\w+"  # as a search names them


class Plateau(Strict):
    """Keras' ReduceLROnPlateau."""

    factor: Share = Field(default=0.1, description="The factor by which the learning rate is reduced.")
    patience: Annotated[int, Field(ge=0)] = Field(
        default=10, description="Epochs without improvement before that."
    )
    min_delta: AtLeastZero = Field(default=1e-4, description="How much lower a loss has to be to count.")
    cooldown: Annotated[int, Field(ge=0)] = Field(default=0, description="Epochs to wait after a reduction.")
    min_lr: AtLeastZero = Field(default=0.0, description="The lowest learning rate.")


class KerasParams(NetworkParams):
    """``params`` of a Keras run."""

    function: dict[str, Any] | None = Field(
        default=None, description="Keyword arguments for the function."
    )  # keywords for the user's function
    reduce_on_plateau: bool | Plateau | None = Field(
        default=None, description="Reduce the learning rate when the loss stops falling: true, or settings."
    )
    callbacks: tuple[Named, ...] = Field(
        default=(), description="Callbacks of Keras, as names or `{name: {arguments}}`."
    )


class KerasRun(Run):
    """A Keras model: layers, or the user's function that returns a model."""

    trainer: Literal["keras"] = Field(description="A Keras model.")
    layers: Annotated[tuple[Named, ...], Field(min_length=1)] | None = Field(
        default=None, description="The layers, one after the other; either this or `function`."
    )
    output: bool | None = Field(
        default=None, description="With `layers`: add the output layer that the target needs."
    )
    function: FunctionPath | None = Field(
        default=None,
        description="A function that returns a Keras model, as module:function; either this or `layers`.",
    )
    params: Annotated[dict[str, Any], Checked(KerasParams, INSIDE_KERAS)] = Field(
        default_factory=dict, description="How the network is trained."
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> KerasRun:
        if (self.layers is None) == (self.function is None):
            raise ValueError("give either `layers` or `function`, not both")
        for name, value in (("output", self.output), ("params: function", self.params.get("function"))):
            wanted = "layers" if name == "output" else "function"
            if value is not None and getattr(self, wanted) is None:
                raise ValueError(f"`{name}` is only valid with `{wanted}`")
        return self
