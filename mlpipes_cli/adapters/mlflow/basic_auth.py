"""MLflow's basic authentication: its one account of ours, and how that follows ``.env``.

The accounts are in MLflow's own database. MLflow takes the administrator's password from its
settings only when it makes the account; from then on the database counts, so it is changed there.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
from collections.abc import Mapping
from pathlib import Path

from mlpipes_cli.adapters.processes.daemon import HttpProbe
from mlpipes_cli.adapters.processes.json_files import unwritable
from mlpipes_cli.errors import MlpipesError

ADMIN = "admin"
PASSWORD = "MLFLOW_ADMIN_PASSWORD"  # noqa: S105
USERNAME_VARIABLE, PASSWORD_VARIABLE = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"
TOKEN_VARIABLE = "MLFLOW_TRACKING_TOKEN"  # noqa: S105
_REMEMBERED = 60  # seconds; else MLflow computes a password's hash, made to be slow, at each request


def variables(password: str) -> dict[str, str]:
    """What clients of MLflow take from their environment."""
    return {USERNAME_VARIABLE: ADMIN, PASSWORD_VARIABLE: password}


def headers(told: Mapping[str, str]) -> dict[str, str]:
    """What a client with these variables sends with each request; nothing without."""
    name, password = told.get(USERNAME_VARIABLE), told.get(PASSWORD_VARIABLE)
    if name and password:
        coded = base64.b64encode(f"{name}:{password}".encode()).decode()
        return {"Authorization": f"Basic {coded}"}
    return {"Authorization": f"Bearer {token}"} if (token := told.get(TOKEN_VARIABLE)) else {}


def known(probe: HttpProbe, secrets: Mapping[str, str]) -> HttpProbe:
    """The same question by the administrator; a server that does not care who asks answers as well."""
    password = secrets.get(PASSWORD)
    return dataclasses.replace(probe, headers=headers(variables(password))) if password else probe


def write_settings(path: Path, database: str) -> None:
    """Write MLflow's file on authentication, mode 0600, in one step.

    Raises:
        MlpipesError: It cannot be written.
    """
    text = (
        "[mlflow]\n"
        f"database_uri = {database.replace('%', '%%')}\n"
        "default_permission = READ\n"
        f"admin_username = {ADMIN}\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
        f"auth_cache_ttl_seconds = {_REMEMBERED}\n"
    )
    temporary = path.with_name(f"{path.name}.new")
    try:
        temporary.unlink(missing_ok=True)
        temporary.touch(mode=0o600)
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise unwritable(path, error) from None


def sync_password(url: str, password: str) -> bool:
    """Give the administrator's account this password if it has another; True if that was so.

    Where there is no such account yet, MLflow makes it, with the password in its settings.

    Args:
        url: ``postgresql://`` address of MLflow's database, as its owner.
        password: The one of ``.env``.

    Raises:
        MlpipesError: The database does not answer, or refuses.
    """
    import psycopg2
    from werkzeug.security import check_password_hash, generate_password_hash

    from mlpipes_cli.adapters.postgres.database import connect

    try:
        with contextlib.closing(connect(url)) as link, link, link.cursor() as cursor:
            cursor.execute("select to_regclass('users')")
            row = cursor.fetchone()
            if row is None or row[0] is None:
                return False
            cursor.execute("select password_hash from users where username = %s for update", (ADMIN,))
            found = cursor.fetchone()
            if found is None or check_password_hash(found[0], password):
                return False
            made = generate_password_hash(password)
            cursor.execute("update users set password_hash = %s where username = %s", (made, ADMIN))
            return True
    except psycopg2.Error as error:
        raise MlpipesError(
            f"cannot set the password of MLflow's administrator to the one in .env: {str(error).strip()}"
        ) from None
