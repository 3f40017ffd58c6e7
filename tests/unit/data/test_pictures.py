"""Simple statistics of images."""

from __future__ import annotations

import base64
import io

import pytest
from PIL import Image

from mlpipes_cli.data.pictures import statistics_of


def file_of(image: Image.Image) -> bytes:
    content = io.BytesIO()
    image.save(content, "PNG")
    return content.getvalue()


def test_size_brightness_and_contrast() -> None:
    half = Image.new("L", (128, 64), 255)
    half.paste(0, (0, 0, 64, 64))
    content = file_of(half)
    width, height, brightness, contrast = statistics_of(content) or (0, 0, 0, 0)
    assert (width, height) == (128, 64)
    assert brightness == pytest.approx(0.5, abs=0.02) and contrast == pytest.approx(0.5, abs=0.02)
    text = base64.b64encode(content).decode()
    assert statistics_of(text) == statistics_of(f"data:image/png;base64,{text}") == statistics_of(content)
    assert statistics_of(file_of(Image.new("RGB", (3, 2), (255, 255, 255)))) == (3, 2, 1, 0)


def test_what_is_not_an_image_has_no_statistics() -> None:
    whole = file_of(Image.new("RGB", (50, 50), (9, 200, 3)))
    for wrong in (b"", b"text", whole[:60], "not Base64!", 7, None):
        assert statistics_of(wrong) is None
