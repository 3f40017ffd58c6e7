"""Reads folders of image files, and table columns that contain the paths of image files.

An image is kept as the bytes of its file; the model decodes it. Its label is the name of its folder, or part
of the file name.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from mlpipes_cli.config.experiment import Images

EXTENSIONS = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp")
IMAGE, FILE = "image", "file"  # columns of the frame of an image folder, beside the target
_STARTS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"BM")
_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP")
MOST_PIXELS = 64 * 2**20  # as in trainers.models.pictures, which travels with a model and imports nothing
_BEFORE_SEPARATOR = r"([^_.-]+)"


class NotImages(ValueError):
    """A file is missing, is not an image, or has no label; the text is a one-line message."""


class TooLarge(ValueError):
    """An image has too many pixels; the text says how many, and the limit."""


def find(folder: Path) -> list[Path]:
    """List the image files of a folder and its subfolders, sorted by path; hidden ones are left out."""
    return sorted(path for path in _walk(folder) if path.suffix.lower() in EXTENSIONS)


def holds_any(folder: Path) -> bool:
    """Return whether there is an image file in a folder or its subfolders."""
    return any(path.suffix.lower() in EXTENSIONS for path in _walk(folder))


def _walk(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        if path.is_dir():
            yield from _walk(path)
        else:
            yield path


def is_image(value: Any) -> bool:
    """Return whether bytes begin as an image file does (PNG, JPEG, GIF, BMP, WebP)."""
    if not isinstance(value, bytes):
        return False
    return value.startswith(_STARTS) or (value[:4] == b"RIFF" and value[8:12] == b"WEBP")


def are_images(values: pd.Series) -> bool:
    """Return whether a column holds images, and nothing else."""
    present = values[values.notna()] if values.dtype == object else values.head(0)
    return len(present) > 0 and all(is_image(value) for value in present)


def read(path: Path) -> bytes:
    """Read the bytes of an image file, and decode it once to check that it is complete.

    Raises:
        NotImages: There is no such file, or it cannot be decoded.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise NotImages(f"{path}: {(error.strerror or str(error)).lower()}") from None
    if not is_image(content):
        raise NotImages(f"{path}: not a {', '.join(EXTENSIONS)} image")
    try:
        pixels(content)
    except NotImages as error:
        raise NotImages(f"{path}: the image is damaged ({error}); replace or remove it") from None
    except TooLarge as error:
        raise NotImages(f"{path}: the image has {error}; shrink or remove it") from None
    if (fault := damage(content)) is not None:
        raise NotImages(f"{path}: the image is damaged ({fault}); replace or remove it")
    return content


def pixels(content: bytes) -> int:
    """Return the number of pixels of an image, from its first bytes: nothing is decoded.

    Raises:
        NotImages: The content is not an image.
        TooLarge: It has more than :data:`MOST_PIXELS`.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            width, height = Image.open(io.BytesIO(content), formats=_FORMATS).size
    except Image.DecompressionBombError:  # Pillow's own limit, which is higher
        raise TooLarge(f"more than {MOST_PIXELS:,} pixels") from None
    except Exception:  # noqa: BLE001  a damaged file makes the decoders raise anything
        raise NotImages("its content is not an image") from None
    if width * height > MOST_PIXELS:
        raise TooLarge(f"{width} x {height} pixels, more than {MOST_PIXELS:,}")
    return int(width * height)


def damage(content: bytes) -> str | None:
    """Describe why an image of a permitted size cannot be decoded; return None if it can."""
    from PIL import Image

    try:
        Image.open(io.BytesIO(content), formats=_FORMATS).load()
    except Exception as error:  # noqa: BLE001  a damaged file makes the decoders raise anything
        return next(iter(str(error).splitlines()), "") or type(error).__name__
    return None


def read_folder(folder: Path, target: str, images: Images | None) -> pd.DataFrame:
    """Read an image folder into a frame with one row for each file.

    The columns are ``image`` (bytes), the target (text) and ``file`` (the path in the folder).

    Raises:
        NotImages: A file is not an image, or has no label.
    """
    import pandas as pd

    files = find(folder)
    return pd.DataFrame(
        {
            IMAGE: pd.Series([read(path) for path in files], dtype=object),
            target: [label_of(path, folder, images) for path in files],
            FILE: [path.relative_to(folder).as_posix() for path in files],
        }
    )


def label_of(path: Path, folder: Path, images: Images | None) -> str:
    """Return the label of an image file.

    Raises:
        NotImages: The folder or file name contains no label.
    """
    if images is not None and images.label == "name":
        pattern = images.pattern or _BEFORE_SEPARATOR
        found = re.match(pattern, path.name)
        if found is None or not found[1]:
            raise NotImages(f"{path}: its name contains no label (expected {pattern!r})")
        return found[1]
    if path.parent == folder:
        raise NotImages(
            f"{path}: is not in a folder named after its label; use `images: {{label: name}}` if the "
            "file name contains it"
        )
    return path.parent.name


def fill(frame: pd.DataFrame, columns: Sequence[str], base: Path) -> pd.DataFrame:
    """Replace the paths in image columns, relative to ``base``, by the content of the files.

    Raises:
        NotImages: There is no such file, or it is not an image; the message has the row (from 1).
    """
    import pandas as pd

    filled = frame.copy(deep=False)
    for name in columns:
        found: list[bytes | None] = []
        for row, path in enumerate(frame[name].tolist(), 1):
            if path is None or path != path or path == "":
                found.append(None)
                continue
            try:
                found.append(read(base / str(path)))
            except NotImages as error:
                raise NotImages(f"column {name!r}, row {row}: {error}") from None
        filled[name] = pd.Series(found, dtype=object, index=frame.index)
    return filled
