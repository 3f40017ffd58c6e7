"""The page on loading: its commands run, and its settings are valid and do what it says."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from conftest import RunningStack

from mlpipes_cli.config.dataset.config import load_dataset

pytestmark = pytest.mark.slow
PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "data" / "loading.md"
CSV = "Loan ID;Age;Paid;Comment;approved\n" + "".join(
    f"L{at};{20 + at};{at % 28 + 1:02d}.05.2024;x{at};{at % 2}\n" for at in range(30)
)


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.M | re.S)


def test_the_commands_of_the_page(running_stack: RunningStack) -> None:
    root = running_stack.root
    (root / "data").mkdir(exist_ok=True)
    (root / "data" / "loans.csv").write_text(CSV)
    (root / "dataset.yaml").unlink(missing_ok=True)
    (block,) = blocks("bash")
    answers = [running_stack.cli(*shlex.split(line)[1:]).ok() for line in block.splitlines()]
    assert json.loads(answers[-1].out)["unchanged"] == 30
    config, _ = load_dataset(root / "dataset.yaml")
    assert config.split.stratify == "approved"
    (settings,) = blocks("yaml")
    (root / "dataset.yaml").write_text(settings.replace("dataset: loans", "dataset: loans_merged"))
    found = running_stack.cli("data", "load", "--json").ok().json
    assert [column["name"] for column in found["columns"]] == ["loan_id", "Age", "paid", "approved"]
    assert (found["rows"], found["set_aside"]) == (30, 0)
