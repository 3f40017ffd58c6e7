from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports.api_keys import ActiveKeys, ApiKey
from mlpipes_cli.server.ops import keys
from mlpipes_cli.server.ops.keys import KeyGuard, new_key

Headers = list[tuple[bytes, bytes]]


class Memory:
    """A store in memory that can be away or hang."""

    def __init__(self) -> None:
        self.hashes: dict[str, bytes] = {}
        self.required, self.away = False, False
        self.seen: list[set[str]] = []
        self.hangs: threading.Event | None = None
        self.interrupted = self.closed = 0

    def prepare(self) -> None:
        if self.away:
            raise MlpipesError("the database does not answer")

    def list(self) -> Sequence[ApiKey]:
        return []

    def create(self, id: str, name: str, digest: bytes) -> ApiKey:
        raise NotImplementedError

    def revoke(self, name_or_id: str) -> ApiKey | None:
        raise NotImplementedError

    def active(self) -> ActiveKeys:
        self.prepare()
        if self.hangs is not None:
            self.hangs.wait(20)
            raise MlpipesError("interrupted")
        return ActiveKeys(self.required, dict(self.hashes))

    def used(self, ids: Iterable[str]) -> None:
        self.seen.append(set(ids))

    def interrupt(self) -> None:
        self.interrupted += 1
        if self.hangs is not None:
            self.hangs.set()

    def close(self) -> None:
        self.closed += 1

    def add(self) -> bytes:
        key = new_key()
        self.hashes[key.id], self.required = key.digest, True
        return key.text.encode()


def bearer(key: bytes) -> Headers:
    return [(b"host", b"x"), (b"authorization", b"Bearer " + key)]


def allows(guard: KeyGuard, path: str, headers: Headers) -> bool:
    return guard.refusal(path, headers) is None


def started(store: Memory, **options: Any) -> KeyGuard:
    """A guard that has read the store once."""

    async def run() -> KeyGuard:
        guard = KeyGuard(store, **options)
        await guard.start()
        await guard.stop()
        return guard

    return asyncio.run(run())


def test_a_key_has_256_random_bits_and_is_recognized_by_its_hash() -> None:
    key = new_key()
    prefix, identifier, secret = key.text.split("_")
    assert (prefix, identifier) == ("mlp", key.id)
    assert len(bytes.fromhex(secret)) == 32
    assert key.digest == hashlib.sha256(key.text.encode()).digest()
    assert key.text not in repr(key)
    assert new_key().text != key.text


def test_nobody_needs_a_key_before_the_first_was_made() -> None:
    guard = started(Memory())
    assert allows(guard, "/predict", [])
    assert guard.refusal("/predict", []) is None


def test_from_then_on_everybody_does() -> None:
    store = Memory()
    key, other = store.add(), store.add()
    guard = started(store)
    assert allows(guard, "/predict", bearer(key))
    assert allows(guard, "/predict", [(b"x-api-key", other)])
    assert allows(guard, "/predict", [(b"authorization", b"bearer  " + key + b" ")])
    assert allows(guard, "/predict", [(b"authorization", b"Basic eDp5"), (b"x-api-key", key)])
    for wrong in (
        b"",
        b"x",
        key[:-1],
        key + b"0",
        key.upper(),
        key[:-1] + (b"0" if key[-1:] != b"0" else b"1"),
    ):
        assert guard.refusal("/predict", bearer(wrong)) is not None
        assert guard.refusal("/predict", [(b"x-api-key", wrong)]) is not None
    mixed = key[:17] + other[17:]  # the one's id with the other's secret
    assert guard.refusal("/predict", bearer(mixed)) is not None
    assert guard.refusal("/predict", [(b"authorization", key)]) is not None
    assert guard.refusal("/predict", [(b"cookie", key)]) is not None


@pytest.mark.parametrize("path", ["/", "/health", "/ping", "/ready", "/v2/health/live", "/v2/health/ready"])
def test_open_paths(path: str) -> None:
    store = Memory()
    store.add()
    assert started(store).refusal(path, []) is None


@pytest.mark.parametrize(
    "path",
    [
        "/metrics",
        "/docs",
        "/version",
        "/v2",
        "/v2/health",
        "/health/",
        "//health",
        "/HEALTH",
        "/ready/../predict",
        "/v2/health/x",
        "",
        "/predict",
        "/openapi.json",
        "/health;/predict",
        "/health?x",
        "/\x00",
    ],
)
def test_closed_paths(path: str) -> None:
    store = Memory()
    store.add()
    fault = started(store).refusal(path, [])
    assert fault is not None and fault.status == 401


def test_the_refusal_says_what_to_do_and_is_mlflows_shape() -> None:
    import json

    store = Memory()
    key = store.add()
    guard = started(store)
    fault = guard.refusal("/predict", [])
    assert fault is not None
    assert fault.headers == {"WWW-Authenticate": 'Bearer realm="mlpipes"'}
    assert json.loads(fault.body).keys() == {"error_code", "message"}
    wrong = guard.refusal("/predict", bearer(key[:-4] + b"0000"))
    assert wrong is not None
    assert wrong.headers == {"WWW-Authenticate": 'Bearer realm="mlpipes", error="invalid_token"'}
    assert key.decode()[:20] not in wrong.body


def test_revoking_the_last_key_opens_nothing() -> None:
    store = Memory()
    key = store.add()
    store.hashes.clear()
    guard = started(store)
    assert guard.refusal("/predict", []) is not None
    assert guard.refusal("/predict", bearer(key)) is not None


def test_off_asks_for_nothing_and_reads_nothing() -> None:
    store = Memory()
    store.add()
    store.away = True
    assert allows(started(store, mode="off"), "/predict", [])


def test_required_asks_before_any_was_made() -> None:
    assert not allows(started(Memory(), mode="required"), "/predict", [])


def test_without_a_database_at_the_start_it_is_closed_until_the_keys_are_known() -> None:
    async def run() -> None:
        store = Memory()
        key = store.add()
        store.away = True
        guard = KeyGuard(store, 0.01)
        await guard.start()
        fault = guard.refusal("/predict", bearer(key))
        assert fault is not None and (fault.status, fault.retry_after) == (503, 1)
        assert guard.refusal("/health", []) is None
        store.away = False
        await until(lambda: allows(guard, "/predict", bearer(key)))
        store.away = True  # away again: what is known stays
        await asyncio.sleep(0.05)
        assert allows(guard, "/predict", bearer(key))
        assert guard.refusal("/predict", []) is not None
        await guard.stop()

    asyncio.run(run())


def test_new_and_revoked_keys_are_seen() -> None:
    async def run() -> None:
        store = Memory()
        guard = KeyGuard(store, 0.01)
        await guard.start()
        assert allows(guard, "/predict", [])
        key = store.add()
        await until(lambda: guard.refusal("/predict", []) is not None)
        assert allows(guard, "/predict", bearer(key))
        store.hashes.clear()
        await until(lambda: guard.refusal("/predict", bearer(key)) is not None)
        await guard.stop()
        assert store.closed == 1

    asyncio.run(run())


def test_a_database_that_hangs_is_cut_off_and_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "_PATIENCE", 0.1)

    async def run() -> None:
        store = Memory()
        key = store.add()
        guard = KeyGuard(store, 0.01)
        await guard.start()
        store.hangs = threading.Event()
        await until(lambda: store.interrupted > 0)
        assert allows(guard, "/predict", bearer(key))
        store.hangs = None
        store.hashes.clear()
        await until(lambda: guard.refusal("/predict", bearer(key)) is not None)
        await guard.stop()

    asyncio.run(run())


def test_a_stop_that_comes_as_a_look_ends_is_a_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        guard = KeyGuard(Memory(), 0.01)
        await guard.start()
        stopping: list[asyncio.Task[None]] = []
        look = guard._in_thread

        def in_thread(*arguments: Any) -> asyncio.Future[Any]:
            found = look(*arguments)
            if not stopping:  # the look's result is there, and the task that waits for it not yet told
                found.add_done_callback(lambda _: stopping.append(asyncio.create_task(guard.stop())))
            return found

        monkeypatch.setattr(guard, "_in_thread", in_thread)
        await until(lambda: stopping != [])
        done, _ = await asyncio.wait(stopping, timeout=10)
        assert done

    asyncio.run(run())


def test_use_is_noted_at_most_once_a_minute() -> None:
    async def run() -> None:
        store = Memory()
        key = store.add()
        guard = KeyGuard(store, 0.01)
        await guard.start()
        for _ in range(100):
            allows(guard, "/predict", bearer(key))
        await until(lambda: store.seen != [])
        for _ in range(100):
            allows(guard, "/predict", bearer(key))
        await asyncio.sleep(0.05)
        assert store.seen == [{key.split(b"_")[1].decode()}]
        await guard.stop()

    asyncio.run(run())


async def until(true: Any) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.005)
