"""What every transfer needs: the stack's storage, a lock, and a journal."""

from __future__ import annotations

import contextlib
import datetime
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from mlpipes_cli.adapters import wiring
from mlpipes_cli.errors import MlpipesError, UsageError
from mlpipes_cli.lifecycle import secrets
from mlpipes_cli.lifecycle.transfer.restore_journal import RestoreJournal
from mlpipes_cli.ports import Reporter, Runtime, Storage
from mlpipes_cli.project import ProjectFolder


@contextlib.contextmanager
def one_at_a_time(project: ProjectFolder, reporter: Reporter) -> Iterator[None]:
    """Hold the lock for backup, restore, migrate and upgrade of a project.

    Raises:
        MlpipesError: The project's folder cannot be locked.
    """

    def waiting(holder: str) -> None:
        reporter.info(
            f"another mlpipes ({holder}) is copying or replacing this project's data; waiting for it "
            "to finish"
        )

    with wiring.lock(project.state / "carrying.lock", waiting):
        yield


def journal(project: ProjectFolder, runtime: Runtime) -> RestoreJournal:
    """Return the journal of a running replacement; each runtime has its own artifacts."""
    return RestoreJournal(project.state / f"replacing-{runtime.name}")


def require_nothing_unfinished(project: ProjectFolder, runtime: Runtime, storage: Storage) -> None:
    """Make sure that no restore is unfinished.

    Raises:
        MlpipesError: One is, and only running it again makes the data complete.
    """
    from mlpipes_cli.lifecycle.transfer.replace import finish

    notes = journal(project, runtime)
    found = notes.state()
    if found is None:
        return
    if found[0] != "loading":
        raise MlpipesError(
            f"a restore of {found[1]} was interrupted, so the data may be partly old and partly new",
            f"run `mlpipes restore {found[1]}` again",
        )
    finish(storage.artifacts, notes)


@contextlib.contextmanager
def running(project: ProjectFolder, runtime: Runtime, reporter: Reporter) -> Iterator[Storage]:
    """Yield the storage of a stack; a stopped stack is started, and stopped again at the end.

    Raises:
        MlpipesError: It does not start.
    """
    started = not any(service.state == "running" for service in runtime.status().services)
    try:
        storage = runtime.storage()
    except MlpipesError:
        reporter.info("the stack is not running; starting it")
        bring_up(project, runtime, reporter)
        storage = runtime.storage()
    else:
        started = False
    try:
        yield storage
    finally:
        if started:
            runtime.down(reporter)
            reporter.info("stopped the stack again")


def bring_up(
    project: ProjectFolder, runtime: Runtime, reporter: Reporter, versions: Mapping[str, str] | None = None
) -> None:
    """Start a stack and report what changed.

    Raises:
        MlpipesError: It does not start.
    """
    if runtime.name != "remote":  # its passwords are made by others
        secrets.ensure_secrets(project.root)
    status = runtime.up(reporter, versions) if versions else runtime.up(reporter)
    for change in status.changes:
        reporter.info(change)


def agreed(reporter: Reporter, question: str, *, yes: bool, flag: str, why: str) -> None:
    """Continue only if the user agrees.

    Raises:
        UsageError: There is no terminal to ask on.
        MlpipesError: The user declined.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{why}, and there is no terminal to ask for confirmation", f"add {flag}")
    if not reporter.confirm(question):
        raise MlpipesError("nothing was changed")


def backup_path(project: ProjectFolder, purpose: str) -> Path:
    """Return a new path for an automatic backup.

    Raises:
        MlpipesError: The folder cannot be made.
    """
    folder = project.backups
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise MlpipesError(
            f"{folder}: cannot be created ({error.strerror})", "check the folder's owner"
        ) from None
    moment = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d-%H%M%S")
    names = (f"{purpose}-{moment}{end}.tar" for end in ("", *(f"-{n}" for n in range(2, 1000))))
    return next(folder / name for name in names if not (folder / name).exists())
