"""Read the pictures of a request, check them before the model decodes them, and find a damaged one."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from mlpipes_cli.data.conversion import name_of
from mlpipes_cli.data.origins import image_files

if TYPE_CHECKING:
    import pandas as pd

MOST_TOGETHER = 4 * image_files.MOST_PIXELS  # of all pictures of a request; decoding that many takes seconds
EXPECTED = "expected a picture (PNG, JPEG, GIF, BMP or WebP)"


class WrongPicture(Exception):
    """A picture cannot be read; the message is one line that names its column and row."""


class TooManyPixels(Exception):
    """The pictures of a request are too large together; the message is one line."""


def read(table: pd.DataFrame, names: Sequence[str]) -> dict[str, pd.Series]:
    """Return columns of pictures as the bytes of their files; a missing one is None.

    Only their first bytes are looked at, which have the size in pixels: nothing is decoded.

    Args:
        table: A request's table; a picture is bytes, their Base64 text, or a data URL.
        names: The columns of pictures.

    Raises:
        WrongPicture: A value is not a picture, or has too many pixels.
        TooManyPixels: All together have more than :data:`MOST_TOGETHER`.
    """
    import pandas as pd

    total, found = 0, {}
    for name in names:
        contents: list[bytes | None] = []
        for row, value in enumerate(table[name].tolist()):
            contents.append(content := _content(value, name, row))
            total += 0 if content is None else _pixels(content, name, row)
            if total > MOST_TOGETHER:
                message = f"the pictures have more than {MOST_TOGETHER:,} pixels together"
                raise TooManyPixels(f"{message}; split them into several requests")
        found[name] = pd.Series(contents, dtype=object, index=table.index)
    return found


def reason(table: Any, names: Sequence[str]) -> str | None:
    """Return which picture a model may have failed on: the first that is missing or damaged; else None.

    Args:
        table: Rows that the model failed on, as :func:`read` made them.
        names: The columns of pictures.
    """
    for name, row, content in _pictures(table, names):
        if not isinstance(content, bytes):
            return str(_wrong(name, row, "a missing value"))
        if (damage := image_files.damage(content)) is not None:
            return str(_wrong(name, row, f"a damaged one ({damage})"))
    return None


def _content(value: Any, name: str, row: int) -> bytes | None:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if not isinstance(value, str):
        if value is None or value != value:
            return None
        raise _wrong(name, row, name_of(value))
    text = value.partition("base64,")[2] if value.startswith("data:") else value
    try:
        return base64.b64decode("".join(text.split()), validate=True) if text else None
    except (binascii.Error, ValueError):
        raise _wrong(name, row, "text that is not Base64") from None


def _pixels(content: bytes, name: str, row: int) -> int:
    try:
        return image_files.pixels(content)
    except image_files.NotImages:
        raise _wrong(name, row, "other bytes") from None
    except image_files.TooLarge as error:
        raise _wrong(name, row, f"one with {error}") from None


def _pictures(table: Any, names: Sequence[str]) -> Iterator[tuple[str, int, Any]]:
    for name in names:
        for row, content in enumerate(table[name].tolist() if name in table else ()):
            yield name, row, content


def _wrong(name: str, row: int, got: str) -> WrongPicture:
    return WrongPicture(f"column {name!r}: {EXPECTED}, got {got} in row {row}")
