"""``dataset.yaml``: what it takes, and one line with its place for each mistake."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from mlpipes_cli.config.dataset.config import DatasetConfig, load_dataset
from mlpipes_cli.config.source import FunctionSource, QuerySource
from mlpipes_cli.errors import ConfigError

WHOLE = """
dataset: loans
source: data/loans.csv
load: {mode: merge, on_bad_rows: set_aside}
key: ID
columns:
  "Unnamed: 0": {drop: true}
  Age: {type: integer, min: 18, max: 120, missing: 0.05, rename: age}
  Had_Past_Default: {values: [0, 1], rename: had_past_default}
  opened: {type: date, format: "%d/%m/%Y", min: 2001-02-03}
  code: {type: text, pattern: "[A-Z]{3}"}
checks:
  - {rows: {min: 100}}
  - {unique: [ID, opened]}
  - {name: sums, relation: paid <= owed}
  - {sql: "select * from raw_data.loans where loan_amount > 100 * annual_income;"}
  - {fresh: {column: opened, within: 7d}}
clean:
  - {rename: {code: country}}
  - {cast: {age: number}}
  - {fill: {annual_income: median, country: {constant: median}, paid: 0}}
  - {clip: {paid: {quantiles: [0.01, 0.99]}, age: {max: 99}}}
  - {where: age is not null}
  - {derive: {ratio: paid / owed}}
  - {drop: owed}
  - {deduplicate: all}
  - {deduplicate: [ID]}
  - {sql: clean.sql}
  - {function: "my_steps:clean"}
split: {validation: 0.1, test: 0.2, seed: 1337, stratify: loan_approval}
weights: w
"""


def read(text: str, tmp_path: Path) -> DatasetConfig:
    path = tmp_path / "dataset.yaml"
    path.write_text(text, encoding="utf-8")
    return load_dataset(path, "dataset.yaml")[0]


def test_a_list_is_called_a_list(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"dataset.yaml:3: clean: expected a list, got \{'a': 'b'\}"):
        read("dataset: a\nsource: a.csv\nclean: {a: b}\n", tmp_path)
    with pytest.raises(ConfigError, match=r"dataset.yaml:3: columns: expected keys with values, got \['a'\]"):
        read("dataset: a\nsource: a.csv\ncolumns: [a]\n", tmp_path)


@pytest.mark.parametrize("separator", ["\t", " ", ";", "|"])
def test_a_separator_may_be_white_space(separator: str, tmp_path: Path) -> None:
    text = f"dataset: a\nsource: a.tsv\nseparator: {json.dumps(separator)}\n"
    assert read(text, tmp_path).separator == separator


def test_a_file_with_every_key(tmp_path: Path) -> None:
    found = read(WHOLE, tmp_path)
    assert (found.key, found.split.seed, found.weights) == (("ID",), 1337, "w")
    assert [check.kind for check in found.checks] == ["rows", "unique", "relation", "sql", "fresh"]
    assert [step.kind for step in found.clean] == [
        *("rename", "cast", "fill", "clip", "where", "derive", "drop", "deduplicate", "deduplicate"),
        *("sql", "function"),
    ]
    assert found.checks[3].sql == "select * from raw_data.loans where loan_amount > 100 * annual_income"
    assert found.checks[4].fresh is not None and found.checks[4].fresh.within == timedelta(days=7)
    assert found.stored_name("Age") == "age" and found.stored_name("ID") == "ID"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("data/*.csv", "data/*.csv"),
        ("[a.csv, b.csv]", ("a.csv", "b.csv")),
        ('{function: "my_sources:fetch"}', FunctionSource(function="my_sources:fetch")),
        ("{query: select 1, url: $OTHER}", QuerySource(query="select 1", url="$OTHER")),
    ],
)
def test_sources(source: str, expected: object, tmp_path: Path) -> None:
    assert read(f"dataset: d\nsource: {source}\n", tmp_path).source == expected


def test_bounds_are_compared_as_moments(tmp_path: Path) -> None:
    """As texts, 10:00+02:00 is above 09:00Z; as moments it is an hour below."""
    bounds = "{type: datetime, min: 2024-05-31 10:00:00+02:00, max: '2024-05-31T09:00:00Z'}"
    found = read(f"dataset: d\nsource: a.csv\ncolumns: {{a: {bounds}}}\n", tmp_path).columns["a"]
    assert (found.max - found.min).total_seconds() == 3600
    days = read("dataset: d\nsource: a.csv\ncolumns: {a: {type: date, values: [2024-05-31]}}\n", tmp_path)
    assert days.columns["a"].values == ("2024-05-31",)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("dataset: Loans", "1: dataset: 'Loans' is not a valid name of tables"),
        ("load: {mode: mrege}", "3: load -> mode: 'mrege' is not valid; did you mean 'merge'?"),
        ("load: {mode: merge}", "`load: {mode: merge}` needs `key`"),
        ("source: {function: 'my:'}", "source -> function: 'my:': expected module:function"),
        ("source: {query: x, table: y}", "give either `table` or `query`, not both"),
        (
            "columns: {a: {type: integr}}",
            "columns -> a -> type: 'integr' is not valid; did you mean 'integer'?",
        ),
        ("columns: {a: {mising: 1}}", "columns -> a -> mising: unknown key; did you mean 'missing'?"),
        ("columns: {a: {min: 2, max: 1}}", "columns -> a: `min` (2) is above `max` (1)"),
        ("columns: {a: {min: 2024-02-01, max: 2024-01-01}}", "is above `max`"),
        ("columns: {a: {min: 2024-02-01, max: 1}}", "`min` and `max` are of different kinds"),
        ("columns: {a: {pattern: '('}}", "columns -> a -> pattern: '(' is not a valid regular expression"),
        ("columns: {a: {rename: b}, b: {}}", "two columns get the name 'b'; rename one of them"),
        ("columns: {a: {rename: _row}}", "names that begin with '_' are reserved"),
        ("columns: {a: {drop: true, min: 1}}", "a column with `drop` must not have another key"),
        ("columns: {a: {type: number, format: '%Y-%m-%d'}}", "`format` is for dates, and the type is number"),
        ("columns: {a: {min: .nan}}", "columns -> a -> min: expected a finite number, got nan"),
        ("columns: {a: {max: 1e400}}", "columns -> a -> max: expected a finite number, got inf"),
        ("columns: {a: {min: true}}", "columns -> a -> min: expected a number or a date such as 2024-05-31"),
        (
            "columns: {a: {min: '2024-02-30'}}",
            "expected a number or a date such as 2024-05-31, got '2",
        ),
        ("columns: {a: {min: 2024-05-31 10:00:01+02:00, max: 2024-05-31 08:00:00Z}}", "is above `max`"),
        ("columns: {a: {type: date, min: 5}}", "columns -> a: `min` (5) is a number, and the type is date"),
        ("columns: {a: {type: integer, max: 2024-01-01}}", "is a date, and the type is integer"),
        ("columns: {a: {type: integer, values: ['1']}}", "`values`: '1' does not fit the type integer"),
        ("columns: {a: {type: text, values: [7]}}", "7 does not fit the type text; put it in quotes"),
        ("columns: {a: {type: boolean, values: ['yes']}}", "'yes' does not fit the type boolean"),
        ("columns: {a: {values: [null]}}", "columns -> a -> values -> 0: null is not a value"),
        ("columns: {a: {values: []}}", "columns -> a -> values: expected at least one value, got []"),
        ("decimal: ','\nthousands: ','", "`decimal` and `thousands` are both ','"),
        ("checks: [{rows: {}}]", "checks -> 0 -> rows: give `min`, `max` or both"),
        ("checks: [{unique: [a], sql: x}]", "checks -> 0: expected exactly one of rows, unique, relation"),
        ("checks: [{name: a}]", "checks -> 0: expected exactly one of rows, unique, relation"),
        ("checks: [{sql: ' ; '}]", "checks -> 0 -> sql: there is no SQL"),
        ("checks: [{fresh: {column: a, within: 7}}]", "expected a time such as 30m, 12h, 7d or 2w, got 7"),
        ("clean: [{fill: {a: [1]}}]", "clean -> 0 -> fill -> a: expected median, mean, most_frequent"),
        ("clean: [{fill: {}}]", "clean -> 0 -> fill"),
        ("clean: [{clip: {a: {quantiles: [0.9, 0.1]}}}]", "`quantiles` need 0 <= low < high <= 1"),
        ("clean: [{wher: x}]", "clean -> 0 -> wher: unknown key; did you mean 'where'?"),
        ("clean: [{where: x, drop: y}]", "clean -> 0: expected exactly one of"),
        ("split: {validation: 0.5, test: 0.5}", "split: `validation` and `test` leave no row to train on"),
        ("split: {by: a, group: b}", "split: `by` and `group` exclude each other"),
        ("split: {by: a, seed: 1}", "split: `seed` has no effect on a split `by` a column"),
    ],
)
def test_mistakes_are_named_with_their_place(text: str, told: str, tmp_path: Path) -> None:
    base = {"dataset": "dataset: d", "source": "source: a.csv"}
    lines = [line for key, line in base.items() if not text.startswith(f"{key}:")]
    with pytest.raises(ConfigError) as caught:
        read("\n".join([text, *lines] if text.startswith("dataset") else [*lines, text]), tmp_path)
    assert told in str(caught.value)
    assert str(caught.value).startswith("dataset.yaml:")
