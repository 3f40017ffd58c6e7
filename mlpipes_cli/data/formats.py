"""How a table is written: what a user set, what a file showed, what a model was trained with."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlpipes_cli.config.experiment import Data

READING = "reading"  # in the details that travel with a model
# In lower case. They are missing values in columns that are otherwise numbers, booleans or dates; in text
# they are words as any other.
_WORDS = (
    "na n/a #n/a #na <na> n.a. nan -nan null none nil ? - -- \u2013 \u2014 . .. "
    "#null! #value! #div/0! #ref! #num! #name?"
)
PLACEHOLDERS = frozenset(_WORDS.split())


@dataclass(frozen=True)
class Formats:
    """How a table is written. What is None, or not named, has to be found out.

    Attributes:
        separator: Between the fields of a CSV file.
        decimal: Before a number's fraction.
        thousands: Between groups of three digits; a space stands for any narrow one, too.
        missing: Words and numbers that mean a missing value in every column.
        types: ``text`` or ``number``, by column.
        dates: strftime's pattern, by column.
        infinite: Infinite numbers are missing values, as the training data had some; else they are refused.
        foreign: Of a model that `mlpipes train` did not make: texts and infinite numbers stay what they are.
        before: Read as it was before words were told apart by the kind of their column: pandas' words for
            missing values count everywhere, digits are numbers, dates of a CSV file are text.
    """

    separator: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    missing: tuple[str, ...] = ()
    types: Mapping[str, str] = field(default_factory=dict)
    dates: Mapping[str, str] = field(default_factory=dict)
    infinite: bool = False
    foreign: bool = False
    before: bool = False

    @classmethod
    def of(cls, data: Data) -> Formats:
        """What an experiment file says."""
        return cls(
            separator=data.separator,
            decimal=data.decimal,
            thousands=data.thousands,
            missing=data.missing,
            types=data.types,
            dates=data.dates,
        )

    @classmethod
    def of_model(cls, details: Mapping[str, Any]) -> Formats:
        """What a model was trained with, by the details that travel with it.

        A model of ours without :meth:`document` among them was trained by a release that read files as
        ``before`` says.
        """
        told = details.get(READING)
        if told is None:
            return BEFORE if details.get("task") else FOREIGN
        return cls(
            decimal=told.get("decimal", "."),
            thousands=told.get("thousands"),
            missing=tuple(told.get("missing", ())),
            dates=dict(told.get("dates", {})),
            infinite=bool(told.get("infinite")),
        )

    def document(self) -> dict[str, Any]:
        """What :meth:`of_model` reads; empty for a file as most are."""
        style = {} if self.decimal in (None, ".") and not self.thousands else {"decimal": self.decimal}
        style |= {"thousands": self.thousands} if self.thousands else {}
        words = {"missing": list(self.missing)} if self.missing else {}
        dates = {"dates": dict(self.dates)} if self.dates else {}
        return {**style, **words, **dates, **({"infinite": True} if self.infinite else {})}

    def found(self, **changes: Any) -> Formats:
        """The same with what a file showed."""
        return replace(self, **changes)


BEFORE = Formats(before=True)
FOREIGN = Formats(foreign=True)


def numbers(words: Collection[str]) -> list[float]:
    """The numbers among words for missing values."""
    return [number for number in map(_number, words) if number is not None]


def _number(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None
