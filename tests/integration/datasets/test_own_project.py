"""The page your-own-file.md: its commands lead from a CSV file to predictions, on a stack of its own."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pytest
from conftest import Cli, Result
from e2e import test_readme as readme

pytestmark = pytest.mark.slow
PAGE = (readme.ROOT / "docs" / "how-to" / "data" / "your-own-file.md").read_text(encoding="utf-8")


@dataclass
class Told:
    """What the commands of the page said, by their words, and the project."""

    root: Path
    answers: dict[str, Result] = field(default_factory=dict)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    base = tmp_path_factory.mktemp("own")
    cli, told = Cli(base / "home", base), Told(base / "loans")
    try:
        for block in readme.blocks(PAGE):
            if block.language == "python":
                subprocess.run([sys.executable, "-c", block.body], cwd=base, check=True)
                continue
            for line in block.body.splitlines():
                if line == "cd loans":
                    cli.cwd = told.root
                    settings = (told.root / "mlpipes.yaml").read_text()
                    assert "runtime: auto" in settings
                    (told.root / "mlpipes.yaml").write_text(
                        settings.replace("runtime: auto", "runtime: embedded")
                    )
                    continue
                told.answers[line] = cli(*shlex.split(line)[1:], "--json").ok()
        told.answers["env"] = cli("env", "--json").ok()
        yield told
    finally:
        if told.root.exists():
            cli("down", "--volumes", "--yes", cwd=told.root)


def test_the_page_has_the_commands_that_init_names(told: Told) -> None:
    first, *others = told.answers
    assert told.answers[first].json["next"] == ["cd loans", *others[:-1]]


def test_the_rows_and_the_candidates(told: Told) -> None:
    loaded = told.answers["mlpipes data load"].json
    names = [column["name"] for column in loaded["columns"]]
    assert names == ["loan_id", "age", "annual_income", "loan_amount", "grade", "approved"]
    assert (loaded["rows"], loaded["set_aside"]) == (1000, 0)
    assert told.answers["mlpipes data prepare"].json["splits"] == {
        "train": 700,
        "validation": 100,
        "test": 200,
    }
    report = told.answers["mlpipes train experiment.yaml"].json
    assert {run["name"]: run["status"] for run in report["runs"]} == dict.fromkeys(
        ("logistic", "forest", "hist-boosting"), "FINISHED"
    )
    assert max(run["metrics"]["roc_auc"] for run in report["runs"]) > 0.8
    promoted = told.answers["mlpipes promote --metric ks"].json
    assert (promoted["outcome"], promoted["model"]) == ("promoted", "loans")


def test_the_predictions(told: Told) -> None:
    answer = told.answers["mlpipes predict data/new_rows.csv"].json
    rows = pd.read_csv(told.root / "data" / "new_rows.csv")
    assert [one["loan_id"] for one in answer["predictions"]] == rows["loan_id"].tolist()
    assert {one["prediction"] for one in answer["predictions"]} == {"yes", "no"}


def test_the_notebook_reads_the_rows(told: Told) -> None:
    book = json.loads((told.root / "explore.ipynb").read_text())
    code = ["shown = []\ndisplay = shown.append\n"]
    code += ["".join(cell["source"]) for cell in book["cells"] if cell["id"] in ("connect", "rows")]
    code.append("assert shown[-2].sum() == 1000\nassert list(shown[-1].index) == ['no', 'yes']")
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(code)], cwd=told.root, env=os.environ | told.answers["env"].json,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
