# ruff: noqa: E501 - tables of cases
"""``data infer``: the text is a valid ``dataset.yaml``, and reading by it gives the same rows."""

from __future__ import annotations

import datetime
import json
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import yaml
from dataset_reading_help import read
from reporter_help import Told

from mlpipes_cli.config.dataset.config import load_dataset
from mlpipes_cli.config.source import FunctionSource
from mlpipes_cli.errors import ConfigError, MlpipesError, UsageError
from mlpipes_cli.lifecycle.datasets import names, source_text
from mlpipes_cli.lifecycle.datasets.infer import infer

ROWS = 40


@pytest.fixture
def loans(tmp_path: Path) -> Path:
    lines = [";Loan ID;Age;Had Default;Amount (€);Paid at;Grade;order;Empty;ZIP"]
    for at in range(ROWS):
        day = f"{at % 28 + 1:02d}.03.2024"
        cells = (at, f"L{at:03d}", 20 + at, at % 2, f"{1000 + at}.5".replace(".", ","), day, "AB"[at % 2])
        lines.append(";".join(map(str, (*cells, "x" if at else "", "", f"{at:05d}"))))
    (tmp_path / "Loans 2024.csv").write_bytes("\n".join(lines).encode("cp1252"))
    return tmp_path


def described(folder: Path, source: str, **options: Any) -> tuple[dict[str, Any], str]:
    found = infer(source, folder, Told(), **options)
    (folder / "inferred.yaml").write_text(found.yaml)
    load_dataset(folder / "inferred.yaml")
    return yaml.safe_load(found.yaml), found.yaml


def test_a_first_file_says_what_was_found(loans: Path) -> None:
    found, text = described(loans, "Loans 2024.csv", target="Had Default")
    assert found["dataset"] == "loans_2024"
    assert (found["separator"], found["encoding"], found["decimal"]) == (";", "cp1252", ",")
    assert "encoding: cp1252  # a guess" in text
    assert found["key"] == ["loan_id"]
    assert found["split"] == {"validation": 0.1, "test": 0.2, "seed": 42, "stratify": "had_default"}
    assert found["columns"] == {
        "Unnamed: 0": {"drop": True},
        "Loan ID": {"type": "text", "rename": "loan_id", "unique": True, "missing": 0.0},
        "Age": {"type": "integer", "rename": "age", "min": 0, "missing": 0.0},
        "Had Default": {"type": "integer", "rename": "had_default", "values": [0, 1], "missing": 0.0},
        "Amount (€)": {"type": "number", "rename": "amount", "min": 0, "missing": 0.0},
        "Paid at": {"type": "date", "rename": "paid_at", "format": "%d.%m.%Y", "missing": 0.0},
        "Grade": {"type": "text", "rename": "grade", "values": ["A", "B"], "missing": 0.0},
        "order": {"type": "text", "rename": "order_", "values": ["x"], "missing": 0.1},
        "Empty": {"drop": True},
        "ZIP": {"type": "text", "rename": "zip", "missing": 0.0},
    }  # fmt: skip
    assert "ZIP: {type: text, rename: zip, missing: 0.0}  # holds codes (digits with leading zeros)" in text


def test_reading_by_the_first_file_finds_no_bad_row(loans: Path) -> None:
    _, text = described(loans, "Loans 2024.csv")
    values, reading = read(loans, text.split("\n", 2)[2])
    assert not reading.set_aside
    assert values["amount"][:2] == [1000.5, 1001.5]
    assert values["paid_at"][:2] == [datetime.date(2024, 3, 1), datetime.date(2024, 3, 2)]
    assert values["zip"][0] == "00000" and len(values["loan_id"]) == ROWS


def test_it_never_overwrites_a_file_silently(loans: Path) -> None:
    there = loans / "sub" / "dataset.yaml"
    there.parent.mkdir()
    there.write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        infer("Loans 2024.csv", loans, Told(), output=there)
    assert there.read_text() == "mine"
    infer("Loans 2024.csv", loans, Told(), output=there, force=True)
    assert yaml.safe_load(there.read_text())["source"] == "../Loans 2024.csv"
    (config, _) = load_dataset(there)
    assert config.columns["Age"].rename == "age"


def test_an_unknown_target_is_one_line(loans: Path) -> None:
    with pytest.raises(UsageError) as caught:
        infer("Loans 2024.csv", loans, Told(), target="Had Defalt")
    assert "no column 'Had Defalt'; did you mean 'Had Default'?" in caught.value.lines()[0]


def test_what_was_understood_is_told(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a;b;c\n1,5;n/a;k\n2,5;7;k\n")
    told = Told()
    infer("t.csv", tmp_path, told)
    assert told.infos[:2] == [
        "t.csv: separator ';', encoding utf-8, decimal comma",
        "t.csv: 'n/a' is read as a missing value: 'b'",
    ]
    assert told.warnings == ["t.csv: the same value in every row: 'c'"]


def test_unreadable_numbers_are_told(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x\n" + "1\n" * 99 + "oops\n")
    told = Told()
    found = infer("t.csv", tmp_path, told)
    assert found.columns == {"x": "text"}
    assert "'oops' (1 row with such values) among 99 numbers" in found.yaml
    (tmp_path / "t.jsonl").write_text("".join(json.dumps({"a": at}) + "\n" for at in range(3)) + "{\n")
    assert "From 3 rows, and 1 that cannot be read." in infer("t.jsonl", tmp_path, told).yaml


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("Age", "age"), ("loanAmount", "loan_amount"), ("HTTPStatus", "http_status"), ("Größe (m²)", "grosse_m2"),
        ("  x  ", "x"), ("2024", "c_2024"), ("user", "user_"), ("select", "select_"), ("東京", "column_1"),
        ("_id", "id"), ("a__b", "a_b"), ("x" * 70, "x" * 63),
    ],
)  # fmt: skip
def test_names_need_no_quotes(name: str, wanted: str) -> None:
    assert names.columns([name]) == {name: wanted}


def test_two_columns_never_get_one_name() -> None:
    assert names.columns(["A b", "a_b", "A-B"]) == {"A b": "a_b", "a_b": "a_b_2", "A-B": "a_b_3"}
    assert names.dataset("data/*.csv") == "data" and names.dataset("https://x.org/a-b.csv.gz?k=1") == "a_b"
    assert names.dataset("s3://bucket/Parts 2/") == "parts_2" and names.dataset("7.csv") == "c_7"


def test_names_and_values_with_line_breaks_and_spaces_at_their_ends(tmp_path: Path) -> None:
    names_ = [" Age ", "new\nline", "a\r\nb: c", 'say "x"\n', "y" * 200]
    cells = [f'"{name.replace(chr(34), chr(34) * 2)}"' for name in names_]
    rows = [f'{at},"u\nv", A,{at % 2},{at}' for at in range(ROWS)]
    (tmp_path / "odd.csv").write_bytes("\n".join([",".join(cells), *rows]).encode())
    found, text = described(tmp_path, "odd.csv")
    assert list(found["columns"]) == names_
    assert found["columns"]["new\nline"]["values"] == ["u\nv"]
    config = load_dataset(tmp_path / "inferred.yaml")[0]
    assert config.columns["a\r\nb: c"].values == (" A",)
    assert sum(": {type: " in line for line in text.splitlines()) == len(names_)  # a line for each column


@pytest.mark.parametrize("separator", ["\t", ";", "|"])
def test_the_separator_is_read_again(separator: str, tmp_path: Path) -> None:
    lines = [separator.join(("a", "b")), *(separator.join((str(at), "x")) for at in range(ROWS))]
    (tmp_path / "a.tsv").write_text("\n".join(lines))
    described(tmp_path, "a.tsv")
    assert load_dataset(tmp_path / "inferred.yaml")[0].separator == separator


def test_json_means_the_same_in_lines_and_in_an_array(tmp_path: Path) -> None:
    records = [{"a": at, "day": f"2024-01-{at % 28 + 1:02d}"} for at in range(ROWS)]
    (tmp_path / "lines.jsonl").write_text("\n".join(map(json.dumps, records)))
    (tmp_path / "array.json").write_text(json.dumps(records))
    lines, array = (described(tmp_path, name)[0]["columns"] for name in ("lines.jsonl", "array.json"))
    assert lines == array and lines["day"]["type"] == "date"


def test_a_file_without_names_is_refused_or_gets_numbered_names(tmp_path: Path) -> None:
    (tmp_path / "bare.csv").write_text("1,2.5\n3,4.5\n")
    told = Told()
    with pytest.raises(ConfigError, match=r"line 1 is a row .* '1', '2\.5' are numbers"):
        infer("bare.csv", tmp_path, told)
    found = infer("bare.csv", tmp_path, told, header=False)
    assert (found.rows, found.columns) == (2, {"column_1": "integer", "column_2": "number"})
    assert yaml.safe_load(found.yaml)["header"] is False
    assert "bare.csv: line 1 is read as a row; columns: 'column_1', 'column_2'" in told.infos


@pytest.mark.parametrize(
    ("text", "told", "name"),
    [
        ("select a from s.People where a > 1", {"query": "select a from s.People where a > 1"}, "people"),
        (
            "with q as (select 1 as a) select * from q",
            {"query": "with q as (select 1 as a) select * from q"},
            "q",
        ),
        ("select 1 as a", {"query": "select 1 as a"}, "rows"),
        ("my_rows:fetch_all", {"function": "my_rows:fetch_all"}, "fetch_all"),
        ("{function: 'my_rows:fetch'}", {"function": "my_rows:fetch"}, "fetch"),
        ("{table: s.People, url: $DB}", {"table": "s.People", "url": "$DB"}, "people"),
        ("postgres:s.people", {"table": "s.people"}, "people"),
        ("postgres:select 1", {"query": "select 1"}, "rows"),
        ("[a.csv, b.csv]", ["a.csv", "b.csv"], "a"),
        ("sklearn:iris", "sklearn:iris", "iris"),
        ("[ab].csv", "[ab].csv", "ab"),
        ("{broken", "{broken", "broken"),
        ("x" * 5000, "x" * 5000, "x" * 50),
    ],
)
def test_what_a_text_of_the_command_line_names(text: str, told: object, name: str, tmp_path: Path) -> None:
    found = source_text.parsed(text, tmp_path)
    assert found == told
    assert source_text.dataset(found) == name


def test_a_file_with_a_name_like_a_query_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "select a.csv").write_text("a\n1\n")
    assert source_text.parsed("select a.csv", tmp_path) == "select a.csv"


def test_a_query_and_a_function_are_inferred(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "t.db") as connection:
        connection.execute("create table t (n integer, day text)")
        connection.execute("insert into t values (1, 'x'), (null, 'y')")
    found = infer("{query: 'select n, day from t', url: 'sqlite:///t.db'}", tmp_path, Told())
    assert (found.dataset, found.columns) == ("t", {"n": "integer", "day": "text"})
    assert "source: {query: 'select n, day from t', url: 'sqlite:///t.db'}" in found.yaml
    made = "import pandas as pd\ndef rows():\n    return pd.DataFrame({'ok': [True, None], 'n': [1.5, 2]})\n"
    (tmp_path / "a_module_of_rows.py").write_text(made)
    found = infer("a_module_of_rows:rows", tmp_path, Told(), output=tmp_path / "dataset.yaml")
    assert found.columns == {"ok": "boolean", "n": "number"}
    config, _ = load_dataset(tmp_path / "dataset.yaml")
    assert config.source == FunctionSource(function="a_module_of_rows:rows")
    with pytest.raises(MlpipesError, match="no read-only role yet") as caught:
        infer("select 1", tmp_path, Told())
    assert len(caught.value.lines()) == 1


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(ConfigError, match=r"pipe\.csv: is not a regular file"):
        infer("pipe.csv", tmp_path, Told())
