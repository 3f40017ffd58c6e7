"""The typed params of neural networks."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    GetCoreSchemaHandler,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, core_schema

from mlpipes_cli.config.base import Strict

Share = Annotated[float, Field(gt=0, lt=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
AtLeastZero = Annotated[float, Field(ge=0, allow_inf_nan=False)]

INSIDE_KERAS = r"(function|image|reduce_on_plateau)__\w+|layers__\d+__\w+"  # as a search names them
INSIDE_TORCH = r"(module|image)__\w+"


def _named(value: Any) -> Any:
    """``adam``, ``{adam: {beta_1: 0.8}}``, ``{dropout: 0.2}`` or ``{flatten: }``."""
    name = next(iter(value), None) if isinstance(value, dict) and len(value) == 1 else value
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"expected a name, or `name: {{its arguments}}`, got {str(value)[:60]!r}")
    return value


_NAMED = {"anyOf": [{"type": "string"}, {"type": "object", "minProperties": 1, "maxProperties": 1}]}
Named = Annotated[Any, AfterValidator(_named), WithJsonSchema(_NAMED)]


class Checked:
    """For ``Annotated[dict[str, Any], Checked(Model)]``: what stands in the file, once the model takes it.

    The values are the model's (a number that YAML takes for text is one), what was not given stays away.

    Args:
        model: Of the params.
        beside: A pattern of further names, which are left as they are for the trainer to judge.
    """

    def __init__(self, model: type[BaseModel], beside: str = r"(?!)") -> None:
        self.model, self._beside = model, re.compile(beside)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate by the model's schema, then return a dict."""
        return core_schema.no_info_wrap_validator_function(
            self._check,
            handler.generate_schema(self.model),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda value: value),
        )

    def _check(self, value: Any, model: ValidatorFunctionWrapHandler) -> dict[str, Any]:
        if not isinstance(value, dict):
            model(value)
        aside = {name: item for name, item in value.items() if self._beside.fullmatch(str(name))}
        found = model({name: item for name, item in value.items() if name not in aside})
        return {**found.model_dump(exclude_unset=True), **aside}


class ImageSize(Strict):
    """What images are brought to; what is left out is found from the training images."""

    height: Annotated[int, Field(ge=1, le=4096)] | None = Field(
        default=None, description="Pixels; left out, the median of the training images."
    )
    width: Annotated[int, Field(ge=1, le=4096)] | None = Field(
        default=None, description="Pixels; left out, the median of the training images."
    )
    channels: Literal[1, 3] | None = Field(
        default=None, description="1 for grey, 3 for colour; left out, found from the training images."
    )


class NetworkParams(Strict):
    """What Keras and PyTorch have in common."""

    epochs: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default=20, description="How often the training rows are gone through."
    )
    batch_size: Annotated[int, Field(ge=1, le=1_000_000)] = Field(default=32, description="Rows of a batch.")
    optimizer: Named = Field(
        default="adam", description="The optimizer, as a name or `{sgd: {momentum: 0.9}}`."
    )
    learning_rate: Positive | None = Field(
        default=None, description="The learning rate; left out, the optimizer's."
    )
    loss: str | None = Field(default=None, description="The loss; left out, the one of the task.")
    validation_split: Share | None = Field(
        default=None, description="The share of the training rows that is held back to watch the loss."
    )
    patience: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Stop after so many epochs without a lower loss."
    )
    min_delta: AtLeastZero = Field(default=0.0, description="How much lower a loss has to be to count.")
    restore_best: bool = Field(
        default=True, description="With `patience`: take the weights of the best epoch."
    )
    class_weight: Literal["balanced"] | dict[Any, Positive] | None = Field(
        default=None, description="`balanced`, or a weight for each label."
    )
    image: ImageSize | None = Field(default=None, description="What images are brought to.")


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


class TorchParams(NetworkParams):
    """``params`` of a PyTorch run."""

    module: dict[str, Any] | None = Field(
        default=None, description="Keyword arguments for the class or function."
    )  # keywords for the user's class or function
    weight_decay: AtLeastZero | None = Field(default=None, description="The weight decay of the optimizer.")
    clip: Positive | None = Field(default=None, description="The largest norm of the gradients.")
