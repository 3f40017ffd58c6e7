"""How the clean rows of a data set are split."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from mlpipes_cli.config.base import Strict
from mlpipes_cli.config.experiment import Column

PARTS = ("train", "validation", "test")
Share = Annotated[float, Field(ge=0.0, lt=1.0)]


class DatasetSplit(Strict):
    """Shares of the parts, and how rows get into them: at random, by time, or by group."""

    validation: Share = Field(
        default=0.0, description="The share of the rows on which candidates are tuned and stopped early."
    )
    test: Annotated[float, Field(gt=0.0, lt=1.0)] = Field(
        default=0.2, description="The share of the rows that judge candidates."
    )
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = Field(
        default=42, description="The seed of a random split."
    )
    stratify: Column | None = Field(
        default=None, description="The column whose values have the same shares in all parts."
    )
    by: Column | None = Field(
        default=None,
        description="The column of time: the earliest rows train, then come validation and test.",
    )
    group: Column | None = Field(
        default=None, description="The column whose values are in one part each, such as a customer."
    )

    @model_validator(mode="after")
    def _possible(self) -> DatasetSplit:
        if self.validation + self.test >= 1.0:
            raise ValueError("`validation` and `test` leave no row to train on")
        chosen = [name for name in ("stratify", "by", "group") if getattr(self, name) is not None]
        if len(chosen) > 1:
            raise ValueError(f"`{chosen[0]}` and `{chosen[1]}` exclude each other")
        if self.by is not None and "seed" in self.model_fields_set:
            raise ValueError("`seed` has no effect on a split `by` a column")
        return self
