"""Check reported ground truth against the kind of values that a model predicts.

A label is any value that equals one of the model's classes, and is stored as that class (1.0 and true become
1 if the class is 1). A text remains a text, except in files that only contain text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlpipes_cli.server.predictions import jsonb
from mlpipes_cli.server.requests import caller_identifiers

_SHOWN = 10  # classes in a message
LONGEST = 1000  # characters of a text


class TruthMismatch(ValueError):
    """A value cannot be the ground truth; the message says what is expected."""


@dataclass(frozen=True)
class Expected:
    """The valid ground truth of a model's predictions.

    Attributes:
        task: binary, multiclass, regression; None if nothing is known of the model.
        classes: The labels, none for regression.
    """

    task: str | None = None
    classes: tuple[Any, ...] = ()

    @classmethod
    def of(cls, several: Sequence[Mapping[str, Any]]) -> Expected:
        """Return what fits at least one of several versions of a model, from the ``details`` of each."""
        tasks = {details.get("task") for details in several}
        if len(tasks) != 1:
            return cls()
        classes = dict.fromkeys(label for details in several for label in details.get("classes") or ())
        return cls(tasks.pop(), tuple(classes))

    @property
    def words(self) -> str:
        """For messages: ``expected ...``."""
        if self.task == "regression":
            return "a number"
        if not self.classes:
            return "a number, a string, true or false"
        shown = ", ".join(jsonb.encode(label) for label in self.classes[:_SHOWN])
        return f"one of {shown}" + (", ..." if len(self.classes) > _SHOWN else "")

    def take(self, value: Any) -> Any:
        """Return the truth in its stored form.

        Raises:
            TruthMismatch: The value is not valid.
        """
        if self.task == "regression":
            return _number(value, self.words)
        if not isinstance(value, (str, int, float)) or (
            isinstance(value, float) and not math.isfinite(value)
        ):
            raise TruthMismatch(f"expected {self.words}")
        if not self.classes:
            if isinstance(value, str) and len(value) > LONGEST:
                raise TruthMismatch(f"expected at most {LONGEST} characters")
            return value
        for label in self.classes:
            if label == value:
                return label
        raise TruthMismatch(f"expected {self.words}")

    def read(self, text: str) -> Any:
        """Return the truth from a text of a file.

        Raises:
            TruthMismatch: The text is not valid.
        """
        if text in self.classes:
            return text
        text = text.strip()
        if self.task == "regression":
            return _number(_as_number(text), self.words)
        if not self.classes:
            number = _as_number(text)
            return self.take(text if number is None or not math.isfinite(number) else number)
        for label in self.classes:
            if text == str(label) or (isinstance(label, bool) and text.lower() == str(label).lower()):
                return label
        number = _as_number(text)
        for label in self.classes:
            if isinstance(label, (int, float)) and label == number:
                return label
        raise TruthMismatch(f"expected {self.words}")


def caller_ids(identifier: Any) -> tuple[str, ...]:
    """Return the forms in which a caller's identifier may be stored in the prediction log.

    Raises:
        TruthMismatch: The value is not an identifier.
    """
    if isinstance(identifier, str):
        if not identifier or not caller_identifiers.fits(identifier):
            raise TruthMismatch(f"expected a string of 1 to {caller_identifiers.LONGEST} bytes, or a number")
        return (jsonb.text(identifier),)
    if isinstance(identifier, bool) or not isinstance(identifier, (int, float)):
        raise TruthMismatch("expected a string or a number")
    if isinstance(identifier, float) and not math.isfinite(identifier):
        raise TruthMismatch("expected a string or a number")
    ways = [jsonb.encode(identifier)]
    if isinstance(identifier, float) and identifier.is_integer():
        ways.append(str(int(identifier)))
    elif isinstance(identifier, int) and abs(identifier) < 2**53:
        ways.append(jsonb.encode(float(identifier)))
    return tuple(dict.fromkeys(ways))


def _number(value: Any, words: str) -> float | int:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise TruthMismatch(f"expected {words}")
    return value


def _as_number(text: str) -> float | int | None:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return None
