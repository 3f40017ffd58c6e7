"""Makes a new version: its table, the view on it and its record, in one transaction."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from psycopg2 import sql

from mlpipes_cli.adapters.postgres.database import first_line
from mlpipes_cli.adapters.postgres.datasets.preparing.relation import Relation, content
from mlpipes_cli.adapters.postgres.datasets.transactions import transaction
from mlpipes_cli.adapters.postgres.datasets.versions import records
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports.data_sets.datasets import ROW, SPLIT, DatasetVersion

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

SCHEMA = "clean_data"


class _Known(Exception):
    """The newest version has these rows already."""

    def __init__(self, version: DatasetVersion) -> None:
        super().__init__(version.version)
        self.version = version


@dataclass(frozen=True)
class VersionContent:
    """What a version is made from.

    Attributes:
        dataset: The data set's name.
        load: The newest load.
        settings: What was done, with the text of queries and the hashes of functions.
        learned: What steps learned.
        parts: The parts that must have rows.
        actor: Who makes it.
    """

    dataset: str
    load: int
    settings: Mapping[str, Any]
    learned: Mapping[str, Any]
    parts: Sequence[str]
    actor: str


def same(version: DatasetVersion | None, load: int, settings: Mapping[str, Any]) -> bool:
    """Return whether a version was made from this load with these settings."""
    return (
        version is not None
        and version.table is not None
        and version.load == load
        and version.settings == json.loads(records.as_json(settings))
    )


def publish(connection: Connection, rows: Relation, content: VersionContent) -> tuple[DatasetVersion, bool]:
    """Make a version; return it, and whether it is new: the newest one may have the same rows already.

    Raises:
        MlpipesError: A part is empty, or another object has the view's name.
        psycopg2.Error: The server refuses.
    """
    try:
        with transaction(connection) as cursor:
            return _publish(cursor, rows, content), True
    except _Known as known:
        return known.version, False


def _publish(cursor: Cursor, rows: Relation, content: VersionContent) -> DatasetVersion:
    before = records.newest(cursor, content.dataset)
    number = before.version + 1 if before else 1
    table = f"_{content.dataset}_{number}"
    names = list(rows.types)
    cursor.execute(sql.SQL("drop table if exists {}").format(sql.Identifier(SCHEMA, table)))
    cursor.execute(
        sql.SQL("create table {} as select {} from ({}) as clean").format(
            sql.Identifier(SCHEMA, table),
            sql.SQL(", ").join(map(sql.Identifier, [*names, SPLIT, ROW])),
            rows.query,
        )
    )
    splits = _splits(cursor, table, content.parts)
    version = DatasetVersion(
        content.dataset, number, content.load, fingerprint(cursor, table, rows), sum(splits.values()), splits,
        tuple(rows.columns), content.learned, content.settings, table, content.actor,
    )  # fmt: skip
    if before is not None and before.table is not None and before.fingerprint == version.fingerprint:
        settings = json.loads(records.as_json(content.settings))
        if before.settings == settings and [*before.columns] == [*version.columns]:
            raise _Known(before)
    _show(cursor, content.dataset, table, names)
    records.add(cursor, version)
    return version


def _splits(cursor: Cursor, table: str, parts: Sequence[str]) -> dict[str, int]:
    cursor.execute(
        sql.SQL("select {split}, count(*) from {table} group by 1").format(
            split=sql.Identifier(SPLIT), table=sql.Identifier(SCHEMA, table)
        )
    )
    found = dict(cursor.fetchall())
    if empty := [part for part in parts if not found.get(part)]:
        raise MlpipesError(
            f"no row is left in the part {empty[0]!r}",
            "see which step leaves its rows out, or load more rows",
        )
    return {part: found[part] for part in parts}


def fingerprint(cursor: Cursor, table: str, rows: Relation) -> str:
    """Return SHA-256 over the columns and the sums of the MD5s of all rows with their parts.

    Sums do not depend on the order of the rows, and count rows that stand there several times.
    """
    hashed = sql.SQL("replace({}::text, '-', '')").format(content([*rows.types, SPLIT]))
    cursor.execute(
        sql.SQL(
            "select count(*), sum(('x' || left(h, 16))::bit(64)::bigint)::text,"
            " sum(('x' || right(h, 16))::bit(64)::bigint)::text from (select {} as h from {}) as rows"
        ).format(hashed, sql.Identifier(SCHEMA, table))
    )
    found = [list(cursor.fetchone() or ()), [[column.name, column.type] for column in rows.columns]]
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()


def _show(cursor: Cursor, dataset: str, table: str, names: Sequence[str]) -> None:
    """Let the view show the new version."""
    import psycopg2

    view = sql.Identifier(SCHEMA, dataset)
    query = sql.SQL("view {} as select {} from {}").format(
        view, sql.SQL(", ").join(map(sql.Identifier, [*names, SPLIT])), sql.Identifier(SCHEMA, table)
    )
    cursor.execute("savepoint shown")
    try:
        cursor.execute(sql.SQL("create or replace {}").format(query))
        return
    except psycopg2.errors.InvalidTableDefinition:  # other columns
        cursor.execute("rollback to savepoint shown")
    except psycopg2.errors.WrongObjectType:
        reason = f"clean_data.{dataset} exists and is not a view of mlpipes"
        raise MlpipesError(reason, "rename it, or give the data set another name") from None
    try:
        cursor.execute(sql.SQL("drop view {}").format(view))
    except psycopg2.errors.DependentObjectsStillExist as error:
        reason = f"the columns have changed, and {first_line(error)}"
        raise MlpipesError(reason, "drop what depends on the view, and make it again afterwards") from None
    cursor.execute(sql.SQL("create {}").format(query))


def prune(connection: Connection, dataset: str, keep: int) -> list[DatasetVersion]:
    """Remove the rows of all but the newest versions; return these as they are now.

    Raises:
        MlpipesError: Something else depends on a table.
    """
    import psycopg2

    with transaction(connection) as cursor:
        gone = [version for version in records.listed(cursor, dataset)[keep:] if version.table is not None]
        for version in gone:
            try:
                cursor.execute(
                    sql.SQL("drop table if exists {}").format(sql.Identifier(SCHEMA, version.table or ""))
                )
            except psycopg2.errors.DependentObjectsStillExist as error:
                raise MlpipesError(
                    f"version {version.version} of {dataset!r}: {first_line(error)}",
                    "drop what depends on it first",
                ) from None
            cursor.execute(
                "update clean_data._versions set table_name = null where dataset = %s and version = %s",
                (dataset, version.version),
            )
    return [replace(version, table=None) for version in gone]
