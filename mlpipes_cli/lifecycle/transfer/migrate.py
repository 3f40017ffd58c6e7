"""``mlpipes migrate --to RUNTIME``: the same project, unchanged, on another runtime."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlpipes_cli import stack_state
from mlpipes_cli.adapters import wiring
from mlpipes_cli.errors import Interrupted, MlpipesError, UsageError
from mlpipes_cli.lifecycle import secrets
from mlpipes_cli.lifecycle.transfer import retained_data, yaml_edit
from mlpipes_cli.lifecycle.transfer.archive_reader import check
from mlpipes_cli.lifecycle.transfer.backup import carried
from mlpipes_cli.lifecycle.transfer.copy import copy
from mlpipes_cli.lifecycle.transfer.manifest import Manifest, content, words
from mlpipes_cli.lifecycle.transfer.recovery import core_only
from mlpipes_cli.lifecycle.transfer.replace import replace
from mlpipes_cli.lifecycle.transfer.restore import ask, want_fitting
from mlpipes_cli.lifecycle.transfer.transfer_context import (
    backup_path,
    bring_up,
    journal,
    one_at_a_time,
    require_nothing_unfinished,
    running,
)
from mlpipes_cli.lifecycle.transfer.verify import verify
from mlpipes_cli.ports import Reporter, Runtime
from mlpipes_cli.project import ProjectFolder
from mlpipes_cli.services import catalog
from mlpipes_cli.stack_state import StackState

RUNTIMES = ("docker", "embedded", "remote")


@dataclass(frozen=True)
class Migrated:
    """The result of a migration.

    Attributes:
        source: The runtime before.
        target: The runtime now.
        backup: The backup file that it used, which is kept.
        seconds: How long it took.
        content: As of a backup: runs, models, versions, loads, data rows and so on.
        artifacts: How many files.
        edited: Whether ``mlpipes.yaml`` was changed.
    """

    source: str
    target: str
    backup: Path
    seconds: float
    content: dict[str, int]
    artifacts: int
    edited: bool


@dataclass(frozen=True)
class _Move:
    """The source and the target of a migration.

    Attributes:
        project: The project as it is now.
        source: The runtime that it runs on now.
        target: The runtime that it will run on.
        goal: The choices to write at the end.
        text: The new text of ``mlpipes.yaml``; None if it needs no change.
    """

    project: ProjectFolder
    source: Runtime
    target: Runtime
    goal: StackState
    text: str | None


def migrate(project: ProjectFolder, to: str, reporter: Reporter, *, yes: bool = False) -> Migrated:
    """Move a project to another runtime. Until the last step it stays on the old one, also on failure.

    The old runtime is stopped and keeps its data until ``migrate --forget``.

    Raises:
        UsageError: There is no such runtime, it is the present one, or there is no terminal to ask on.
        MlpipesError: It failed, and the project still runs on the old runtime.
    """
    if to not in RUNTIMES:
        raise UsageError(f"--to: unknown runtime {to!r}", f"choose one of: {', '.join(RUNTIMES)}")
    began = time.monotonic()
    try:
        with one_at_a_time(project, reporter):
            move = _plan(project, to)
            _check_target(move, reporter, yes=yes)
            path, manifest = _copy_and_stop(move, reporter)
            with _back_on_failure(move, reporter):
                _load(move, path, manifest, reporter, yes=yes)
                _settle(move)
            bring_up(project, move.target, reporter)  # starts the added services too
    except KeyboardInterrupt:
        raise Interrupted(
            "stopped before the migration was finished", "the project still runs on its earlier runtime"
        ) from None
    return _tell(move, path, manifest, began, reporter)


def _plan(project: ProjectFolder, to: str) -> _Move:
    """Return both runtimes and the changes to the files; nothing is done yet.

    Raises:
        UsageError: It runs there already, or ``mlpipes.yaml`` cannot be edited automatically.
    """
    if to != "remote":
        secrets.ensure_secrets(project.root)
    source = wiring.make_runtime(project)
    if source.name == to:
        raise UsageError(f"the project already runs on {to}", "see `mlpipes status`")
    goal = dataclasses.replace(stack_state.read(project), runtime=to)
    if to != "docker":
        goal = dataclasses.replace(goal, services=())
    text = None
    if project.config.runtime not in ("auto", to):
        path = project.root / "mlpipes.yaml"
        text = yaml_edit.edited(yaml_edit.read(path), ["runtime"], to, project.shown(path))
    return _Move(project, source, wiring.make_runtime(_on(project, to), goal), goal, text)


def _on(project: ProjectFolder, runtime: str) -> ProjectFolder:
    """Return the project as its file will describe it."""
    return ProjectFolder(project.root, project.config.model_copy(update={"runtime": runtime}))


def _check_target(move: _Move, reporter: Reporter, *, yes: bool) -> None:
    """Check the target and do slow preparations while the project still runs.

    Raises:
        MlpipesError: The target cannot take it.
    """
    retained_data.want_agreed(move.project, move.target.name, reporter, yes=yes)
    definitions = map(catalog.find, stack_state.read(move.project).services)
    left = [
        definition.name
        for definition in definitions
        if definition and move.target.name not in definition.runtimes
    ]
    if left:
        reporter.warn(f"services that run only in containers are not migrated: {', '.join(left)}")
    move.target.release(reporter)


def _copy_and_stop(move: _Move, reporter: Reporter) -> tuple[Path, Manifest]:
    """Back up the data while nothing changes it; then stop the source.

    Raises:
        MlpipesError: Something cannot be read or written; the source runs again then.
    """
    project, source = move.project, move.source
    databases = wiring.make_databases()
    path = backup_path(project, f"migrate-{source.name}-to-{move.target.name}")
    with running(project, source, reporter) as storage:
        require_nothing_unfinished(project, source, storage)
        with source.paused(reporter):
            storage = source.storage()
            copy(storage, databases, path, reporter, project=project, runtime=source.name)
            manifest = check(path, databases)
            source.down(reporter)
    return path, manifest


@contextlib.contextmanager
def _back_on_failure(move: _Move, reporter: Reporter) -> Iterator[None]:
    """Start the source again if the block fails."""
    try:
        yield
    except BaseException:
        reporter.warn(f"the migration failed; returning to {move.source.name}")
        with contextlib.suppress(MlpipesError):
            move.target.down(reporter)
        bring_up(move.project, move.source, reporter)
        raise


def _load(move: _Move, path: Path, manifest: Manifest, reporter: Reporter, *, yes: bool) -> None:
    """Start the target, restore the backup into it, and compare."""
    project, target, databases = move.project, move.target, wiring.make_databases()
    with core_only(project, target.name):
        bring_up(project, target, reporter)
        want_fitting(target, databases, manifest, path)
        ask(project, target, databases, reporter, yes=yes)
        with target.paused(reporter):
            storage = target.storage()
            replace(storage, databases, path, manifest, journal(project, target), reporter)
            verify(storage, databases, manifest, reporter)


def _settle(move: _Move) -> None:
    """Take the last step: from here on the project runs on the target."""
    if move.text is not None:
        yaml_edit.write(move.project.root / "mlpipes.yaml", move.text)
    stack_state.write(move.project, move.goal)
    moment = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    old = {name: when for name, when in retained_data.read(move.project).items() if name != move.target.name}
    retained_data.write(move.project, old | {move.source.name: moment})


def _tell(move: _Move, path: Path, manifest: Manifest, began: float, reporter: Reporter) -> Migrated:
    result = carried(path, manifest, began)
    what = words(content(manifest.rows) | {"artifacts": result.artifacts}) or "an empty stack"
    reporter.info(f"the project now runs on {move.target.name}: {what}")
    if move.text is not None:
        reporter.info(f"set `runtime: {move.target.name}` in mlpipes.yaml")
    if move.source.name != "remote":
        reporter.info(
            f"{move.source.name} keeps its data; `mlpipes migrate --forget` removes it. "
            f"The copy in {move.project.shown(path)} is kept too"
        )
    return Migrated(
        move.source.name, move.target.name, path, result.seconds, result.content, result.artifacts,
        move.text is not None,
    )  # fmt: skip
