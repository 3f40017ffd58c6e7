"""Rows of any database that SQLAlchemy reaches: one statement, which only reads."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa

from mlpipes_cli.config.dataset.config import QuerySource
from mlpipes_cli.config.yaml_source import Location, YamlSource
from mlpipes_cli.data.origins import one_read
from mlpipes_cli.data.origins.select_only import NotOneSelect, stream
from mlpipes_cli.data.problems import wrong
from mlpipes_cli.data.readers.values import column
from mlpipes_cli.errors import MlpipesError

_ROWS = 20_000  # fetched at once
_AT: Location = ("source",)
_ONE = "the query must be one statement that returns rows, such as a select; it was not run"


def address(told: QuerySource, source: YamlSource, own: str | None, environ: Mapping[str, str]) -> str:
    """Return the URL of the database.

    Raises:
        ConfigError: It names a variable that is not set.
        MlpipesError: It is the project's own, which has no read-only role.
    """
    if told.url is None:
        if own is None:
            reason = source.problem(_AT, "the project's database has no read-only role yet")
            raise MlpipesError(reason, "`mlpipes up` creates it")
        return own
    if found := re.fullmatch(r"\$\{?([A-Za-z_]\w*)\}?", told.url):
        if not environ.get(found[1]):
            raise wrong(source, (*_AT, "url"), f"the environment variable {found[1]} is not set")
        return environ[found[1]]
    return told.url


def tables(told: QuerySource, url: str, source: YamlSource, base: Path) -> Iterator[pa.Table]:
    """Yield the rows of a table or a query.

    Args:
        told: The table or the query.
        url: The URL of the database.
        source: The ``dataset.yaml``.
        base: Its folder; the relative path of a database that is a file starts there.

    Raises:
        ConfigError: The URL or the statement is wrong.
        MlpipesError: The database does not answer.
    """
    if re.match(r"postgres(ql)?(\+\w+)?://", url):
        yield from _postgres(told, re.sub(r"^postgres(ql)?(\+\w+)?://", "postgresql://", url), source)
    else:
        yield from _other(told, url, source, base)


def _postgres(told: QuerySource, url: str, source: YamlSource) -> Iterator[pa.Table]:
    import psycopg2
    from psycopg2 import sql

    statement: Any = told.query
    if told.table is not None:
        statement = sql.SQL("select * from {}").format(sql.Identifier(*told.table.split(".")))
    try:
        with closing(psycopg2.connect(url, connect_timeout=5, application_name="mlpipes")) as connection:
            for names, rows in stream(connection, statement, _ROWS):
                yield _table(names, rows)
    except NotOneSelect:
        raise wrong(source, _AT, _ONE) from None
    except psycopg2.OperationalError as error:
        reason = source.problem(_AT, f"the database does not answer ({_first_line(error)})")
        raise MlpipesError(reason, "check that the database is running, and the URL") from None
    except psycopg2.Error as error:
        raise wrong(source, _AT, f"the query failed: {_first_line(error)}") from None


def _other(told: QuerySource, url: str, source: YamlSource, base: Path) -> Iterator[pa.Table]:
    from sqlalchemy import exc
    from sqlalchemy.engine import make_url

    try:
        engine = one_read.engine(make_url(url), base)
    except exc.NoSuchModuleError:
        kind = url.split(":", 1)[0]
        raise wrong(source, _AT, f"SQLAlchemy has no driver for {kind!r}; install one") from None
    except ImportError as error:
        raise wrong(source, _AT, f"the database's driver is not installed ({error}); install it") from None
    except exc.ArgumentError:
        raise wrong(
            source, _AT, "the URL is not one that SQLAlchemy takes: dialect://user@host/database"
        ) from None
    try:
        with engine.connect() as connection:
            one_read.only_read(connection)
            yield from _rows(connection, told, source)
    except exc.OperationalError as error:
        where = "the query failed" if error.statement else "the database does not answer"
        raise wrong(source, _AT, f"{where}: {_first_line(error)}") from None
    except exc.SQLAlchemyError as error:
        raise wrong(source, _AT, f"the query failed: {_first_line(error)}") from None
    finally:
        engine.dispose()


def _rows(connection: Any, told: QuerySource, source: YamlSource) -> Iterator[pa.Table]:
    statement = told.query or ""
    if told.table is not None:
        quote = connection.dialect.identifier_preparer.quote_identifier
        statement = f"select * from {'.'.join(quote(part) for part in told.table.split('.'))}"  # noqa: S608
    statement = statement.strip().removesuffix(";")
    if not one_read.reads(statement, connection.dialect.name):
        raise wrong(source, _AT, _ONE)
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


def _first_line(error: Any) -> str:
    """Return what the database says, without a password."""
    text = str(getattr(error, "orig", None) or error).strip() or type(error).__name__
    return re.sub(r"://[^@\s]*@", "://", re.sub(r"^ERROR:\s+", "", text.splitlines()[0]))


def shown(told: QuerySource) -> str:
    """Return the source's name in messages, without secrets."""
    where = "the project's database" if told.url is None else "the database"
    return f"{told.table} of {where}" if told.table else f"the query of {where}"


def environment() -> Mapping[str, str]:
    """Return the variables that a URL may name."""
    return os.environ
