"""All stacks of this machine, including those of projects whose folder is gone."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlpipes_cli.adapters import machine_wiring
from mlpipes_cli.errors import MlpipesError, UsageError
from mlpipes_cli.lifecycle import stack as stacks
from mlpipes_cli.ports import Check, Reporter
from mlpipes_cli.ports.all_stacks import AllStacks, FoundStack
from mlpipes_cli.project import PROJECT_FILE, find_project
from mlpipes_cli.suggest import did_you_mean


@dataclass(frozen=True)
class Removed:
    """The result of ``remove``: the stack's id, and the names of what was removed."""

    id: str
    removed: tuple[str, ...]


def listing(reporter: Reporter) -> list[FoundStack]:
    """Return all stacks that are found; if no engine answers, only those that run as processes."""
    return [stack for _, stack in _found(reporter)]


def stop(name: str, reporter: Reporter) -> FoundStack:
    """Stop a stack; its data stays.

    Args:
        name: The stack's id, or its project's folder.
        reporter: Receives progress messages.

    Raises:
        UsageError: There is no such stack.
        MlpipesError: Something cannot be ended.
    """
    machine, chosen = _chosen(name, reporter)
    if _is_project(chosen.root):
        stacks.down(find_project(chosen.root), reporter)
    else:
        machine.stop(chosen)
    return chosen


def remove(name: str, reporter: Reporter, *, yes: bool = False) -> Removed:
    """Stop a stack and remove its data, after confirmation.

    Raises:
        UsageError: There is no such stack, or no terminal to ask on and no ``yes``.
        MlpipesError: The user declined, or something cannot be removed.
    """
    machine, chosen = _chosen(name, reporter)
    if _is_project(chosen.root):
        stacks.down(find_project(chosen.root), reporter, volumes=True, yes=yes)
        return Removed(chosen.id, (f"the data of {chosen.root}",))
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError(
                f"--remove {name} removes its data, and there is no terminal to ask for confirmation",
                "add --yes",
            )
        if not reporter.confirm(
            f"remove all data of {chosen.id}, whose folder {chosen.root} no longer exists?"
        ):
            raise MlpipesError("nothing was removed")
    return Removed(chosen.id, tuple(machine.remove(chosen)))


def doctor_check() -> Check:
    """Look for stacks whose project's folder no longer exists, on every runtime of this machine."""
    gone: list[str] = []
    for make in (machine_wiring.docker_stacks, machine_wiring.process_stacks):
        with contextlib.suppress(MlpipesError):  # no engine answers: it has no stack that could be stopped
            machine = make()
            gone += [stack.id for stack in machine.stacks() if machine.local and stack.orphaned]
    if not gone:
        return Check("leftovers", "ok", "none")
    return Check(
        "leftovers",
        "warning",
        f"stacks of projects whose folder no longer exists: {', '.join(gone)}",
        "see `mlpipes projects`; `mlpipes projects --remove STACK` removes one with its data",
    )


def _is_project(root: Path) -> bool:
    return (root / PROJECT_FILE).is_file()


def _chosen(name: str, reporter: Reporter) -> tuple[AllStacks, FoundStack]:
    found = _found(reporter)
    root = Path(name).expanduser().resolve()
    fitting = [(machine, stack) for machine, stack in found if stack.id == name or stack.root == root]
    if fitting:
        return fitting[0]
    known = [stack.id for _, stack in found]
    raise UsageError(
        f"there is no stack {name!r} on this machine{did_you_mean(name, known)}", "see `mlpipes projects`"
    )


def _found(reporter: Reporter) -> Sequence[tuple[AllStacks, FoundStack]]:
    found: list[tuple[AllStacks, FoundStack]] = []
    for make in (machine_wiring.docker_stacks, machine_wiring.process_stacks):
        try:
            machine = make()
            found += [(machine, stack) for stack in machine.stacks()]
        except MlpipesError as error:
            reporter.info(f"Docker's stacks are not listed: {error.reason}")
    return found
