"""MLflow's tracking server and registry on our PostgreSQL, artifacts proxied from a folder."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

from mlpipes_cli.adapters.processes.daemon import Daemon, Probe

NAME = "mlflow"
TIMEOUT = 180.0
PROBE = Probe("POST", "/api/2.0/mlflow/experiments/search", '{"max_results": 1}')


def describe(
    root: Path, log: Path, artifacts: Path, temporary: Path, database_port: int, password: str
) -> Daemon:
    """The server of a project.

    The database's address goes through the environment, so that no password shows in a process
    list. Temporary files stay in the project. The working folder is an empty one, since Python
    looks for modules in it.
    """
    from urllib.parse import quote

    database = f"postgresql+psycopg2://mlflow:{quote(password, safe='')}@127.0.0.1:{database_port}/mlflow"
    return Daemon(
        name=NAME,
        root=root,
        command=(
            sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", "{port}",
            "--workers", "1", "--serve-artifacts", "--artifacts-destination", artifacts.as_uri(),
        ),
        settings={
            "MLFLOW_BACKEND_STORE_URI": database,
            "MLFLOW_REGISTRY_STORE_URI": database,
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "true",
            "PYTHONSAFEPATH": "1",
            "PYTHONUNBUFFERED": "1",
            "TMPDIR": str(temporary),
        },
        folder=temporary,
        log=log,
        probe=PROBE,
        timeout=TIMEOUT,
        release=version("mlflow"),
    )  # fmt: skip
