"""Describe MLflow's tracking and registry server: data in PostgreSQL, artifacts proxied from a folder."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from mlpipes_cli import package_files
from mlpipes_cli.adapters.mlflow import basic_auth
from mlpipes_cli.adapters.processes import log_rotation
from mlpipes_cli.adapters.processes.daemon import Daemon
from mlpipes_cli.services import catalog
from mlpipes_cli.services.mlflow import SEARCH

_SERVICE = catalog.get(catalog.MLFLOW)


def describe(root: Path, log: Path, artifacts: Path, temporary: Path, database: str) -> Daemon:
    """Return the description of a project's MLflow server.

    The database's address is passed in the environment, so that no password appears in a process
    list. Temporary files stay in the project. The working folder is the folder of temporary files,
    since Python looks for modules in the working folder.
    """
    return Daemon(
        name=_SERVICE.name,
        root=root,
        command=(
            sys.executable, str(package_files.compose() / "mlflow" / "one_process.py"), "server",
            "--host", "127.0.0.1", "--port", "{port}", "--workers", "1", "--serve-artifacts",
            "--artifacts-destination", artifacts.as_uri(),
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
            log_rotation.FOLDER: str(log.parent),
        },
        folder=temporary,
        log=log,
        probe=SEARCH,
        timeout=_SERVICE.timeout,
        release=version("mlflow"),
    )  # fmt: skip


def guarded(server: Daemon, login_file: Path, secrets: Mapping[str, str]) -> Daemon:
    """Return the server with MLflow's basic authentication, whose accounts are in MLflow's own database."""
    mine = {
        "MLFLOW_AUTH_CONFIG_PATH": str(login_file),
        "MLFLOW_AUTH_ADMIN_USERNAME": basic_auth.ADMIN,
        "MLFLOW_AUTH_ADMIN_PASSWORD": secrets["MLFLOW_ADMIN_PASSWORD"],
        "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets["MLFLOW_SECRET_KEY"],
    }
    return dataclasses.replace(
        server,
        command=(*server.command, "--app-name", "basic-auth"),
        settings={**server.settings, **mine},
        probe=basic_auth.known(server.probe, secrets),
    )
