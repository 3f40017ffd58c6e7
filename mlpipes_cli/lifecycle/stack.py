"""The stack's verbs: up, down, status, logs, doctor, env."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from mlpipes_cli.adapters.wiring import make_runtime
from mlpipes_cli.errors import Interrupted, MlpipesError, UsageError
from mlpipes_cli.lifecycle.secrets import ensure_secrets, read_secrets

if TYPE_CHECKING:
    from mlpipes_cli.ports import Check, Reporter, StackStatus
    from mlpipes_cli.project import Project

# Services beyond PostgreSQL and MLflow that ``--with`` can add; none in this release.
EXTRAS: tuple[str, ...] = ()


def up(
    project: Project, reporter: Reporter, *, runtime: str | None = None, extra: Sequence[str] = ()
) -> StackStatus:
    """Start or repair the stack and wait until every service answers.

    Raises:
        UsageError: There is no such runtime or further service.
        MlpipesError: A service does not come up.
    """
    chosen = make_runtime(project, runtime)
    unknown = [name for name in extra if name not in EXTRAS]
    if unknown:
        raise UsageError(
            f"--with: the {chosen.name} runtime has no service {unknown[0]!r}",
            "leave --with out; see `mlpipes serve` for the API",
        )
    ensure_secrets(project.root)
    try:
        result = chosen.up(reporter)
    except KeyboardInterrupt:
        raise Interrupted("stopped before the stack was up", "`mlpipes up` goes on from here") from None
    if result.changes:
        for change in result.changes:
            reporter.info(change)
    else:
        reporter.info("everything runs already; nothing was changed")
    return result


def down(project: Project, reporter: Reporter, *, volumes: bool = False, yes: bool = False) -> Sequence[str]:
    """Stop the stack; with ``volumes`` remove its data after a question.

    Returns:
        The names of the services that were stopped.

    Raises:
        UsageError: There is nobody to ask and no ``yes``.
        MlpipesError: The answer was no, a process cannot be ended, or a file cannot be removed.
    """
    chosen = make_runtime(project)
    if volumes and not yes:
        if not sys.stdin.isatty():
            raise UsageError(
                "--volumes removes runs, models and predictions, and nobody can be asked", "add --yes"
            )
        if not reporter.confirm(f"remove all runs, models, artifacts and predictions in {project.state}?"):
            raise MlpipesError("nothing was stopped or removed")
    stopped = chosen.down(reporter, volumes=volumes)
    reporter.info(f"stopped: {', '.join(stopped)}" if stopped else "nothing was running")
    if volumes:
        reporter.info(f"removed: {project.shown(project.state)}")
    return stopped


def status(project: Project) -> StackStatus:
    """What there is right now."""
    return make_runtime(project).status()


def logs(project: Project, service: str, *, follow: bool = False, tail: int | None = None) -> Iterator[str]:
    """The lines of a service's log.

    Raises:
        UsageError: There is no such service.
    """
    return make_runtime(project).logs(service, follow=follow, tail=tail)


def doctor(project: Project) -> Sequence[Check]:
    """Look at everything that could be wrong."""
    return make_runtime(project).doctor()


def environment(project: Project) -> Mapping[str, str]:
    """What a client of the running stack needs in its environment.

    Raises:
        MlpipesError: The stack is not running.
    """
    return make_runtime(project).endpoints().environment()


def secrets(project: Project) -> Mapping[str, str]:
    """The passwords, and the addresses that hold them where the stack runs; for ``--show-secrets`` only."""
    try:
        return {**read_secrets(project.root), **environment(project)}
    except MlpipesError:
        return read_secrets(project.root)
