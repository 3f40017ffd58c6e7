"""The guide's blocks run; what they leave is right, from a CSV file to a split table."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import dataset_help
import numpy as np
import pandas as pd
import pytest
from conftest import RunningStack
from e2e import test_readme as readme

pytestmark = pytest.mark.slow
PAGE = (readme.ROOT / "docs" / "how-to" / "data" / "prepare.md").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Told:
    """What the page left: its output and its folder."""

    out: str
    folder: Path


@pytest.fixture(scope="module")
def told(running_stack: RunningStack, url: str) -> Told:
    assert url  # of a database without data sets
    folder = running_stack.root / "loans"
    folder.mkdir()
    environ = running_stack.cli.environment
    environ = dict(environ) | {"PATH": f"{Path(sys.executable).parent}:{environ['PATH']}"}
    command = ["bash", "-c", readme.script(PAGE)]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    return Told(done.stdout + done.stderr, folder)


def test_1000_applications_are_filled_with_what_training_rows_say(told: Told, url: str) -> None:
    source = pd.read_csv(told.folder / "loans.csv").rename(columns={"Unnamed: 0": "id"})
    kept = source[~(source["age"] >= 79)].set_index("id").sort_index()
    found = dataset_help.frame(url, "select * from clean_data.loans").set_index("id").sort_index()
    assert found.index.tolist() == kept.index.tolist()
    train = kept[found["_split"] == "train"]
    age, income = train["age"].median(), train["annual_income"].median()
    low, high = train["annual_income"].fillna(income).quantile([0.01, 0.99])
    assert np.allclose(found["age"], kept["age"].fillna(age), rtol=0)
    want = kept["annual_income"].fillna(income).clip(low, high)
    assert np.allclose(found["annual_income"], want, rtol=1e-12)
    assert np.allclose(found["share"], kept["loan_amount"] / want, rtol=1e-12)
    assert found["approved"].tolist() == (kept["approved"] == "yes").tolist()
    total = len(kept)
    counts = found["_split"].value_counts()
    assert (counts["test"], counts["validation"]) == (round(0.2 * total), round(0.1 * total))
    yes = found.groupby("_split")["approved"].sum()
    for part, share in (("test", 0.2), ("validation", 0.1), ("train", 0.7)):
        assert abs(yes[part] - share * found["approved"].sum()) < 2


def test_what_the_page_shows(told: Told) -> None:
    assert "version 2 of 'loans': " in told.out
    assert "(pruned)" in told.out
    assert "added columns: share; removed columns: ratio" in told.out
