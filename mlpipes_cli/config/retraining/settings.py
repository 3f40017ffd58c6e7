"""``monitoring: retrain``: when a model is trained again, on which rows, and where it goes."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from mlpipes_cli.config.base import Strict
from mlpipes_cli.config.retraining.causes import Condition, ConditionText, condition
from mlpipes_cli.config.serving import Alias
from mlpipes_cli.config.spans import Span, parse, words

_LONGEST = timedelta(days=3650)
_SHORTEST = timedelta(seconds=1)


def _span(default: str, description: str) -> Any:
    return Field(default=parse(default), description=description, json_schema_extra={"default": default})


class Retrain(Strict):
    """When `mlpipes watch` trains again, and how `mlpipes retrain` does it.

    ``cool_down`` and ``max_tries`` are counted from the stored history, on whatever machine it was made.
    """

    experiment: Annotated[str, Field(min_length=1)] = Field(
        default="experiment.yaml", description="The experiment file, relative to the project's folder."
    )
    dataset: Annotated[str, Field(min_length=1)] | None = Field(
        default=None,
        description="With `source: dataset:NAME`: a dataset.yaml whose source is loaded and prepared first.",
    )
    when: tuple[ConditionText, ...] = Field(
        default=("drift", "performance"),
        alias="if",
        description="After which checks `mlpipes watch` trains again: `drift`, `performance`, or `truth:500` "
        "for so many new ground truths; an empty list for none.",
    )
    to: Alias = Field(default="staging", description="The alias that a better model gets.")
    holdout: Annotated[float, Field(gt=0.0, lt=1.0)] = Field(
        default=0.3,
        description="The share of the served rows with ground truth, the newest ones, that judge and are "
        "not trained on.",
    )
    cool_down: Span = _span("7d", "The time from the start of a retraining until the next one may start.")
    max_tries: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=3, description="How many retrainings may start within `per` without a promotion."
    )
    per: Span = _span("30d", "The time in which tries are counted.")
    rollback_if: Literal["worse"] | None = Field(
        default=None,
        description="`worse`: take the alias of `serving` back from a version whose live metric is "
        "significantly worse than that of the version before.",
    )

    @field_validator("cool_down", "per")
    @classmethod
    def _in_bounds(cls, span: timedelta) -> timedelta:
        if not _SHORTEST <= span <= _LONGEST:
            raise ValueError(f"{words(span)}: use a time from {words(_SHORTEST)} to {words(_LONGEST)}")
        return span

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The conditions of ``if``."""
        return tuple(dict.fromkeys(condition(text) for text in self.when))
