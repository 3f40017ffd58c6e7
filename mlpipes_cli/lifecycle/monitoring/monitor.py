"""Checks a version of the running project, and stores what it finds."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from mlpipes_cli.errors import MlpipesError, UsageError
from mlpipes_cli.json_values import jsonable
from mlpipes_cli.lifecycle import times
from mlpipes_cli.lifecycle.monitoring import budget, comparing, reference
from mlpipes_cli.lifecycle.monitoring.frames import Gathered
from mlpipes_cli.lifecycle.monitoring.result import Monitored, Window
from mlpipes_cli.lifecycle.promotion import actor, registry_context
from mlpipes_cli.ports.monitoring import NewCheck

if TYPE_CHECKING:
    from mlpipes_cli.ports import Endpoints, ModelVersion, Registry, Reporter
    from mlpipes_cli.ports.monitoring import CheckStore, PredictionWindow, WindowReader
    from mlpipes_cli.project import ProjectFolder

MOST_ROWS = 100_000  # of more predictions in a window, a random part is read
_FETCHED = 2_000  # rows in one batch
MANUAL = "manual"


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
    """

    model: str | None = None
    version: int | None = None
    alias: str | None = None
    since: str | None = None
    until: str | None = None
    rows: int | None = None

    def __post_init__(self) -> None:
        if self.version is not None and self.alias is not None:
            raise UsageError("--version and --alias are given", "give one of them")
        if self.rows is not None and self.since is not None:
            raise UsageError("--rows and --since are given", "give one of them")
        if self.rows is not None and not 1 <= self.rows <= MOST_ROWS:
            raise UsageError(f"--rows: {self.rows} is not from 1 to {MOST_ROWS}", "or use --since")


@dataclass(frozen=True)
class _Stack:
    """What a check uses of the running stack."""

    registry: Registry
    endpoints: Endpoints
    store: CheckStore
    windows: WindowReader


def monitor(project: ProjectFolder, reporter: Reporter, asked: Asked, *, cause: str = MANUAL) -> Monitored:
    """Compare the predictions of a version with its reference, and store the result.

    Args:
        project: The project.
        reporter: Shows progress.
        asked: The version and the window.
        cause: ``scheduled`` takes the chance of a false alarm from the year's budget, else ``alpha`` is it.

    Raises:
        UsageError: There is no such model, or a time cannot be read.
        Untrusted: The model is not signed by this project.
        MlpipesError: The stack is not running, the version is gone or has no reference rows.
    """
    started = time.monotonic()
    stack = _connect(project)
    version, alias = _chosen(project, stack.registry, asked)
    now = stack.store.now()
    alpha = project.config.monitoring.alpha
    if cause == budget.SCHEDULED:
        before = stack.store.checks(version.model, version.version, 100)
        alpha = budget.of_schedule(project.config.monitoring, before, now)
    since, until = _bounds(project, asked, now)
    known = reference.read(project, stack.registry, stack.endpoints, version)
    gathered = Gathered(known.columns)
    with (
        reporter.task("reading the predictions"),
        stack.windows.window(
            version.model, version.version, since=since, until=until, rows=asked.rows,
            most=MOST_ROWS, size=_FETCHED,
        ) as opened,
    ):  # fmt: skip
        gathered.take(opened.batches)
        window = _window(opened, gathered.rows)
    with reporter.task("comparing"):
        found = comparing.compared(project.config.monitoring, known, gathered, alpha)
    from mlpipes_cli.server.predictions.uuid7 import uuid7

    identifier = uuid7()
    made = comparing.result(
        found,
        window,
        version=version,
        alias=alias,
        id=str(identifier),
        checked_at=now.isoformat(timespec="milliseconds"),
        cause=cause,
        actor=actor.user(),
        seconds=round(time.monotonic() - started, 3),
    )
    check = NewCheck(
        id=identifier,
        checked_at=now,
        model=version.model,
        version=version.version,
        alias=alias,
        since=opened.since,
        until=opened.until,
        rows=made.rows,
        alarm=made.alarm,
        enough=made.enough,
        alpha=made.alpha,
        cause=cause,
        actor=made.actor,
        seconds=made.seconds,
        result=jsonable(made),
    )
    stack.store.add(check, project.config.monitoring.keep)
    return made


def _connect(project: ProjectFolder) -> _Stack:
    from mlpipes_cli.adapters import wiring

    context = registry_context.connect(project)
    store, windows = wiring.make_monitoring(context.endpoints.database_url)
    store.prepare()
    return _Stack(context.registry, context.endpoints, store, windows)


def _chosen(project: ProjectFolder, registry: Registry, asked: Asked) -> tuple[ModelVersion, str | None]:
    """Return the version to check, and the alias by which it was chosen."""
    model = registry_context.find_model(project, registry, asked.model)
    number, alias = asked.version, None
    if number is None:
        alias = asked.alias or project.config.serving.alias
        number = model.aliases.get(alias)
        if number is None:
            to = "" if alias == "production" else f" --to {alias}"
            raise MlpipesError(f"model {model.name!r} has no {alias!r} version", f"`mlpipes promote{to}`")
    found = next((one for one in model.versions if one.version == number), None)
    if found is None:
        raise MlpipesError(
            f"version {number} of model {model.name!r} is not in the registry, or was deleted",
            "see `mlpipes models`",
        )
    return found, alias


def _bounds(project: ProjectFolder, asked: Asked, now: datetime) -> tuple[float | None, float | None]:
    """Return the window's start and end, in seconds since the epoch, by the clock of the database."""
    present = now.timestamp()
    until = None if asked.until is None else times.seconds(asked.until, "--until", present)
    if asked.rows is not None:
        return None, until
    if asked.since is not None:
        since = times.seconds(asked.since, "--since", present)
    else:
        since = (present if until is None else until) - project.config.monitoring.window.total_seconds()
    if since >= (present if until is None else until):
        raise UsageError("--since is not before --until", "swap them")
    return since, until


def _window(opened: PredictionWindow, rows: int) -> Window:
    def text(moment: datetime | None) -> str | None:
        return None if moment is None else moment.isoformat(timespec="milliseconds")

    return Window(
        since=text(opened.since),
        until=text(opened.until),
        first=text(opened.first),
        last=text(opened.last),
        predictions=opened.predictions,
        mirrored=opened.mirrored,
        others=opened.others,
        sampled=opened.read < opened.predictions,
        repeated=opened.read - rows,
    )
