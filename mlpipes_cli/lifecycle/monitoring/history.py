"""``mlpipes monitor history``: the stored checks, and the alarms that last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlpipes_cli.errors import UsageError
from mlpipes_cli.suggest import did_you_mean
from mlpipes_cli.tabular import Tabular

if TYPE_CHECKING:
    from datetime import datetime

    from mlpipes_cli.ports.monitoring import StoredCheck
    from mlpipes_cli.ports.retraining.store import Retraining
    from mlpipes_cli.project import ProjectFolder


@dataclass(frozen=True)
class WindowEntry:
    """A window of a scheduled check, as it is listed.

    Attributes:
        periods: How many times as long as the settings' window it is.
        since: Its start, UTC, ISO 8601.
        rows: Rows that were compared.
        alarm: Whether it raised an alarm.
        enough: Whether there were rows enough for a statement.
    """

    periods: int
    since: str | None
    rows: int
    alarm: bool
    enough: bool


@dataclass(frozen=True)
class CheckEntry:
    """A stored check, as it is listed.

    Attributes:
        id: A UUID version 7.
        checked_at: UTC, ISO 8601.
        model: The registered model's name.
        version: Its version.
        alias: The alias by which the version was chosen, or None.
        since: Start of the window, or None where it was given in rows.
        until: Its end.
        rows: Rows that were compared.
        alarm: Whether it raised an alarm.
        enough: Whether there were rows enough for a statement.
        alpha: The probability of a false alarm that it kept to.
        columns: Names of what alarmed: inputs, predictions and scores, the largest effect first.
        verdict: One sentence.
        cause: manual, scheduled or what else made the check.
        actor: Who made it.
        seconds: How long it took.
        alarm_since: When the alarm began that the check is part of, or None.
        alarm_checks: How many checks of that alarm there were up to this one.
        windows: The windows of a scheduled check, the shortest first; empty where there is only one.
    """

    id: str
    checked_at: str
    model: str
    version: int
    alias: str | None
    since: str | None
    until: str
    rows: int
    alarm: bool
    enough: bool
    alpha: float
    columns: Sequence[str]
    verdict: str
    cause: str
    actor: str
    seconds: float
    alarm_since: str | None
    alarm_checks: int
    windows: Sequence[WindowEntry] = ()


@dataclass(frozen=True)
class PresentAlarm:
    """An alarm that the newest check of a version with rows enough still raises.

    It ends, too, when a check of the version that has taken its alias raises none.

    Attributes:
        model: The registered model's name.
        version: Its version.
        since: When its first check was made, UTC, ISO 8601.
        seconds: The time from its first check to its newest one.
        checks: How many checks raised it.
    """

    model: str
    version: int
    since: str
    seconds: float
    checks: int


@dataclass(frozen=True)
class RetrainingEntry:
    """A retraining, as it is listed.

    Attributes:
        id: A UUID version 7.
        started_at: UTC, ISO 8601.
        ended_at: UTC, ISO 8601; None while it runs, or if its process was killed.
        model: The registered model's name.
        cause: manual, drift, performance or truth.
        check: The id of the check that set it off, or None.
        outcome: promoted, unchanged, refused, failed, killed or ``rolled back``; None while it runs.
        detail: One line.
        version: The version that was promoted, or None.
        run_id: The run that was judged, or None.
        actor: Who started it.
    """

    id: str
    started_at: str
    ended_at: str | None
    model: str
    cause: str
    check: str | None
    outcome: str | None
    detail: str
    version: int | None
    run_id: str | None
    actor: str


@dataclass(frozen=True)
class History(Tabular):
    """Stored checks, and the retrainings that followed.

    Attributes:
        model: The model that was asked for, or None for all.
        alarms: The alarms that last.
        checks: The newest checks, newest first.
        retrainings: The newest retrainings, newest first.
    """

    model: str | None
    alarms: Sequence[PresentAlarm]
    checks: Sequence[CheckEntry]
    retrainings: Sequence[RetrainingEntry]

    def table(self) -> Sequence[CheckEntry]:
        return self.checks


def history(
    project: ProjectFolder, *, model: str | None = None, version: int | None = None, limit: int = 20
) -> History:
    """Return the newest checks and retrainings.

    Args:
        project: The project.
        model: Only of this registered model.
        version: Only of this version.
        limit: The most checks, and the most retrainings.

    Raises:
        UsageError: There are checks, and none of that model.
        MlpipesError: The stack is not running.
    """
    from mlpipes_cli.adapters import database_wiring, wiring

    database_url = wiring.make_runtime(project).endpoints().database_url
    (store, _), (retrainings, _) = (
        database_wiring.make_monitoring(database_url),
        database_wiring.make_retraining(database_url),
    )
    store.prepare()
    found = store.checks(model, version, limit)
    if model is not None and not found:
        known = sorted({check.model for check in store.checks(limit=1000)})
        if known and model not in known:
            hint = did_you_mean(model, known).removeprefix("; ") or f"there are checks of {', '.join(known)}"
            raise UsageError(f"--model: there are no checks of model {model!r}", hint)
    trained = [_retraining(retraining) for retraining in retrainings.retrainings(model, limit)]
    return History(model, _present(found), [_entry(check) for check in found], trained)


def _present(checks: Sequence[StoredCheck]) -> list[PresentAlarm]:
    newest: dict[tuple[str, int], StoredCheck] = {}
    replaced: set[tuple[str, str]] = set()  # aliases whose newer version raises no alarm
    for check in checks:
        alias = None if check.alias is None else (check.model, check.alias)
        if (check.enough or check.alarm) and alias not in replaced:
            newest.setdefault((check.model, check.version), check)
        if alias is not None and check.enough and not check.alarm:
            replaced.add(alias)
    return [
        PresentAlarm(
            check.model,
            check.version,
            _text(check.alarm_since),
            (check.checked_at - check.alarm_since).total_seconds(),
            check.alarm_checks,
        )
        for check in newest.values()
        if check.alarm_since is not None
    ]


def _entry(check: StoredCheck) -> CheckEntry:
    columns = [*check.result.get("columns", ()), *check.result.get("predictions", {}).values()]
    return CheckEntry(
        id=str(check.id),
        checked_at=_text(check.checked_at),
        model=check.model,
        version=check.version,
        alias=check.alias,
        since=None if check.since is None else _text(check.since),
        until=_text(check.until),
        rows=check.rows,
        alarm=check.alarm,
        enough=check.enough,
        alpha=check.alpha,
        columns=[column["name"] for column in columns if column["alarm"]],
        verdict=check.result.get("verdict", ""),
        cause=check.cause,
        actor=check.actor,
        seconds=check.seconds,
        alarm_since=None if check.alarm_since is None else _text(check.alarm_since),
        alarm_checks=check.alarm_checks,
        windows=tuple(
            WindowEntry(window["periods"], window["since"], window["rows"], window["alarm"], window["enough"])
            for window in check.result.get("windows", ())
        ),
    )


def _retraining(retraining: Retraining) -> RetrainingEntry:
    return RetrainingEntry(
        id=str(retraining.id),
        started_at=_text(retraining.started_at),
        ended_at=None if retraining.ended_at is None else _text(retraining.ended_at),
        model=retraining.model,
        cause=retraining.cause,
        check=None if retraining.check_id is None else str(retraining.check_id),
        outcome=retraining.outcome,
        detail=retraining.detail,
        version=retraining.version,
        run_id=retraining.run_id,
        actor=retraining.actor,
    )


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
