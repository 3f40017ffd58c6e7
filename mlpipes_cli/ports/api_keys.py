"""Where the API's keys are kept: never a key itself, only what recognizes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True)
class ApiKey:
    """A key as others may see it.

    Attributes:
        id: The part of the key that names it; no secret.
        name: Whose or what for, as its maker said.
        created_at: When it was made.
        revoked_at: When it stopped counting, or None.
        last_used_at: About when it was last used, to the minute; None for never.
    """

    id: str
    name: str
    created_at: datetime
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None


@dataclass(frozen=True)
class ActiveKeys:
    """What the API asks for.

    Attributes:
        required: Whether a key was ever made: from then on requests need one, even when all are revoked.
        hashes: SHA-256 of each key that counts, by its id.
    """

    required: bool
    hashes: Mapping[str, bytes] = field(repr=False)


class KeyStore(Protocol):
    """Keeps keys; used from one thread at a time, ``interrupt`` from any.

    Every method but ``interrupt`` and ``close`` raises a ``MlpipesError`` where the database does not answer.
    """

    def prepare(self) -> None:
        """Make or upgrade the tables; several processes may do so at once."""

    def list(self) -> Sequence[ApiKey]:
        """All keys, revoked ones too, the newest last."""

    def create(self, id: str, name: str, digest: bytes) -> ApiKey:
        """Keep a new key.

        Args:
            id: Its public part.
            name: Its name, which no other key that counts may have.
            digest: SHA-256 of the whole key.

        Raises:
            Rejected: A key of that name or id is there already.
        """

    def revoke(self, name_or_id: str) -> ApiKey | None:
        """Let a key count no more; None where no key that counts has that name or id."""

    def active(self) -> ActiveKeys:
        """The keys that count now."""

    def used(self, ids: Iterable[str]) -> None:
        """Note that these keys are in use now."""

    def interrupt(self) -> None:
        """Make a call that hangs in another thread fail."""

    def close(self) -> None:
        """Give the connection back."""
