"""Versions of data sets made by hand, as ``0005_datasets.sql`` describes them."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

import pandas as pd
import psycopg2
from psycopg2 import sql

from mlpipes_cli.adapters.postgres.database import migrate
from mlpipes_cli.ports.data_sets.datasets import ROW, SPLIT, SQL_TYPES

_NONE = "<none>"
_RECORD = """
insert into clean_data._versions
  (dataset, version, load, fingerprint, rows, splits, columns, learned, settings, table_name, actor)
values (%s, %s, 1, %s, %s, %s, %s, '{}', %s, %s, 'test')
"""


def make_version(
    url: str,
    name: str,
    version: int,
    frame: pd.DataFrame,
    types: Mapping[str, str],
    parts: Sequence[str],
    settings: Mapping[str, Any] | None = None,
) -> None:
    """Store a version with its table; rows are numbered from 1 in the order of the frame.

    Args:
        url: The owner's URL of the project's database.
        types: The type of each column, in order.
        parts: (n,) the part of each row.
    """
    migrate(url)
    table = f"_{name}_{version}"
    told = {one: parts.count(one) for one in ("train", "validation", "test")}
    with closing(psycopg2.connect(url)) as link, link, link.cursor() as cursor:
        columns = [(one, SQL_TYPES[kind]) for one, kind in types.items()]
        columns += [(SPLIT, "text"), (ROW, "bigint")]
        listed = sql.SQL(", ").join(
            sql.SQL("{} {}").format(sql.Identifier(one), sql.SQL(kind)) for one, kind in columns
        )
        place = sql.Identifier("clean_data", table)
        cursor.execute(sql.SQL("create table {} ({})").format(place, listed))
        whole = frame[list(types)].assign(**{SPLIT: list(parts), ROW: range(1, len(frame) + 1)})
        for one, kind in types.items():
            if kind == "integer":
                whole[one] = whole[one].astype("Int64")
        text = io.StringIO(whole.to_csv(index=False, header=False, na_rep=_NONE))
        statement = sql.SQL("copy {} from stdin (format csv, null '<none>')").format(place)
        cursor.copy_expert(statement.as_string(cursor), text)
        described = json.dumps([{"name": one, "type": kind} for one, kind in types.items()])
        values = (name, version, f"{name}-{version}", len(frame), json.dumps(told), described)
        cursor.execute(_RECORD, (*values, json.dumps(dict(settings or {})), table))


def prune_version(url: str, name: str, version: int) -> None:
    """Remove the rows of a version."""
    with closing(psycopg2.connect(url)) as link, link, link.cursor() as cursor:
        cursor.execute(sql.SQL("drop table {}").format(sql.Identifier("clean_data", f"_{name}_{version}")))
        cursor.execute(
            "update clean_data._versions set table_name = null where dataset = %s and version = %s",
            (name, version),
        )
