"""Images of single characters as they stand in captchas, for trying things out.

    python generate.py --each 60 --seed 7

writes data/characters/A_000.png ... (28 x 28 grey pixels; the label is what stands before the `_`) and
data/new_rows.json (twelve further images, base64, to be scored). The same arguments give the same files.

A character is drawn in black with one of three sizes, turned by up to 20 degrees, moved by up to 3 pixels,
crossed by a line and strewn with noise.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

CHARACTERS = "ABCDEHKMTX34"  # no two of them look alike
SIDE = 28


def draw(character: str, random: np.random.Generator) -> bytes:
    """The bytes of a PNG file, 28 x 28 pixels, grey."""
    paper = Image.new("L", (SIDE * 2, SIDE * 2), 255)
    font = ImageFont.load_default(size=float(random.choice([34, 38, 42])))
    ImageDraw.Draw(paper).text((SIDE, SIDE), character, fill=0, font=font, anchor="mm")
    paper = paper.rotate(float(random.uniform(-20, 20)), fillcolor=255, resample=Image.Resampling.BILINEAR)
    line = [tuple(map(float, point)) for point in random.uniform(0, 2 * SIDE, size=(2, 2))]
    ImageDraw.Draw(paper).line(line, fill=90, width=2)
    pixels = np.asarray(paper.resize((SIDE, SIDE), Image.Resampling.BILINEAR), dtype=np.float64)
    pixels = np.roll(pixels, random.integers(-3, 4, size=2), axis=(0, 1))
    noisy = np.clip(pixels + 25 * random.standard_normal(pixels.shape), 0, 255).astype(np.uint8)
    body = io.BytesIO()
    Image.fromarray(noisy).save(body, "PNG")
    return body.getvalue()


def generate(folder: Path, each: int = 60, seed: int = 7) -> None:
    """Write the images and the rows to score into a folder."""
    random = np.random.default_rng(seed)
    place = folder / "characters"
    place.mkdir(parents=True, exist_ok=True)
    for character in CHARACTERS:
        for number in range(each):
            (place / f"{character}_{number:03d}.png").write_bytes(draw(character, random))
    rows = [{"image": base64.b64encode(draw(one, random)).decode()} for one in CHARACTERS]
    (folder / "new_rows.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    (folder / "try_me.png").write_bytes(draw("K", random))


def main() -> int:
    parser = argparse.ArgumentParser(description="Make images of characters and rows to score.")
    parser.add_argument("--each", type=int, default=60, help="images of each character (default 60)")
    parser.add_argument("--seed", type=int, default=7, help="the same seed gives the same files (default 7)")
    given = parser.parse_args()
    if given.each < 10 or given.seed < 0:
        parser.error("give --each 10 or more and --seed 0 or more")
    generate(Path(__file__).parent / "data", given.each, given.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
