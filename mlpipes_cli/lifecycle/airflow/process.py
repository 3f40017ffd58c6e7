"""Airflow's process: ``python -m mlpipes_cli.lifecycle.airflow.process PROJECT PORT PARALLEL``.

It makes what Airflow needs, and becomes ``compose/airflow/start.py`` in Airflow's environment.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from mlpipes_cli import package_files
from mlpipes_cli.adapters import wiring
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.lifecycle.airflow import environment
from mlpipes_cli.lifecycle.airflow.service import DAGS, NAME, PASSWORD
from mlpipes_cli.lifecycle.secrets import ensure_secrets
from mlpipes_cli.project import find_project
from mlpipes_cli.services import catalog


def main(arguments: list[str]) -> int:
    """Become Airflow; print an error as one line, and return the exit code."""
    root, port, parallel = arguments
    try:
        project = find_project(Path(root))
        secrets = ensure_secrets(project.root, catalog.get(NAME).secret_names())
        address = wiring.make_runtime(project).own_database(NAME, secrets[PASSWORD])
        with wiring.make_environments() as environments:
            python = str(environment.ensure(environments, _say).python)
    except MlpipesError as error:
        for line in error.lines():
            sys.stderr.write(f"error: {line}\n")
        return error.exit_code
    command = [
        python, str(package_files.compose() / "airflow" / "start.py"), "--port", port, "--parallel", parallel,
        "--home", str(project.state / NAME), "--dags", str(project.root / DAGS),
    ]  # fmt: skip
    sys.stderr.flush()
    environ = {**os.environ, **secrets, "AIRFLOW_DATABASE_URL": address}
    return os.execve(python, command, environ)  # noqa: S606


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
