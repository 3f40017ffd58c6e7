"""Checks a version of the running project, and stores what it finds."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from mlpipes_cli.json_values import jsonable
from mlpipes_cli.lifecycle.monitoring import alerts, budget, comparing, judging, reference
from mlpipes_cli.lifecycle.monitoring import report as reports
from mlpipes_cli.lifecycle.monitoring.asked import MOST_ROWS, Asked, Bounds, chosen, windows
from mlpipes_cli.lifecycle.monitoring.frames import Gathered
from mlpipes_cli.lifecycle.monitoring.result import Monitored, Window
from mlpipes_cli.lifecycle.promotion import actor, registry_context
from mlpipes_cli.ports.monitoring import NewCheck
from mlpipes_cli.suggest import did_you_mean

if TYPE_CHECKING:
    from mlpipes_cli.config.monitoring import Monitoring
    from mlpipes_cli.lifecycle.monitoring.report import Report
    from mlpipes_cli.ports import Endpoints, ModelVersion, Registry, Reporter
    from mlpipes_cli.ports.monitoring import CheckStore, PredictionWindow, WindowReader
    from mlpipes_cli.ports.retraining.store import RetrainingStore
    from mlpipes_cli.project import ProjectFolder

_FETCHED = 2_000  # rows in one batch
_SERIES = 1_000  # earlier checks that a scheduled one looks back at
MANUAL = "manual"


@dataclass(frozen=True)
class _Stack:
    """What a check uses of the running stack."""

    registry: Registry
    endpoints: Endpoints
    store: CheckStore
    windows: WindowReader
    retrainings: RetrainingStore


def monitor(
    project: ProjectFolder,
    reporter: Reporter,
    asked: Asked,
    *,
    cause: str = MANUAL,
    report: Report | None = None,
) -> Monitored:
    """Compare the predictions of a version with its reference, and store the result.

    Args:
        project: The project.
        reporter: Shows progress.
        asked: The version and the window.
        cause: ``scheduled`` takes the chance of a false alarm from the year's budget, else ``alpha`` is it.
        report: The file of the report, or None.

    Raises:
        UsageError: There is no such model, or a time cannot be read.
        Untrusted: The model is not signed by this project.
        MlpipesError: The stack is not running, the version is gone or has no reference rows.
    """
    started = time.monotonic()
    settings, stack = project.config.monitoring, _connect(project)
    version, alias = chosen(project, stack.registry, asked)
    now = stack.store.now()
    series, before = cause == budget.SCHEDULED, []
    if series:
        before = list(stack.store.checks(version.model, version.version, _SERIES))
    alpha = budget.of_schedule(settings, before, now) if series else settings.alpha
    looked = windows(project, asked, now, series=series)
    known = reference.read(project, stack.registry, stack.endpoints, version)
    _check_names(settings, known, reporter)
    truths = judging.Truths(known, settings.segments)
    rows = _read(stack, known, version, asked.rows, looked, reporter, truths)
    shares = budget.shares(settings, alpha, truths=truths.rows >= judging.FEWEST, series=series)
    rules = judging.Rules(
        metric=project.config.promotion.metric or known.metric,
        alpha=shares.performance,
        min_effect=settings.min_effect,
        segments=settings.segments,
        patience=shares.patience,
        history=judging.previous_windows(before, cause) if series else None,
    )
    with reporter.task("comparing"):
        gathered = {periods: window_rows.gathered for periods, window_rows in rows.items()}
        found = comparing.compared(settings, known, gathered, shares.rows)
        performance = judging.judge(known, truths, gathered[1], rules)
    from mlpipes_cli.server.predictions.uuid7 import uuid7

    identifier = uuid7()
    made = comparing.result(
        found,
        performance,
        {
            periods: _window(window_rows.opened, window_rows.gathered.rows)
            for periods, window_rows in rows.items()
        },
        version=version,
        alias=alias,
        alpha=alpha,
        report=None if report is None else str(report.output),
        id=str(identifier),
        checked_at=now.isoformat(timespec="milliseconds"),
        cause=cause,
        actor=actor.user(),
        seconds=round(time.monotonic() - started, 3),
    )
    opened = rows[found.series.window].opened
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
    stack.store.add(check, settings.keep, alerts.new(project, made))
    try:
        if report is not None:
            report.write(
                made,
                reports.previous_checks(stack.store, made),
                reports.promotions(stack.registry, version.model),
                reports.retrainings(stack.retrainings, version.model),
            )
    finally:  # a channel that hangs delays no report, and a report that fails stops no alert
        alerts.deliver_safely(project, reporter, stack.endpoints.database_url)
    return made


@dataclass(frozen=True)
class _Rows:
    """What a check reads of a window."""

    gathered: Gathered
    opened: PredictionWindow


def _read(
    stack: _Stack,
    known: reference.Reference,
    version: ModelVersion,
    newest: int | None,
    looked: Sequence[Bounds],
    reporter: Reporter,
    truths: judging.Truths,
) -> dict[int, _Rows]:
    """Return the rows of each window, by its number of periods; truths are those of the shortest.

    A window that holds no more predictions than the one before has the same rows.
    """
    found: dict[int, _Rows] = {}
    before: _Rows | None = None
    for bounds in looked:
        with (
            reporter.task("reading the predictions"),
            stack.windows.window(
                version.model, version.version, since=bounds.since, until=bounds.until, rows=newest,
                most=MOST_ROWS, size=_FETCHED,
            ) as opened,
        ):  # fmt: skip
            if before is not None and before.opened.predictions == opened.predictions:
                found[bounds.periods] = _Rows(before.gathered, opened)
                continue
            gathered = Gathered(known.columns)
            gathered.take(opened.batches)
            if before is None:
                truths.take(opened.truths)
            before = found[bounds.periods] = _Rows(gathered, opened)
    return found


def _check_names(settings: Monitoring, known: reference.Reference, reporter: Reporter) -> None:
    """Warn of columns in the settings that the model does not have: another model may have them."""
    names = [column.name for column in known.columns]
    for key, given, there in (
        ("columns", settings.columns, [*names, "prediction", "score"]),
        ("segments", settings.segments, names),
    ):
        for name in given:
            if name not in there and not name.startswith("score_"):
                hint = did_you_mean(name, there)
                reporter.warn(f"mlpipes.yaml: monitoring -> {key}: the model has no column {name!r}{hint}")


def _connect(project: ProjectFolder) -> _Stack:
    from mlpipes_cli.adapters import database_wiring

    context = registry_context.connect(project)
    store, windows = database_wiring.make_monitoring(context.endpoints.database_url)
    store.prepare()
    retrainings, _ = database_wiring.make_retraining(context.endpoints.database_url)
    return _Stack(context.registry, context.endpoints, store, windows, retrainings)


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
