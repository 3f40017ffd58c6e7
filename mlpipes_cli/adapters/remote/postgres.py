"""Checks that the remote database answers, is new enough, and grants the necessary privileges."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from mlpipes_cli.adapters.postgres.database import connect
from mlpipes_cli.adapters.postgres.roles import SCHEMAS
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports import Check
from mlpipes_cli.services import catalog

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

NAME = catalog.DATABASE
OLDEST = 13
_RIGHTS = "ask its owner to run: grant {what} to {who}"


def examine(url: str) -> list[Check]:
    """Check the database; nothing is changed."""
    import psycopg2

    try:
        with contextlib.closing(connect(url)) as link, link, link.cursor() as cursor:
            return [_version(cursor), *_rights(cursor)]
    except psycopg2.Error as error:
        return [Check(NAME, "fault", f"rejected a query ({_line(error)})", "see the server's log")]
    except MlpipesError as error:
        return [_unreachable(error)]


def version(url: str) -> str:
    """Return the server's version.

    Raises:
        MlpipesError: It does not answer.
    """
    with contextlib.closing(connect(url)) as link:
        return str(link.info.parameter_status("server_version") or link.server_version).partition(" ")[0]


def make_schemas(url: str) -> list[str]:
    """Make the missing schemas; return their names.

    Raises:
        MlpipesError: The server does not answer, or refuses.
    """
    import psycopg2

    try:
        with contextlib.closing(connect(url)) as link, link, link.cursor() as cursor:
            missing = _missing(cursor)
            for name in missing:
                cursor.execute(f"create schema if not exists {name}")
            return missing
    except psycopg2.Error as error:
        raise MlpipesError(f"{NAME}: cannot create the schemas ({_line(error)})") from None


def make_own_database(url: str, name: str) -> str:
    """Make a database beside the project's, named after it, unless it is there; return its address.

    Raises:
        MlpipesError: The server does not answer, or the role may not make databases.
    """
    import psycopg2

    parts = urlsplit(url)
    base = f"{unquote(parts.path.lstrip('/'))}_{name}"
    try:
        with contextlib.closing(connect(url)) as link, link.cursor() as cursor:
            link.autocommit = True
            cursor.execute("select 1 from pg_database where datname = %s", (base,))
            if cursor.fetchone() is None:
                cursor.execute(f'create database "{base}"')
            user = link.info.user
    except psycopg2.errors.InsufficientPrivilege:
        raise MlpipesError(
            f"{NAME}: {name} needs the database {base}, which its role may not create",
            f"ask its owner to run: create database {base} owner {parts.username or 'ROLE'}",
        ) from None
    except psycopg2.Error as error:
        raise MlpipesError(f"{NAME}: cannot create the database {base} ({_line(error)})") from None
    return urlunsplit(parts._replace(path=f"/{quote(base)}", netloc=_with_user(parts.netloc, user)))


def _with_user(netloc: str, user: str) -> str:
    return netloc if "@" in netloc else f"{quote(user, safe='')}@{netloc}"


def _unreachable(error: MlpipesError) -> Check:
    reason = error.reason
    if "password" in reason or "authentication" in reason:
        fix = "set MLPIPES_DB_PASSWORD in the environment or in .env, or the URL's variable"
    elif "does not exist" in reason:
        fix = "create the database, or name another one in stack -> postgres -> url"
    else:
        fix = "check stack -> postgres -> url in mlpipes.yaml, and the network"
    return Check(NAME, "fault", reason, fix)


def _version(cursor: Cursor) -> Check:
    cursor.execute("select current_setting('server_version'), current_setting('server_version_num')::int")
    shown, number = cursor.fetchone() or ("", 0)
    if number < OLDEST * 10000:
        return Check(NAME, "fault", f"PostgreSQL {shown} is too old", f"use version {OLDEST} or newer")
    return Check(NAME, "ok", f"PostgreSQL {shown} answers")


def _missing(cursor: Cursor) -> list[str]:
    cursor.execute("select nspname from pg_namespace where nspname = any(%s)", (list(SCHEMAS),))
    there = {name for (name,) in cursor.fetchall()}
    return [name for name in SCHEMAS if name not in there]


def _rights(cursor: Cursor) -> list[Check]:
    cursor.execute(
        "select quote_ident(current_user), quote_ident(current_database()),"
        " has_database_privilege(current_database(), 'CREATE')"
    )
    user, database, may_create = cursor.fetchone() or ("", "", False)
    missing = _missing(cursor)
    checks = [_schemas(missing, may_create, user, database)]
    for schema in (*(name for name in SCHEMAS if name not in missing), "public"):
        cursor.execute(
            "select has_schema_privilege(%s, 'CREATE') and has_schema_privilege(%s, 'USAGE')",
            (schema, schema),
        )
        allowed = (cursor.fetchone() or (False,))[0]
        if not allowed:
            what = _RIGHTS.format(what=f"usage, create on schema {schema}", who=user)
            checks.append(Check(f"{NAME} rights", "fault", f"{user} may not create tables in {schema}", what))
    return checks


def _schemas(missing: list[str], may_create: bool, user: str, database: str) -> Check:
    name = f"{NAME} schemas"
    if not missing:
        return Check(name, "ok", f"{', '.join(SCHEMAS)} exist")
    if may_create:
        return Check(name, "warning", f"{', '.join(missing)} are missing", "`mlpipes up` creates them")
    fix = _RIGHTS.format(what=f"create on database {database}", who=user)
    return Check(name, "fault", f"{', '.join(missing)} are missing, and {user} may not create them", fix)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
