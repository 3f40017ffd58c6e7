"""Rows from a real PostgreSQL: the project's own database and one by URL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg2
import pytest
from conftest import RunningStack

from mlpipes_cli.config.experiment import Data
from mlpipes_cli.config.yaml_source import parse_yaml
from mlpipes_cli.data.origins.sources import load
from mlpipes_cli.data.prepare import prepare
from mlpipes_cli.errors import ConfigError, MlpipesError

pytestmark = pytest.mark.slow
SOURCE = parse_yaml("experiment: x\ndata:\n  source: postgres\n  target: y\n", "e.yaml")


@pytest.fixture(scope="module")
def url(running_stack: RunningStack) -> Iterator[str]:
    address = running_stack.environment["MLPIPES_DATABASE_URL"]
    connection = psycopg2.connect(address)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("create schema source_test")
        cursor.execute(
            'create table source_test."Cards" as select n as id, n * 0.5::numeric as amount, n % 4 = 0 as y,'
            " case when n % 3 = 0 then null else 'k' || n % 3 end as kind, n::bigint << 40 as big,"
            " date '2024-01-01' + n as day, now() + n * interval '1 hour' as at,"
            " interval '90 minutes' as span,"
            " jsonb_build_object('n', n) as doc, null::int as gap from generate_series(1, 200) n"
        )
        cursor.execute("create table source_test.empty (y int)")
    yield address
    with connection.cursor() as cursor:
        cursor.execute("drop schema source_test cascade")
    connection.close()


def read(url: str | None, source: Any, environ: dict[str, str] | None = None) -> pd.DataFrame:
    data = Data.model_validate({"source": source, "target": "y"})
    return load(data, Path(), SOURCE, database_url=url, environ=environ or {})


def refused(url: str, source: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        read(url, source)
    assert len(caught.value.lines()) == 1
    return caught.value.lines()[0]


def test_a_table_with_every_type(url: str) -> None:
    frame = read(url, "postgres:source_test.Cards")
    assert len(frame) == 200
    data = Data.model_validate({"source": "x", "target": "y", "id": "id"})
    found = prepare(frame, data, SOURCE)
    kinds = {name: str(dtype) for name, dtype in found.frame.dtypes.items()}
    assert kinds == {
        "amount": "float64", "kind": "str", "big": "float64", "day": "datetime64[us]", "at": "datetime64[us]",
        "span": "float64", "doc": "str", "gap": "float64", "y": "bool", "id": "int64",
    }  # fmt: skip
    assert found.task == "binary"
    assert found.frame["span"].unique().tolist() == [5400.0]
    assert found.frame.set_index("id").loc[7, "amount"] == 3.5


def test_rows_do_not_depend_on_where_the_server_keeps_them(url: str) -> None:
    before = read(url, {"table": "source_test.Cards"})
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:  # moves rows to the end of the table
        cursor.execute('update source_test."Cards" set kind = kind where id % 2 = 0')
        cursor.execute('select id from source_test."Cards" limit 3')
        assert [row[0] for row in cursor.fetchall()] == [1, 3, 5]
    connection.close()
    pd.testing.assert_frame_equal(read(url, {"table": "source_test.Cards"}), before)
    assert before["id"].tolist() != sorted(before["id"])


def test_queries(url: str) -> None:
    ordered = read(url, 'postgres:select id, y from source_test."Cards" order by id desc')
    assert ordered["id"].tolist() == list(range(200, 0, -1))
    elsewhere = {
        "query": 'with c as (select * from source_test."Cards") select count(*) as y from c',
        "url": "$DB",
    }
    for scheme in ("postgresql://", "postgres://", "postgresql+psycopg2://"):
        environ = {"DB": url.replace("postgresql://", scheme)}
        assert read(None, elsewhere, environ)["y"].tolist() == [200]


def test_one_clear_line(url: str) -> None:
    at = "e.yaml:3: data -> source: "
    said = refused(url, "postgres:source_test.cards")
    assert said == at + "relation \"source_test.cards\" does not exist; did you mean 'source_test.Cards'?"
    assert refused(url, "postgres:select nothing").startswith(
        at + 'the query failed: column "nothing" does not exist'
    )
    assert refused(url, "postgres:source_test.empty") == at + (
        "source_test.empty of the project's database has no rows"
    )
    assert "duplicate column names: 'y'" in refused(url, "postgres:select 1 as y, 2 as y")
    assert "in a read-only transaction" in refused(
        url, 'postgres:with x as (delete from source_test."Cards" returning 1) select * from x'
    )
    one = "the query must be one statement that returns rows, such as a select; it was not run"
    assert refused(url, {"query": 'delete from source_test."Cards"'}) == at + one
    assert refused(url, {"query": "set role none"}) == at + one


def test_a_wrong_password_is_told_and_not_shown(url: str) -> None:
    secret = url.split("://")[1].split("@")[0].split(":")[1]
    with pytest.raises(MlpipesError) as caught:
        read(url.replace(secret, "wrong-one"), "postgres:source_test.Cards")
    (said,) = caught.value.lines()
    assert "password authentication failed" in said
    assert "wrong-one" not in said
