"""Where the score of a binary target is cut in two, as an experiment file says it."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, WithJsonSchema

from mlpipes_cli.config.base import Strict

RULES = ("f1", "mcc")
NONE = "none"  # the labels that the library itself gives
_FORMS = "f1, mcc, {cost: {false_positive: 1, false_negative: 20}}, {rate: 0.02}, a number, or none"
Cost = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]


class Costs(Strict):
    """What a wrong label costs, in any unit."""

    false_positive: Cost = Field(
        description="The cost of a negative row that is labelled positive, in any unit."
    )
    false_negative: Cost = Field(
        description="The cost of a positive row that is labelled negative, in the same unit."
    )


class ByCost(Strict):
    """The threshold at which the wrong labels cost least."""

    cost: Costs = Field(
        description="What wrong labels cost; the threshold at which they cost least is taken."
    )


class ByRate(Strict):
    """The threshold at which at most this share of the rows is called positive."""

    rate: Annotated[float, Field(gt=0.0, lt=1.0)] = Field(
        description="The share of the rows that are labelled positive, at most."
    )


def _plain(value: Any) -> Any:
    if isinstance(value, str) and value.strip() in (*RULES, NONE):
        return value.strip()
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    raise ValueError(f"expected {_FORMS}; got {value!r}")


def _kind(value: Any) -> str:
    if isinstance(value, ByCost) or (isinstance(value, dict) and list(value) == ["cost"]):
        return "by cost"
    return (
        "by rate"
        if isinstance(value, ByRate) or (isinstance(value, dict) and list(value) == ["rate"])
        else ""
    )


_PLAIN = {"anyOf": [{"enum": [*RULES, NONE]}, {"type": "number"}]}
Plain = Annotated[Literal["f1", "mcc", "none"] | float, BeforeValidator(_plain), WithJsonSchema(_PLAIN)]
Threshold = Annotated[
    Annotated[Plain, Tag("")] | Annotated[ByCost, Tag("by cost")] | Annotated[ByRate, Tag("by rate")],
    Discriminator(_kind),
]
