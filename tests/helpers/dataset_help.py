"""Raw tables of data sets without a loader: rows and their record, as the migration describes them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg2
from psycopg2 import sql
from psycopg2.extras import execute_values

from mlpipes_cli.adapters.postgres import database
from mlpipes_cli.ports.data_sets.datasets import SQL_TYPES


def query(url: str, statement: str, values: Sequence[Any] = ()) -> list[Any]:
    """Run a statement in a transaction; return its rows."""
    with closing(psycopg2.connect(url)) as link, link, link.cursor() as cursor:
        cursor.execute(statement, values or None)
        return cursor.fetchall() if cursor.description else []


def frame(url: str, statement: str) -> pd.DataFrame:
    """Return the rows of a query."""
    with closing(psycopg2.connect(url)) as link, link, link.cursor() as cursor:
        cursor.execute(statement)
        names = [column.name for column in cursor.description or ()]
        return pd.DataFrame(cursor.fetchall(), columns=names)


def load(
    url: str,
    name: str,
    types: Mapping[str, str],
    rows: Iterable[Sequence[Any]],
    numbers: Sequence[int] | None = None,
) -> int:
    """Replace the raw table of a data set; return the number of the load.

    Args:
        url: The project's database.
        name: The data set.
        types: The type of each column.
        rows: Values in the order of the columns.
        numbers: The number of each row, if not from 1 in the order of the rows.
    """
    database.migrate(url)
    rows = [tuple(row) for row in rows]
    table = sql.Identifier("raw_data", name)
    items = [{"name": one, "type": kind, "source": None} for one, kind in types.items()]
    with closing(psycopg2.connect(url)) as link, link, link.cursor() as cursor:
        cursor.execute(sql.SQL("drop table if exists {}").format(table))
        columns = [
            sql.SQL(f"{{}} {SQL_TYPES[kind]}").format(sql.Identifier(one)) for one, kind in types.items()
        ]
        cursor.execute(
            sql.SQL("create table {} ({}, _load bigint, _row bigint)").format(
                table, sql.SQL(", ").join(columns)
            )
        )
        cursor.execute(
            "insert into raw_data._loads (dataset, mode, source, fingerprint, rows, added, updated,"
            " unchanged, set_aside, columns, settings, actor, started_at)"
            " values (%s, 'replace', 'test', 'f', %s, %s, 0, 0, 0, %s, '{}', 'test', now()) returning id",
            (
                name,
                len(rows),
                len(rows),
                json.dumps(items),
            ),
        )
        (number,) = cursor.fetchone() or (0,)
        numbers = numbers or range(1, len(rows) + 1)
        values = [(*row, number, at) for row, at in zip(rows, numbers, strict=True)]
        execute_values(
            cursor,
            sql.SQL("insert into {} values %s").format(table).as_string(cursor),
            values,
            page_size=5000,
        )
    return int(number)


def write(root: Path, text: str, name: str = "dataset.yaml") -> Path:
    """Write a file of a data set into a project."""
    path = root / name
    path.write_text(text)
    return path


def forget(url: str) -> None:
    """Remove all data sets: the stack is shared by the tests of several files."""
    database.migrate(url)
    found = query(
        url,
        "select relnamespace::regnamespace::text, relname, relkind from pg_class"
        " where relnamespace in ('raw_data'::regnamespace, 'clean_data'::regnamespace)"
        " and relkind in ('r', 'v')"
        " and relname not in ('_loads', '_bad_rows', '_checks', '_versions') order by relkind desc",
    )
    with closing(psycopg2.connect(url)) as link, link, link.cursor() as cursor:
        for schema, name, kind in found:
            what = sql.SQL("view" if kind == "v" else "table")
            cursor.execute(sql.SQL("drop {} {} cascade").format(what, sql.Identifier(schema, name)))
        for record in ("raw_data._loads", "raw_data._checks", "clean_data._versions"):
            cursor.execute(f"delete from {record}")
