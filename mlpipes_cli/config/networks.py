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
        """The model's schema, and then a dict."""
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

    height: Annotated[int, Field(ge=1, le=4096)] | None = None
    width: Annotated[int, Field(ge=1, le=4096)] | None = None
    channels: Literal[1, 3] | None = None


class NetworkParams(Strict):
    """What Keras and PyTorch have in common."""

    epochs: Annotated[int, Field(ge=1, le=1_000_000)] = 20
    batch_size: Annotated[int, Field(ge=1, le=1_000_000)] = 32
    optimizer: Named = "adam"
    learning_rate: Positive | None = None
    loss: str | None = None
    validation_split: Share | None = None
    patience: Annotated[int, Field(ge=1)] | None = None
    min_delta: AtLeastZero = 0.0
    restore_best: bool = True
    class_weight: Literal["balanced"] | dict[Any, Positive] | None = None
    image: ImageSize | None = None


class Plateau(Strict):
    """Keras' ReduceLROnPlateau."""

    factor: Share = 0.1
    patience: Annotated[int, Field(ge=0)] = 10
    min_delta: AtLeastZero = 1e-4
    cooldown: Annotated[int, Field(ge=0)] = 0
    min_lr: AtLeastZero = 0.0


class KerasParams(NetworkParams):
    """``params`` of a Keras run."""

    function: dict[str, Any] | None = None  # keywords for the user's function
    reduce_on_plateau: bool | Plateau | None = None
    callbacks: tuple[Named, ...] = ()


class TorchParams(NetworkParams):
    """``params`` of a PyTorch run."""

    module: dict[str, Any] | None = None  # keywords for the user's class or function
    weight_decay: AtLeastZero | None = None
    clip: Positive | None = None
