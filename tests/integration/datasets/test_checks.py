# ruff: noqa: E501  each message is on one line, as users see it
"""`data check` against a real PostgreSQL: what is wrong, where, and how much of it."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import dataset_help
import pytest
from conftest import RunningStack

pytestmark = pytest.mark.slow
NOW = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
TYPES = {
    "id": "integer", "age": "integer", "income": "number", "paid": "number", "plan": "text", "mail": "text",
    "seen": "datetime", "active": "boolean",
}  # fmt: skip
ROWS: list[tuple[Any, ...]] = [
    (n, 20 + n % 40, 1000.0 + n, 10.0, "ab"[n % 2], f"user{n}@x.org", NOW - datetime.timedelta(days=n), True)
    for n in range(1, 101)
]
EXPECTED = """
dataset: checked
source: x.csv
columns:
  id: {type: integer, unique: true}
  age: {type: integer, min: 18, max: 60, missing: 0.02}
  income: {type: number, min: 0}
  plan: {values: [a, b]}
  mail: {pattern: '\\w+@[a-z]+\\.org'}
  seen: {min: 2020-01-01}
checks:
  - {rows: {min: 100, max: 200}}
  - {unique: [id, plan]}
  - {relation: paid <= income}
  - {name: no orphans, sql: "select _row, id from raw_data.checked where id < 0"}
  - {fresh: {column: seen, within: 2d}}
"""


@pytest.fixture
def load(url: str) -> Callable[..., int]:
    def change(*changes: tuple[int, str, Any]) -> int:
        rows = [list(row) for row in ROWS]
        for number, column, value in changes:
            rows[number - 1][list(TYPES).index(column)] = value
        return dataset_help.load(url, "checked", TYPES, rows)

    return change


@pytest.mark.usefixtures("url")
def test_nothing_loaded(running_stack: RunningStack) -> None:
    dataset_help.write(running_stack.root, "dataset: never\nsource: x.csv\n", "never.yaml")
    done = running_stack.cli("data", "check", "never.yaml")
    assert done.code == 1
    assert done.err.strip().splitlines() == [
        "error: the data set 'never' has no rows yet; run `mlpipes data load never.yaml` first"
    ]


def test_all_is_right(running_stack: RunningStack, load: Callable[..., int]) -> None:
    number = load()
    dataset_help.write(running_stack.root, EXPECTED)
    found = running_stack.cli("data", "check", "--json").ok().json
    assert found["ok"]
    assert found["load"] == number
    assert [one["check"] for one in found["checks"]] == [
        "id: type integer", "age: type integer", "income: type number", "age: min 18", "age: max 60",
        "age: missing 0.02", "income: min 0", "plan: values", "seen: min 2020-01-01",
        r"mail: pattern \w+@[a-z]+\.org", "id: unique", "rows: min 100, max 200", "unique id, plan",
        "relation: paid <= income", "no orphans", "fresh: seen within 2 days",
    ]  # fmt: skip
    assert {(one["ok"], one["wrong"], tuple(one["examples"])) for one in found["checks"]} == {(True, 0, ())}


def test_each_mistake_is_counted_and_shown(
    running_stack: RunningStack, load: Callable[..., int], url: str
) -> None:
    number = load(
        (3, "age", 17), (4, "age", 61), (5, "age", None), (6, "age", None), (7, "age", None),
        (8, "income", -1.0), (10, "plan", "c"), (11, "plan", None),
        (12, "mail", "user@x.org\n"), (13, "mail", "USER"), (14, "id", 15), (16, "paid", 1e9),
        (17, "paid", None), (18, "seen", datetime.datetime(1999, 1, 1)), (1, "id", -5), (1, "seen", None),
    )  # fmt: skip
    dataset_help.write(running_stack.root, EXPECTED)
    done = running_stack.cli("data", "check", "--json")
    assert done.code == 3
    found = {one["check"]: one for one in done.json["checks"] if not one["ok"]}
    wrong = {
        name: (one["wrong"], [row.get("_row") for row in one["examples"]]) for name, one in found.items()
    }
    assert wrong == {
        "age: min 18": (1, [3]),
        "age: max 60": (1, [4]),
        "age: missing 0.02": (3, [5, 6, 7]),
        "income: min 0": (1, [8]),
        "plan: values": (1, [10]),
        "seen: min 2020-01-01": (1, [18]),
        r"mail: pattern \w+@[a-z]+\.org": (2, [12, 13]),
        "id: unique": (2, [14, 15]),
        "relation: paid <= income": (2, [8, 16]),
        "no orphans": (1, [1]),
        "fresh: seen within 2 days": (1, [None]),
    }  # fmt: skip
    assert found["age: min 18"]["examples"] == [{"_row": 3, "age": 17}]
    assert found["relation: paid <= income"]["examples"][1:] == [{"_row": 16, "income": 1016.0, "paid": 1e9}]
    (error,) = done.err.strip().splitlines()[-1:]
    assert error.startswith("error: 11 of 16 checks of raw_data.checked failed: age: min 18 (1 wrong); ")
    runs = running_stack.cli("data", "check", "--history", "--json").ok().json
    assert (runs[0]["ok"], runs[0]["load"], len(runs[0]["results"])) == (False, number, 16)
    shown = running_stack.cli("data", "check", "--history").ok().out
    assert "age: min 18 (1), age: max 60 (1)" in shown


# Further lines of the file, and the message.
MISTAKES = {
    "columns: {agee: {min: 1}}": "columns -> agee: the table of 'checked' has no column 'agee'; did you mean 'age'?",
    "columns: {age: {min: 2020-01-01}}": (
        "columns -> age -> min: 2020-01-01 is a date, and the column 'age' has the type integer"
    ),
    "columns: {seen: {max: 5}}": "columns -> seen -> max: 5 is a number, and the column 'seen' has the type datetime",
    "columns: {age: {values: [1, x]}}": "values: 'x' does not fit the column 'age', which has the type integer",
    "columns: {age: {pattern: x}}": "`pattern` is for text, and the column has the type integer",
    "checks: [{unique: [id, plans]}]": "checks -> 0 -> unique: the table of 'checked' has no column 'plans'",
    "checks: [{relation: sum(age) > 5}]": "relation: PostgreSQL says: aggregate functions are not allowed in WHERE",
    "checks: [{relation: agee > 5}]": "column \"agee\" does not exist; did you mean 'age'?",
    "checks: [{relation: age + 5}]": "expected a condition, and the expression has the type integer",
    "checks: [{sql: select from where}]": "checks -> 0 -> sql: PostgreSQL says: syntax error",
    "checks: [{sql: drop table x}]": "sql: expected one statement that returns rows, such as a select; it was not run",
    "checks: [{fresh: {column: age, within: 1d}}]": (
        "fresh -> column: expected a column of dates or moments; 'age' has the type integer"
    ),
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_wrong_check_is_one_line(running_stack: RunningStack, load: Callable[..., int], text: str) -> None:
    load()
    dataset_help.write(running_stack.root, f"dataset: checked\nsource: x.csv\n{text}\n")
    done = running_stack.cli("data", "check")
    (line,) = done.err.strip().splitlines()
    assert done.code == 2
    assert line.startswith("error: dataset.yaml:3: ")
    assert MISTAKES[text] in line


def test_a_check_that_fails_on_a_row(running_stack: RunningStack, load: Callable[..., int]) -> None:
    load((7, "age", 0))
    dataset_help.write(
        running_stack.root, "dataset: checked\nsource: x.csv\nchecks: [{relation: 1 / age < 5}]\n"
    )
    done = running_stack.cli("data", "check")
    assert done.code == 1
    assert (
        done.err.strip()
        == "error: dataset.yaml:3: checks -> 0 -> relation: PostgreSQL says: division by zero"
    )
