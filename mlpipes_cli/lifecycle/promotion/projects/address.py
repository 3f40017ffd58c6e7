"""Finds the project that a version is promoted to, and keeps the two projects' secrets apart."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mlpipes_cli.errors import MlpipesError, UsageError
from mlpipes_cli.local_files import env_file
from mlpipes_cli.project import PROJECT_FILE, ProjectFolder, find_project
from mlpipes_cli.signing import keys

_OPTION = "--to-project"
_LOGIN = "MLFLOW_TRACKING_"
_GIVE = (
    "give the folder of the other project's mlpipes.yaml; with `runtime: remote` its stack may be anywhere"
)


def find(text: str, base: Path, source: ProjectFolder) -> ProjectFolder:
    """Return the project that a value of ``--to-project`` names.

    Args:
        text: A ``file://`` URL or a path of its folder.
        base: What a relative path starts from.
        source: The project that promotes.

    Raises:
        UsageError: It names no project, or the one that promotes.
        ConfigError: That project's file has mistakes.
    """
    folder = (base / _path(text)).resolve()
    if not (folder / PROJECT_FILE).is_file():
        raise UsageError(f"{_OPTION}: there is no {PROJECT_FILE} in {folder}", _GIVE)
    if folder == source.root:
        raise UsageError(
            f"{_OPTION}: {folder} is this project itself", "promote without --to-project, to another alias"
        )
    return find_project(folder)


def _path(text: str) -> Path:
    parts = urlsplit(text)
    if parts.scheme == "file":
        if parts.netloc not in {"", "localhost"}:
            raise UsageError(f"{_OPTION}: a file:// URL cannot name another machine", _GIVE)
        return Path(unquote(parts.path))
    if "://" in text:  # not quoted: it may hold a password
        raise UsageError(
            f"{_OPTION}: a {parts.scheme}:// address names a server, but no project with its gates and key",
            _GIVE,
        )
    return Path(text).expanduser()


@contextlib.contextmanager
def own_secrets(project: ProjectFolder) -> Iterator[None]:
    """Let only this project's secrets count while its addresses and its key are read.

    For the project that is called, the environment comes before ``.env``. It is that project's environment,
    so for the other one ``.env`` comes first, and MLflow's login and the signing key are never taken from the
    environment.

    Raises:
        MlpipesError: ``.env`` cannot be read, or has no signing key.
    """
    own = env_file.read(project.env_file)
    if not own.get(keys.NAME):  # a new one would sign what no API of that project loads
        raise MlpipesError(
            f"project {project.config.project!r} has no {keys.NAME} in {project.shown(project.env_file)}",
            "run `mlpipes up` there, or copy the line from the .env of the machine that serves its models",
        )
    hidden = {name for name in os.environ if name.startswith(_LOGIN)} - set(own)
    before = {name: os.environ.get(name) for name in {*own, *hidden}}
    try:
        for name in hidden:
            del os.environ[name]
        os.environ.update(own)
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
