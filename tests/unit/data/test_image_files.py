"""Folders of images, and columns of their paths."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import picture_help
import pytest
from PIL import Image

from mlpipes_cli.config.experiment import Data, Images
from mlpipes_cli.config.yaml_source import YamlSource, read_yaml
from mlpipes_cli.data.origins import image_files
from mlpipes_cli.data.origins.sources import check_columns_cheaply, load
from mlpipes_cli.data.prepare import prepare
from mlpipes_cli.data.prepared_cache import open_store, save
from mlpipes_cli.data.rows import hash_values
from mlpipes_cli.errors import ConfigError


def png(shade: int, kind: str = "PNG") -> bytes:
    body = io.BytesIO()
    Image.fromarray(np.full((4, 4), shade, dtype=np.uint8)).save(body, kind)
    return body.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for label, base in (("cat", 0), ("dog", 100)):
        place = tmp_path / "pets" / label
        place.mkdir(parents=True)
        for number in range(20):
            (place / f"{number:02d}.png").write_bytes(png(base + number))
    (tmp_path / "pets" / ".DS_Store").write_bytes(b"x")
    return tmp_path


def experiment(base: Path, data: str) -> tuple[Data, YamlSource]:
    file = base / "experiment.yaml"
    file.write_text(f"data: {data}\n")
    source = read_yaml(file)
    return Data(**source.data["data"]), source


def loaded(base: Path, data: str) -> pd.DataFrame:
    told, source = experiment(base, data)
    check_columns_cheaply(told, base, source)
    return load(told, base, source, database_url=None, environ={})


def test_a_folder_becomes_rows_labelled_by_its_folders(folder: Path) -> None:
    frame = loaded(folder, "{source: pets, target: kind}")
    assert list(frame.columns) == ["image", "kind", "file"] and len(frame) == 40
    assert frame["kind"].tolist() == ["cat"] * 20 + ["dog"] * 20
    assert frame["file"][21] == "dog/01.png" and frame["image"][21] == png(101)


def test_labels_in_file_names(tmp_path: Path) -> None:
    for name in ("A_1.png", "B-2.png", "A_3.jpg"):
        (tmp_path / name).write_bytes(png(5, "JPEG" if name.endswith("jpg") else "PNG"))
    frame = loaded(tmp_path, "{source: ., target: letter, images: {label: name}}")
    assert frame["letter"].tolist() == ["A", "A", "B"]
    frame = loaded(tmp_path, "{source: ., target: n, images: {label: name, pattern: '.*([0-9])'}}")
    assert frame["n"].tolist() == ["1", "3", "2"]


def test_a_column_of_paths(folder: Path) -> None:
    (folder / "rows.csv").write_text(
        "picture,weight,kind\npets/cat/00.png,3,cat\n,4,cat\npets/dog/01.png,9,dog\n"
    )
    frame = loaded(folder, "{source: rows.csv, target: kind, images: {columns: [picture]}}")
    assert frame["picture"].tolist() == [png(0), None, png(101)]


def test_the_split_is_made_as_of_any_rows_and_kept(folder: Path, tmp_path: Path) -> None:
    told, source = experiment(folder, "{source: pets, target: kind, id: file}")
    frame = load(told, folder, source, database_url=None, environ={})
    prepared = prepare(frame, told, source)
    assert prepared.images == ("image",) == prepared.feature_names
    assert prepared.ids(prepared.holdout).str.contains("/").all()
    assert (prepared.y(prepared.holdout) == "cat").sum() == 4 == len(prepared.holdout) / 2
    save(prepared, tmp_path / "store")
    again = open_store(tmp_path / "store")
    assert again.images == ("image",) and again.fingerprint == prepared.fingerprint
    assert again.X()["image"].tolist() == prepared.X()["image"].tolist()


def test_one_changed_image_changes_the_fingerprint(folder: Path) -> None:
    told, source = experiment(folder, "{source: pets, target: kind, id: file}")

    def fingerprint() -> str:
        frame = load(told, folder, source, database_url=None, environ={})
        return prepare(frame, told, source).fingerprint

    before = fingerprint()
    assert fingerprint() == before
    (folder / "pets" / "cat" / "00.png").write_bytes(png(77))
    assert fingerprint() != before


def test_bytes_have_hashes_of_their_own() -> None:
    hashes = hash_values(pd.Series([b"a", b"b", b"a", None, "a"], dtype=object))
    assert hashes[0] == hashes[2] and len(set(hashes.tolist())) == 3


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("{source: empty, target: kind}", "empty: is a folder without images"),
        ("{source: pets/cat, target: kind}", "is not in a folder named after its label; use"),
        ("{source: bad, target: kind}", r"broken\.png: not a \.png, .* image"),
        ("{source: pets, target: kind, id: path}", "'path'"),
        ("{source: rows.csv, target: kind, images: {columns: [pictures]}}", "did you mean 'picture'"),
        ("{source: cut, target: kind}", r"cut/x/07\.png: the image is damaged \(.+\); replace or remove it"),
        ("{source: cut.csv, target: kind, images: {columns: [picture]}}", r"row 1: .*: the image is damaged"),
        ("{source: begun, target: kind}", r"begun/x/1\.jpg: the image is damaged \(its content is not"),
        ("{source: lost.csv, target: kind, images: {columns: [picture]}}", "column 'picture', row 1: .*gone"),
    ],
)  # fmt: skip
def test_mistakes(folder: Path, data: str, message: str) -> None:
    (folder / "empty").mkdir()
    (folder / "bad" / "x").mkdir(parents=True)
    (folder / "bad" / "x" / "broken.png").write_text("no image")
    (folder / "rows.csv").write_text("picture,kind\npets/cat/00.png,cat\n")
    for name in ("cut", "begun"):
        (folder / name / "x").mkdir(parents=True)
    (folder / "cut" / "x" / "07.png").write_bytes(png(5)[:-20])
    (folder / "begun" / "x" / "1.jpg").write_bytes(b"\xff\xd8\xff and no more")
    (folder / "cut.csv").write_text("picture,kind\ncut/x/07.png,cat\n")
    (folder / "lost.csv").write_text("picture,kind\ngone.png,cat\n")
    with pytest.raises(ConfigError, match=message) as caught:
        loaded(folder, data)
    assert "experiment.yaml:1: data" in str(caught.value)


@pytest.mark.parametrize("pattern", ["(", "abc", "(a)(b)"])
def test_a_pattern_has_one_group(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"regular expression|one group"):
        Images(label="name", pattern=pattern)


def test_the_limit_of_pixels_is_that_of_the_models() -> None:
    from mlpipes_cli.trainers.models import pictures

    assert image_files.MOST_PIXELS == pictures.MOST_PIXELS


def test_an_image_with_too_many_pixels_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(picture_help.bomb(13_000))
    with pytest.raises(image_files.NotImages, match=r"a\.png: the image has 13000 x 13000 pixels, more"):
        image_files.read(file)


def test_other_bytes_are_no_images() -> None:
    values: list[Any] = [b"abc", b"\x89PNG\r\n\x1a\n..."]
    assert not image_files.are_images(pd.Series(values, dtype=object))
    assert image_files.are_images(pd.Series([png(1), None], dtype=object))
