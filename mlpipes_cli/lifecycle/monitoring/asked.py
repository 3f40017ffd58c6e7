"""What a check looks at: a version, and a window of its predictions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from mlpipes_cli.errors import MlpipesError, UsageError
from mlpipes_cli.lifecycle import times
from mlpipes_cli.lifecycle.promotion import registry_context
from mlpipes_cli.monitoring.series import WINDOWS

if TYPE_CHECKING:
    from mlpipes_cli.ports import ModelVersion, Registry
    from mlpipes_cli.project import ProjectFolder

MOST_ROWS = 100_000  # of more predictions in a window, a random part is read


@dataclass(frozen=True)
class Asked:
    """What a check looks at; what is None comes from the settings.

    Attributes:
        model: The registered model's name.
        version: Its version, in place of an alias.
        alias: The alias whose present version is checked.
        since: Start of the window: ``1d``, ``2026-11-21``.
        until: Its end.
        rows: The number of newest predictions in place of ``since``.
        missed: When the last scheduled check was made, for one that comes late: its window begins there.
    """

    model: str | None = None
    version: int | None = None
    alias: str | None = None
    since: str | None = None
    until: str | None = None
    rows: int | None = None
    missed: datetime | None = None

    def __post_init__(self) -> None:
        if self.version is not None and self.alias is not None:
            raise UsageError("--version and --alias are given", "give one of them")
        if self.rows is not None and self.since is not None:
            raise UsageError("--rows and --since are given", "give one of them")
        if self.rows is not None and not 1 <= self.rows <= MOST_ROWS:
            raise UsageError(f"--rows: {self.rows} is not from 1 to {MOST_ROWS}", "or use --since")


def chosen(project: ProjectFolder, registry: Registry, asked: Asked) -> tuple[ModelVersion, str | None]:
    """Return the version to check, and the alias by which it was chosen."""
    model = registry_context.find_model(project, registry, asked.model)
    number, alias = asked.version, None
    if number is None:
        alias = asked.alias or project.config.serving.alias
        number = model.aliases.get(alias)
        if number is None:
            to = "" if alias == "production" else f" --to {alias}"
            raise MlpipesError(f"model {model.name!r} has no {alias!r} version", f"`mlpipes promote{to}`")
    found = next((version for version in model.versions if version.version == number), None)
    if found is None:
        raise MlpipesError(
            f"version {number} of model {model.name!r} is not in the registry, or was deleted",
            "see `mlpipes models`",
        )
    return found, alias


@dataclass(frozen=True)
class Bounds:
    """A window of time, in seconds since the epoch by the clock of the database.

    Attributes:
        periods: How many times as long as the settings' window it is.
        since: Its start, or None where it is given in rows.
        until: Its end, or None for the time of reading.
    """

    periods: int
    since: float | None
    until: float | None


def windows(project: ProjectFolder, asked: Asked, now: datetime, *, series: bool) -> list[Bounds]:
    """Return the windows that a check looks at, the shortest first.

    A check of a series looks at 1, 7 and 28 times the settings' window, unless it is asked for a window.

    Args:
        project: The project.
        asked: What the check looks at.
        now: The time of the database.
        series: Whether the check is one of a series.

    Raises:
        UsageError: A time cannot be read, or the window ends before it begins.
    """
    present = now.timestamp()
    until = None if asked.until is None else times.seconds(asked.until, "--until", present)
    if asked.rows is not None:
        return [Bounds(1, None, until)]
    end = present if until is None else until
    if asked.since is not None:
        since = times.seconds(asked.since, "--since", present)
        if since >= end:
            raise UsageError("--since is not before --until", "swap them")
        return [Bounds(1, since, until)]
    length = project.config.monitoring.window.total_seconds()
    if not series:
        return [Bounds(1, end - length, until)]
    newest = end - length if asked.missed is None else min(end - length, asked.missed.timestamp())
    return [Bounds(periods, min(end - periods * length, newest), end) for periods in WINDOWS]
