"""Check the pictures of a request before the model decodes them, and find a damaged one afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from mlpipes_cli.data import image_files

if TYPE_CHECKING:
    import pandas as pd

MOST_TOGETHER = 8 * image_files.MOST_PIXELS  # of all pictures of a request; decoding that many takes seconds
_EXPECTED = "expected a picture (PNG, JPEG, GIF, BMP or WebP)"


class WrongPicture(Exception):
    """A picture cannot be read; the message is one line that names its column and row."""


class TooManyPixels(Exception):
    """The pictures of a request are too large together; the message is one line."""


def check(table: pd.DataFrame, names: Sequence[str]) -> None:
    """Check the first bytes of all pictures: whether they are pictures, and their size in pixels.

    Args:
        table: Rows as the model takes them.
        names: The columns of pictures.

    Raises:
        WrongPicture: A value is missing, not a picture, or too large a picture.
        TooManyPixels: All together have more than :data:`MOST_TOGETHER`.
    """
    total = 0
    for name, row, content in _pictures(table, names):
        if not isinstance(content, bytes):
            raise _wrong(name, row, "a missing value" if _is_missing(content) else type(content).__name__)
        try:
            total += image_files.pixels(content)
        except image_files.NotImages:
            raise _wrong(name, row, "other bytes") from None
        except image_files.TooLarge as error:
            raise _wrong(name, row, f"one of {error},") from None
        if total > MOST_TOGETHER:
            told = f"the pictures have more than {MOST_TOGETHER:,} pixels together"
            raise TooManyPixels(f"{told}; split them into several requests")


def damaged(table: Any, names: Sequence[str]) -> str | None:
    """Decode the pictures that a model failed on; describe the first damaged one, or return None.

    Args:
        table: Rows that :func:`check` accepted.
        names: The columns of pictures.
    """
    for name, row, content in _pictures(table, names):
        if isinstance(content, bytes) and (fault := image_files.damage(content)) is not None:
            return str(_wrong(name, row, f"a damaged one ({fault})"))
    return None


def _pictures(table: Any, names: Sequence[str]) -> Iterator[tuple[str, int, Any]]:
    for name in names:
        for row, content in enumerate(table[name].tolist() if name in table else ()):
            yield name, row, content


def _is_missing(value: Any) -> bool:
    return value is None or value != value


def _wrong(name: str, row: int, got: str) -> WrongPicture:
    return WrongPicture(f"column {name!r}: {_EXPECTED}, got {got} in row {row}")
