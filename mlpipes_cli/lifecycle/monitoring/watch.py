"""``mlpipes watch``: scheduled checks and their alerts, one watcher at a time, until it is stopped."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from mlpipes_cli.config.spans import words
from mlpipes_cli.errors import MlpipesError, one_line
from mlpipes_cli.lifecycle.end_signals import ends_when_told
from mlpipes_cli.lifecycle.monitoring import after_check, alerts, budget
from mlpipes_cli.lifecycle.monitoring import monitor as checks
from mlpipes_cli.lifecycle.monitoring.asked import Asked
from mlpipes_cli.lifecycle.monitoring.watching.due import Due, next_check
from mlpipes_cli.lifecycle.monitoring.watching.health import Health, answering

if TYPE_CHECKING:
    from mlpipes_cli.lifecycle.monitoring.result import Monitored
    from mlpipes_cli.ports import Reporter
    from mlpipes_cli.ports.monitoring import WatchSeat
    from mlpipes_cli.project import ProjectFolder

_TURN = 60.0  # seconds between two looks at what is due, unless a check is due before
_STEP = 1.0  # seconds of one sleep, so that a machine that was suspended goes on at once
_OTHER = 10.0  # seconds until the next try while another process watches
_AWAY = (2.0, 60.0)  # seconds until the next try without a database: at first, at most
_FIRST_RETRY = timedelta(minutes=1)  # after a check that could not be made; doubled up to the schedule


@dataclass(frozen=True)
class Watched:
    """What one look did.

    Attributes:
        check: The check that was made, or None if none was due.
        sent: Alerts that their channels accepted in this look, those of the check left out.
        next: When the next check is due, by the clock of the database, UTC, ISO 8601.
    """

    check: Monitored | None
    sent: int
    next: str


def once(project: ProjectFolder, reporter: Reporter) -> Watched:
    """Make a check if one is due, and send the alerts that are.

    Raises:
        UsageError: The settings name no model.
        MlpipesError: Another watcher runs, the stack does not, or the check cannot be made.
    """
    from mlpipes_cli.adapters import database_wiring

    url = _database(project)
    with database_wiring.watch_seat(url, _name(project)) as seat:
        if seat is None:
            raise MlpipesError(f"another `mlpipes watch` watches {_name(project)}", "stop it, or let it work")
        due = _due(project, seat)
        found = _check(project, reporter, due) if due.is_due else None
        sent = alerts.deliver(project, reporter, url)
        after_check.run(project, reporter, found)
        return Watched(found, sent, _due(project, seat).at.isoformat(timespec="milliseconds"))


def forever(
    project: ProjectFolder, reporter: Reporter, *, host: str = "127.0.0.1", port: int | None = None
) -> None:
    """Make every scheduled check and send alerts, until SIGTERM or Ctrl-C; then exit with 0.

    A database that is away, a model without reference rows and a version that is gone are a warning, and are
    tried again.

    Args:
        project: The project.
        reporter: Shows what is done.
        host: The address on which ``GET /health`` is answered.
        port: The port; None answers nothing.

    Raises:
        MlpipesError: The port is in use.
    """
    health = Health()
    with ends_when_told(), answering(health, host, port):
        pause, away, waited = _AWAY[0], False, False
        while True:
            try:
                _sit(project, reporter, health, waited)
                health.state = "waiting"
                pause, away, waited = _AWAY[0], False, True
                _sleep(_OTHER)
            except MlpipesError as error:
                if isinstance(error, _Lost):
                    pause, away = _AWAY[0], False
                health.state, health.problem = "away", error.lines()[0]
                if not away:
                    reporter.warn(f"{error.lines()[0]}; trying again")
                _sleep(pause)
                pause, away, waited = min(2 * pause, _AWAY[1]), True, False


class _Lost(MlpipesError):
    """The seat was lost while it was held."""


@dataclass
class _Retries:
    """When a check that could not be made is tried again."""

    schedule: timedelta
    wait: timedelta = _FIRST_RETRY
    at: datetime | None = None

    def may(self, now: datetime) -> bool:
        """Return whether it is time; a clock that was set back by more than the wait does not stop it."""
        return self.at is None or now >= self.at or self.at - now > self.wait

    def failed(self, now: datetime) -> None:
        """Wait longer than after the try before."""
        self.wait = self.wait if self.at is None else min(2 * self.wait, max(self.schedule, _FIRST_RETRY))
        self.at = now + self.wait

    def worked(self) -> None:
        """Begin anew."""
        self.wait, self.at = _FIRST_RETRY, None


def _sit(project: ProjectFolder, reporter: Reporter, health: Health, waited: bool) -> None:
    """Take the seat and work; return if another process has it.

    Raises:
        MlpipesError: The stack does not run, or the seat was lost.
    """
    from mlpipes_cli.adapters import database_wiring

    url, name = _database(project), _name(project)
    with database_wiring.watch_seat(url, name) as seat:
        if seat is None:
            if not waited:
                reporter.info(f"another `mlpipes watch` watches {name}; waiting until it ends")
            return
        schedule = project.config.monitoring.schedule
        reporter.info(f"watching {name}: a check {schedule}")
        retries, health.problem = _Retries(schedule.period), None
        while True:
            due = _held(project, seat)
            health.state, health.next = "watching", due.at.isoformat(timespec="milliseconds")
            _turn(project, reporter, seat, due, retries, health, url)
            due = _held(project, seat)
            health.next = due.at.isoformat(timespec="milliseconds")
            _sleep(_pause(due, retries))


def _turn(
    project: ProjectFolder,
    reporter: Reporter,
    seat: WatchSeat,
    due: Due,
    retries: _Retries,
    health: Health,
    url: str,
) -> None:
    found = None
    if due.is_due and retries.may(due.now):
        try:
            found = _check(project, reporter, due)
        except Exception as error:  # noqa: BLE001  an unexpected one must not end the watcher
            _held(project, seat)
            retries.failed(due.now)
            health.problem = f"no check was made: {one_line(error)}"
            reporter.warn(f"{health.problem}; trying again in {words(retries.wait)}")
        else:
            retries.worked()
            health.problem = None
            reporter.info(_line(found))
    try:
        alerts.deliver(project, reporter, url)
    except MlpipesError as error:
        _held(project, seat)
        reporter.warn(f"alerts wait: {error.lines()[0]}")
    _held(project, seat)
    after_check.run(project, reporter, found)


def _held(project: ProjectFolder, seat: WatchSeat) -> Due:
    """Return when the next check is due, and make sure of the seat.

    Raises:
        _Lost: The database does not answer, so that another process may have the seat.
    """
    try:
        return _due(project, seat)
    except MlpipesError as error:
        raise _Lost(error.reason, error.hint) from None


def _line(found: Monitored) -> str:
    what = "ALARM" if found.alarm else "no alarm" if found.enough else "too few rows"
    at = f"{found.checked_at[:19].replace('T', ' ')} UTC"
    return f"{at}, version {found.version} of model {found.model!r}: {what}; {found.verdict}"


def _check(project: ProjectFolder, reporter: Reporter, due: Due) -> Monitored:
    """Make a scheduled check; after downtime its window begins at the last one, so that one is enough."""
    settings, missed = project.config.monitoring, None
    if due.last is not None and settings.window >= settings.schedule.period:
        missed = due.last if due.now - due.last > settings.window else None
    return checks.monitor(project, reporter, Asked(missed=missed), cause=budget.SCHEDULED)


def _due(project: ProjectFolder, seat: WatchSeat) -> Due:
    serving, schedule = project.config.serving, project.config.monitoring.schedule
    return next_check(schedule, seat.last(serving.model, serving.alias, schedule.period))


def _database(project: ProjectFolder) -> str:
    from mlpipes_cli.adapters import database_wiring, wiring

    url = wiring.make_runtime(project).endpoints().database_url
    store, _ = database_wiring.make_monitoring(url)
    store.prepare()
    return url


def _name(project: ProjectFolder) -> str:
    serving = project.config.serving
    return f"{project.config.project}/{serving.model or 'the only model'}@{serving.alias}"


def _pause(due: Due, retries: _Retries) -> float:
    """Return the seconds until the next look: until a check can be made, at most those of one turn."""
    if due.is_due:  # while a model was trained again, or since the last check could not be made
        return 0.0 if retries.may(due.now) else _TURN
    return min(_TURN, (due.at - due.now).total_seconds())


def _sleep(seconds: float) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, _STEP))
