"""``mlpipes keys``: manages the keys of the prediction API."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from mlpipes_cli.errors import UsageError
from mlpipes_cli.suggest import did_you_mean

if TYPE_CHECKING:
    from mlpipes_cli.ports.api_keys import ApiKey, KeyStore
    from mlpipes_cli.project import ProjectFolder

_NAME = re.compile(r"[\w.@+-](?:[\w.@+ -]{0,62}[\w.@+-])?")


@dataclass(frozen=True)
class KeyRow:
    """A key as it is listed; times are ISO 8601 in UTC.

    Attributes:
        id: The part of the key that identifies it.
        name: The name that the user gave it.
        state: ``active`` or ``revoked``.
        created: When it was made.
        revoked: When it was revoked, or None.
        last_used: When it was last used, accurate to about a minute, or None for never.
    """

    id: str
    name: str
    state: str
    created: str
    revoked: str | None
    last_used: str | None


@dataclass(frozen=True)
class Created:
    """A key that was just created.

    Attributes:
        id: The part of the key that identifies it.
        name: The name that the user gave it.
        key: The key; shown now and stored nowhere.
        first: Whether requests needed no key before.
    """

    id: str
    name: str
    key: str = field(repr=False)
    first: bool


def create(project: ProjectFolder, name: str) -> Created:
    """Create a key.

    Raises:
        UsageError: The name is invalid.
        Rejected: There is an active key of that name already.
        MlpipesError: The stack is down or its database does not answer.
    """
    from mlpipes_cli.server.ops.keys import new_key

    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is not a valid key name", "use at most 64 letters, digits, spaces and .@+-_"
        )
    with _store(project) as store:
        first = not store.active().required
        key = new_key()
        store.create(key.id, name, key.digest)
    return Created(key.id, name, key.text, first)


def listing(project: ProjectFolder) -> list[KeyRow]:
    """Return all keys, revoked ones too, the newest last.

    Raises:
        MlpipesError: The stack is down or its database does not answer.
    """
    with _store(project) as store:
        return [_row(key) for key in store.list()]


def revoke(project: ProjectFolder, name_or_id: str) -> KeyRow:
    """Revoke a key.

    Raises:
        UsageError: There is no such key.
        MlpipesError: The stack is down or its database does not answer.
    """
    with _store(project) as store:
        revoked = store.revoke(name_or_id)
        if revoked is None:
            active = [key.name for key in store.list() if key.revoked_at is None]
            raise UsageError(
                f"no active key has the name or id {name_or_id!r}{did_you_mean(name_or_id, active)}",
                "see `mlpipes keys list`",
            )
    return _row(revoked)


@contextlib.contextmanager
def _store(project: ProjectFolder) -> Iterator[KeyStore]:
    from mlpipes_cli.adapters import database_wiring, wiring

    store = database_wiring.make_key_store(wiring.make_runtime(project).endpoints().database_url)
    try:
        store.prepare()
        yield store
    finally:
        store.close()


def _row(key: ApiKey) -> KeyRow:
    state = "active" if key.revoked_at is None else "revoked"
    times = (key.created_at, key.revoked_at, key.last_used_at)
    created, revoked, used = (_text(moment) for moment in times)
    return KeyRow(key.id, key.name, state, created or "", revoked, used)


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds")
