"""When versions reached their users: loaded by a server, and answering."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True)
class Deployment:
    """A version that a server has loaded after an alias had moved to it.

    Attributes:
        model: The registered model's name.
        version: The version.
        alias: The alias.
        promoted_at: When the alias moved, by the history.
        loaded_at: When the first server had loaded it.
    """

    model: str
    version: int
    alias: str
    promoted_at: datetime
    loaded_at: datetime


@dataclass(frozen=True)
class Tenure:
    """A time in which a version held an alias.

    Attributes:
        model: The registered model's name.
        version: The version.
        alias: The alias.
        since: When the alias moved to it.
        until: When the alias moved on; None if it has not.
    """

    model: str
    version: int
    alias: str
    since: datetime
    until: datetime | None


@dataclass(frozen=True)
class Arrival:
    """How far a version came in a tenure.

    Attributes:
        loaded_at: When the first server had loaded it; None if that is not known.
        first_answer_at: When its first stored prediction was made; None if there was none, or if it is not
            known any more.
    """

    loaded_at: datetime | None
    first_answer_at: datetime | None


class Deployments(Protocol):
    """The record of what servers loaded, in the database of the predictions."""

    async def note(self, deployment: Deployment) -> None:
        """Record that a version was loaded; the first record of a tenure stays.

        Raises:
            MlpipesError: The database does not answer.
        """

    def arrivals(self, tenures: Sequence[Tenure]) -> Sequence[Arrival]:
        """Return the arrival of each tenure, in the same order.

        Raises:
            MlpipesError: The database does not answer.
        """
