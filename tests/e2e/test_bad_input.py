"""What the binary answers to bad input: one clear line, the right exit code, nothing half-written.

The mistakes of the two files themselves are in ``tests/unit/config``; here are those that only the
data, the machine or the stack can show, each tried as a user would meet it.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Cli

ROWS = 60


TEMPLATE = """\
experiment: bad-input
data:
  source: {source}
  target: {target}
  split: {split}
  {more}
metric: {metric}
runs:
  - name: one
    trainer: {trainer}
    {what}
    params: {params}
"""


def experiment(**changes: str) -> str:
    """An experiment file that is good but for the changes."""
    values = {
        "source": "data.csv",
        "target": "y",
        "split": "{test: 0.3, seed: 1}",
        "more": "preprocess: auto",
        "metric": "ks",
        "trainer": "sklearn",
        "what": "estimator: sklearn.linear_model.LogisticRegression",
        "params": "{C: 1.0}",
    }
    return TEMPLATE.format(**values | changes)


def rows(target: Callable[[int], object] = lambda i: i % 2) -> str:
    """A CSV with a number, a word and the target."""
    body = "".join(f"{i * 0.37 % 5:.3f},{'ab'[i % 2]}{i % 3},{target(i)}\n" for i in range(ROWS))
    return f"x,word,y\n{body}"


def write(folder: Path, text: str, data: str | bytes | None = None, name: str = "data.csv") -> None:
    (folder / "experiment.yaml").write_text(text)
    if data is not None:
        (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())


FILES: dict[str, tuple[str, str | bytes | None, list[str]]] = {
    "no such data file": (experiment(), None, ["experiment.yaml:3: data -> source:", "data.csv"]),
    "no such data set in scikit-learn": (
        experiment(source="sklearn:brest_cancer"),
        None,
        ["experiment.yaml:3: data -> source:", "did you mean 'breast_cancer'?"],
    ),
    "unknown kind of file": (
        experiment(source="data.sav"),
        b"x",
        ["experiment.yaml:3: data -> source:", ".csv"],
    ),
    "missing target column": (
        experiment(target="yy"),
        rows(),
        ["experiment.yaml:4: data -> target:", "did you mean 'y'?"],
    ),
    "missing id column": (experiment(more="id: ID"), rows(), ["data -> id:", "'ID'"]),
    "missing column to drop": (
        experiment(more="drop: [wrod]"),
        rows(),
        ["data -> drop -> 0:", "did you mean 'word'?"],
    ),
    "missing column to split by": (
        experiment(split="{by: when, test: 0.2}"),
        rows(),
        ["experiment.yaml:5: data -> split -> by:", "'when'"],
    ),
    "constant target": (experiment(), rows(lambda i: 1), ["experiment.yaml:4: data -> target:", "'y'"]),
    "a class with one row": (experiment(), rows(lambda i: int(i == 5)), ["experiment.yaml:"]),
    "a single class in a split": (
        experiment(split="{by: x, test: 0.2}"),
        "x,word,y\n" + "".join(f"{i},a,{int(i < 30)}\n" for i in range(ROWS)),
        ["experiment.yaml:", "class"],
    ),
    "missing values in the target": (
        experiment(),
        rows(lambda i: "" if i in (3, 9) else i % 2),
        ["experiment.yaml:4: data -> target:", "2 "],
    ),
    "positive label that is not there": (
        experiment(more="positive: 7"),
        rows(),
        ["data -> positive:", "7"],
    ),
    "positive for three classes": (
        experiment(more="positive: 1"),
        rows(lambda i: i % 3),
        ["data -> positive:"],
    ),
    "ks for three classes": (experiment(), rows(lambda i: i % 3), ["experiment.yaml:7: metric:", "ks_macro"]),
    "rmse for two classes": (experiment(metric="rmse"), rows(), ["experiment.yaml:7: metric:", "rmse"]),
    "task that the target does not allow": (
        experiment(more="task: regression"),
        rows(lambda i: "yes" if i % 2 else "no"),
        ["experiment.yaml:", "regression"],
    ),
    "empty data file": (experiment(), "", ["experiment.yaml:3: data -> source:", "empty"]),
    "header only": (experiment(), "x,word,y\n", ["experiment.yaml:3: data -> source:"]),
    "one row": (experiment(), "x,word,y\n1,a,0\n", ["experiment.yaml:"]),
    "ragged rows": (experiment(), rows() + "1,2,3,4,5\n", ["experiment.yaml:3: data -> source:"]),
    "binary rubbish": (
        experiment(),
        bytes(range(256)) * 20,
        ["experiment.yaml:3: data -> source:"],
    ),
    "a text in an unknown encoding": (
        experiment(),
        b"x,word,y\n1,caf\x81,0\n",
        ["experiment.yaml:3: data -> source:", "UTF-8", "encoding"],
    ),
    "duplicate column": (experiment(), rows().replace("x,word,y", "x,x,y"), ["experiment.yaml:3:", "'x'"]),
    "gzip that is none": (
        experiment(source="data.csv.gz"),
        b"not gzip",
        ["experiment.yaml:3: data -> source:"],
    ),
    "gzip cut short": (
        experiment(source="data.csv.gz"),
        gzip.compress(rows().encode(), mtime=0)[:-20],
        ["experiment.yaml:3: data -> source:"],
    ),
    "Parquet that is none": (
        experiment(source="data.parquet"),
        b"PAR1 not really",
        ["experiment.yaml:3: data -> source:"],
    ),
    "no such estimator": (
        experiment(what="estimator: sklearn.linear_model.LogisticRegresion"),
        rows(),
        ["experiment.yaml:11: runs -> 0 -> estimator:", "did you mean 'LogisticRegression'?"],
    ),
    "no such module": (
        experiment(what="estimator: sklearn.linear_modle.LogisticRegression"),
        rows(),
        ["experiment.yaml:11: runs -> 0 -> estimator:", "linear_modle"],
    ),
    "package that is not installed": (
        experiment(what="estimator: xgbost.XGBClassifier"),
        rows(),
        ["experiment.yaml:11: runs -> 0 -> estimator:", "xgbost"],
    ),
    "no estimator at all": (
        experiment(what="estimator: sklearn.metrics.roc_auc_score"),
        rows(),
        ["runs -> 0"],
    ),
    "parameter that it does not take": (
        experiment(params="{CC: 1.0}"),
        rows(),
        ["experiment.yaml:12: runs -> 0 -> params -> CC:", "LogisticRegression"],
    ),
    "searched parameter that it does not take": (
        experiment(params="{C: 1.0}\n    search: {maxiter: [1, 2]}"),
        rows(),
        ["runs -> 0 -> search", "did you mean 'max_iter'?"],
    ),
    "no such function": (
        experiment(trainer="python", what="function: mine:trian", params="{}"),
        rows(),
        ["runs -> 0 -> function:", "mine"],
    ),
}


def data_name(text: str) -> str:
    """The file that the experiment reads."""
    return next(line.split(": ", 1)[1] for line in text.splitlines() if line.startswith("  source"))


@pytest.mark.parametrize("kind", FILES)
def test_a_wrong_file_is_refused_before_anything_starts(project_dir: Path, cli: Cli, kind: str) -> None:
    text, data, expected = FILES[kind]
    write(project_dir, text, data, data_name(text))
    before = sorted(path.name for path in project_dir.iterdir())
    done = cli("train", "experiment.yaml", "--dry-run")
    assert done.code == 2, done.err
    assert done.out == ""
    assert "Traceback" not in done.err
    errors = [line for line in done.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, done.err
    for words in expected:
        assert words in errors[0]
    assert sorted(path.name for path in project_dir.iterdir() if path.name != ".mlpipes") == before
