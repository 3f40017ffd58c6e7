"""Recovers from a migration or a restore that was killed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from mlpipes_cli.adapters import wiring
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.lifecycle.transfer.transfer_context import journal
from mlpipes_cli.ports import Reporter, Runtime
from mlpipes_cli.project import ProjectFolder

_PREFIX, _SUFFIX = "migrating-to-", ".json"


@contextlib.contextmanager
def core_only(project: ProjectFolder, to: str) -> Iterator[None]:
    """Withhold the added services: each uses the project's runtime, which is about to change.

    Raises:
        MlpipesError: The project's folder cannot be written.
    """
    put_back(project)
    aside = project.state / f"{_PREFIX}{to}{_SUFFIX}"
    try:
        try:
            wiring.added_services(project).rename(aside)
        except FileNotFoundError:
            aside.write_text("{}\n", encoding="utf-8")
    except OSError as error:
        raise MlpipesError(f"{aside}: cannot be written ({error.strerror})", "check its owner") from None
    try:
        yield
    finally:
        put_back(project)


def put_back(project: ProjectFolder) -> str | None:
    """Restore the added services; return the target of the migration that withheld them, if any."""
    to = None
    for aside in sorted(project.state.glob(f"{_PREFIX}*{_SUFFIX}")):
        to = aside.name.removeprefix(_PREFIX).removesuffix(_SUFFIX)
        with contextlib.suppress(OSError):
            aside.replace(wiring.added_services(project))
    return to


def recover(project: ProjectFolder, runtime: Runtime, reporter: Reporter) -> None:
    """Before the stack starts, repair or report what an interrupted command left."""
    to = put_back(project)
    if to and to != runtime.name:
        reporter.warn(
            f"a migration to {to} was interrupted, so the project still runs on {runtime.name}; "
            f"`mlpipes migrate --to {to}` starts it over"
        )
    found = journal(project, runtime).state()
    if found and found[0] != "loading":
        reporter.warn(
            f"a restore was interrupted, so the data may be partly old and partly new; "
            f"run `mlpipes restore {found[1]}` again"
        )
