"""The passwords of a project: made once, kept in ``.env``, shown only on request."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from mlpipes_cli.local_files import env_file
from mlpipes_cli.services import catalog
from mlpipes_cli.services.definition import token
from mlpipes_cli.signing import keys


def names() -> tuple[str, ...]:
    """Return the names of all secrets: those of the services, and the key that signs the models."""
    return (*catalog.secrets(catalog.everything()), keys.NAME)


def ensure_secrets(project_root: Path, wanted: Sequence[str] = ()) -> dict[str, str]:
    """Make the missing passwords of these names (of all, by default) in ``.env`` and return all of them.

    Existing passwords are kept, and other lines too; the file gets mode 0600. Several processes may call it
    at once and all get the same passwords.

    Raises:
        MlpipesError: ``.env`` cannot be read or written.
    """
    path, wanted = project_root / ".env", wanted or names()
    with env_file.alone(project_root):
        values = env_file.read(path)
        missing = {name: _new(name) for name in wanted if not values.get(name)}
        if missing:
            env_file.extend(path, missing)
    return {name: (values | missing)[name] for name in wanted}


def _new(name: str) -> str:
    found = catalog.secrets(catalog.everything()).get(name)
    return found.make() if found else token()


def read_secrets(project_root: Path) -> dict[str, str]:
    """Return the existing passwords.

    Raises:
        MlpipesError: ``.env`` cannot be read.
    """
    values = env_file.read(project_root / ".env")
    return {name: values[name] for name in names() if values.get(name)}


def model_key(project_root: Path) -> keys.Key:
    """Return the key that the project's models are signed with; it is made if there is none.

    The environment's ``MLPIPES_MODEL_KEY`` comes before that of ``.env``: a container has no such file.

    Raises:
        MlpipesError: ``.env`` cannot be read or written, or the key in it is malformed.
    """
    if given := os.environ.get(keys.NAME):
        return keys.read(given, "the environment")
    return keys.read(ensure_secrets(project_root, (keys.NAME,))[keys.NAME], ".env")


def has_model_key(project_root: Path) -> bool:
    """Return whether the project has a signing key already, in the environment or in ``.env``.

    Raises:
        MlpipesError: ``.env`` cannot be read.
    """
    return bool(os.environ.get(keys.NAME) or env_file.read(project_root / ".env").get(keys.NAME))
