"""Connects to PostgreSQL for reading rows."""

from __future__ import annotations

import re
from typing import Any

from mlpipes_cli.config.yaml_source import Location, YamlSource
from mlpipes_cli.data.origins.source_location import AT
from mlpipes_cli.data.problems import wrong
from mlpipes_cli.errors import MlpipesError


def connect(url: str, source: YamlSource, hint: str, at: Location = AT) -> Any:
    """Return a psycopg2 connection.

    Raises:
        ConfigError: The URL is wrong.
        MlpipesError: The server does not answer, or refuses the login.
    """
    import psycopg2

    try:
        connection = psycopg2.connect(url, connect_timeout=5, application_name="mlpipes")
    except psycopg2.ProgrammingError as error:
        raise wrong(source, at, f"the database's URL is wrong ({first_line(error)})") from None
    except psycopg2.OperationalError as error:
        reason = source.problem(at, f"the database does not answer ({first_line(error)})")
        raise MlpipesError(reason, hint) from None
    return connection


def first_line(error: Exception) -> str:
    """Return the first line of the server's message, without secrets."""
    lines = [line.strip() for line in str(getattr(error, "orig", None) or error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    text = re.sub(r"^ERROR:\s+", "", text)
    return re.sub(r"://[^@\s]*@", "://", text)
