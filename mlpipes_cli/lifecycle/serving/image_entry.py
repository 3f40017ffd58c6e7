"""The entry point of the API's images: ``python -m mlpipes_cli.lifecycle.serving.image_entry``.

All settings come from the environment: ``MLPIPES_DATABASE_URL``; ``PORT`` [8000]; ``WORKERS``;
``MLPIPES_STATE``, a folder that outlives the container (or is missing). An image with a model has settings
in ``/opt/mlpipes/settings.json``; ``MLPIPES_SERVER_SETTINGS`` replaces single ones. Any other image
follows the registry at ``MLFLOW_TRACKING_URI`` as ``MLPIPES_SERVING``, the section of mlpipes.yaml as JSON,
says, and loads models that ``MLPIPES_MODEL_KEY`` signed. With ``MLPIPES_WAIT_FOR_MODEL=1`` it waits for a
promotion. Passwords may be in files: ``MLPIPES_DATABASE_URL_FILE`` names one that holds the URL, and so do
``MLPIPES_MODEL_KEY_FILE`` and ``MLFLOW_TRACKING_PASSWORD_FILE``.

With the argument ``migrate`` it brings the database's tables up to date, prints what ran as JSON, and ends.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli.errors import MlpipesError, UsageError
from mlpipes_cli.lifecycle import secret_files
from mlpipes_cli.local_files import file_locks, temporary_folders

if TYPE_CHECKING:
    from mlpipes_cli.server.settings import ServerSettings

BAKED = Path("/opt/mlpipes/settings.json")
_PASSWORDS = ("MLPIPES_DATABASE_URL", "MLPIPES_MODEL_KEY", "MLFLOW_TRACKING_PASSWORD")
_SCRATCH = "mlpipes-scratch-"
_held: list[int | None] = []


def main(arguments: Sequence[str] = ()) -> int:
    """Serve until stopped, or migrate; print an error as one line, and return the exit code."""
    try:
        if list(arguments) not in ([], ["migrate"]):
            raise UsageError(f"unknown arguments: {' '.join(arguments)}", "give none, or `migrate`")
        secret_files.read(_PASSWORDS)
        return _migrate(os.environ) if arguments else _serve(os.environ)
    except MlpipesError as error:
        for line in error.lines():
            sys.stderr.write(f"error: {line}\n")
        return error.exit_code


def _database(told: Mapping[str, str]) -> str:
    url = told.get("MLPIPES_DATABASE_URL", "")
    if not url.startswith(("postgresql://", "postgres://")):
        raise UsageError(
            f"MLPIPES_DATABASE_URL {'is not a valid PostgreSQL URL' if url else 'is not set'}",
            "docker run -e MLPIPES_DATABASE_URL=postgresql://USER:PASSWORD@HOST:5432/DATABASE ...",
        )
    return url


def _migrate(told: Mapping[str, str]) -> int:
    from mlpipes_cli.adapters import database_wiring

    ran = database_wiring.prepare_database(_database(told))
    sys.stdout.write(json.dumps({"migrations": ran}) + "\n")
    return 0


def _serve(told: Mapping[str, str]) -> int:
    from mlpipes_cli.lifecycle.serving import api

    _database(told)
    state = Path(told.get("MLPIPES_STATE") or "/var/lib/mlpipes")
    scratch = _scratch(state)
    baked = _baked(told)
    port = _number(told, "PORT", 8000, 65535)
    settings, workers = _from_image(baked, state) if baked else _from_registry(told, state, port)
    workers = _number(told, "WORKERS", workers, 64)
    names = (
        f"version {settings.version} of {settings.model}" if baked else f"{settings.model}@{settings.alias}"
    )
    sys.stderr.write(f"serving {names} on port {port}\n")
    return api.listen(settings, "0.0.0.0", port, workers, scratch / "failure")  # noqa: S104  in a container


def _scratch(state: Path) -> Path:
    """Return a folder for temporary files; the root file system and ``/tmp`` may be read-only."""
    for place in (state, Path("/tmp"), Path("/dev/shm")):  # noqa: S108
        try:
            temporary_folders.remove_left(place, _SCRATCH)
            folder = Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=place))
            _held.append(file_locks.take(folder, wait=True))  # until this process ends
        except OSError:
            continue
        os.environ["TMPDIR"] = str(folder)
        tempfile.tempdir = None
        return folder
    raise MlpipesError("there is no writable folder", "add `--tmpfs /tmp`")


def _baked(told: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings of the image, overridden by those of the environment; empty without either."""
    try:
        found = json.loads(BAKED.read_text(encoding="utf-8")) if BAKED.is_file() else {}
        given = json.loads(told.get("MLPIPES_SERVER_SETTINGS") or "{}")
        return {**found, **given}
    except (ValueError, TypeError):
        raise UsageError(
            "MLPIPES_SERVER_SETTINGS is not a valid JSON object", 'for example {"access_log": "all"}'
        ) from None


def _from_image(baked: dict[str, Any], state: Path) -> tuple[ServerSettings, int]:
    from mlpipes_cli.server.settings import ServerSettings

    workers = baked.pop("workers", 1)
    spool = baked.get("spool") or str(state / "spool")
    try:
        return ServerSettings.from_json(json.dumps({**baked, "spool": spool})), int(workers)
    except TypeError as error:
        unknown = str(error).rpartition(" ")[2]
        raise UsageError(f"MLPIPES_SERVER_SETTINGS: there is no setting {unknown}") from None


def _from_registry(told: Mapping[str, str], state: Path, port: int) -> tuple[ServerSettings, int]:
    from pydantic import ValidationError

    from mlpipes_cli.adapters import wiring
    from mlpipes_cli.config.serving import Serving
    from mlpipes_cli.lifecycle.serving.plan import resolve
    from mlpipes_cli.lifecycle.serving.settings import server_settings
    from mlpipes_cli.lifecycle.serving.wait_for_model import until_promoted

    tracking = told.get("MLFLOW_TRACKING_URI")
    if not tracking:
        raise UsageError("MLFLOW_TRACKING_URI is not set", "set it to the URL of the MLflow registry")
    try:
        serving = Serving.model_validate_json(told.get("MLPIPES_SERVING") or "{}")
    except ValidationError as error:
        first = error.errors()[0]
        place = " -> ".join(str(part) for part in first["loc"])
        raise UsageError(f"MLPIPES_SERVING: {place}: {first['msg']}") from None
    source = wiring.make_model_source(tracking, told)

    def look() -> tuple[str, int]:
        return resolve(source, serving.model, serving.alias)

    waits = told.get("MLPIPES_WAIT_FOR_MODEL") == "1"
    name, _ = until_promoted(look, "0.0.0.0", port, _say) if waits else look()  # noqa: S104
    return server_settings(serving, name, serving.alias, state), serving.workers


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _number(told: Mapping[str, str], name: str, preset: int, most: int) -> int:
    said = told.get(name) or str(preset)
    if not said.isdigit() or not 1 <= int(said) <= most:
        raise UsageError(f"{name}: {said!r} is not a number from 1 to {most}")
    return int(said)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
