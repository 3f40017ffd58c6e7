"""A database's address with the password kept apart, since no command line may hold it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from mlpipes_cli.adapters.postgres.database import unreachable

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


@dataclass(frozen=True)
class Address:
    """The address of a database.

    Attributes:
        url: ``postgresql://user@host:port/name?...``.
        password: The password of the database's owner.
        shown: The name that messages use.
    """

    url: str
    password: str = field(repr=False)
    shown: str

    def environment(self) -> dict[str, str]:
        """Return the environment of a client program."""
        dropped = ("PGOPTIONS", "PGPASSWORD", "PGSERVICE", "PGDATABASE", "PGHOST", "PGPORT", "PGUSER")
        kept = {name: value for name, value in os.environ.items() if name not in dropped}
        ours = {"PGAPPNAME": "mlpipes", "PGCONNECT_TIMEOUT": "10", "PGCLIENTENCODING": "UTF8", "LC_ALL": "C"}
        return kept | ours | ({"PGPASSWORD": self.password} if self.password else {})

    def connect(self) -> Connection:
        """Return a connection whose statements may take long.

        Raises:
            MlpipesError: The database does not answer.
        """
        import psycopg2

        try:
            connection: Connection = psycopg2.connect(
                self.url, password=self.password or None, connect_timeout=10, application_name="mlpipes",
                options="-c statement_timeout=0 -c idle_in_transaction_session_timeout=0 -c lock_timeout=60s",
                keepalives_idle=10, keepalives_interval=5, keepalives_count=3,
            )  # fmt: skip
        except psycopg2.OperationalError as error:
            raise unreachable(error) from None
        return connection


def parse(url: str) -> Address:
    """Split an address into its URL and its password."""
    parts = urlsplit(url)
    query = parse_qsl(parts.query)
    password = unquote(parts.password or "") or dict(query).get("password", "")
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    port = f":{parts.port}" if parts.port else ""
    login = f"{quote(unquote(parts.username), safe='')}@" if parts.username else ""
    rest = urlencode([(name, value) for name, value in query if name != "password"], quote_via=quote)
    bare = urlunsplit(("postgresql", f"{login}{host}{port}", parts.path, rest, ""))
    return Address(bare, password, f"{parts.path.strip('/')} at {host}{port}")
