"""Two files without a project: the same rows in any kind of file are equal, and mistakes are one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import Cli

import mlpipes_cli as mlpipes


def rows(count: int, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "amount": random.normal(100, 20, count).round(2),
            "zip": [f"0{n:04}" for n in random.integers(1, 30, count)],
            "member": random.random(count) < 0.4,
            "since": pd.Timestamp("2024-01-01") + pd.to_timedelta(random.integers(0, 300, count), "D"),
            "visits": random.poisson(2, count),
        }
    )


def write(frame: pd.DataFrame, path: Path) -> Path:
    if path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
    elif path.suffix == ".json":
        frame.assign(since=frame["since"].astype(str)).to_json(path, orient="records")
    else:
        frame.to_csv(path, index=False)
    return path


@pytest.fixture
def nowhere(tmp_path: Path) -> Cli:
    """The command line in a folder without a project."""
    folder = tmp_path / "nowhere"
    folder.mkdir()
    return Cli(tmp_path / "home", folder)


def test_equal_rows_in_files_of_different_kinds_give_equal_numbers(nowhere: Cli) -> None:
    reference, current = rows(400, 1), rows(200, 2).assign(amount=lambda f: f["amount"] + 15)
    found: list[Any] = []
    for left, right in ((".csv", ".csv"), (".parquet", ".csv"), (".csv", ".parquet"), (".csv", ".json")):
        files = write(reference, nowhere.cwd / f"a{left}"), write(current, nowhere.cwd / f"b{right}")
        done = nowhere("monitor", "--reference", files[0], "--current", files[1], "--json")
        assert done.code == 3
        found.append(done.json["columns"])
    assert found[0][0]["name"] == "amount"
    assert {c["name"]: c["kind"] for c in found[0]} == {
        "amount": "number", "zip": "category", "member": "boolean", "since": "date", "visits": "number",
    }  # fmt: skip
    assert found[1] == found[0] and found[2] == found[0] and found[3] == found[0]


def test_the_python_function_returns_what_the_command_prints(nowhere: Cli) -> None:
    reference, current = rows(300, 3), rows(100, 4)
    files = write(reference, nowhere.cwd / "a.parquet"), write(current, nowhere.cwd / "b.parquet")
    options = "--alpha", "0.01", "--min-effect", "0.2", "--ignore", "zip"
    done = nowhere("monitor", "--reference", files[0], "--current", files[1], *options, "--json").ok().json
    found = mlpipes.monitor(reference, current, alpha=0.01, min_effect=0.2, ignore=["zip"])
    assert (found.alarm, found.alpha, found.verdict) == (False, 0.01, done["verdict"])
    assert [c.name for c in found.columns] == [c["name"] for c in done["columns"]]
    assert [c.p for c in found.columns] == [c["p"] for c in done["columns"]]
    assert "zip" not in set(found.frame()["name"])
    assert (done["model"], done["predictions"], done["performance"], done["id"]) == (None, {}, None, None)


def test_the_report_is_written_and_no_other_file_is_replaced(nowhere: Cli) -> None:
    a, b = write(rows(200, 8), nowhere.cwd / "a.csv"), write(rows(100, 9), nowhere.cwd / "b.csv")
    page, other = nowhere.cwd / "report.html", nowhere.cwd / "notes.html"
    words = "monitor", "--reference", a, "--current", b, "--output"
    for _ in range(2):
        assert nowhere(*words, page, "--json").ok().json["report"] == str(page)
    assert "b.csv compared with a.csv" in page.read_text(encoding="utf-8")
    other.write_text("mine")
    refused = nowhere(*words, other)
    assert refused.code == 2 and "exists already, and is not a page of `mlpipes monitor`" in refused.err
    assert other.read_text() == "mine"
    nowhere(*words, other, "--force").ok()


def test_the_text_fits_in_80_columns(nowhere: Cli) -> None:
    from rich.console import Console

    from mlpipes_cli.cli.views.monitored import monitored

    found = mlpipes.monitor(rows(300, 5), rows(200, 6).assign(amount=5.0, visits=None))
    console = Console(width=80, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(monitored(found))
    lines = console.export_text().splitlines()
    assert max(map(len, lines[1:])) <= 80
    assert lines[0].startswith("2 of 5 columns changed: ")
    assert any("ALARM" in line and line.startswith("amount") for line in lines)
    assert any(line.startswith("  visits: missing in 200 rows") for line in lines)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--reference", "a.csv"), "--current is missing; two files are compared: give both"),
        (("--current", "a.csv"), "--reference is missing"),
        (("--reference", "a.csv", "--current", "no.csv"), "no.csv: no such file"),
        (("--reference", "a.csv", "--current", "empty.csv"), "empty.csv"),
        (("--reference", "a.csv", "--current", "other.csv"), "other.csv: no column in common with"),
        (("--reference", "a.csv", "--current", "a.csv", "--ignore", "amont"), "did you mean 'amount'?"),
        (("--reference", "a.csv", "--current", "a.csv", "--alpha", "5"), "--alpha: 5 is not above 0"),
        (("--reference", "a.csv", "--current", "a.csv", "--min-effect", "1"), "--min-effect: 1 is not from"),
        (
            ("--reference", "a.csv", "--current", "a.csv", "--model", "m"),
            "--model is for the running project",
        ),
        (("--reference", "a.csv", "--current", "a.csv", "--scheduled"), "--scheduled is for the running"),
    ],
)
def test_a_mistake_is_one_line(nowhere: Cli, words: tuple[str, ...], said: str) -> None:
    write(rows(60, 7), nowhere.cwd / "a.csv")
    (nowhere.cwd / "empty.csv").write_text("amount,zip\n")
    (nowhere.cwd / "other.csv").write_text("x,y\n1,2\n3,4\n")
    done = nowhere("monitor", *words)
    assert (done.code, done.out) == (2, ""), done.err
    assert said in done.err.splitlines()[-1]


def test_without_a_project_and_without_files(nowhere: Cli) -> None:
    done = nowhere("monitor")
    assert done.code == 2 and "mlpipes.yaml" in done.err


def test_the_report_of_two_files(nowhere: Cli) -> None:
    left, right = write(rows(400, 1), nowhere.cwd / "a.csv"), write(rows(200, 2), nowhere.cwd / "b.csv")
    command = ("monitor", "--reference", left, "--current", right, "--output", "report.html")
    done = nowhere(*command).ok()
    assert done.out.rstrip().endswith("wrote report.html")
    page = (nowhere.cwd / "report.html").read_text()
    assert "<h1>b.csv compared with a.csv</h1>" in page and page.count("<article") == 5
    again = nowhere(*command, "--json").ok()
    assert again.json["report"] == "report.html"
    refused = nowhere(*command[:-1], "a.csv")
    assert (refused.code, left.read_text()[:6]) == (2, "amount")
    assert "is not a page of `mlpipes monitor`" in refused.err
    found = mlpipes.monitor(left, right, output=nowhere.cwd / "report.html")
    assert found.report == str(nowhere.cwd / "report.html")


def test_texts_in_a_column_of_numbers_are_faults_of_the_data(nowhere: Cli) -> None:
    random = np.random.default_rng(5)
    numbers = pd.DataFrame({"a": random.normal(size=300).round(3), "b": random.normal(size=300).round(3)})
    numbers.to_csv(nowhere.cwd / "numbers.csv", index=False)
    texts = numbers.astype({"a": object})
    texts.iloc[:4, 0] = "unknown"
    for name, frame, alarm in (("some", texts, False), ("all", texts.assign(a="unknown"), True)):
        frame.to_csv(nowhere.cwd / f"{name}.csv", index=False)
        found = nowhere("monitor", "--reference", "numbers.csv", "--current", f"{name}.csv", "--json").json
        a = next(one for one in found["columns"] if one["name"] == "a")
        number = 4 if name == "some" else 300
        assert (a["kind"], found["alarm"]) == ("number", alarm)
        assert any(str(number) in fault["words"] for fault in a["quality"]), a["quality"]
