# ruff: noqa: E501  each message is on one line, as users see it
"""Mistakes in the file, in SQL, in values and in functions: one line with the place, and nothing changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import dataset_help
import pytest
from conftest import Result, RunningStack

pytestmark = pytest.mark.slow
TYPES = {"ID": "integer", "age": "integer", "amount": "text", "day": "text", "v": "number"}
ROWS = [(n, 20 + n, str(n), f"2024-01-{1 + n % 28:02}", n / 10) for n in range(1, 41)]


@pytest.fixture(scope="module", autouse=True)
def _raw(url: str, running_stack: RunningStack) -> None:
    dataset_help.load(url, "wrong", TYPES, [*ROWS, (41, None, "12x", "2023-02-29", None)])
    dataset_help.query(url, "create table raw_data.precious as select 1 as n")
    (running_stack.root / "bad_import.py").write_text("import nowhere_to_be_found\n")
    (running_stack.root / "bad_syntax.py").write_text("def f(:\n")
    (running_stack.root / "bad_steps.py").write_text(
        "import pandas as pd\n"
        "def raises(frame):\n    x = 1\n    return frame['nothing']\n"
        "def nothing(frame):\n    frame['a'] = 1\n"
        "def number(frame):\n    return 7\n"
        "def nested(frame):\n    return frame.assign(a=[[1]] * len(frame))\n"
        "def twice(frame):\n    return pd.concat([frame, frame], axis=1)\n"
        "def reserved(frame):\n    return frame.assign(_x=1)\n"
        "def leaves(frame):\n    print('no result')\n    raise SystemExit(0)\n"
        "def ends(frame):\n    import os\n    os._exit(0)\n"
    )


# The lines after `dataset` and `source`, the exit code, and the message.
MISTAKES: dict[str, tuple[str, int, str]] = {
    "unknown column": (
        "clean: [{drop: agee}]", 2, "dataset.yaml:3: clean -> 0 -> drop: there is no column 'agee' at this step; did you mean 'age'?",
    ),
    "gone column": (
        "clean:\n  - {drop: age}\n  - {fill: {age: median}}", 2,
        "dataset.yaml:5: clean -> 1 -> fill -> age: there is no column 'age' at this step; there are ID, amount, day, v",
    ),
    "key": ("key: id", 2, "dataset.yaml:3: key: the table of 'wrong' has no column 'id'; did you mean 'ID'?"),
    "stratify": (
        "split: {stratify: ages}", 2, "split -> stratify: there is no column 'ages' at this step; did you mean 'age'?",
    ),
    "by text": (
        "split: {by: day}", 2, "split -> by: expected dates, moments or numbers; the column 'day' has the type text",
    ),
    "by gaps": ("split: {by: age}", 1, "split -> by: 1 rows have no value of 'age'; leave them out before the split"),
    "median of text": ("clean: [{fill: {day: median}}]", 2, "fill -> day: median: the column 'day' has the type text"),
    "constant": (
        "clean: [{fill: {age: 1.5}}]", 2, "fill -> age: 1.5 does not fit the column 'age', which has the type integer",
    ),
    "no cast": ("clean: [{cast: {v: date}}]", 2, "cast -> v: a value of the type number cannot become one of the type date"),
    "cast": (
        "clean:\n  - {where: '\"ID\" > 0'}\n  - {cast: {ID: number, amount: integer}}\n  - {where: '\"ID\" > 1'}", 1,
        "dataset.yaml:5: clean -> 1 -> cast -> amount: row 41: '12x' is not valid as integer; leave such rows out",
    ),
    "cast to a day that does not exist": (
        "clean: [{cast: {day: date}}]", 1, "clean -> 0 -> cast -> day: row 41: '2023-02-29' is not valid as date",
    ),
    "cast of fractions": ("clean: [{cast: {v: integer}}]", 1, "cast -> v: row 1: '0.1' is not valid as integer"),
    "syntax": ("clean: [{where: age >}]", 2, 'clean -> 0 -> where: PostgreSQL says: syntax error at or near ")"'),
    "no condition": ("clean: [{where: age + 1}]", 2, "where: expected a condition, and the expression has the type integer"),
    "aggregate": (
        "clean: [{derive: {x: v - avg(v)}}]", 2, "derive -> x: PostgreSQL says: aggregate functions are not allowed in WHERE",
    ),
    "window": ("clean: [{derive: {x: sum(v) over ()}}]", 2, "PostgreSQL says: window functions are not allowed in WHERE"),
    "there already": ("clean: [{derive: {v: age}}]", 2, "derive -> v: there is a column 'v' already; choose another name"),
    "type": ("clean: [{derive: {x: 'array[1, 2]'}}]", 2, "the expression has the type integer[], which no column can have"),
    "division": (
        "clean:\n  - {derive: {x: 1 / (age - 25)}}\n  - {where: '\"ID\" > 0'}\n  - {rename: {v: w}}", 1,
        "dataset.yaml:4: clean -> 0 -> derive: PostgreSQL says: division by zero",
    ),
    "upper case": (
        "clean:\n  - {where: ID = 41}", 2,
        'column "id" does not exist; did you mean "ID"? SQL needs double quotes around a name that is not in lower case',
    ),
    "all gaps": (
        "clean:\n  - {derive: {g: null::bigint}}\n  - {fill: {g: median}}", 1,
        "fill -> g: no training row has a value of 'g' to learn from; drop the column, or fill it with a value",
    ),
    "few rows": ("clean: [{where: '\"ID\" < 2'}]", 1, "split: 1 rows leave the part 'test' empty"),
    "groups": ("clean: [{derive: {g: '1'}}]\nsplit: {group: g}", 1, "split -> group: 1 groups of 'g' are too few for the parts"),
    "no file": ("clean: [{sql: no.sql}]", 2, "dataset.yaml:3: clean -> 0 -> sql: no.sql: no such file"),
    "no module": (
        "clean: [{function: 'bad_step:raises'}]", 2,
        "function: no module 'bad_step' in the project's folder; did you mean 'bad_steps'?",
    ),
    "module of a module": (
        "clean: [{function: 'bad_import:f'}]", 2, "'bad_import' needs the module 'nowhere_to_be_found', which is not installed",
    ),
    "module's syntax": ("clean: [{function: 'bad_syntax:f'}]", 2, "function: bad_syntax.py:1: "),
    "no function": ("clean: [{function: 'bad_steps:rises'}]", 2, "no function 'rises' in 'bad_steps'; did you mean 'raises'?"),
    "raises": (
        "clean: [{function: 'bad_steps:raises'}]", 1,
        "dataset.yaml:3: clean -> 0 -> function: bad_steps:raises failed: bad_steps.py:4: KeyError: 'nothing'",
    ),
    "ends": ("clean: [{function: 'bad_steps:ends'}]", 1, "bad_steps:ends failed: bad_steps.py:20: ExitCalled: os._exit(0)"),
    "exits": ("clean: [{function: 'bad_steps:leaves'}]", 1, "bad_steps:leaves failed: bad_steps.py:17: SystemExit: 0"),
    "returns nothing": (
        "clean: [{function: 'bad_steps:nothing'}]", 1, "bad_steps:nothing returned nothing; it must return a pandas frame",
    ),
    "returns a number": ("clean: [{function: 'bad_steps:number'}]", 1, "bad_steps:number returned a int"),
    "lists": ("clean: [{function: 'bad_steps:nested'}]", 1, "the column 'a' has values that a table cannot hold"),
    "two names": ("clean: [{function: 'bad_steps:twice'}]", 1, "duplicate column name 'ID'"),
    "reserved": ("clean: [{function: 'bad_steps:reserved'}]", 1, "names that begin with '_' are reserved"),
    "check": ("checks: [{rows: {max: 5}}]", 3, "1 of 1 checks of raw_data.wrong failed: rows: max 5 (1 wrong)"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_one_line_and_nothing_changes(prepare: Callable[..., Result], url: str, name: str) -> None:
    text, code, said = MISTAKES[name]
    done = prepare("wrong", text)
    (line,) = [line for line in done.err.splitlines() if line.startswith("error: ")]
    assert said in line
    assert done.code == code
    assert done.out == ""
    assert state(url) == []


def state(url: str) -> list[Any]:
    """Everything in clean_data that prepare may have left for the data set."""
    return dataset_help.query(
        url,
        "select relname from pg_class where relnamespace = 'clean_data'::regnamespace and relname ~ 'wrong'",
    ) + dataset_help.query(url, "select version from clean_data._versions where dataset = 'wrong'")


PRECIOUS = "raw_data.precious"
ATTACKS = {
    "where closes": "clean: [{where: 'true) or (delete from raw_data.precious'}]",
    "where ends": "clean: [{where: 'true); drop table raw_data.precious; select (true'}]",
    "where unions": "clean: [{where: 'true) union all select * from input where (true'}]",
    "where comments": "clean: [{where: 'true) --'}]",
    "where brackets": "clean: [{where: 'true] or array[true'}]",
    "derive ends": "clean: [{derive: {x: '1); drop table raw_data.precious; select (1'}}]",
    "derive more": "clean: [{derive: {x: '1), (select 2'}}]",
    "sql deletes": "clean: [{sql: 'with gone as (delete from raw_data.precious returning n) select * from gone'}]",
    "sql drops": "clean: [{sql: 'select * from input; drop table raw_data.precious'}]",
    "sql ends": "clean: [{sql: 'select 1 as a) as x; drop table raw_data.precious; select * from (select 1 as a'}]",
    "sql is none": "clean: [{sql: 'drop table raw_data.precious'}]",
    "sql commits": "clean: [{sql: 'commit; delete from raw_data.precious; select 1'}]",
    "function writes": "clean: [{sql: 'select n, public.sweep_precious() from raw_data.precious'}]",
    "function in where": "clean: [{where: public.sweep_precious() > 0}]",
    "sequence": "clean: [{derive: {x: \"nextval('raw_data.precious_counted')\"}}]",
    "check deletes": "checks: [{sql: 'with gone as (delete from raw_data.precious returning n) select * from gone'}]",
    "check ends": "checks: [{sql: 'select 1) as x; drop table raw_data.precious; select * from (select 1'}]",
    "relation ends": "checks: [{relation: 'true); drop table raw_data.precious; select (true'}]",
    "relation writes": "checks: [{relation: public.sweep_precious() > 0}]",
}


@pytest.fixture(scope="module")
def _traps(url: str) -> Iterator[None]:
    dataset_help.query(url, "create sequence raw_data.precious_counted")
    dataset_help.query(
        url,
        "create function public.sweep_precious() returns int language sql volatile security definer"
        " as 'delete from raw_data.precious returning n'",
    )
    yield
    dataset_help.query(url, "drop function public.sweep_precious(); drop sequence raw_data.precious_counted")


@pytest.mark.usefixtures("_traps")
@pytest.mark.parametrize("name", ATTACKS)
def test_users_sql_only_reads(prepare: Callable[..., Result], url: str, name: str) -> None:
    done = prepare("wrong", ATTACKS[name])
    assert done.code in (1, 2)
    (line,) = [line for line in done.err.splitlines() if line.startswith("error: ")]
    assert line.startswith("error: dataset.yaml:3: ")
    assert dataset_help.query(url, "select n from raw_data.precious") == [(1,)]
    assert dataset_help.query(url, "select is_called from raw_data.precious_counted") == [(False,)]
    assert state(url) == []
