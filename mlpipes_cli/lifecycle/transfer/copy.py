"""Copies all data of a stack into a backup file, while the stack works."""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.lifecycle.secrets import model_key
from mlpipes_cli.lifecycle.transfer.archive_writer import ArchiveWriter, writing
from mlpipes_cli.lifecycle.transfer.manifest import DATABASES, Manifest
from mlpipes_cli.ports import Artifact, Reporter, Storage, Task
from mlpipes_cli.ports.dumps import DatabaseFacts, Databases
from mlpipes_cli.project import ProjectFolder

_PROXIED = "mlflow-artifacts:/"


def copy(
    storage: Storage,
    databases: Databases,
    path: Path,
    reporter: Reporter,
    *,
    project: ProjectFolder,
    runtime: str,
) -> Manifest:
    """Write a backup file of all data.

    The databases are copied before the artifacts are listed: a file is written before the row that
    names it, so that every file that a copied row names exists when the files are copied.

    Raises:
        MlpipesError: Something cannot be read or written; then there is no new file.
    """
    facts: dict[str, DatabaseFacts] = {}
    with reporter.task(f"backup of {project.config.project}") as task, _folder(path) as folder:
        for name in DATABASES:
            task.note(f"database {name}")
            with databases.snapshot(storage.databases[name]) as snapshot:
                facts[name] = snapshot.facts
                snapshot.dump(folder / f"{name}.sql")
        task.note("listing artifacts")
        artifacts = sorted(storage.artifacts.entries(), key=lambda artifact: artifact.key)
        scripts = {name: folder / f"{name}.sql" for name in DATABASES}
        _want_space(path, scripts, artifacts)
        missing = _missing(facts["mlflow"].locations, artifacts)
        with writing(path) as file:
            _add_scripts(file, scripts)
            _add_artifacts(file, storage, artifacts, task)
            manifest = _manifest(project, runtime, facts, missing, file)
            file.finish(manifest)
    _tell_missing(missing, reporter)
    return manifest


@contextlib.contextmanager
def _folder(path: Path) -> Iterator[Path]:
    """Yield a folder for the databases' scripts, on the disk of the backup file."""
    try:
        with tempfile.TemporaryDirectory(prefix=".mlpipes-dump-", dir=path.parent) as folder:
            yield Path(folder)
    except OSError as error:
        raise MlpipesError(
            f"{path.parent}: cannot be written ({error.strerror or error})",
            "check its owner and the free disk space",
        ) from None


def _want_space(path: Path, scripts: Mapping[str, Path], artifacts: Collection[Artifact]) -> None:
    """Fail now, not at the end, if an uncompressed file cannot fit."""
    if not path.name.endswith(".tar"):
        return
    wanted = sum(script.stat().st_size for script in scripts.values()) + sum(
        artifact.size for artifact in artifacts
    )
    free = shutil.disk_usage(path.parent).free
    if wanted > free:
        raise MlpipesError(
            f"{path.parent} has {free >> 20} MB free, and the backup needs {wanted >> 20} MB",
            "free disk space, choose another disk, or name the file .tar.gz",
        )


def _add_scripts(file: ArchiveWriter, scripts: Mapping[str, Path]) -> None:
    for name, script in scripts.items():
        with script.open("rb") as content:
            file.add(f"databases/{name}.sql", content, script.stat().st_size)
        script.unlink()


def _add_artifacts(
    file: ArchiveWriter, storage: Storage, artifacts: Collection[Artifact], task: Task
) -> None:
    for number, artifact in enumerate(artifacts, 1):
        task.note(f"artifact {number} of {len(artifacts)}")
        with storage.artifacts.read(artifact.key) as content:
            file.add(f"artifacts/{artifact.key}", content, artifact.size)


def _missing(locations: Collection[str], artifacts: Collection[Artifact]) -> tuple[str, ...]:
    """Return the locations of models that are not ours or hold no file."""
    folders: set[str] = set()
    for artifact in artifacts:
        parts = artifact.key.split("/")
        folders.update("/".join(parts[:depth]) for depth in range(1, len(parts)))
    return tuple(
        location
        for location in locations
        if not location.startswith(_PROXIED) or location.removeprefix(_PROXIED).strip("/") not in folders
    )


def _tell_missing(missing: Collection[str], reporter: Reporter) -> None:
    if missing:
        first = ", ".join(list(missing)[:3])
        reporter.warn(
            f"{len(missing)} models refer to files missing from the artifact store, so they are not in the "
            f"backup: {first}"
        )


def _manifest(
    project: ProjectFolder,
    runtime: str,
    facts: Mapping[str, DatabaseFacts],
    missing: tuple[str, ...],
    file: ArchiveWriter,
) -> Manifest:
    return Manifest(
        project=project.config.project,
        runtime=runtime,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        mlpipes=importlib.metadata.version("mlpipes"),
        mlflow=importlib.metadata.version("mlflow"),
        revision=facts["mlflow"].revision,
        servers={name: facts[name].server for name in DATABASES},
        rows={name: dict(facts[name].rows) for name in DATABASES},
        missing=missing,
        members=tuple(file.members),
        model_key=model_key(project.root).id,
    )
