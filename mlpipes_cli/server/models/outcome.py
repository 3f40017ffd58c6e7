"""What a model said of some rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ModelOutput:
    """Predictions for the rows of one frame.

    Attributes:
        raw: What the model's ``predict`` gave, in the model's own type.
        scores: A float a row, a list of floats a row, or None where there is none.
    """

    raw: Any
    scores: list[Any] | None
