"""One file with known faults: `data load` and a dry run from the file and from its version say the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import RunningStack

pytestmark = pytest.mark.slow
ROWS = 600
DATASET = "dataset: odd\nsource: odd.csv\nsplit: {{test: 0.2, seed: 1{more}}}\n"
EXPERIMENT = """
experiment: odd
data: {{source: "{source}", target: y}}
runs: [{{name: a, trainer: sklearn, estimator: sklearn.linear_model.LogisticRegression}}]
"""


def odd(labels: list[str]) -> pd.DataFrame:
    draw = np.random.default_rng(2)
    number = np.arange(ROWS)
    frame = pd.DataFrame({"age": draw.integers(18, 80, ROWS).astype(str), "income": draw.normal(size=ROWS)})
    frame.loc[[7, 300], "age"] = "n.b."
    frame["same"], frame["nothing"], frame["number"] = 1, "", number + 1000
    frame["y"] = np.array(labels, dtype=object)[number % len(labels)]
    frame["later"] = frame["y"].str.lower().map({label.lower(): at for at, label in enumerate(labels)})
    return pd.concat([frame, frame.iloc[:0]])


def said(stack: RunningStack, frame: pd.DataFrame, source: str) -> str:
    """Return what is said of the rows: by `data load`, or by a dry run from a source."""
    folder: Path = stack.root
    frame.to_csv(folder / "odd.csv", index=False)
    if source == "load":
        (folder / "dataset.yaml").write_text(DATASET.format(more=", stratify: y"))
        return stack.cli("data", "load", "--json").ok().err
    if source != "odd.csv":
        stack.cli("data", "prepare", "--json").ok()
    (folder / "odd.yaml").write_text(EXPERIMENT.format(source=source))
    return stack.cli("train", "odd.yaml", "--dry-run", "--json").ok().err


def test_what_each_command_says_of_the_same_rows(running_stack: RunningStack) -> None:
    frame = odd(["no", "no", "no", "yes", "no", "yes"])
    loaded = said(running_stack, frame, "load")
    told = {source: said(running_stack, frame, source) for source in ("odd.csv", "dataset:odd")}
    assert "target 'y', by which the split stratifies: binary, positive class 'yes'" in loaded
    for text in (loaded, *told.values()):
        assert "rows of each class: no 400, yes 200" in text
        assert "no value in any row: 'nothing'" in text
        assert "the same value in every row: 'same'" in text
        assert "another value in every row" in text
        assert "'number'" in text
        assert "'n.b.'" in text, "numbers but for a few words"
        assert "'later' alone tells 'y'" in text
    for text in told.values():
        assert "600 rows: 480 train, 120 holdout; 6 features: " in text
        assert "target 'y': binary, positive class 'yes' (alphabetically the last of the two" in text


def test_labels_that_are_likely_one_and_grades(running_stack: RunningStack) -> None:
    frame = odd(["no", "no", "NO", "yes", "no", "yes"])
    alike = "the labels 'NO' and 'no' of 'y' differ only in case or space and count as different classes"
    grades = odd(["1", "2", "2", "2", "3", "3", "3", "3", "3", "4", "4", "5"]).drop(columns="later")
    ordered = "'y' has the whole numbers 1 to 5, which are treated as 5 classes without an order"
    for rows, wanted in ((frame, alike), (grades, ordered)):
        for source in ("load", "odd.csv", "dataset:odd"):
            assert wanted in said(running_stack, rows, source), source


def test_rows_that_stand_in_both_parts(running_stack: RunningStack) -> None:
    frame = odd(["no", "yes"]).drop(columns=["number", "later"])
    twice = pd.concat([frame, frame.iloc[:300]])
    assert "holdout rows also occur in the training rows, with the same target" in said(
        running_stack, twice, "odd.csv"
    )
