"""Reads rows from PostgreSQL with one statement in a read-only transaction.

In the project's own database the statement runs as a role that can only read; in another database it runs as
the user of its URL.

A table has no order of its own, so its rows are sorted by their hashes: the split then depends on
the content of the rows and not on their position in the server's storage. A query with ``order by``
keeps its order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from mlpipes_cli.config.yaml_source import YamlSource
from mlpipes_cli.data.canonical import canonical
from mlpipes_cli.data.columns import twice
from mlpipes_cli.data.origins.select_only import SECONDS, NotOneSelect, select
from mlpipes_cli.data.origins.source_location import AT, SourceLocation
from mlpipes_cli.data.problems import wrong
from mlpipes_cli.data.rows import hash_rows
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.suggest import did_you_mean


def load_postgres(
    place: SourceLocation, source: YamlSource, *, database_url: str | None, environ: Mapping[str, str]
) -> pd.DataFrame:
    """Read a table or the rows of a query.

    Raises:
        ConfigError: No such table, a query that fails, a variable that is not set, no rows.
        MlpipesError: The server cannot be reached or refuses the login.
    """
    hint = (
        "see `mlpipes status`; run `mlpipes up` to repair it"
        if place.url is None
        else "check that the database is running, and the URL"
    )
    connection = connect(_address(place, source, database_url, environ), source, hint)
    try:
        frame = _read(connection, place, source)
    finally:
        connection.close()
    if repeated := twice(list(frame.columns)):
        raise wrong(source, AT, f"the query returns duplicate column names: {', '.join(map(repr, repeated))}")
    if frame.empty:
        raise wrong(source, AT, f"{place.name or 'the query'} returns no rows")
    if place.query is not None and re.search(r"\border\s+by\b", place.query, re.IGNORECASE):
        return frame
    plain = pd.DataFrame({name: canonical(frame[name]) for name in frame.columns})
    order = np.argsort(hash_rows(plain, list(plain.columns)), kind="stable")
    return frame.iloc[order].reset_index(drop=True)


def _address(
    place: SourceLocation, source: YamlSource, database_url: str | None, environ: Mapping[str, str]
) -> str:
    if place.url is None:
        if database_url is None:
            reason = source.problem(AT, "the project's database has no read-only role yet")
            raise MlpipesError(reason, "`mlpipes up` creates it")
        return database_url
    url, where = place.url, (*AT, "url")
    if found := re.fullmatch(r"\$\{?([A-Za-z_]\w*)\}?", url):
        value = environ.get(found[1])
        if not value:
            raise wrong(source, where, f"the environment variable {found[1]} is not set")
        url = value
    url = re.sub(r"^postgres(ql)?(\+\w+)?://", "postgresql://", url)
    if not url.startswith("postgresql://"):
        raise wrong(source, where, "expected postgresql://user:password@host:port/database or $NAME")
    return url


def connect(url: str, source: YamlSource, hint: str) -> Any:
    """Return a psycopg2 connection.

    Raises:
        ConfigError: The URL is wrong.
        MlpipesError: The server does not answer, or refuses the login.
    """
    import psycopg2

    try:
        connection = psycopg2.connect(url, connect_timeout=5, application_name="mlpipes")
    except psycopg2.ProgrammingError as error:
        raise wrong(source, AT, f"the database's URL is wrong ({first_line(error)})") from None
    except psycopg2.OperationalError as error:
        reason = source.problem(AT, f"the database does not answer ({first_line(error)})")
        raise MlpipesError(reason, hint) from None
    return connection


def first_line(error: Exception) -> str:
    """Return the first line of the server's message, without secrets."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    text = re.sub(r"^ERROR:\s+", "", text)
    return re.sub(r"://[^@\s]*@", "://", text)


def _read(connection: Any, place: SourceLocation, source: YamlSource) -> pd.DataFrame:
    import psycopg2
    from psycopg2 import sql

    statement: Any = place.query
    if place.query is None:
        statement = sql.SQL("select * from {}").format(sql.Identifier(*place.name.split(".")))
    try:
        columns, rows = select(connection, statement)
        return pd.DataFrame(rows, columns=columns)
    except NotOneSelect:
        said = "the query must be one statement that returns rows, such as a select; it was not run"
        raise wrong(source, AT, said) from None
    except psycopg2.errors.QueryCanceled:
        said = f"the query took longer than {SECONDS // 60} minutes"
        raise wrong(source, AT, f"{said}; query fewer rows, or store them in a table first") from None
    except psycopg2.errors.LockNotAvailable:
        reason = source.problem(AT, "another client holds a lock that the query needs")
        raise MlpipesError(reason, "try again later") from None
    except psycopg2.errors.UndefinedTable as error:
        shown = _near_tables(connection, place.name) if place.name else ""
        raise wrong(source, AT, f"{first_line(error)}{shown}") from None
    except psycopg2.OperationalError as error:
        reason = source.problem(AT, f"the connection to the database was lost ({first_line(error)})")
        raise MlpipesError(reason, "check that the database is running, and try again") from None
    except psycopg2.Error as error:
        raise wrong(source, AT, f"the query failed: {first_line(error)}") from None


def _near_tables(connection: Any, name: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(
            "select table_schema || '.' || table_name, table_name from information_schema.tables"
            " where table_schema not in ('pg_catalog', 'information_schema')"
        )
        found = cursor.fetchall()
    known = [full for full, _ in found] if "." in name else [short for _, short in found]
    return did_you_mean(name, known)
