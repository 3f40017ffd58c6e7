"""Rows of any database that SQLAlchemy reaches: one statement, which only reads."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa

from mlpipes_cli.config.source import QuerySource
from mlpipes_cli.config.yaml_source import Location, YamlSource
from mlpipes_cli.data.origins import one_read
from mlpipes_cli.data.origins.postgres import connect, first_line
from mlpipes_cli.data.origins.select_only import SECONDS, NotOneSelect, stream
from mlpipes_cli.data.problems import wrong
from mlpipes_cli.data.readers.values import column
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.suggest import did_you_mean

_ROWS = 20_000  # fetched at once
_ONE = "the query must be one statement that returns rows, such as a select; it was not run"
_POSTGRES = re.compile(r"postgres(ql)?(\+\w+)?://")
_OWN = "see `mlpipes status`; run `mlpipes up` to repair it"
_OTHER = "check that the database is running, and the URL"


def address(
    told: QuerySource, source: YamlSource, at: Location, own: str | None, environ: Mapping[str, str]
) -> str:
    """Return the URL of the database.

    Args:
        told: The table or the query.
        source: The file that names it.
        at: Where it does.
        own: The project's own database for the role that only reads; None if there is none.
        environ: The variables that the URL may name.

    Raises:
        ConfigError: It names a variable that is not set.
        MlpipesError: It is the project's own, which has no read-only role.
    """
    if told.url is None:
        if own is None:
            reason = source.problem(at, "the project's database has no read-only role yet")
            raise MlpipesError(reason, "`mlpipes up` creates it")
        return own
    if found := re.fullmatch(r"\$\{?([A-Za-z_]\w*)\}?", told.url):
        if not environ.get(found[1]):
            raise wrong(source, (*at, "url"), f"the environment variable {found[1]} is not set")
        return environ[found[1]]
    return told.url


def tables(told: QuerySource, url: str, source: YamlSource, at: Location, base: Path) -> Iterator[pa.Table]:
    """Yield the rows of a table or a query.

    Args:
        told: The table or the query.
        url: The URL of the database.
        source: The file that names it.
        at: Where it does.
        base: The file's folder; the relative path of a database that is a file starts there.

    Raises:
        ConfigError: The URL or the statement is wrong.
        MlpipesError: The database does not answer.
    """
    if _POSTGRES.match(url):
        yield from _postgres(told, _POSTGRES.sub("postgresql://", url, count=1), source, at)
    else:
        yield from _other(told, url, source, at, base)


def _postgres(told: QuerySource, url: str, source: YamlSource, at: Location) -> Iterator[pa.Table]:
    import psycopg2
    from psycopg2 import sql

    statement: Any = told.query
    if told.table is not None:
        statement = sql.SQL("select * from {}").format(sql.Identifier(*told.table.split(".")))
    with closing(connect(url, source, _OWN if told.url is None else _OTHER, at)) as connection:
        try:
            for names, rows in stream(connection, statement, _ROWS):
                yield _table(names, rows)
        except NotOneSelect:
            raise wrong(source, at, _ONE) from None
        except psycopg2.errors.QueryCanceled:
            said = f"the query took longer than {SECONDS // 60} minutes"
            raise wrong(source, at, f"{said}; query fewer rows, or store them in a table first") from None
        except psycopg2.errors.LockNotAvailable:
            reason = source.problem(at, "another client holds a lock that the query needs")
            raise MlpipesError(reason, "try again later") from None
        except psycopg2.errors.UndefinedTable as error:
            near = _near_tables(connection, told.table) if told.table else ""
            raise wrong(source, at, f"{first_line(error)}{near}") from None
        except psycopg2.OperationalError as error:
            reason = source.problem(at, f"the connection to the database was lost ({first_line(error)})")
            raise MlpipesError(reason, "check that the database is running, and try again") from None
        except psycopg2.Error as error:
            raise wrong(source, at, f"the query failed: {first_line(error)}") from None


def _near_tables(connection: Any, name: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(
            "select table_schema || '.' || table_name, table_name from information_schema.tables"
            " where table_schema not in ('pg_catalog', 'information_schema')"
        )
        found = cursor.fetchall()
    known = [full for full, _ in found] if "." in name else [short for _, short in found]
    return did_you_mean(name, known)


def _other(told: QuerySource, url: str, source: YamlSource, at: Location, base: Path) -> Iterator[pa.Table]:
    from sqlalchemy import exc
    from sqlalchemy.engine import make_url

    try:
        engine = one_read.engine(make_url(url), base)
    except exc.NoSuchModuleError:
        kind = url.split(":", 1)[0]
        raise wrong(source, at, f"SQLAlchemy has no driver for {kind!r}; install one") from None
    except ImportError as error:
        raise wrong(source, at, f"the database's driver is not installed ({error}); install it") from None
    except exc.ArgumentError:
        raise wrong(
            source, at, "the URL is not one that SQLAlchemy takes: dialect://user@host/database"
        ) from None
    try:
        with engine.connect() as connection:
            one_read.only_read(connection)
            yield from _rows(connection, told, source, at)
    except exc.OperationalError as error:
        if error.statement:
            raise wrong(source, at, f"the query failed: {first_line(error)}") from None
        said = f"the database does not answer ({first_line(error)})"
        if engine.dialect.name in ("sqlite", "duckdb"):  # a file that is not there
            raise wrong(source, at, said) from None
        raise MlpipesError(source.problem(at, said), _OTHER) from None
    except exc.SQLAlchemyError as error:
        raise wrong(source, at, f"the query failed: {first_line(error)}") from None
    finally:
        engine.dispose()


def _rows(connection: Any, told: QuerySource, source: YamlSource, at: Location) -> Iterator[pa.Table]:
    statement = told.query or ""
    if told.table is not None:
        quote = connection.dialect.identifier_preparer.quote_identifier
        statement = f"select * from {'.'.join(quote(part) for part in told.table.split('.'))}"  # noqa: S608
    statement = statement.strip().removesuffix(";")
    if not one_read.reads(statement, connection.dialect.name):
        raise wrong(source, at, _ONE)
    options = {"stream_results": True, "yield_per": _ROWS}
    result = connection.execution_options(**options).exec_driver_sql(statement)
    names = list(result.keys())
    empty = True
    for rows in result.partitions():
        empty = False
        yield _table(names, rows)
    if empty:
        yield _table(names, [])
    connection.rollback()


def _table(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> pa.Table:
    columns = [column([row[at] for row in rows]) for at in range(len(names))]
    return pa.Table.from_arrays(columns, names=list(names))
