"""The project's own database: connections with timeouts, and its tables by version."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli.errors import MlpipesError

if TYPE_CHECKING:
    import asyncpg
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

_MIGRATIONS = Path(__file__).parent / "sql"
LOCK = 0x6D6C7069  # one advisory lock for everything that changes tables
_PARAMETERS = {
    "statement_timeout": "30s",
    "lock_timeout": "15s",
    "synchronous_commit": "on",
    "timezone": "UTC",
}
_SESSION: dict[str, Any] = {
    "connect_timeout": 3,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "application_name": "mlpipes",
    "options": " ".join(f"-c {name}={value}" for name, value in _PARAMETERS.items()),
}


def connect(url: str) -> Connection:
    """Return a connection in which every wait has a timeout.

    Raises:
        MlpipesError: The database does not answer.
    """
    import psycopg2

    try:
        connection: Connection = psycopg2.connect(url, **_SESSION)
    except psycopg2.OperationalError as error:
        raise unreachable(error) from None
    return connection


# Parameters that libpq's URLs may contain and that asyncpg would take for settings of the server.
_LIBPQ_ONLY = {
    "application_name", "channel_binding", "client_encoding", "connect_timeout", "fallback_application_name",
    "gssencmode", "keepalives", "keepalives_count", "keepalives_idle", "keepalives_interval", "options",
    "sslcompression", "tcp_user_timeout",
}  # fmt: skip


async def connect_async(url: str, seconds: float) -> asyncpg.Connection:
    """Return an asyncpg connection with the same settings.

    Raises:
        MlpipesError: The database does not answer within that many seconds, or refuses.
    """
    from urllib.parse import parse_qsl, urlencode, urlsplit

    import asyncpg

    parts = urlsplit(url)
    kept = [(name, value) for name, value in parse_qsl(parts.query) if name not in _LIBPQ_ONLY]
    try:
        return await asyncpg.connect(
            parts._replace(query=urlencode(kept)).geturl(),
            timeout=seconds,
            command_timeout=None,
            statement_cache_size=0,  # a connection pooler in between may give each statement another session
            server_settings={**_PARAMETERS, "application_name": str(_SESSION["application_name"])},
        )
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError, ValueError) as error:
        raise unreachable(error) from None


def first_line(error: BaseException) -> str:
    """Return the first line of the database's message: later lines may quote values."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def unreachable(error: BaseException) -> MlpipesError:
    """Return the error for a database that does not answer, without its address or secret."""
    reason = first_line(error).rsplit("failed: ", 1)[-1].strip().removeprefix("FATAL:").strip()
    return MlpipesError(f"the database does not answer ({reason})", "see `mlpipes status`")


def migrate(url: str) -> list[str]:
    """Upgrade the tables to the newest version; several processes may call it at once.

    Each file of ``sql/`` runs once, in order of its number, in a transaction of its own.

    Returns:
        The names of the migrations that ran now.

    Raises:
        MlpipesError: The database does not answer, or refuses.
    """
    import psycopg2

    ran: list[str] = []
    try:
        with closing(connect(url)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("select pg_advisory_lock(%s)", (LOCK,))
                for path in _pending(cursor):
                    _apply(cursor, path)
                    ran.append(path.stem)
    except psycopg2.Error as error:
        raise MlpipesError(f"cannot create the database's tables: {first_line(error)}") from None
    return ran


def _pending(cursor: Cursor) -> list[Path]:
    cursor.execute("select to_regclass('public.mlpipes_migrations')")
    found = cursor.fetchone()
    if found is None or found[0] is None:
        cursor.execute(
            "create table public.mlpipes_migrations (name text primary key, ran_at timestamptz default now())"
        )
    cursor.execute("select name from public.mlpipes_migrations")
    done = {name for (name,) in cursor.fetchall()}
    known = sorted(_MIGRATIONS.glob("*.sql"))
    if not known:
        raise FileNotFoundError(f"{_MIGRATIONS} has no migrations: the installation is incomplete")
    return [path for path in known if path.stem not in done]


def _apply(cursor: Cursor, path: Path) -> None:
    cursor.execute("begin")
    try:
        cursor.execute(path.read_text(encoding="utf-8"))
        cursor.execute("insert into public.mlpipes_migrations (name) values (%s)", (path.stem,))
        cursor.execute("commit")
    except BaseException:
        cursor.execute("rollback")
        raise
