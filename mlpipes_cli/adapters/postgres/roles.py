"""Makes the roles, databases and schemas of a stack's PostgreSQL, on any runtime."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import secrets
import unicodedata
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from psycopg2.extensions import connection
    from psycopg2.extensions import cursor as Cursor

SUPERUSER = "postgres"
_FIRST = ("raw_data", "clean_data", "serving")  # which databases of every release have
SCHEMAS = (
    *_FIRST,
    "monitoring",
    "pipelines",
)  # later ones are made by migrations where `up` was not run since
OWNERS: Mapping[str, str] = {"mlflow": "MLFLOW_DB_PASSWORD", "mlpipes": "MLPIPES_DB_PASSWORD"}
READER = "mlpipes_reader"  # the role of users' queries: it reads what mlpipes owns, and can do nothing else
READER_SECRET = "MLPIPES_READER_PASSWORD"  # noqa: S105 - the name of one
SECRETS: Mapping[str, str] = {SUPERUSER: "POSTGRES_PASSWORD", **OWNERS, READER: READER_SECRET}
Connect = Callable[[str, str], "connection"]  # takes a user and a database
_FULL = (
    "too many clients already",
    "remaining connection slots are reserved",
    "too many connections for role",
)
# Privileges on what exists, and by default privileges on what comes later, even from a backup.
_LET_READ = """
alter role mlpipes_reader set default_transaction_read_only = on;
grant connect on database mlpipes to mlpipes_reader;
alter default privileges for role mlpipes grant usage on schemas to mlpipes_reader;
alter default privileges for role mlpipes grant select on tables to mlpipes_reader;
do $$
declare name text;
begin
  for name in select nspname from pg_namespace where nspowner = 'mlpipes'::regrole or nspname = 'public'
  loop
    execute format('grant usage on schema %I to mlpipes_reader', name);
    execute format('grant select on all tables in schema %I to mlpipes_reader', name);
  end loop;
end
$$;
"""


def scram(password: str, rounds: int = 4096) -> str:
    """Return a password's verifier as PostgreSQL stores it (RFC 5802 and 7677); no log shows the password."""
    salt = secrets.token_bytes(16)
    plain = unicodedata.normalize("NFKC", password).encode()
    salted = hashlib.pbkdf2_hmac("sha256", plain, salt, rounds)
    client = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    coded = [base64.b64encode(part).decode() for part in (salt, client, server)]
    return f"SCRAM-SHA-256${rounds}:{coded[0]}${coded[1]}:{coded[2]}"


def provision(connect: Connect, passwords: Mapping[str, str]) -> None:
    """Make the missing roles, databases and schemas, and set the passwords.

    Args:
        connect: Opens a connection.
        passwords: By their names in ``.env``. Earlier releases had no password for the reader; the next
            ``up`` makes it, and then the role.

    Raises:
        psycopg2.OperationalError: The server cannot be reached.
    """
    with contextlib.closing(connect(SUPERUSER, SUPERUSER)) as link:
        link.autocommit = True
        for name, secret in OWNERS.items():
            _make_owner(link, name, scram(passwords[secret]))
    with contextlib.closing(connect(SUPERUSER, "mlpipes")) as link:
        link.autocommit = True
        with link.cursor() as cursor:
            for schema in SCHEMAS:
                cursor.execute(f"create schema if not exists {schema} authorization mlpipes")
            if password := passwords.get(READER_SECRET):
                _make_role(cursor, READER, scram(password))
                cursor.execute(_LET_READ)


def make_own_database(connect: Connect, name: str, password: str) -> None:
    """Make the role and the database of a service that needs its own, and set the password.

    Raises:
        psycopg2.OperationalError: The server cannot be reached.
    """
    with contextlib.closing(connect(SUPERUSER, SUPERUSER)) as link:
        link.autocommit = True
        _make_owner(link, name, scram(password))


def own_address(name: str, password: str, host: str, port: int) -> str:
    """Return the address of the database of a service that needs its own."""
    return f"postgresql://{name}:{quote(password, safe='')}@{host}:{port}/{name}"


def complete(connect: Connect) -> bool:
    """Return whether the server answers a query and has the owners, their databases and the first schemas."""
    return lacking(connect) == ()


def lacking(connect: Connect) -> tuple[str, ...] | None:
    """Return the first schemas that the database does not have; None if it or an owner does not answer.

    A server without free connections lacks nothing: it works and needs no repair.
    """
    import psycopg2

    try:
        with contextlib.closing(connect("mlpipes", "mlpipes")) as link, link.cursor() as cursor:
            cursor.execute("select nspname from pg_namespace where nspname = any(%s)", (list(_FIRST),))
            found = {name for (name,) in cursor.fetchall()}
        connect("mlflow", "mlflow").close()
        return tuple(name for name in _FIRST if name not in found)
    except psycopg2.Error as error:
        return () if is_full(error) else None


def readable(connect: Connect) -> bool:
    """Return whether the reader exists and may use the schemas; projects of earlier releases have none."""
    import psycopg2

    try:
        with contextlib.closing(connect(READER, "mlpipes")) as link, link.cursor() as cursor:
            cursor.execute(
                "select count(*) from pg_namespace"
                " where nspname = any(%s) and has_schema_privilege(oid, 'usage')",
                (list(_FIRST),),
            )
            return cursor.fetchone() == (len(_FIRST),)
    except psycopg2.Error as error:
        return is_full(error)


def is_full(error: Exception) -> bool:
    """Return whether a server refused a connection because all are in use (SQLSTATE 53300).

    libpq gives no code for a connection that was refused, only the server's message.
    """
    return any(words in str(error) for words in _FULL)


def _make_owner(link: connection, name: str, verifier: str) -> None:
    """Make a role, its password, and a database that no other role may connect to."""
    with link.cursor() as cursor:
        _make_role(cursor, name, verifier)
        cursor.execute("select 1 from pg_database where datname = %s", (name,))
        if not cursor.fetchone():
            cursor.execute(f"create database {name} owner {name}")
        cursor.execute(f"revoke all on database {name} from public")


def _make_role(cursor: Cursor, name: str, verifier: str) -> None:
    cursor.execute("select 1 from pg_roles where rolname = %s", (name,))
    verb = "alter" if cursor.fetchone() else "create"
    cursor.execute(f"{verb} role {name} login password %s", (verifier,))
