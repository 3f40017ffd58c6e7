"""MLflow's basic authentication: the one account that mlpipes uses, and how it follows ``.env``.

The accounts are in MLflow's own database. MLflow takes the administrator's password from its
settings only when it makes the account; from then on the database applies, so the password is changed there.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
from collections.abc import Mapping
from pathlib import Path

from mlpipes_cli.adapters.processes.json_files import unwritable
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.local_files import atomic_files
from mlpipes_cli.services.probes import HttpProbe

ADMIN = "admin"
PASSWORD = "MLFLOW_ADMIN_PASSWORD"  # noqa: S105
USERNAME_VARIABLE, PASSWORD_VARIABLE = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"
TOKEN_VARIABLE = "MLFLOW_TRACKING_TOKEN"  # noqa: S105
_REMEMBERED = 60  # seconds; without it MLflow computes a password's hash, slow by design, for each request


def variables(password: str) -> dict[str, str]:
    """Return the variables that MLflow's clients read from their environment."""
    return {USERNAME_VARIABLE: ADMIN, PASSWORD_VARIABLE: password}


def headers(told: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that a client with these variables sends; empty without them."""
    name, password = told.get(USERNAME_VARIABLE), told.get(PASSWORD_VARIABLE)
    if name and password:
        coded = base64.b64encode(f"{name}:{password}".encode()).decode()
        return {"Authorization": f"Basic {coded}"}
    return {"Authorization": f"Bearer {token}"} if (token := told.get(TOKEN_VARIABLE)) else {}


def known(probe: HttpProbe, secrets: Mapping[str, str]) -> HttpProbe:
    """Return the probe with the administrator's login; a server without authentication answers it as well."""
    password = secrets.get(PASSWORD)
    return dataclasses.replace(probe, headers=headers(variables(password))) if password else probe


def write_settings(path: Path, database: str) -> None:
    """Write MLflow's authentication settings, mode 0600, atomically.

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
    try:
        atomic_files.write_text(path, text, atomic_files.PRIVATE)
    except OSError as error:
        raise unwritable(path, error) from None


def sync_password(url: str, password: str) -> bool:
    """Set the administrator's password to this one if it differs; return True if it did.

    If there is no such account yet, MLflow makes it, with the password in its settings.

    Args:
        url: ``postgresql://`` address of MLflow's database, as its owner.
        password: The password in ``.env``.

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
