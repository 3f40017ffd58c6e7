"""Data that a project left on another runtime, which is kept until the user removes it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlpipes_cli.adapters import wiring
from mlpipes_cli.lifecycle.transfer.transfer_context import agreed, one_at_a_time
from mlpipes_cli.lifecycle.transfer.yaml_edit import write as write_text
from mlpipes_cli.ports import Reporter
from mlpipes_cli.project import ProjectFolder
from mlpipes_cli.stack_state import StackState


def _file(project: ProjectFolder) -> Path:
    return project.state / "left.json"


def read(project: ProjectFolder) -> dict[str, str]:
    """Return the runtimes that still hold old data, each with the time at which it was left."""
    try:
        row = json.loads(_file(project).read_text(encoding="utf-8"))
        return {str(name): str(moment) for name, moment in row.items()}
    except (OSError, ValueError, AttributeError):
        return {}


def write(project: ProjectFolder, left: Mapping[str, str]) -> None:
    """Record the runtimes with old data.

    Raises:
        MlpipesError: It cannot be written.
    """
    path = _file(project)
    if not path.exists():
        path.touch(mode=0o600)
    write_text(path, json.dumps(dict(left), indent=2) + "\n")


def forget(project: ProjectFolder, reporter: Reporter, *, yes: bool = False) -> Sequence[str]:
    """Remove the old data.

    Returns:
        The names of what was removed.

    Raises:
        UsageError: There is no terminal to ask on.
        MlpipesError: The user declined, or something cannot be removed.
    """
    with one_at_a_time(project, reporter):
        present = wiring.make_runtime(project).name
        old = {name: moment for name, moment in read(project).items() if name != present}
        if not old:
            reporter.info("no earlier runtime of this project has data")
            return []
        words = ", ".join(f"{name} (left {moment})" for name, moment in old.items())
        agreed(
            reporter, f"remove the old data of {words}? The project runs on {present}", yes=yes, flag="--yes",
            why=f"this removes the old data of {words}",
        )  # fmt: skip
        removed: list[str] = []
        for name in old:
            removed += wiring.make_runtime(project, StackState(runtime=name)).forget(reporter)
        write(project, {})
    reporter.info(f"removed: {', '.join(removed)}" if removed else "its data was already gone")
    return removed


def want_agreed(project: ProjectFolder, target: str, reporter: Reporter, *, yes: bool) -> None:
    """Ask before old data in the target is overwritten.

    Raises:
        UsageError: There is no terminal to ask on.
        MlpipesError: The user declined.
    """
    moment = read(project).get(target)
    if moment:
        agreed(
            reporter, f"{target} still has this project's data of {moment}; overwrite it?", yes=yes,
            flag="--yes, or remove it with `mlpipes migrate --forget`",
            why=f"{target} still has this project's data of {moment}",
        )  # fmt: skip
