"""``data load`` into a real database: modes, records, bad rows, and what a failure leaves."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from conftest import RunningStack
from waiting import until

from mlpipes_cli.api import Project
from mlpipes_cli.errors import ConfigError, MlpipesError

pytestmark = pytest.mark.slow
CSV = "ID,Name,Amount\n1,a,1.5\n2,b,2.5\n3,,\n"


class Home:
    """A project whose stack is up, its Python API, and a connection to its database."""

    def __init__(self, stack: RunningStack) -> None:
        self.stack, self.root = stack, stack.root
        self.said: list[tuple[str, str]] = []
        self.project = Project(stack.root, on_event=lambda event: self.said.append((event.kind, event.text)))
        self.url = stack.environment["MLPIPES_DATABASE_URL"]
        self.connection = psycopg2.connect(self.url)
        self.connection.autocommit = True

    def rows(self, text: str) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(text)
            return cursor.fetchall() if cursor.description else []

    def table(self, name: str) -> list[tuple[Any, ...]]:
        return self.rows(f"select * from raw_data.{name} order by _row")

    def file(self, name: str, content: str | bytes) -> Path:
        path = self.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def load(self, dataset: str, source: str = "t.csv", more: str = "") -> Any:
        self.file(f"{dataset}.yaml", f"dataset: {dataset}\nsource: {source}\n{more}")
        return self.project.data.load(f"{dataset}.yaml")

    def refused(self, dataset: str, source: str = "t.csv", more: str = "") -> list[str]:
        with pytest.raises(ConfigError) as caught:
            self.load(dataset, source, more)
        return caught.value.lines()


@pytest.fixture(scope="module")
def home(running_stack: RunningStack) -> Iterator[Home]:
    made = Home(running_stack)
    yield made
    made.connection.close()


def test_a_file_becomes_a_table_with_types_and_a_record(home: Home) -> None:
    home.file(
        "t.csv", "ID,Name,Amount,Day,Seen,ok\n1,Köln,1.5,2024-05-31,2024-05-31T10:00:00+02:00,true\n2,,,,,\n"
    )
    found = home.load("first", more="columns: {ID: {rename: id}}\n")
    assert (found.rows, found.added, found.unchanged, found.set_aside) == (2, 2, 0, 0)
    (one, two) = home.table("first")
    assert [str(value) for value in one] == [
        "1", "Köln", "1.5", "2024-05-31", "2024-05-31 08:00:00", "True", str(found.load), "1"
    ]  # fmt: skip
    assert two == (2, None, None, None, None, None, found.load, 2)
    types = home.rows(
        "select column_name, data_type from information_schema.columns where table_schema = 'raw_data'"
        " and table_name = 'first' order by ordinal_position"
    )
    assert types == [
        ("id", "bigint"), ("Name", "text"), ("Amount", "double precision"), ("Day", "date"),
        ("Seen", "timestamp without time zone"), ("ok", "boolean"), ("_load", "bigint"), ("_row", "bigint"),
    ]  # fmt: skip
    ((mode, source, rows, settings, columns),) = home.rows(
        "select mode, source, rows, settings, columns from raw_data._loads where dataset = 'first'"
    )
    assert (mode, source, rows) == ("replace", "t.csv", 2)
    assert (settings["separator"], settings["encoding"]) == (",", "utf-8")
    assert columns[0] == {"name": "id", "type": "integer", "source": "ID"}


def test_the_same_file_again_adds_nothing_and_a_changed_one_replaces(home: Home) -> None:
    home.file("t.csv", CSV)
    first = home.load("again")
    second = home.load("again")
    assert (second.load, second.added, second.unchanged, second.rows) == (first.load, 0, 3, 3)
    assert second.fingerprint == first.fingerprint
    assert (
        "info",
        f"again: the source has not changed since load {first.load}: nothing was added",
    ) in home.said
    home.file("t.csv", CSV + "4,d,9\n")
    third = home.load("again")
    assert (third.rows, third.added) == (4, 4) and third.fingerprint != first.fingerprint
    renamed = home.load("again", more="columns: {Amount: {rename: amount}}\n")
    assert renamed.added == 4  # the same content, read in another way


def test_a_file_without_names_of_columns(home: Home) -> None:
    home.file("t.csv", "1,a,2.5\n2,a,0.5\n")
    with pytest.raises(ConfigError, match=r"t\.csv: line 1 is a row .* 'a' stands again in its column, and"):
        home.load("bare")
    assert home.rows("select to_regclass('raw_data.bare')") == [(None,)]
    found = home.load("bare", more="header: false\ncolumns: {column_1: {rename: id}}\n")
    assert [row[:3] for row in home.table("bare")] == [(1, "a", 2.5), (2, "a", 0.5)]
    home.file("t.csv", "v,id,kind\n4.5,3,b\n")  # with a line of these names, in another order
    named = home.load("bare", more="header: [id, kind, v]\n")
    assert home.table("bare")[0][:3] == (4.5, 3, "b") and named.load == found.load + 1
    ((settings,),) = home.rows(f"select settings from raw_data._loads where id = {found.load}")
    assert settings["header"] == ["column_1", "column_2", "column_3"]


def test_append_adds_new_files_alone(home: Home) -> None:
    home.file("parts/a.csv", "x,y\n1,a\n2,b\n")
    more = "load: {mode: append}\n"
    assert home.load("parts", "parts/*.csv", more).added == 2
    home.file("parts/b.csv", "y,x\nc,3\n")  # another order
    found = home.load("parts", "parts/*.csv", more)
    assert (found.added, found.unchanged, found.rows) == (1, 2, 3)
    assert [row[:2] + row[3:] for row in home.table("parts")] == [(1, "a", 1), (2, "b", 2), (3, "c", 3)]
    again = home.load("parts", "parts/*.csv", more)
    assert (again.added, again.unchanged, again.rows) == (0, 3, 3)
    home.file("parts/c.csv", "x,z\n1,2\n")
    (said,) = home.refused("parts", "parts/*.csv", more)
    assert said == (
        f"{home.root}/parts.yaml:2: source: parts/c.csv: other columns than parts/a.csv:"
        " it lacks 'y' and it has 'z'"
    )
    (home.root / "parts/c.csv").unlink()


def test_a_file_that_grew_is_added_as_a_whole_and_that_is_told(home: Home) -> None:
    more = "load: {mode: append}\n"
    home.file("t.csv", "x,y\n1,a\n")
    home.load("grown", more=more)
    home.said.clear()
    home.file("t.csv", "x,y\n1,a\n2,b\n")
    assert home.load("grown", more=more).rows == 3
    assert [text for kind, text in home.said if kind == "warning" and "again" in text] == [
        "t.csv: was loaded before with other content; all its rows are added again."
        " With `key`, rows that are there are left out"
    ]


def test_append_with_a_key_knows_rows(home: Home) -> None:
    more = "load: {mode: append}\nkey: [x]\n"
    home.file("t.csv", "x,y\n1,a\n2,b\n")
    home.load("known", more=more)
    home.file("t.csv", "x,y\n1,a\n2,b\n3,c\n")
    found = home.load("known", more=more)
    assert (found.added, found.unchanged, found.rows) == (1, 2, 3)
    home.file("t.csv", "x,y\n1,other\n")
    (said,) = home.refused("known", more=more)
    assert said.endswith("key: the row x = 1 is in the table with other values; `mode: merge` updates it")
    assert len(home.table("known")) == 3


def test_merge_updates_by_key(home: Home) -> None:
    more = "load: {mode: merge}\nkey: [x]\n"
    home.file("t.csv", "x,y\n1,a\n2,b\n3,\n")
    first = home.load("merged", more=more)
    home.file("t.csv", "x,y\n2,B\n3,\n4,d\n")
    second = home.load("merged", more=more)
    assert (second.added, second.updated, second.unchanged, second.rows) == (1, 1, 1, 4)
    one, two = first.load, second.load
    assert home.table("merged") == [(1, "a", one, 1), (2, "B", two, 2), (3, None, one, 3), (4, "d", two, 6)]
    home.file("t.csv", "x,y\n5,e\n5,f\n")
    assert home.refused("merged", more=more)[0].endswith(
        "key: t.csv:2, t.csv:3: 2 rows have the same key (x = 5)"
    )
    home.file("t.csv", 'x,y\n7,"a\nb"\n,e\n5,f\n,g\n')
    said = home.refused("merged", more=more)[0]
    assert said.endswith("key: t.csv:4, t.csv:6: 2 rows have no key (x is missing)")
    home.file("t.csv", "x,y\n1,a\noops,b\n5,c\n9,d\n5,e\n9,f\n")
    aside = "load: {mode: merge, on_bad_rows: set_aside}\nkey: [x]\ncolumns: {x: {type: integer}}\n"
    said = home.refused("merged", more=aside)[0]
    places, both = "t.csv:4, t.csv:6", "2 keys are in several rows"
    assert said.endswith(f"key: {places}: 2 rows have the same key (x = 5); {both}")
    home.file("t.csv", "x,y\nten,e\n")
    assert home.refused("merged", more=more)[0].startswith("t.csv:2: column 'x': 'ten' is not an integer")
    assert len(home.table("merged")) == 4


def test_a_bad_row_at_the_very_end_leaves_what_was_there(home: Home) -> None:
    home.file("t.csv", CSV)
    home.load("ends")
    lines = "".join(f"{at},n,{at}.5\n" for at in range(200_000))
    home.file("t.csv", "ID,Name,Amount\n" + lines + "7,x,oops\n")
    said = home.refused("ends", more="columns: {Amount: {type: number}}\n")
    assert said == [
        "t.csv:200002: column 'Amount': 'oops' is not a number; if 'oops' means a missing value,"
        " add `missing: [oops]`; `load: {on_bad_rows: set_aside}` loads the other rows"
    ]
    assert len(home.table("ends")) == 3
    home.file("t.csv", "ID,Name,Amount\n" + lines + "7,x\n")
    (ragged,) = home.refused("ends")
    assert ragged.startswith("t.csv:200002: 2 fields, but the header has 3; ")
    assert len(home.table("ends")) == 3


def test_bad_rows_are_set_aside_with_their_lines(home: Home) -> None:
    home.file("t.csv", 'x,y\n1,a\n\n"two\nlines",b\n3\n4,d,e\nfive,f\n6,g\n')
    more = "load: {on_bad_rows: set_aside}\ncolumns: {x: {type: integer}}\n"
    found = home.load("aside", more=more)
    assert (found.rows, found.added, found.set_aside) == (2, 2, 4)
    assert [row[:2] for row in home.table("aside")] == [(1, "a"), (6, "g")]
    first = "t.csv:5: column 'x': 'two\\nlines' is not an integer; 4 such rows in all"
    assert ("warning", first) in home.said
    assert home.rows(
        "select source, line, reason, content from raw_data._bad_rows"
        f" where load = {found.load} order by line"
    ) == [
        ("t.csv", 5, "column 'x': 'two\\nlines' is not an integer", '"two\nlines",b'),
        ("t.csv", 6, "1 fields, but the header has 2", "3"),
        ("t.csv", 7, "3 fields, but the header has 2", "4,d,e"),
        ("t.csv", 8, "column 'x': 'five' is not an integer", "five,f"),
    ]


def test_json_lines_parquet_and_workbooks(home: Home) -> None:
    import pandas as pd

    home.file("t.jsonl", '{"a": 1, "b": "x"}\n{"a": 2.5, "c": {"d": [1]}}\n\nnot json\n')
    more = "load: {on_bad_rows: set_aside}\n"
    found = home.load("lines", "t.jsonl", more)
    assert found.set_aside == 1
    assert [row[:3] for row in home.table("lines")] == [(1.0, "x", None), (2.5, None, '{"d": [1]}')]
    ((line, reason),) = home.rows(f"select line, reason from raw_data._bad_rows where load = {found.load}")
    assert line == 4 and reason.startswith("not valid JSON")
    frame = pd.DataFrame({"a": [1, 2], "day": pd.to_datetime(["2024-05-31", None]), "b": [0.5, None]})
    frame.to_parquet(home.root / "t.parquet")
    home.load("columnar", "t.parquet")
    assert [[str(value) for value in row[:3]] for row in home.table("columnar")] == [
        ["1", "2024-05-31 00:00:00", "0.5"], ["2", "None", "None"]
    ]  # fmt: skip


def test_the_command_line_and_its_json(home: Home) -> None:
    home.file("t.csv", CSV)
    home.file("dataset.yaml", "dataset: lines_of_json\nsource: t.csv\n")
    found = home.stack.cli("data", "load", "--json").ok()
    document = json.loads(found.out)
    assert {"dataset", "load", "rows", "added", "unchanged", "fingerprint"} <= document.keys()
    assert (document["dataset"], document["rows"], document["added"]) == ("lines_of_json", 3, 3)
    wrong = home.stack.cli("data", "load", "none.yaml")
    assert wrong.code == 2 and len(wrong.err.splitlines()) == 1
    text = 'select "ID" as id, "Name" as name from raw_data.lines_of_json'
    query = home.stack.cli("data", "infer", text).ok()
    assert f"source: {{query: '{text}'}}" in query.out
    assert "dataset: lines_of_json" in query.out and "name: {type: text, " in query.out
    shown = home.stack.cli("data", "infer", "t.csv").ok()
    assert "ID: {type: integer, rename: id, unique: true" in shown.out


def test_two_loads_at_once_take_turns(home: Home) -> None:
    home.file("t.csv", "x\n" + "".join(f"{at}\n" for at in range(100_000)))
    home.file("turns.yaml", "dataset: turns\nsource: t.csv\nload: {mode: append}\n")
    results: list[Any] = []

    def run() -> None:
        results.append(Project(home.root).data.load("turns.yaml"))

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(one.added for one in results) == [0, 0, 100_000]
    assert home.rows("select count(*), count(distinct _row) from raw_data.turns") == [(100_000, 100_000)]


@pytest.mark.parametrize("stage", ["waiting", "copying", "swapping"])
def test_a_killed_load_leaves_what_was_there(home: Home, stage: str) -> None:
    """The other session holds what the load needs next, so that it can be killed there."""
    from mlpipes_cli.adapters.postgres.datasets.session import lock_key

    name = f"killed_{stage}"
    home.file("t.csv", CSV)
    before = home.load(name)
    rows = 1_500_000 if stage == "copying" else 5_000
    home.file("t.csv", "ID,Name,Amount\n" + "".join(f"{at},n,{at}.5\n" for at in range(rows)))
    holding = psycopg2.connect(home.url)
    with holding.cursor() as cursor:
        if stage == "waiting":
            cursor.execute("select pg_advisory_lock(%s)", (lock_key(name),))
        elif stage == "swapping":
            cursor.execute(f"select count(*) from raw_data.{name}")
    drop = f'drop table if exists "raw_data"."{name}"'
    busy = {
        "waiting": "query like 'select pg_advisory_lock%' and wait_event_type = 'Lock'",
        "copying": f'query like \'copy "raw_data"."_{name}_new"%\'',
        "swapping": f"query like '{drop}%' and wait_event_type = 'Lock'",
    }[stage]
    process = home.stack.cli.start("data", "load", f"{name}.yaml")
    try:
        until(lambda: home.rows(f"select 1 from pg_stat_activity where {busy}"))
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()
        holding.rollback()
        holding.close()
    assert [row[:3] for row in home.table(name)] == [(1, "a", 1.5), (2, "b", 2.5), (3, None, None)]
    assert home.rows(f"select max(id) from raw_data._loads where dataset = '{name}'") == [(before.load,)]
    home.file("t.csv", CSV + "4,d,4.5\n")
    assert home.load(name).added == 4


def test_a_lost_database_is_one_line_and_nothing_changes(home: Home) -> None:
    home.file("t.csv", CSV)
    home.load("lost")
    home.file("t.csv", "ID,Name,Amount\n" + "".join(f"{at},n,{at}.5\n" for at in range(2_000_000)))
    stop = threading.Event()

    def cut() -> None:
        while not stop.is_set():
            home.rows(
                "select pg_terminate_backend(pid) from pg_stat_activity where query like 'copy \"raw_data\"%'"
            )
            time.sleep(0.02)

    thread = threading.Thread(target=cut)
    thread.start()
    try:
        with pytest.raises(MlpipesError) as caught:
            home.load("lost")
    finally:
        stop.set()
        thread.join()
    (said,) = caught.value.lines()
    assert "the connection to the database was lost" in said and "nothing was changed" in said
    assert len(home.table("lost")) == 3
