"""What the embedded stack keeps, and how to stop all that writes to it."""

from __future__ import annotations

from urllib.parse import quote

from mlpipes_cli.adapters.artifacts.folder import FolderArtifactStore
from mlpipes_cli.adapters.database_owners import SECRETS
from mlpipes_cli.adapters.embedded import foreground
from mlpipes_cli.adapters.embedded.parts import API, DATABASE, MLFLOW, Parts
from mlpipes_cli.adapters.processes import ports
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports import Reporter, Storage


def storage(parts: Parts) -> Storage:
    """The databases and artifacts.

    Raises:
        MlpipesError: The database server does not run.
    """
    found = parts.database().find()
    if found is None or not parts.database().answers(found.port):
        raise MlpipesError(f"{DATABASE} is not running", "start it with `mlpipes up`")
    secrets = parts.secrets()
    urls = {
        name: f"postgresql://{name}:{quote(secrets[secret], safe='')}@{ports.HOST}:{found.port}/{name}"
        for name, secret in SECRETS.items()
    }
    return Storage(urls, FolderArtifactStore(parts.artifacts))


def stop_writers(parts: Parts, reporter: Reporter) -> None:
    """End everything but the database server.

    Raises:
        MlpipesError: A process cannot be ended.
    """
    if foreground.end(parts):
        reporter.warn(f"the {API} in the foreground was ended; start it again with `mlpipes serve`")
    running = parts.files.running()
    for name in (*parts.added_names(), MLFLOW):
        parts.end(name, running.pop(name, None))
    parts.files.write_running(parts.project.root, running)
