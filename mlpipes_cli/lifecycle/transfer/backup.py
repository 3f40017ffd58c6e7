"""``mlpipes backup FILE``."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from mlpipes_cli.adapters import wiring
from mlpipes_cli.lifecycle.transfer.archive_writer import checked_name
from mlpipes_cli.lifecycle.transfer.copy import copy
from mlpipes_cli.lifecycle.transfer.manifest import Manifest, content, words
from mlpipes_cli.lifecycle.transfer.transfer_context import (
    agreed,
    one_at_a_time,
    require_nothing_unfinished,
    running,
)
from mlpipes_cli.ports import Reporter
from mlpipes_cli.project import ProjectFolder


@dataclass(frozen=True)
class BackupResult:
    """The result of a backup or restore.

    Attributes:
        file: The backup file.
        size: Its size in bytes.
        seconds: How long it took.
        created: When the backup was made (ISO 8601, UTC).
        project: The name of the data's project.
        runtime: The runtime that it was made on.
        content: How many runs, models, versions, aliases, predictions, loads, data set versions, data rows,
            checks, alerts, retrainings.
        artifacts: How many files.
        missing: Locations of models whose files were not in the artifact store.
    """

    file: Path
    size: int
    seconds: float
    created: str
    project: str
    runtime: str
    content: dict[str, int]
    artifacts: int
    missing: tuple[str, ...]


def carried(path: Path, manifest: Manifest, began: float) -> BackupResult:
    """Return the result for a backup file; ``began`` is a value of ``time.monotonic()``."""
    return BackupResult(
        file=path,
        size=path.stat().st_size,
        seconds=round(time.monotonic() - began, 3),
        created=manifest.created,
        project=manifest.project,
        runtime=manifest.runtime,
        content=content(manifest.rows),
        artifacts=len(manifest.artifacts()),
        missing=manifest.missing,
    )


def backup(
    project: ProjectFolder, path: Path, reporter: Reporter, *, force: bool = False, yes: bool = False
) -> BackupResult:
    """Copy databases and artifacts into one file, while the stack works.

    Raises:
        UsageError: The path does not fit a backup, or a file exists and there is no terminal to ask on.
        MlpipesError: The user declined, or something cannot be read or written.
    """
    checked_name(path)
    if path.exists():
        agreed(reporter, f"overwrite {path}?", yes=force or yes, flag="--force", why=f"{path} already exists")
    began = time.monotonic()
    runtime = wiring.make_runtime(project)
    with one_at_a_time(project, reporter), running(project, runtime, reporter) as storage:
        require_nothing_unfinished(project, runtime, storage)
        databases = wiring.make_databases()
        manifest = copy(storage, databases, path, reporter, project=project, runtime=runtime.name)
    result = carried(path, manifest, began)
    reporter.info(f"{path}: {words(result.content | {'artifacts': result.artifacts}) or 'an empty stack'}")
    return result
