"""The way back of an upgrade that failed: the data of before, then the programs of before."""

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

_PATIENCE = 60.0  # seconds in which a storage that was just started has to take the data
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
    """Have what ran before run again, on the data of before.

    The data is put back with the storage that runs now. Where that does not work, it is tried once more
    with the storage of before, which comes up even where its MLflow does not bear the data.

    Args:
        project: Whose stack it is.
        runtime: The stack.
        old: What it was on.
        path: The backup.
        manifest: What is in it.
        reporter: Where news goes.
        why: Why the upgrade failed.

    Raises:
        MlpipesError: Either did not work; the message says which, why, and where the backup is.
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
    """Replace all data by the backup's while only the storage runs; why that did not work.

    An object store that was started just now may answer before it can give or take everything. Each
    attempt leaves the data as it was or replaces all of it, so that there may be several.
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
    """Start what ran before; why it does not come up."""
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
