"""The page your-own-file.md: its commands lead from a CSV file to predictions, on a stack of its own.

The last test goes on from there with the same loan applications: gaps filled, checks, a profile, more rows.
"""

from __future__ import annotations

import csv
import json
import os
import shlex
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg2
import pytest
import yaml
from conftest import Cli, Result
from e2e import test_readme as readme

pytestmark = pytest.mark.slow
PAGE = (readme.ROOT / "docs" / "how-to" / "data" / "your-own-file.md").read_text(encoding="utf-8")


@dataclass
class Told:
    """What the commands of the page said, by their words, and the project."""

    root: Path
    cli: Cli
    answers: dict[str, Result] = field(default_factory=dict)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    base = tmp_path_factory.mktemp("own")
    cli, told = (made := Cli(base / "home", base)), Told(base / "loans", made)
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


STEPS = [{"fill": {"age": "median", "annual_income": "median"}}]
CHECKS = [{"rows": {"min": 100}}, {"unique": ["loan_id"]}]


def written(file: Path) -> dict[str, dict[str, str]]:
    """Return the rows of a file as it is written, by their ids."""
    with file.open(newline="") as opened:
        return {row["Loan ID"]: row for row in csv.DictReader(opened)}


def clean_rows(url: str, version: int) -> pd.DataFrame:
    with closing(psycopg2.connect(url)) as link, link.cursor() as cursor:
        cursor.execute(f"select loan_id, age, annual_income, _split from clean_data._loans_{version}")
        return pd.DataFrame(cursor.fetchall(), columns=["id", "age", "annual_income", "part"]).set_index("id")


def check_medians(cli: Cli, url: str, version: int, rows: Mapping[str, Mapping[str, str]]) -> pd.Series:
    """Compare what fills gaps with the medians of the training rows in the files; return the rows' parts."""
    found = clean_rows(url, version)
    assert set(found.index) == set(rows)
    newest = cli("data", "versions", "loans", "--json").ok().json[0]
    assert newest["version"] == version
    for column, name in (("age", "age"), ("annual_income", "Annual Income")):
        train = [row[name] for key, row in rows.items() if found["part"][key] == "train"]
        median = statistics.median(float(value) for value in train if value)
        everything = statistics.median(float(row[name]) for row in rows.values() if row[name])
        assert newest["learned"]["steps"][0]["fill"][column] == median
        assert median != everything or column == "age"
        gaps = [key for key, row in rows.items() if not row[name]]
        assert len(gaps) > 20
        assert found.loc[gaps, column].astype(float).unique().tolist() == [median]
        kept = [key for key, row in rows.items() if row[name]]
        assert found.loc[kept, column].astype(float).tolist() == [float(rows[key][name]) for key in kept]
    return found["part"]


def test_gaps_are_filled_and_more_rows_make_the_next_version(told: Told) -> None:
    from mlflow import MlflowClient

    cli, root = told.cli, told.root
    addresses = told.answers["env"].json
    url, client = addresses["MLPIPES_DATABASE_URL"], MlflowClient(addresses["MLFLOW_TRACKING_URI"])

    def change(**keys: Any) -> None:
        settings = yaml.safe_load((root / "dataset.yaml").read_text())
        (root / "dataset.yaml").write_text(yaml.safe_dump(settings | keys, sort_keys=False))

    def version_of(run: str) -> str:
        return str(client.get_run(run).data.tags["mlpipes.dataset"])

    def trained(only: str) -> str:
        (run,) = cli("train", "experiment.yaml", "--only", only, "--json").ok().json["runs"]
        assert run["status"] == "FINISHED"
        return str(run["run_id"])

    def promoted(run: str, seen: int, tested: int) -> None:
        verdict = cli("promote", "--metric", "ks", "--run", run, "--dry-run", "--json").json
        assert (verdict["rows_left_out"], verdict["comparison"]["rows"]) == (seen, tested - seen)

    first = told.answers["mlpipes train experiment.yaml"].json["runs"]
    assert {version_of(run["run_id"]) for run in first} == {"loans@1"}
    rows = written(root / "data" / "loans.csv")
    before = clean_rows(url, 1)["part"]

    change(clean=STEPS, checks=CHECKS)
    assert cli("data", "check", "--json").ok().json["ok"]
    prepared = cli("data", "prepare", "--json").ok().json
    assert (prepared["version"], prepared["splits"]) == (2, {"train": 700, "validation": 100, "test": 200})
    second = check_medians(cli, url, 2, rows)
    cli("data", "profile", "--output", "loans.html", "--json").ok()
    page = (root / "loans.html").read_text()
    assert "annual_income" in page and len(page) < 2_000_000

    run = trained("logistic")
    assert version_of(run) == "loans@2"
    tested = second.index[second == "test"]
    promoted(run, int(before[tested].isin(["train", "validation"]).sum()), 200)

    more = {f"L{int(key[1:]) + 1000}": row for key, row in list(rows.items())[:200]}
    with (root / "data" / "more.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["", *list(next(iter(rows.values())))[1:]])
        for number, (key, row) in enumerate(more.items()):
            changed = f"{float(row['Annual Income']) * 1.5:.2f}" if row["Annual Income"] else ""
            more[key] = row | {"Loan ID": key, "Annual Income": changed}
            out.writerow([number, *list(more[key].values())[1:]])
    change(source="data/more.csv", load={"mode": "append"})
    loaded = cli("data", "load", "--json").ok().json
    assert (loaded["rows"], loaded["added"]) == (1200, 200)
    again = cli("data", "load", "--json").ok().json
    assert (again["rows"], again["added"], again["unchanged"]) == (1200, 0, 200)
    prepared = cli("data", "prepare", "--json").ok().json
    assert (prepared["version"], prepared["splits"]) == (3, {"train": 840, "validation": 120, "test": 240})
    third = check_medians(cli, url, 3, rows | more)
    changes = cli("data", "diff", "loans", "2", "3", "--json").ok().json
    assert (changes["rows"]["added"], changes["rows"]["removed"]) == (200, 0)

    run = trained("logistic")
    assert version_of(run) == "loans@3"
    tested = third.index[third == "test"]
    promoted(run, int(before.reindex(tested).isin(["train", "validation"]).sum()), 240)

    held = (root / "data" / "new_rows.csv").name
    online = cli("predict", f"data/{held}", "--json").ok().json["predictions"]
    offline = cli("predict", f"data/{held}", "--offline", "--json").ok().json["predictions"]
    assert [(one["loan_id"], one["prediction"]) for one in online] == [
        (one["loan_id"], one["prediction"]) for one in offline
    ]
    assert [one["score"] for one in online] == pytest.approx([one["score"] for one in offline], rel=1e-12)
