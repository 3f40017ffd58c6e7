"""What docs/how-to/training/data.md shows of files is so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from mlpipes_cli.config.experiment import Data
from mlpipes_cli.data.formats import PLACEHOLDERS, Formats
from mlpipes_cli.data.origins.files import Read, read_table

PAGE = (Path(__file__).parents[3] / "docs/how-to/training/data.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"<!-- (file|said|settings)(?:: (\S+))? -->\n```\w+\n(.*?)```", PAGE, re.DOTALL)
FILES = {name: text for kind, name, text in BLOCKS if kind == "file"}
SAID = dict(zip(FILES, [text for kind, _, text in BLOCKS if kind == "said"], strict=True))


def read(folder: Path, name: str, data: dict[str, Any]) -> Read:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(FILES[name], encoding="utf-8")
    formats = Formats.of(Data.model_validate({"source": name, "target": "y", **data}))
    return read_table(path, formats, name)


@pytest.mark.parametrize("name", FILES)
def test_what_is_said_of_files(tmp_path: Path, name: str) -> None:
    found = read(tmp_path, name, {})
    assert [*found.notes, *found.warnings] == SAID[name].splitlines()


def test_the_values_of_the_first_file(tmp_path: Path) -> None:
    frame = read(tmp_path, "data/sales.csv", {}).frame
    assert frame["price"].tolist()[:2] == [1234.5, 7] and pd.isna(frame["price"][2])
    assert frame["shop"].tolist() == ["00501", "00020", "10001"]
    assert frame["day"].tolist() == [pd.Timestamp(day) for day in ("2024-12-31", "2025-06-01", "2025-06-02")]


def test_the_settings(tmp_path: Path) -> None:
    ((name, text),) = [(name, text) for kind, name, text in BLOCKS if kind == "settings"]
    found = read(tmp_path, name, yaml.safe_load(text)["data"])
    assert found.frame["price"].tolist() == [3.142, 2.718]
    assert found.frame["day"].tolist() == [pd.Timestamp("2024-06-01"), pd.Timestamp("2024-06-02")]
    assert found.warnings == ()


def test_the_words_for_missing_values() -> None:
    listed = PAGE.partition("in upper or lower case:")[2].partition("In a column of text")[0]
    words = re.findall(r"`([^`]+)`", listed)
    assert len(words) > 12
    assert {word.lower() for word in words} <= PLACEHOLDERS
