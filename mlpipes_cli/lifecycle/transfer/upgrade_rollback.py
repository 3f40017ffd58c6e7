"""The rollback of a failed upgrade: first the old data, then the old versions."""

from __future__ import annotations

import time
from pathlib import Path

from mlpipes_cli.adapters import wiring
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.lifecycle.transfer.manifest import Manifest
from mlpipes_cli.lifecycle.transfer.release import Release
from mlpipes_cli.lifecycle.transfer.replace import replace
from mlpipes_cli.lifecycle.transfer.transfer_context import bring_up, journal
from mlpipes_cli.ports import Reporter, Runtime
from mlpipes_cli.project import ProjectFolder

_PATIENCE = 60.0  # seconds in which a storage that was just started has to accept the data
_PAUSE = 1.0


def go_back(
    project: ProjectFolder,
    runtime: Runtime,
    old: Release,
    path: Path,
    manifest: Manifest,
    reporter: Reporter,
    why: str,
) -> None:
    """Start the old versions again, with the old data.

    The data is restored with the storage that runs now. If that fails, it is tried once more
    with the old storage, which starts even if its MLflow does not work with the data.

    Args:
        project: The project that the stack belongs to.
        runtime: The stack.
        old: The old versions.
        path: The backup.
        manifest: The backup's manifest.
        reporter: Receives progress messages.
        why: Why the upgrade failed.

    Raises:
        MlpipesError: A step failed; the message says which, why, and where the backup is.
    """
    missing = _put_back(project, runtime, path, manifest, reporter)
    problem = _start(project, runtime, old, reporter)
    if missing:
        reporter.warn(f"restoring the earlier data failed ({missing.reason}); trying once more")
        missing = _put_back(project, runtime, path, manifest, reporter)
        problem = _start(project, runtime, old, reporter)
    if problem or missing:
        raise _failed(old, path, why, problem, missing)


def _put_back(
    project: ProjectFolder, runtime: Runtime, path: Path, manifest: Manifest, reporter: Reporter
) -> MlpipesError | None:
    """Replace all data by the backup's while only the storage runs; return why that failed.

    An object store that was just started may answer before it can read or write everything. Each
    attempt leaves the data unchanged or replaces all of it, so that it may be repeated.
    """
    databases = wiring.make_databases()
    deadline = time.monotonic() + _PATIENCE
    try:
        with runtime.paused(reporter, again=False):
            while True:
                try:
                    replace(runtime.storage(), databases, path, manifest, journal(project, runtime), reporter)
                    return None
                except MlpipesError as error:
                    if time.monotonic() > deadline:
                        raise
                    reporter.detail(f"the earlier data is not restored yet: {error.reason}")
                    time.sleep(_PAUSE)
    except MlpipesError as error:
        return error


def _start(project: ProjectFolder, runtime: Runtime, old: Release, reporter: Reporter) -> MlpipesError | None:
    """Start the old versions; return why they do not start."""
    try:
        runtime.down(reporter)
        bring_up(project, runtime, reporter, old.versions)
    except MlpipesError as error:
        return error
    return None


def _failed(
    old: Release, path: Path, why: str, problem: MlpipesError | None, missing: MlpipesError | None
) -> MlpipesError:
    before = f"mlpipes {old.mlpipes}" if old.mlpipes else "the earlier release"
    lost = f"restoring the earlier data failed ({missing.reason})" if missing else ""
    if problem is None:
        return MlpipesError(
            f"the upgrade failed: {why}; the earlier release is running again, but {lost}",
            f"install {before} again and run `mlpipes restore {path}`",
        )
    if missing is None:
        return MlpipesError(
            f"neither this release nor the earlier one starts: {problem.reason}",
            f"install {before} again and run `mlpipes up`; all earlier data is in {path}",
        )
    return MlpipesError(
        f"neither this release nor the earlier one starts: {problem.reason}; and {lost}",
        f"install {before} again and run `mlpipes restore {path}`",
    )
