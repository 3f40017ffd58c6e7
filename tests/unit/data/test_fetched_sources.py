"""Queries of any database, functions and lists of files as the source of an experiment."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mlpipes_cli.config.experiment import Data, load_experiment
from mlpipes_cli.config.source import FunctionSource
from mlpipes_cli.config.yaml_source import parse_yaml
from mlpipes_cli.data.origins.sources import check_columns_cheaply, load
from mlpipes_cli.data.prepare import prepare
from mlpipes_cli.errors import ConfigError, MlpipesError

SOURCE = parse_yaml("experiment: x\ndata:\n  source: x\n  target: y\n", "e.yaml")
AT = "e.yaml:3: data -> source"
ROWS = [(at, None if at % 5 == 0 else at * 0.25, f"k{at % 3}", at % 2) for at in range(40)]
QUERY = {"query": "select * from t", "url": "sqlite:///t.db"}
FUNCTION = """
import pandas as pd

def rows():
    whole = pd.read_csv("{folder}/rows.csv")
    yield whole.iloc[:15]
    yield whole.iloc[15:]

def broken():
    raise KeyError("no such day")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a project's folder with the same rows as a database, files and a function."""
    frame = pd.DataFrame(ROWS, columns=["n", "amount", "kind", "y"])
    frame.to_csv(tmp_path / "rows.csv", index=False)
    frame[:10].to_csv(tmp_path / "part1.csv", index=False)
    frame[10:].to_csv(tmp_path / "part2.csv", index=False)
    connection = sqlite3.connect(tmp_path / "t.db")
    connection.execute("create table t (n integer, amount real, kind text, y integer)")
    connection.executemany("insert into t values (?, ?, ?, ?)", ROWS)
    connection.commit()
    connection.close()
    (tmp_path / "mlpipes.yaml").write_text("project: x\n")
    (tmp_path / "rows_of_experiments.py").write_text(FUNCTION.format(folder=tmp_path))
    return tmp_path


def read(folder: Path, source: Any, environ: dict[str, str] | None = None) -> pd.DataFrame:
    data = Data.model_validate({"source": source, "target": "y"})
    check_columns_cheaply(data, folder, SOURCE)
    return load(data, folder, SOURCE, database_url=None, environ=environ or {})


def refused(folder: Path, source: Any) -> str:
    with pytest.raises(MlpipesError) as caught:
        read(folder, source)
    (line,) = caught.value.lines()
    return line


def test_the_same_rows_are_the_same_data_from_each_source(folder: Path) -> None:
    sources: list[Any] = [
        "rows.csv",
        ["part1.csv", "part2.csv"],
        {"function": "rows_of_experiments:rows"},
        {"query": "select * from t order by n", "url": "$MY_ROWS"},
    ]
    made = []
    for source in sources:
        frame = read(folder, source, {"MY_ROWS": f"sqlite:///{folder}/t.db"})
        found = prepare(frame, Data.model_validate({"source": "x", "target": "y"}), SOURCE)
        made.append(found)
        assert found.frame["n"].tolist() == [float(at) for at in range(40)]
        assert found.frame["amount"].dropna().tolist() == [row[1] for row in ROWS if row[1] is not None]
        pd.testing.assert_frame_equal(found.frame, made[0].frame)
    assert len({one.fingerprint for one in made}) == 1
    assert len({tuple(one.holdout) for one in made}) == 1


def test_rows_of_a_query_do_not_depend_on_where_the_database_keeps_them(folder: Path) -> None:
    before = read(folder, QUERY)
    connection = sqlite3.connect(folder / "t.db")
    connection.execute("delete from t where n < 20")
    connection.executemany("insert into t values (?, ?, ?, ?)", ROWS[:20])
    connection.commit()
    connection.close()
    pd.testing.assert_frame_equal(read(folder, QUERY), before)
    assert sorted(before["n"]) == list(range(40)) != before["n"].tolist()


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (QUERY | {"query": "delete from t"}, ": the query must be one statement that returns rows"),
        (QUERY | {"query": "select absent from t"}, ": the query failed: no such column: absent"),
        (
            QUERY | {"query": "select 1 as y, 2 as y"},
            ": the query of the database: duplicate column names: 'y'",
        ),
        (QUERY | {"query": "select n, y from t where n < 0"}, ": the query of the database has no rows"),
        (
            QUERY | {"url": "sqlite:///none.db"},
            ": the database does not answer (unable to open database file)",
        ),
        (QUERY | {"url": "$NOT_SET"}, " -> url: the environment variable NOT_SET is not set"),
        ({"function": "rows_of_experiments:row"}, " -> function: rows_of_experiments has no function 'row'"),
        (
            {"function": "rows_of_experiments:broken"},
            " -> function: rows_of_experiments:broken raised KeyError",
        ),
        ({"function": "no_such_module_here:rows"}, " -> function: no module 'no_such_module_here'"),
        (["part1.csv", "part3.csv"], " -> 1: part3.csv: no such file; did you mean"),
        (["part1.csv", "part1.csv"], " -> 1: part1.csv: is named twice"),
    ],
)
def test_one_line_for_what_cannot_be_read(folder: Path, source: Any, said: str) -> None:
    before = (folder / "t.db").read_bytes()
    assert refused(folder, source).startswith(AT + said)
    assert (folder / "t.db").read_bytes() == before
    assert not (folder / "none.db").exists()


def test_a_function_is_found_in_the_projects_folder(folder: Path) -> None:
    (folder / "experiments").mkdir()
    frame = read(folder / "experiments", {"function": "rows_of_experiments:rows"})
    assert frame["n"].tolist() == list(range(40))


def test_the_file_takes_them(tmp_path: Path) -> None:
    file = tmp_path / "e.yaml"
    start = "experiment: x\ndata:\n  target: y\n  source: {}\nruns: [{{name: a, trainer: sklearn,"
    start += " estimator: sklearn.linear_model.LogisticRegression}}]\n"
    file.write_text(start.format("{function: my_sources:fetch}"))
    assert load_experiment(file)[0].data.source == FunctionSource(function="my_sources:fetch")
    file.write_text(start.format("[a.csv, b.csv]"))
    assert load_experiment(file)[0].data.source == ("a.csv", "b.csv")
    for text, said in (
        ("{function: fetch}", "e.yaml:4: data -> source -> function: 'fetch': expected module:function"),
        (
            "{query: select 1, tabel: t}",
            "e.yaml:4: data -> source -> tabel: unknown key; did you mean 'table'?",
        ),
        ("{url: $X}", "e.yaml:4: data -> source: give either `table` or `query`, not both"),
        ("[]", "e.yaml:4: data -> source: "),
    ):
        file.write_text(start.format(text))
        with pytest.raises(ConfigError) as caught:
            load_experiment(file, "e.yaml")
        assert [line[: len(said)] for line in caught.value.lines()] == [said]
