"""Simple statistics of images: their size, and how bright and how rich in contrast they are."""

from __future__ import annotations

import base64
import binascii
import io
from typing import Any

from mlpipes_cli.data.origins.image_files import NotImages, TooLarge, pixels

STATISTICS = ("width", "height", "brightness", "contrast")
_SIDE = 64  # pixels: brightness and contrast are those of the image shrunk to this


def statistics_of(content: Any) -> tuple[float, float, float, float] | None:
    """Return width and height in pixels, mean brightness and contrast in [0, 1]; None if it is not an image.

    Contrast is the standard deviation of the brightness.

    Args:
        content: A file's bytes, or their Base64 text, with or without ``data:image/...;base64,``.
    """
    import numpy as np
    from PIL import Image

    try:
        raw = _bytes(content)
        pixels(raw)
        image = Image.open(io.BytesIO(raw))
        width, height = image.size
        image.draft("L", (_SIDE, _SIDE))
        grey = np.asarray(image.convert("L").resize((_SIDE, _SIDE)), dtype=np.float64) / 255
    except (NotImages, TooLarge):
        return None
    except Exception:  # noqa: BLE001  a damaged file makes the decoders raise anything
        return None
    return float(width), float(height), float(grey.mean()), float(grey.std())


def _bytes(content: Any) -> bytes:
    if isinstance(content, (bytes, bytearray, memoryview)):
        return bytes(content)
    text = str(content)
    try:
        return base64.b64decode(text.partition("base64,")[2] if text.startswith("data:") else text)
    except (binascii.Error, ValueError):
        raise NotImages("not an image") from None
