"""Alerts: the outbox of the database, and the channels by which they go out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True)
class NewAlert:
    """What to say of a check, should it begin or end an alarm.

    Attributes:
        channels: The names of the channels.
        message: In JSON's types, without input values; ``model``, ``version``, ``kind`` and ``checked_at``
            are those of the check.
    """

    channels: Sequence[str]
    message: Mapping[str, Any]


@dataclass(frozen=True)
class ClaimedAlert:
    """An alert that one process is about to send.

    Attributes:
        event: Such as ``alarm:ID``.
        channel: The channel's name.
        message: What to say, with the event in it.
        attempts: How often it was tried, this time included.
    """

    event: str
    channel: str
    message: Mapping[str, Any]
    attempts: int


@dataclass(frozen=True)
class Delivery:
    """An alert of one channel, as it stands.

    Attributes:
        event: Such as ``alarm:ID`` of the first check of an alarm, or ``calm:ID`` when that alarm ended.
        channel: The channel's name.
        state: waiting, sending, sent or dropped.
        attempts: How often it was tried.
        next_try: When it is tried next, UTC; None unless it waits.
        last_error: Why the last try failed, or None.
        created_at: When the event was stored, UTC.
        sent_at: When the channel accepted it, UTC, or None.
    """

    event: str
    channel: str
    state: str
    attempts: int
    next_try: datetime | None
    last_error: str | None
    created_at: datetime
    sent_at: datetime | None


class Outbox(Protocol):
    """Hands out each alert to one process at a time; methods raise ``MlpipesError`` without a database."""

    def claim(self, channels: Sequence[str]) -> ClaimedAlert | None:
        """Return an alert that is due on one of the channels, and mark it before it is sent, or None."""

    def sent(self, alert: ClaimedAlert, note: str | None = None) -> None:
        """Mark an alert as accepted by its channel."""

    def failed(self, alert: ClaimedAlert, error: str) -> bool:
        """Mark a try as failed, and return whether the alert is tried again.

        Args:
            alert: The alert.
            error: One line, without secrets or values.
        """

    def give_up(self, channels: Sequence[str]) -> Sequence[Delivery]:
        """Drop, and return, alerts whose process ended while it sent them, and old ones of other channels."""

    def deliveries(self, limit: int) -> Sequence[Delivery]:
        """Return the newest alerts, newest first."""


class Channel(Protocol):
    """Sends alerts one way."""

    def send(self, message: Mapping[str, Any]) -> str | None:
        """Send one, and return what else to know about it, or None.

        Raises:
            MlpipesError: It failed; the reason names no secret.
        """
