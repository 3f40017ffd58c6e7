"""The passwords of a project: made once, kept in ``.env``, shown only on request."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path

from mlpipes_cli import env_file
from mlpipes_cli.signing import keys

NAMES = (
    "POSTGRES_PASSWORD",  # the databases' superuser, their two owners, and the role of users' queries
    "MLFLOW_DB_PASSWORD",
    "MLPIPES_DB_PASSWORD",
    "MLPIPES_READER_PASSWORD",
    "MINIO_ROOT_PASSWORD",  # the object store's root, and MLflow's own user there
    "MLFLOW_S3_SECRET_KEY",
    "MLFLOW_ADMIN_PASSWORD",  # with --auth
    "MLFLOW_SECRET_KEY",
    "JUPYTER_TOKEN",  # with --with
    "PGADMIN_PASSWORD",
    keys.NAME,  # signs the models
)
_BYTES = 24


def ensure_secrets(project_root: Path, names: Sequence[str] = NAMES) -> dict[str, str]:
    """Make the missing passwords of these names in ``.env`` and return all of them.

    Existing passwords are kept, and other lines too; the file gets mode 0600. Several processes may call it
    at once and all get the same passwords.

    Raises:
        MlpipesError: ``.env`` cannot be read or written.
    """
    path = project_root / ".env"
    with env_file.alone(project_root):
        values = env_file.read(path)
        missing = {name: secrets.token_urlsafe(_BYTES) for name in names if not values.get(name)}
        if missing:
            env_file.extend(path, missing)
    return {name: (values | missing)[name] for name in names}


def read_secrets(project_root: Path) -> dict[str, str]:
    """Return the existing passwords.

    Raises:
        MlpipesError: ``.env`` cannot be read.
    """
    values = env_file.read(project_root / ".env")
    return {name: values[name] for name in NAMES if values.get(name)}


def model_key(project_root: Path) -> keys.Key:
    """Return the key that the project's models are signed with; it is made if there is none.

    Raises:
        MlpipesError: ``.env`` cannot be read or written, or the key in it is malformed.
    """
    return keys.read(ensure_secrets(project_root, (keys.NAME,))[keys.NAME], ".env")


def has_model_key(project_root: Path) -> bool:
    """Return whether the project has a signing key already.

    Raises:
        MlpipesError: ``.env`` cannot be read.
    """
    return bool(env_file.read(project_root / ".env").get(keys.NAME))
