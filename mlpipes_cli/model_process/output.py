"""The output of a model for some rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ModelOutput:
    """Predictions for the rows of one frame.

    Attributes:
        raw: The result of the model's ``predict``, in the model's own type.
        scores: A float per row, a list of floats per row, or None if there are none.
    """

    raw: Any
    scores: list[Any] | None
