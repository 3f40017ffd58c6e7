"""API keys: their format, and the check of requests.

A key is ``mlp_<id>_<secret>`` with a secret of 256 random bits, so one SHA-256 of it can be stored instead:
it cannot be guessed, and no slow hash is needed (see the decision on API keys).
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import logging
import re
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports.api_keys import ActiveKeys, KeyStore
from mlpipes_cli.server.http.api_error import ApiError, unauthorized, unavailable
from mlpipes_cli.server.page.files import FILES

logger = logging.getLogger("mlpipes.server.keys")
T = TypeVar("T")

OPEN = frozenset(("/health", "/ping", "/ready", "/v2/health/live", "/v2/health/ready", *FILES))
"""Paths that anybody may ask for: they tell nothing of the data, and load balancers have no keys."""

_KEY = re.compile(rb"mlp_([0-9a-f]{12})_[0-9a-f]{64}")
_BEARER = re.compile(rb"bearer +", re.IGNORECASE)
_PATIENCE = 5.0  # seconds for one read of the database
_USED_EVERY = 60.0


@dataclass(frozen=True)
class NewKey:
    """A new key; its text is shown once and not stored."""

    id: str
    text: str = field(repr=False)

    @property
    def digest(self) -> bytes:
        """The hash that is stored."""
        return hashlib.sha256(self.text.encode("ascii")).digest()


def new_key() -> NewKey:
    """Create a new key."""
    identifier = secrets.token_hex(6)
    return NewKey(identifier, f"mlp_{identifier}_{secrets.token_hex(32)}")


class KeyGuard:
    """Admits requests by the keys that a background task last read.

    Args:
        store: The key store; only the background task uses it.
        refresh_seconds: Seconds between two reads; a revoked key stops working after about that time.
        mode: ``auto`` requires a key once the first one was created, ``required`` always, ``off`` never.
    """

    def __init__(self, store: KeyStore, refresh_seconds: float = 1.0, *, mode: str = "auto") -> None:
        self._store, self._every, self._mode = store, refresh_seconds, mode
        self._known = mode == "off"
        self._required = mode != "off"
        self._hashes: Mapping[str, bytes] = {}
        self._prepared = False
        self._used: set[str] = set()
        self._noted_at = float("-inf")
        self._task: asyncio.Task[None] | None = None
        # Its own thread: large requests may occupy the loop's threads, and revoking a key must not wait.
        self._thread = ThreadPoolExecutor(1, "keys")

    async def start(self) -> None:
        """Read the keys, and repeat this regularly; if the database is away, try again."""
        if self._mode == "off" or self._task is not None:
            return
        await self._refresh()
        self._task = asyncio.create_task(self._watch(), name="keys")

    async def stop(self) -> None:
        """Stop reading."""
        if self._task is None:
            return
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._task = None
        self._store.interrupt()
        await self._in_thread(self._store.close)
        self._thread.shutdown(wait=False)

    def refusal(self, path: str, headers: Iterable[tuple[bytes, bytes]]) -> ApiError | None:
        """Return why the request is rejected, or None if it is admitted.

        401 without a valid key; 503 if keys may be required and none could be read since the start.

        Args:
            path: The decoded path.
            headers: As ASGI passes them: names in lower case.
        """
        if not self._required or path in OPEN:
            return None
        valid, given = self._valid(headers)
        if valid:
            return None
        if not self._known:
            return unavailable("the API keys cannot be read now; try again", 1)
        return unauthorized(given)

    def _valid(self, headers: Iterable[tuple[bytes, bytes]]) -> tuple[bool, bool]:
        """Return whether a key is valid, and whether a key was given at all."""
        given = False
        for name, value in headers:
            if name == b"x-api-key":
                key = value.strip()
            elif name == b"authorization" and (bearer := _BEARER.match(value)):
                key = value[bearer.end() :].strip()
            else:
                continue
            given = True
            found = _KEY.fullmatch(key)
            if found is None:
                continue
            identifier = found[1].decode("ascii")
            stored = self._hashes.get(identifier)
            if stored is not None and hmac.compare_digest(hashlib.sha256(key).digest(), stored):
                self._used.add(identifier)
                return True, True
        return False, given

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._every)
            await self._refresh()

    async def _refresh(self) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                active = await self._in_thread(self._active)
            self._hashes = active.hashes
            self._required = self._mode == "required" or active.required
            self._known = True
            await self._note_used()
        except (MlpipesError, TimeoutError) as error:
            if isinstance(error, TimeoutError):
                self._store.interrupt()
            logger.debug("the API keys cannot be read (%s); known keys remain valid", type(error).__name__)
        except Exception:
            logger.exception("the API keys cannot be read; known keys remain valid")

    def _in_thread(self, work: Callable[..., T], *arguments: object) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    def _active(self) -> ActiveKeys:
        if not self._prepared:
            self._store.prepare()
            self._prepared = True
        return self._store.active()

    async def _note_used(self) -> None:
        now = time.monotonic()
        if not self._used or now - self._noted_at < _USED_EVERY:
            return
        self._noted_at, used, self._used = now, self._used, set()
        async with asyncio.timeout(_PATIENCE):
            await self._in_thread(self._store.used, used)
