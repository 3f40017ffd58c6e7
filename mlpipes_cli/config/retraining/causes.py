"""What may set off a training: ``drift``, ``performance``, ``truth:500``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, WithJsonSchema

from mlpipes_cli.suggest import did_you_mean

KINDS = ("drift", "performance", "truth")
_HINT = "use drift, performance or truth:N, such as truth:500"


@dataclass(frozen=True)
class Condition:
    """A condition for a training.

    Attributes:
        kind: What is looked at.
        rows: With ``truth``: how many served rows have to have received their ground truth.
    """

    kind: Literal["drift", "performance", "truth"]
    rows: int = 0

    def __str__(self) -> str:
        return f"truth:{self.rows}" if self.kind == "truth" else self.kind


def condition(text: str) -> Condition:
    """Return the condition that a text names.

    Raises:
        ValueError: It names none.
    """
    text = text.strip()
    if text == "drift":
        return Condition("drift")
    if text == "performance":
        return Condition("performance")
    if found := re.fullmatch(r"truth:([1-9]\d{0,8})", text):
        return Condition("truth", int(found[1]))
    if text.partition(":")[0] == "truth":
        raise ValueError(f"{text!r} needs a number of rows from 1: truth:500")
    raise ValueError(f"unknown condition {text!r}{did_you_mean(text, KINDS) or '; ' + _HINT}")


def conditions(text: str) -> tuple[Condition, ...]:
    """Return the conditions that a list with commas names, each once.

    Raises:
        ValueError: It is empty, or one of them is unknown.
    """
    names = [name for name in text.split(",") if name.strip()]
    if not names:
        raise ValueError(f"no condition is given; {_HINT}")
    return tuple(dict.fromkeys(condition(name) for name in names))


def _known(text: Any) -> Any:
    condition(text)
    return text.strip()


ConditionText = Annotated[
    str,
    AfterValidator(_known),
    WithJsonSchema({"type": "string", "pattern": r"^(drift|performance|truth:[1-9][0-9]{0,8})$"}),
]
