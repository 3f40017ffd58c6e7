"""Converts image files to arrays of one size. A logged model contains this module's code."""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP")
MOST_PIXELS = 64 * 2**20  # the largest cameras have 61 megapixels; a small file may decode to more
_AT_ONCE = 2**20  # pixels that are converted at once: a copy of a whole image takes up to 256 MiB


class Pictures:
    """Reads the bytes of image files into arrays of the same shape.

    Transparent parts become white, photos are rotated by their EXIF orientation, and animations are reduced
    to the first frame. Other sizes are resized with Pillow's bilinear filter, which uses all pixels when it
    shrinks an image.

    Args:
        height: In pixels.
        width: In pixels.
        channels: 1 (grey) or 3 (red, green, blue).
    """

    def __init__(self, height: int, width: int, channels: int) -> None:
        self.height, self.width, self.channels = height, width, channels

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return self.height, self.width, self.channels

    def read(self, values: Sequence[Any]) -> np.ndarray:
        """Return (n, height, width, channels) uint8 from the bytes of n files, or their base64 text.

        Raises:
            ValueError: A value is not an image; the message has the row, from 0, and the reason.
        """
        import numpy as np

        found = np.empty((len(values), *self.shape), dtype=np.uint8)
        for row, value in enumerate(values):
            try:
                found[row] = self._one(opened(value))
            except ValueError as error:
                raise ValueError(f"row {row}: {error}") from None
        return found

    def _one(self, image: Image.Image) -> np.ndarray:
        import numpy as np
        from PIL import Image

        mode = "L" if self.channels == 1 else "RGB"
        if image.mode != mode:
            image = image.convert(mode)
        if image.size != (self.width, self.height):
            image = image.resize((self.width, self.height), Image.Resampling.BILINEAR)
        return np.asarray(image, dtype=np.uint8).reshape(self.shape)


def fitting(values: Iterable[Any], height: int | None, width: int | None, channels: int | None) -> Pictures:
    """Return settings that suit these images, except for those that are given.

    These are the median height and width, and one channel if all images are grey.

    Raises:
        ValueError: A value is not an image.
    """
    import numpy as np

    if height is None or width is None or channels is None:
        sizes, grey = [], True
        for row, value in enumerate(values):
            try:
                image = opened(value)
            except ValueError as error:
                raise ValueError(f"row {row}: {error}") from None
            sizes.append(image.size)
            grey = grey and image.mode == "L"
        middle = np.median(np.array(sizes), axis=0)
        height, width = height or int(middle[1]), width or int(middle[0])
        channels = channels or (1 if grey else 3)
    return Pictures(height, width, channels)


def opened(value: Any) -> Image.Image:
    """Decode an image from a file's bytes or their base64 text, as ``L`` or ``RGB``.

    Raises:
        ValueError: The value is not an image; the message is one line.
    """
    from PIL import Image, ImageOps

    content = _bytes(value)
    try:
        image: Image.Image = Image.open(io.BytesIO(content), formats=FORMATS)
        if image.width * image.height > MOST_PIXELS:  # known from the file's header
            size = f"{image.width} x {image.height} pixels; the limit is {MOST_PIXELS:,}"
            raise ValueError(size)
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
        return _plain(image)
    except Image.DecompressionBombError:  # Pillow's own limit, which is higher
        raise ValueError(f"the image cannot be read: more than {MOST_PIXELS:,} pixels") from None
    except Exception as error:  # noqa: BLE001 (a damaged file makes the decoders raise anything)
        text = str(error).splitlines()[0] if str(error) and "cannot identify" not in str(error) else ""
        raise ValueError(
            f"the image cannot be read ({', '.join(FORMATS)}){': ' + text if text else ''}"
        ) from None


def _plain(image: Image.Image) -> Image.Image:
    """Convert a decoded image to ``L`` or ``RGB`` in strips, so that it is in memory at most twice."""
    from PIL import Image

    deep = image.mode.startswith(("I", "F"))
    clear = not deep and image.has_transparency_data
    mode = "L" if deep or (image.mode in ("1", "L") and not clear) else "RGB"
    if image.mode == mode and not clear:
        return image
    convert = _eight_bits if deep else _opaque if clear else lambda strip: strip.convert(mode)
    plain, rows = Image.new(mode, image.size), max(_AT_ONCE // image.width, 1)
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        plain.paste(convert(strip), (0, top))
    return plain


def _eight_bits(image: Image.Image) -> Image.Image:
    """Convert 16 bits a pixel; Pillow would clip all values above 255."""
    import numpy as np
    from PIL import Image

    pixels = np.asarray(image, dtype=np.float32) / np.float32(257)  # exact enough: no ties
    np.clip(np.round(pixels, out=pixels), 0, 255, out=pixels)
    return Image.fromarray(pixels.astype(np.uint8))


def _opaque(image: Image.Image) -> Image.Image:
    """Put an image with transparent parts on white."""
    from PIL import Image

    image = image.convert("RGBA")
    white = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, image).convert("RGB")


def _bytes(value: Any) -> bytes:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if not isinstance(value, str):
        raise ValueError("the image is missing" if value is None or value != value else "not an image file")
    text = value.partition("base64,")[2] if value.startswith("data:") else value
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("the text is not the Base64 of an image file") from None
