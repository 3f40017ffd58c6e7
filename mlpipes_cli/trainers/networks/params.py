"""The typed params that Keras and PyTorch have in common."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from mlpipes_cli.config.base import Strict

Share = Annotated[float, Field(gt=0, lt=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
AtLeastZero = Annotated[float, Field(ge=0, allow_inf_nan=False)]


def _named(value: Any) -> Any:
    """``adam``, ``{adam: {beta_1: 0.8}}``, ``{dropout: 0.2}`` or ``{flatten: }``."""
    name = next(iter(value), None) if isinstance(value, dict) and len(value) == 1 else value
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"expected a name, or `name: {{its arguments}}`, got {str(value)[:60]!r}")
    return value


_NAMED = {"anyOf": [{"type": "string"}, {"type": "object", "minProperties": 1, "maxProperties": 1}]}
Named = Annotated[Any, AfterValidator(_named), WithJsonSchema(_NAMED)]


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
