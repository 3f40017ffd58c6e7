"""Image files as arrays."""

from __future__ import annotations

import base64
import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import picture_help
import pytest
from PIL import Image

from mlpipes_cli.trainers.models.pictures import Pictures, fitting


def body(image: Image.Image, kind: str = "PNG", **more: object) -> bytes:
    into = io.BytesIO()
    image.save(into, kind, **more)
    return into.getvalue()


def one(content: object, size: tuple[int, int, int] = (1, 1, 3)) -> list[int]:
    return [int(value) for value in Pictures(*size).read([content])[0].ravel()]


def test_every_kind_of_image_is_read() -> None:
    red = Image.new("RGB", (1, 1), (200, 10, 30))
    assert one(body(red)) == one(body(red, "BMP")) == one(body(red, "WEBP", lossless=True)) == [200, 10, 30]
    assert one(body(red, "GIF")) == [200, 10, 30]
    assert one(body(red, "JPEG", quality=95)) == pytest.approx([200, 10, 30], abs=6)
    assert one(body(Image.new("1", (1, 1), 1)), (1, 1, 1)) == [255]
    assert one(body(Image.fromarray(np.full((1, 1), 0x8080, dtype=np.uint16))), (1, 1, 1)) == [128]
    assert one(body(Image.new("RGBA", (1, 1), (0, 0, 0, 0)))) == [255, 255, 255]
    assert one(body(red), (1, 1, 1)) == [
        Image.new("RGB", (1, 1), (200, 10, 30)).convert("L").getpixel((0, 0))
    ]


def test_a_photo_is_turned_as_the_camera_was_held() -> None:
    photo = Image.fromarray(np.array([[10, 200]], dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned to the right
    assert one(body(photo, exif=exif), (2, 1, 1)) == [10, 200]
    assert fitting([body(photo, exif=exif)], None, None, None).shape == (2, 1, 1)


def test_all_are_brought_to_one_size_by_looking_at_all_pixels() -> None:
    stripes = Image.fromarray(np.tile(np.array([0, 0, 0, 240], dtype=np.uint8), (8, 16)))
    found = Pictures(4, 8, 1).read([body(stripes)])
    assert found.shape == (1, 4, 8, 1)
    assert found.mean() == pytest.approx(60, abs=3)


def test_what_was_not_given_is_found() -> None:
    sizes = [(8, 6), (8, 6), (20, 10)]
    grey = [body(Image.new("L", size)) for size in sizes]
    assert fitting(grey, None, None, None).shape == (6, 8, 1)
    assert fitting(grey, 5, None, None).shape == (5, 8, 1)
    assert fitting([*grey, body(Image.new("RGB", (8, 6)))], None, None, None).shape == (6, 8, 3)
    assert fitting(["not looked at"], 5, 6, 1).shape == (5, 6, 1)


def test_text_is_base64() -> None:
    content = body(Image.new("L", (1, 1), 7))
    text = base64.b64encode(content).decode()
    for given in (text, f"data:image/png;base64,{text}", f"{text[:20]}\n{text[20:]}", bytearray(content)):
        assert one(given, (1, 1, 1)) == [7]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "row 0: the image cannot be read"),
        (body(Image.new("L", (40, 40)))[:50], "row 0: the image cannot be read .*: .+"),
        (None, "row 0: the image is missing"),
        (float("nan"), "row 0: the image is missing"),
        (3, "row 0: not an image file"),
        ("?!", "row 0: the text is not the Base64"),
        (body(Image.new("L", (1, 1)), "TIFF"), "row 0: the image cannot be read"),
    ],
)
def test_what_is_no_image_is_told(content: object, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        one(content)


def test_an_image_that_unpacks_to_gigabytes_is_refused_by_its_head() -> None:
    """Real ones, in a process that may not have the memory for them."""
    program = """
import io, resource, struct, zlib
from PIL import Image
import numpy
from mlpipes_cli.trainers.models.pictures import Pictures, opened
number = struct.Struct(">I").pack
pack = lambda kind, data: number(len(data)) + kind + data + number(zlib.crc32(kind + data))
def bomb(side):
    packer, row = zlib.compressobj(1), bytes(side // 8 + 1)  # a bit a pixel: 8 times as much when read
    rows = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    head = pack(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0))
    return bytes([137]) + b"PNG\\r\\n\\x1a\\n" + head + pack(b"IDAT", rows) + pack(b"IEND", b"")
bombs = [bomb(13_000), bomb(20_000)]
assert all(len(content) < 500_000 for content in bombs)
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + 2**27,) * 2)
for content in bombs:
    for ask in (lambda: Pictures(8, 8, 3).read([content]), lambda: opened(content)):
        try:
            ask()
        except ValueError as error:
            print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    first, second, third, fourth = done.stdout.splitlines()
    assert first == f"row 0: {second}" and third == f"row 0: {fourth}"
    assert second.endswith("13000 x 13000 pixels; the limit is 67,108,864")
    assert fourth == "the image cannot be read: more than 67,108,864 pixels"


def test_a_large_image_is_in_memory_at_most_twice() -> None:
    """With alpha: once as it is stored, 64 MiB, and once without; other copies are of strips."""
    program = """
import io, resource, sys
from PIL import Image
import numpy
import picture_help
from mlpipes_cli.trainers.models.pictures import Pictures
content = picture_help.bomb(4096, depth=8, colour=6, samples=4)
small = picture_help.png(9)
Pictures(8, 8, 3).read([small])  # what is imported is there
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + 180 * 2**20,) * 2)
print(Pictures(8, 8, 3).read([content]).mean())
"""
    paths = {"PYTHONPATH": str(Path(picture_help.__file__).parent), **os.environ}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, env=paths
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "255.0\n"


def test_strips_are_put_together_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    from mlpipes_cli.trainers.models import pictures

    noise = np.random.default_rng(0).integers(0, 256, (61, 47, 4), dtype=np.uint8)
    plain = Image.fromarray(noise, "RGBA")
    some = [body(plain), body(plain.convert("LA")), body(plain.convert("RGB").quantize(9), transparency=3)]
    some += [
        body(Image.fromarray(noise[..., 0].astype(np.uint16) * 257)),
        body(plain.convert("CMYK"), "JPEG"),
    ]
    whole = [Pictures(61, 47, 3).read([one]) for one in some]
    monkeypatch.setattr(pictures, "_AT_ONCE", 500)
    for one, expected in zip(some, whole, strict=True):
        assert (Pictures(61, 47, 3).read([one]) == expected).all()


def test_sixteen_bits_become_eight() -> None:
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    found = Pictures(256, 256, 1).read([body(Image.fromarray(values))])[0, :, :, 0]
    assert (found == np.round(values / 257.0)).all()
