"""Collects batch by batch what a column of texts can hold, as column_types decides from all values."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlpipes_cli.data import column_types
from mlpipes_cli.data.column_types import DIGITS, FLAG, LEADING_ZERO, LONG, ZEROS
from mlpipes_cli.data.csv_files import date_formats, numbers
from mlpipes_cli.data.csv_files.numbers import Style, matches

_SIGNED = re.compile(
    r"(?=.*[€$£¥%()\u2212\u200b])[\u200b(+\u2212-]*\s?[€$£¥]?\s?[\d.,']+\s?(?:[€$£¥%]|EUR|USD)?\)?\u200b?"
)
_STRAYS = 3  # different values that are kept
_TIME = r"\d[T ]\d"


@dataclass
class Evidence:
    """What the values of a column of texts have shown so far.

    Attributes:
        style: How the file writes numbers.
        present: Cells that are not empty and no placeholder.
        words: Placeholders in the column, with the number of rows.
        strays: The first different values that are no flags, numbers or dates.
        fits: How many present cells are numbers, dates and flags.
    """

    style: Style
    present: int = 0
    words: dict[str, int] = field(default_factory=dict)
    fits: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("flag", "number", "whole", "date", "duration"), 0)
    )
    strays: dict[str, list[str]] = field(default_factory=dict)
    zeros: bool = False
    long: bool = False
    times: bool = False
    first: int = 0
    second: int = 0
    threes: int = 0
    points: int = 0
    dashes: int = 0
    example: str = ""
    number_like: int = 0

    def add(self, texts: pa.Array, holes: np.ndarray) -> None:
        """Add trimmed texts, of which some are holes."""
        if holes.any():
            for hole in column_types.holes("", texts, holes):
                self.words[hole.word] = self.words.get(hole.word, 0) + hole.rows
            texts = texts.filter(pa.array(~holes))
        if not len(texts):
            return
        before, self.present = self.present, self.present + len(texts)
        for kind, regex in self._patterns().items():
            if self.fits[kind] >= numbers.HALF * before:  # else it is settled that the column is no such one
                found = matches(texts, regex)
                self.fits[kind] += int(found.sum())
                if not found.all() and len(self.strays.get(kind, ())) < _STRAYS:
                    others = pc.unique(texts.filter(pa.array(~found))[:1000]).to_pylist()
                    known = self.strays.setdefault(kind, [])
                    known += [text for text in others if text not in known][:_STRAYS]
        if self.fits["number"] < self.present:
            self.number_like += int(matches(texts, numbers.LOOKS_LIKE_ONE).sum())
        else:
            self.number_like += len(texts)
            self._codes(texts)
        if self.fits["date"] == self.present:
            self._dates(texts)

    def _patterns(self) -> dict[str, str]:
        return {
            "flag": FLAG,
            "number": numbers.pattern(self.style),
            "date": date_formats.DATE,
            "duration": date_formats.DURATION,
        }

    def _codes(self, texts: pa.Array) -> None:
        plain = numbers.plain(texts, self.style)
        whole = matches(plain, DIGITS)
        self.fits["whole"] += int(whole.sum())
        if self.fits["whole"] == self.present:
            self.zeros = self.zeros or bool(matches(texts, LEADING_ZERO).any())
            self.long = self.long or column_types.code(plain) == LONG

    def _dates(self, texts: pa.Array) -> None:
        self.times = self.times or bool(matches(texts, _TIME).any())
        three = matches(texts, date_formats.THREE_NUMBERS)
        if not three.any():
            return
        parts = pc.extract_regex(texts.filter(pa.array(three)), date_formats.THREE_NUMBERS)
        first, second = (pc.cast(pc.struct_field(parts, name), pa.int64()) for name in ("first", "second"))
        self.first, self.second = (
            max(self.first, pc.max(first).as_py()),
            max(self.second, pc.max(second).as_py()),
        )
        marks = pc.struct_field(parts, "mark")
        self.example = self.example or str(texts[int(three.argmax())].as_py())
        self.threes += int(three.sum())
        self.points += int(pc.sum(pc.equal(marks, ".")).as_py() or 0)
        self.dashes += int(pc.sum(pc.equal(marks, "-")).as_py() or 0)

    @property
    def order(self) -> date_formats.Order | None:
        """Whether the day or the month comes first, as :func:`date_formats.order` says."""
        if not self.threes:
            return None
        if self.first > 12 and self.second > 12:
            return "mixed"
        if self.first > 12 or (self.second <= 12 and self.points == self.threes):
            return "day"
        return "month" if self.second > 12 else "unclear"

    @property
    def signed(self) -> str | None:
        """A number with a sign of a currency, a per cent sign or brackets, if the first values are such."""
        some = self.strays.get("number", [])
        return some[0] if some and all(map(_SIGNED.fullmatch, some)) else None

    @property
    def short_year(self) -> str | None:
        """A date with a year of two digits, if the first values are all such dates; else None."""
        some = self.strays.get("date", [])
        if some and not self.fits["date"] and all(map(date_formats.SHORT_YEAR.fullmatch, some)):
            return some[0]
        return None

    @property
    def mark(self) -> str:
        """What stands between the numbers of its dates: a point, a dash, or a slash, also among others."""
        return "." if self.points == self.threes else "-" if self.dashes == self.threes else "/"

    def all_are(self, kind: str) -> bool:
        """Return whether all present cells are of a kind."""
        return self.present > 0 and self.fits[kind] == self.present

    @property
    def code(self) -> str:
        """Why a column of digits counts as codes; empty if it does not."""
        if not self.all_are("whole"):
            return ""
        return ZEROS if self.zeros else LONG if self.long else ""

    @property
    def may_be_number(self) -> bool:
        """Whether most cells look like numbers of some style, and not all are of the file's."""
        return (
            self.present > 0
            and self.number_like >= numbers.MOST * self.present
            and not self.all_are("number")
        )
