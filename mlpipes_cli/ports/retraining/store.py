"""The stored history of retrainings, and the lock that lets one run at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID


@dataclass(frozen=True)
class Retraining:
    """A retraining as it is stored.

    Attributes:
        id: A UUID version 7.
        model: The registered model's name.
        cause: manual, drift, performance or truth.
        check_id: The check that set it off, or None.
        started_at: By the clock of the database.
        ended_at: None while it runs, or if its process was killed and no other one has found out yet.
        outcome: promoted, refused, failed or killed; None while ``ended_at`` is.
        detail: One line.
        run_id: The run that was judged, or None.
        version: The version that was promoted, or None.
        actor: Who started it.
    """

    id: UUID
    model: str
    cause: str
    check_id: UUID | None
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None
    detail: str
    run_id: str | None
    version: int | None
    actor: str


class Turn(Protocol):
    """Held by one retraining of a model at a time, on whatever machine."""

    def verify(self) -> None:
        """Make sure that the turn is still held.

        Raises:
            MlpipesError: The database does not answer, so that another process may have the turn now.
        """


class RetrainingStore(Protocol):
    """Keeps the history; every method raises ``MlpipesError`` if the database does not answer."""

    def prepare(self) -> None:
        """Create or upgrade the tables."""

    def now(self) -> datetime:
        """Return the time of the database, which all machines share."""

    def turn(self, model: str) -> AbstractContextManager[Turn | None]:
        """Take the turn of a model; None if another process has it. The end of the process frees it."""

    def begin(
        self, id: UUID, model: str, cause: str, check_id: UUID | None, actor: str, keep: timedelta
    ) -> None:
        """Store that a retraining starts, and remove those that are older than ``keep`` and not among the
        newest 100 of their model.
        """

    def end(
        self, id: UUID, outcome: str, detail: str, run_id: str | None = None, version: int | None = None
    ) -> None:
        """Store how it ended; one that has ended already stays as it is."""

    def retrainings(self, model: str | None, limit: int) -> Sequence[Retraining]:
        """Return the newest ones, newest first.

        Args:
            model: Only of this registered model.
            limit: The most of them.
        """

    def rolled_back(self, model: str, version: int, detail: str) -> None:
        """Store that the version that a retraining promoted was rolled back, so that it is no success."""

    def enqueue(self, event: str, channels: Sequence[str], message: Mapping[str, Any]) -> None:
        """Store an alert for each channel, unless the event has one already.

        Args:
            event: Identifies what happened.
            channels: The channels' names.
            message: What to say, in JSON's types.
        """
