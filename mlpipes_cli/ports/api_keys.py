"""Storage of the API's keys: never a key itself, only its hash."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True)
class ApiKey:
    """The public fields of a key.

    Attributes:
        id: The public part of the key that identifies it; not secret.
        name: The key's owner or purpose, as given at its creation.
        created_at: When the key was created.
        revoked_at: When the key was revoked, or None.
        last_used_at: When it was last used, to about a minute; None for never.
    """

    id: str
    name: str
    created_at: datetime
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None


@dataclass(frozen=True)
class ActiveKeys:
    """The keys that the API accepts.

    Attributes:
        required: Whether a key was ever created: from then on requests need one, even if all are revoked.
        hashes: SHA-256 of each active key, by its id.
    """

    required: bool
    hashes: Mapping[str, bytes] = field(repr=False)


class KeyStore(Protocol):
    """Stores keys; used from one thread at a time, ``interrupt`` from any thread.

    Every method except ``interrupt`` and ``close`` raises a ``MlpipesError`` if the database does not answer.
    """

    def prepare(self) -> None:
        """Create or upgrade the tables; several processes may do so at once."""

    def list(self) -> Sequence[ApiKey]:
        """Return all keys, including revoked ones, newest last."""

    def create(self, id: str, name: str, digest: bytes) -> ApiKey:
        """Store a new key.

        Args:
            id: Its public part.
            name: Its name, which no other active key may have.
            digest: SHA-256 of the whole key.

        Raises:
            Rejected: A key of that name or id exists already.
        """

    def revoke(self, name_or_id: str) -> ApiKey | None:
        """Revoke a key; return None if no active key has that name or id."""

    def active(self) -> ActiveKeys:
        """Return the active keys."""

    def used(self, ids: Iterable[str]) -> None:
        """Record that these keys are in use now."""

    def interrupt(self) -> None:
        """Make a call that hangs in another thread fail."""

    def close(self) -> None:
        """Close the connection."""
