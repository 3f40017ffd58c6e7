"""Lists the environments of this machine, and removes unused ones."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mlpipes_cli.errors import MlpipesError, UsageError
from mlpipes_cli.lifecycle import times

if TYPE_CHECKING:
    from mlpipes_cli.ports import BuiltEnvironment, Reporter


@dataclass(frozen=True)
class EnvironmentRow:
    """An environment in a listing.

    Attributes:
        hash: The environment's hash.
        python: The Python version.
        purpose: What it was built for.
        packages: How many packages it holds.
        size: Bytes on disk.
        last_used: UTC, ISO 8601.
        seconds: How long the build took.
        path: Its folder.
    """

    hash: str
    python: str
    purpose: str
    packages: int
    size: int
    last_used: str
    seconds: float
    path: str


@dataclass(frozen=True)
class PrunedEnvironments:
    """The result of a prune.

    Attributes:
        removed: Environments that were removed.
        in_use: Environments that were kept only because a process uses them.
        freed: Freed bytes; files that uv's own cache shares stay until that cache is cleaned.
    """

    removed: tuple[EnvironmentRow, ...]
    in_use: tuple[EnvironmentRow, ...]
    freed: int


def listing() -> list[EnvironmentRow]:
    """Return all environments of this machine, the most recently used first."""
    from mlpipes_cli.adapters.wiring import make_environments

    with make_environments() as environments:
        return [_row(built) for built in environments.listing()]


def prune(reporter: Reporter, *, unused_for: str | None, everything: bool, yes: bool) -> PrunedEnvironments:
    """Remove environments that were not used for long, or all; never one that is in use.

    Args:
        reporter: Asks for confirmation.
        unused_for: ``30d`` or ``12h``; 30 days if omitted.
        everything: Remove all, even those used recently.
        yes: Do not ask for confirmation.

    Raises:
        UsageError: The time is malformed, or both choices are given.
        MlpipesError: The user declined.
    """
    from mlpipes_cli.adapters.wiring import make_environments

    if everything and unused_for is not None:
        raise UsageError("--all and --unused-for cannot be combined", "use one of them")
    oldest = time.time() if everything else times.seconds(unused_for or "30d", "--unused-for")
    with make_environments() as environments:
        environments.sweep()
        due = [built for built in environments.listing() if everything or built.last_used <= oldest]
        if due and not yes:
            size = sum(built.size for built in due)
            if not reporter.confirm(f"remove {_count(len(due))} ({size / 1e6:.0f} MB)?"):
                raise MlpipesError("nothing was removed", "confirm with --yes")
        gone = [built for built in due if environments.remove(built.hash)]
    hashes = {built.hash for built in gone}
    return PrunedEnvironments(
        removed=tuple(map(_row, gone)),
        in_use=tuple(_row(built) for built in due if built.hash not in hashes),
        freed=sum(built.size for built in gone),
    )


def _count(number: int) -> str:
    return f"{number} environment{'s' if number != 1 else ''}"


def _row(built: BuiltEnvironment) -> EnvironmentRow:
    return EnvironmentRow(
        hash=built.hash,
        python=built.version,
        purpose=built.purpose,
        packages=len(built.pins),
        size=built.size,
        last_used=datetime.fromtimestamp(built.last_used, UTC).isoformat(timespec="seconds"),
        seconds=built.seconds,
        path=str(built.folder),
    )
