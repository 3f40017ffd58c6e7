"""The format of a table: from the user's settings, a file's content, or a model's training."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlpipes_cli.config.experiment import Data

Names = bool | tuple[str, ...] | None  # of `header`: in the first line, numbered, given, or found out
READING = "reading"  # the key in a model's metadata
# Placeholders in lower case. They are missing values in columns that otherwise hold numbers, booleans or
# dates; in text they are ordinary words.
_WORDS = (
    "na n/a #n/a #na <na> n.a. nan -nan null none nil ? - -- \u2013 \u2014 . .. "
    "#null! #value! #div/0! #ref! #num! #name? \\n 1.#ind -1.#ind 1.#qnan -1.#qnan"
)
PLACEHOLDERS = frozenset([*_WORDS.split(), "#n/a n/a"])


@dataclass(frozen=True)
class Formats:
    """The format of a table. A field that is None, or a column that is not named, is inferred.

    Attributes:
        separator: The field separator of a CSV file.
        decimal: The decimal mark.
        thousands: The thousands separator; a space stands for every kind of narrow space, too.
        missing: Words and numbers that mean a missing value in every column.
        types: ``text`` or ``number``, by column.
        dates: strftime's pattern, by column.
        infinite: Whether infinite numbers are missing values, as in the training data; else they are refused.
        foreign: Whether `mlpipes train` did not make the model: texts and infinite numbers stay unchanged.
        encoding: The encoding of a text file.
        quote: The character that quotes fields of a CSV file.
        sheet: The sheet of a workbook.
        header: Whether the first line of a CSV file has the names, or the names of a file without such a
            line.
        renames: The model's column by the name that it has in the source of the data set.
        steps: What has changed values of the data set, by the names of the steps.
        before: Whether to read as early releases did, regardless of the column's type: pandas' words for
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
    encoding: str | None = None
    quote: str | None = None
    sheet: str | None = None
    header: Names = None
    renames: Mapping[str, str] = field(default_factory=dict)
    steps: tuple[str, ...] = ()

    @classmethod
    def of(cls, data: Data) -> Formats:
        """Return the formats that an experiment file sets."""
        return cls(
            separator=data.separator,
            decimal=data.decimal,
            thousands=data.thousands,
            missing=data.missing,
            types=data.types,
            dates=data.dates,
            header=data.header,
        )

    @classmethod
    def of_model(cls, details: Mapping[str, Any]) -> Formats:
        """Return the formats of a model's training, from the model's metadata.

        A model of mlpipes whose metadata lacks :meth:`document` was trained by a release that read files as
        ``before`` describes.
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
            renames=dict(told.get("renames", {})),
            steps=tuple(told.get("steps", ())),
            header=tuple(told["header"]) if told.get("header") else None,
        )

    def document(self) -> dict[str, Any]:
        """Return the mapping that :meth:`of_model` reads; empty for the usual format."""
        style = {} if self.decimal in (None, ".") and not self.thousands else {"decimal": self.decimal}
        style |= {"thousands": self.thousands} if self.thousands else {}
        words = {"missing": list(self.missing)} if self.missing else {}
        dates = {"dates": dict(self.dates)} if self.dates else {}
        raw: dict[str, Any] = {"renames": dict(self.renames)} if self.renames else {}
        raw |= {"steps": list(self.steps)} if self.steps else {}
        raw |= {"header": list(self.header)} if isinstance(self.header, tuple) else {}
        return {**style, **words, **dates, **({"infinite": True} if self.infinite else {}), **raw}

    def found(self, **changes: Any) -> Formats:
        """Return a copy with what a file showed."""
        return replace(self, **changes)


BEFORE = Formats(before=True)
FOREIGN = Formats(foreign=True)


def numbers(words: Collection[str]) -> list[float]:
    """Return the numbers among placeholders."""
    return [number for number in map(_number, words) if number is not None]


def _number(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None
