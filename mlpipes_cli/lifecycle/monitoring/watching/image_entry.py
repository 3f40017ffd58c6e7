"""The watcher's container: ``python -m mlpipes_cli.lifecycle.monitoring.watching.image_entry``.

It has no project folder. All comes from the environment: ``MLPIPES_DATABASE_URL``, ``MLFLOW_TRACKING_URI``,
``MLPIPES_MODEL_KEY``, by which models are signed, and ``MLPIPES_WATCH``, JSON with ``settings``, the sections
of mlpipes.yaml that the watcher reads, and ``environment``, the secrets of its alerts by name. Each may be in
a file that ``NAME_FILE`` names. ``PORT`` [8010] answers ``/health``.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlpipes_cli.errors import MlpipesError, UsageError
from mlpipes_cli.lifecycle import secret_files
from mlpipes_cli.local_files import env_file
from mlpipes_cli.project import ProjectFolder
from mlpipes_cli.signing import keys

_PASSWORDS = ("MLPIPES_DATABASE_URL", keys.NAME, "MLFLOW_TRACKING_PASSWORD", "MLPIPES_WATCH")
_STACK = {"mlflow": {"url": "$MLFLOW_TRACKING_URI"}, "postgres": {"url": "$MLPIPES_DATABASE_URL"}}


def main() -> int:
    """Watch until stopped; print an error as one line, and return the exit code."""
    from mlpipes_cli.lifecycle.monitoring import watch

    try:
        secret_files.read(_PASSWORDS)
        with tempfile.TemporaryDirectory(prefix="mlpipes-watch-") as folder:
            project = _project(Path(folder), os.environ)
            watch.forever(project, _Lines(), host="0.0.0.0", port=_port(os.environ))  # noqa: S104  in a container
        return 0
    except MlpipesError as error:
        for line in error.lines():
            sys.stderr.write(f"error: {line}\n")
        return error.exit_code


def _project(folder: Path, given: Mapping[str, str]) -> ProjectFolder:
    """Return the project in a folder of its own; its stack is what the environment names.

    Raises:
        UsageError: A variable is missing or malformed.
    """
    from pydantic import ValidationError

    from mlpipes_cli.config.project import ProjectConfig

    for name in ("MLPIPES_DATABASE_URL", "MLFLOW_TRACKING_URI", keys.NAME):
        if not given.get(name):
            raise UsageError(f"{name} is not set", "`mlpipes up --with watch` starts the container with it")
    try:
        options: Any = json.loads(given.get("MLPIPES_WATCH") or "{}")
        settings, environment = dict(options.get("settings", {})), dict(options.get("environment", {}))
        config = ProjectConfig.model_validate(
            {"project": "mlpipes", **settings, "runtime": "remote", "stack": _STACK}
        )
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = " -> ".join(str(part) for part in first["loc"])
        raise UsageError(f"MLPIPES_WATCH: {where}: {first['msg']}") from None
    except (ValueError, TypeError, AttributeError):
        raise UsageError("MLPIPES_WATCH is not a JSON object with settings and environment") from None
    os.environ.update({str(name): str(value) for name, value in environment.items()})
    env_file.extend(folder / ".env", {keys.NAME: given[keys.NAME]})
    return ProjectFolder(folder, config)


def _port(given: Mapping[str, str]) -> int:
    text = given.get("PORT") or "8010"
    if not text.isdigit() or not 1 <= int(text) <= 65535:
        raise UsageError(f"PORT: {text!r} is not a number from 1 to 65535")
    return int(text)


class _Lines:
    """Implements :class:`mlpipes_cli.ports.Reporter`: a line for each message, no progress."""

    def info(self, text: str) -> None:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()

    def warn(self, text: str) -> None:
        self.info(f"warning: {text}")

    def detail(self, text: str) -> None:
        """Show nothing."""

    @contextlib.contextmanager
    def task(self, title: str, total: float | None = None, *, every: float | None = None) -> Iterator[_Task]:
        yield _Task()

    def confirm(self, question: str) -> bool:
        """Return False: there is nobody to ask."""
        return False


class _Task:
    def note(self, text: str) -> None:
        """Show nothing."""

    def advance(self, steps: float = 1.0) -> None:
        """Show nothing."""


if __name__ == "__main__":
    sys.exit(main())
