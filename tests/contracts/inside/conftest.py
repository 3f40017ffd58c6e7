"""For files of tests that run in a trainer's own environment; see ``environment_help.run_tests``."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from contracts import trainer_contract

from mlpipes_cli.trainers.base import Pruned, Training


@pytest.fixture(autouse=True)
def trainer_scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(trainer_contract, "SCRATCH", folder)
    return folder


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Writes a module of the user's."""
    made: list[str] = []

    def write(name: str, source: str) -> None:
        (tmp_path / f"{name}.py").write_text(source)
        monkeypatch.syspath_prepend(tmp_path)
        made.append(name)

    yield write
    for name in made:
        sys.modules.pop(name, None)


@dataclass
class Told:
    """What a fit told, epoch by epoch; stops it after one if it is to."""

    stop_after: int | None = None
    epochs: list[dict[str, float]] = field(default_factory=list)

    def __call__(self, step: int, metrics: Any) -> None:
        assert step == len(self.epochs) + 1
        self.epochs.append(dict(metrics))
        if step == self.stop_after:
            raise Pruned("seen enough")


@pytest.fixture
def told() -> Callable[..., Told]:
    return Told


def picture(kind: int, number: int) -> bytes:
    """A bright bar, level or upright, in an image file; sizes, modes and formats differ."""
    from PIL import Image

    draw = np.random.default_rng(number)
    high, wide = (12, 16) if number % 3 else (14, 18)
    pixels = draw.integers(0, 60, (high, wide), dtype=np.uint8)
    place = int(draw.integers(3, 9))
    if kind:
        pixels[place : place + 2, :] = 230
    else:
        pixels[:, place : place + 2] = 230
    image = Image.fromarray(pixels)
    body = io.BytesIO()
    (image if number % 2 else image.convert("RGB")).save(body, "PNG" if number % 5 else "JPEG")
    return body.getvalue()


@pytest.fixture
def pictures() -> Training:
    """120 images of two kinds."""
    kinds = np.arange(120) % 2
    column = pd.Series([picture(kind, number) for number, kind in enumerate(kinds)], dtype=object)
    y = pd.Series(np.array(["level", "upright"], dtype=object)[1 - kinds], name="target")
    return replace(
        trainer_contract.training_of("binary", {}),
        X=pd.DataFrame({"picture": column}),
        y=y,
        classes=("level", "upright"),
        images=("picture",),
    )
