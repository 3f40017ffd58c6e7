"""Reads what a database holds, in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlpipes_cli.ports.dumps import DatabaseFacts

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

_TABLES = """
    select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and not c.relispartition
      and n.nspname !~ '^pg_' and n.nspname <> 'information_schema' order by 1, 2
"""
_LOCATIONS = {
    "public.logged_models": (
        "select artifact_location from public.logged_models where lifecycle_stage = 'active' and status = 2"
    ),
    # a source names the model's address, a path of a run's artifacts, or a model (which is in the other list)
    "public.model_versions": """
        select coalesce(r.artifact_uri || regexp_replace(v.place, '^runs:/+[^/]+', ''), v.place)
        from (select coalesce(storage_location, source) as place from public.model_versions
              where current_stage is distinct from 'Deleted_Internal') v
        left join public.runs r on v.place like 'runs:/%'
            and r.run_uuid = split_part(ltrim(substr(v.place, 6), '/'), '/', 1)
        where v.place not like 'models:/%'
    """,
}


TABLES = f"select pg_catalog.json_build_array(t.nspname, t.relname) from ({_TABLES}) t"  # noqa: S608 - our own text
REVISION = "select version_num from public.alembic_version"


def read(cursor: Cursor) -> DatabaseFacts:
    """Count all rows, and read the addresses of MLflow's models.

    Raises:
        psycopg2.Error: The server refuses.
    """
    from psycopg2 import sql

    cursor.execute("select current_setting('server_version'), pg_database_size(current_database())")
    version, size = cursor.fetchone() or ("", 0)
    cursor.execute(_TABLES)
    rows: dict[str, int] = {}
    for schema, table in cursor.fetchall():
        cursor.execute(sql.SQL("select count(*) from {}").format(sql.Identifier(schema, table)))
        rows[f"{schema}.{table}"] = int((cursor.fetchone() or (0,))[0])
    return DatabaseFacts(
        str(version).split()[0], int(size), rows, _revision(cursor, rows), _locations(cursor, rows)
    )


def _revision(cursor: Cursor, rows: dict[str, int]) -> str | None:
    if not rows.get("public.alembic_version"):
        return None
    cursor.execute(REVISION)
    return str((cursor.fetchone() or ("",))[0])


def _locations(cursor: Cursor, rows: dict[str, int]) -> tuple[str, ...]:
    found: set[str] = set()
    for table, statement in _LOCATIONS.items():
        if table in rows:
            cursor.execute(statement)
            found.update(str(location) for (location,) in cursor.fetchall() if location)
    return tuple(sorted(found))
