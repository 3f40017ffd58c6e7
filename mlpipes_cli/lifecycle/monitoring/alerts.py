"""Sends what waits in the outbox; ``mlpipes monitor alerts`` lists it, or tries a channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlpipes_cli.errors import MlpipesError, UsageError
from mlpipes_cli.lifecycle.monitoring import alert_messages
from mlpipes_cli.ports.alerts import NewAlert
from mlpipes_cli.suggest import did_you_mean
from mlpipes_cli.tabular import Tabular

if TYPE_CHECKING:
    from datetime import datetime

    from mlpipes_cli.lifecycle.monitoring.result import Monitored
    from mlpipes_cli.ports import Reporter
    from mlpipes_cli.ports.alerts import Delivery, Outbox
    from mlpipes_cli.project import ProjectFolder


@dataclass(frozen=True)
class AlertEntry:
    """An alert of one channel, as it is listed.

    Attributes:
        event: Such as ``alarm:ID`` of the first check of an alarm, or ``calm:ID`` when that alarm ended.
        channel: The channel's name.
        state: waiting, sending, sent or dropped.
        attempts: How often it was tried.
        next_try: When it is tried next, UTC, ISO 8601; None unless it waits.
        last_error: Why the last try failed, or None.
        created_at: When the event was stored, UTC, ISO 8601.
        sent_at: When the channel accepted it, or None.
    """

    event: str
    channel: str
    state: str
    attempts: int
    next_try: str | None
    last_error: str | None
    created_at: str
    sent_at: str | None


@dataclass(frozen=True)
class Alerts(Tabular):
    """Alerts of a project.

    Attributes:
        channels: The names of the channels in mlpipes.yaml.
        alerts: The newest alerts, newest first.
        tested: The channel that a test message was sent to, or None.
    """

    channels: Sequence[str]
    alerts: Sequence[AlertEntry]
    tested: str | None = None

    def table(self) -> Sequence[AlertEntry]:
        return self.alerts


def new(project: ProjectFolder, found: Monitored) -> NewAlert | None:
    """Return what to store with a check, or None without channels."""
    names = [alert.name for alert in project.config.monitoring.alerts]
    return NewAlert(names, alert_messages.of_check(project.config.project, found)) if names else None


def listed(project: ProjectFolder, *, limit: int = 20) -> Alerts:
    """Return the newest alerts.

    Raises:
        MlpipesError: The stack is not running.
    """
    found = _outbox(project).deliveries(limit)
    return Alerts(_names(project), [_entry(alert) for alert in found])


def test(project: ProjectFolder, name: str) -> Alerts:
    """Send a test message to a channel; nothing is stored, and no stack is needed.

    Raises:
        UsageError: There is no such channel.
        MlpipesError: It failed.
    """
    from mlpipes_cli.adapters import wiring

    known = wiring.make_alert_channels(project)
    if name not in known:
        hint = did_you_mean(name, known).removeprefix("; ")
        raise UsageError(
            f"--test: mlpipes.yaml has no alert {name!r}",
            hint or (f"there are {', '.join(known)}" if known else "add it under `monitoring: alerts:`"),
        )
    try:
        known[name].send(alert_messages.of_test(project.config.project))
    except MlpipesError as error:
        raise MlpipesError(f"alert {name!r}: {error.reason}", error.hint) from None
    return Alerts(_names(project), [], name)


def deliver(project: ProjectFolder, reporter: Reporter, database_url: str) -> int:
    """Send the alerts that are due, one after the other, and return how many were accepted.

    Each is marked before it is sent, so that of two processes one sends it, and a process that is killed in
    between does not send it again. A channel that fails is tried again later; one warning says so.

    Raises:
        MlpipesError: The database does not answer.
    """
    from mlpipes_cli.adapters import database_wiring, wiring

    channels = wiring.make_alert_channels(project)
    if not channels:
        return 0
    outbox, accepted = database_wiring.make_outbox(database_url), 0
    for lost in outbox.give_up(list(channels)):
        reporter.warn(f"alert {lost.event} to {lost.channel!r} is dropped: {lost.last_error}")
    while (alert := outbox.claim(list(channels))) is not None:
        try:
            note = channels[alert.channel].send(alert.message)
        except MlpipesError as error:
            again = "it is tried again" if outbox.failed(alert, error.reason) else "it is dropped"
            reporter.warn(f"alert to {alert.channel!r} failed: {error.reason}; {again}")
            continue
        outbox.sent(alert, note)
        accepted += 1
        if note is not None:
            reporter.warn(f"alert to {alert.channel!r}: {note}")
    return accepted


def deliver_safely(project: ProjectFolder, reporter: Reporter, database_url: str) -> None:
    """As :func:`deliver`; a database that went away is a warning, since the check is stored."""
    try:
        deliver(project, reporter, database_url)
    except MlpipesError as error:
        reporter.warn(f"alerts wait: {error.lines()[0]}")


def _names(project: ProjectFolder) -> list[str]:
    return [alert.name for alert in project.config.monitoring.alerts]


def _outbox(project: ProjectFolder) -> Outbox:
    from mlpipes_cli.adapters import database_wiring, wiring

    url = wiring.make_runtime(project).endpoints().database_url
    store, _ = database_wiring.make_monitoring(url)
    store.prepare()
    return database_wiring.make_outbox(url)


def _entry(found: Delivery) -> AlertEntry:
    def text(moment: datetime | None) -> str | None:
        return None if moment is None else moment.isoformat(timespec="milliseconds")

    return AlertEntry(
        found.event, found.channel, found.state, found.attempts, text(found.next_try), found.last_error,
        found.created_at.isoformat(timespec="milliseconds"), text(found.sent_at),
    )  # fmt: skip
