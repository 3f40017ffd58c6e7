"""Access the embedded stack's databases and artifacts, stop their writers, and remove them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from urllib.parse import quote

from mlpipes_cli.adapters.artifacts.folder import FolderArtifactStore
from mlpipes_cli.adapters.embedded.layout import StackLayout
from mlpipes_cli.adapters.postgres.roles import OWNERS
from mlpipes_cli.adapters.processes import foreground, ports, service_status
from mlpipes_cli.adapters.processes.json_files import unwritable
from mlpipes_cli.adapters.processes.local_services import API, LocalServices
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports import Reporter, Storage
from mlpipes_cli.services.catalog import DATABASE, MLFLOW


def storage(parts: StackLayout) -> Storage:
    """Return the addresses of the databases, and the artifact store.

    Raises:
        MlpipesError: The database server does not run, or lacks a schema.
    """
    found = parts.database().find()
    lacking = None if found is None else parts.database().lacking(found.port)
    if found is None or lacking is None:
        raise MlpipesError(f"{DATABASE} is not running", "start it with `mlpipes up`")
    if lacking:
        raise MlpipesError(f"{DATABASE}: {service_status.removed(lacking)}", service_status.RESTORE)
    secrets = parts.secrets()
    urls = {
        name: f"postgresql://{name}:{quote(secrets[secret], safe='')}@{ports.HOST}:{found.port}/{name}"
        for name, secret in OWNERS.items()
    }
    return Storage(urls, FolderArtifactStore(parts.artifacts))


def stop_writers(parts: StackLayout, local: LocalServices, reporter: Reporter) -> None:
    """Stop all services except the database server; the caller holds the lock.

    Raises:
        MlpipesError: A process cannot be stopped.
    """
    if foreground.read_status(parts.project):
        reporter.warn(f"the {API} in the foreground was stopped; restart it with `mlpipes serve`")
    local.end(reporter)
    running = parts.files.running()
    parts.end(MLFLOW, running.pop(MLFLOW, None))
    parts.files.write_running(parts.project.root, running)


def forget(parts: StackLayout) -> Sequence[str]:
    """Remove the database folder, the artifacts and MLflow's temporary files; the caller holds the lock.

    Raises:
        MlpipesError: A process cannot be stopped, or a folder cannot be removed.
    """
    running = parts.files.running()
    for name in (MLFLOW, DATABASE):
        parts.end(name, running.pop(name, None))
    parts.files.write_running(parts.project.root, running)
    known = (parts.project.state / DATABASE, parts.artifacts, parts.temporary)
    folders = [folder for folder in known if folder.exists()]
    for folder in folders:
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise unwritable(folder, error) from None
    return [parts.project.shown(folder) for folder in folders]
