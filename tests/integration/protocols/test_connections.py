"""Many connections that do nothing, or next to nothing, and bodies without end."""

from __future__ import annotations

import contextlib
import json
import resource
import select
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import protocol_help
import protocol_models
import pytest
import serving_help
from protocol_help import Wire

pytestmark = pytest.mark.slow
MOST = 8 * 1024 * 1024  # bytes of a body
MEGABYTE = 1024 * 1024
ROW = {"amount": 120.5, "ratio": 0.25, "age": 40, "level": 3, "member": True, "city": "Paris"}
ASK = protocol_help.post("/predict", json.dumps(ROW).encode(), "connection: close")


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, database: serving_help.Postgres
) -> Iterator[tuple[int, Any]]:
    path: Path = protocol_models.train(tmp_path_factory.mktemp("model") / "m")
    with protocol_help.process(path, database.url, MOST) as found:
        for _ in range(20):
            ask(found[0])
        yield found


@pytest.fixture
def many() -> Iterator[int]:
    """As many connections as this process may have, up to 10,000."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 12_000 if hard == resource.RLIM_INFINITY else min(hard, 12_000)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield min(10_000, max(soft, wanted) - 500)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def ask(port: int) -> float:
    """One prediction on a connection of its own; the seconds that it took."""
    start = time.monotonic()
    with Wire(port, timeout=30) as wire:
        wire.send(ASK)
        answer = wire.read()
    assert answer.startswith(b"HTTP/1.1 200 "), answer[:200]
    return time.monotonic() - start


def ended(connections: list[socket.socket]) -> int:
    """How many of them the server has closed."""
    poll = select.poll()
    for connection in connections:
        poll.register(connection, select.POLLIN | select.POLLHUP)
    return len(poll.poll(0))


def test_ten_thousand_slow_connections_do_not_stop_the_others(server: tuple[int, Any], many: int) -> None:
    port, process = server
    before = process.memory_info().rss
    alone = sorted(ask(port) for _ in range(20))[10]
    sent = [b"", b"POST /predict HTTP/1.1\r\nhost: x\r\nx-slow: ", ASK[:-20]]
    waiting: list[socket.socket] = []
    try:
        for at in range(many):
            connection = socket.create_connection(("127.0.0.1", port), timeout=30)
            waiting.append(connection)
            connection.sendall(sent[at % 3])
        beside, most = [], 0
        for turn in range(20):
            for connection in waiting[turn::40]:  # and some of them drip
                with contextlib.suppress(OSError):
                    connection.sendall(b"x" if connection is not waiting[0] else b"")
            beside.append(ask(port))
            most = max(most, process.memory_info().rss)
        assert sorted(beside)[10] < max(0.5, 20 * alone), (alone, beside)
        assert max(beside) < 5
        assert (most - before) / many < 40_000, "bytes a connection"
        serving_help.until(lambda: ended(waiting) == len(waiting), 60, "each slow connection closed")
        answers = [b"", b"HTTP/1.1 408 ", b"HTTP/1.1 408 "]
        for at in range(20):  # of those that did not drip
            connection = waiting[-1 - at] if (len(waiting) - 1 - at) % 40 >= 20 else waiting[39 + 40 * at]
            kind = waiting.index(connection) % 3
            with contextlib.suppress(ConnectionResetError):
                assert connection.recv(65536).startswith(answers[kind]) or kind == 0
    finally:
        for connection in waiting:
            connection.close()
    serving_help.until(lambda: process.num_fds() < 200, 90, "the files closed")
    for _ in range(20):
        ask(port)
    serving_help.until(  # what a flood needed is given back within a second of its end
        lambda: process.memory_info().rss - before < 64 * MEGABYTE, 10, "the memory given back"
    )
    assert sorted(ask(port) for _ in range(20))[10] < max(0.25, 5 * alone)


def test_a_body_of_a_gigabyte_is_refused_before_it_is_read(server: tuple[int, Any]) -> None:
    port, process = server
    before = process.memory_info().rss
    for path in ("/invocations", "/predict", "/v2/models/train/infer", "/models/prediction/train/production"):
        with Wire(port) as wire:
            wire.send(protocol_help.post(path, b"", "expect: 100-continue").replace(b": 0", b": 1073741824"))
            answer = wire.read()
        assert answer.startswith(b"HTTP/1.1 413 ") and b"connection: close" in answer, answer
        assert b"100 Continue" not in answer
    assert process.memory_info().rss - before < 8 * MEGABYTE


def test_a_client_that_does_not_listen_cannot_send_a_gigabyte(server: tuple[int, Any]) -> None:
    port, process = server
    before, sent, piece = process.memory_info().rss, 0, b"x" * MEGABYTE
    with Wire(port) as wire:
        wire.send(protocol_help.post("/predict", b"").replace(b": 0", b": 1073741824"))
        with contextlib.suppress(OSError):
            while sent < 1024:
                wire.send(piece)
                sent += 1
    assert sent < 200
    assert process.memory_info().rss - before < 8 * MEGABYTE


@pytest.mark.parametrize("path", ["/invocations", "/predict", "/v2/models/train/infer"])
def test_a_body_of_no_told_length_is_refused_at_the_limit(server: tuple[int, Any], path: str) -> None:
    port, process = server
    before, sent, most = process.memory_info().rss, 0, 0
    kind = "content-type: application/json"
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\n{kind}\r\ntransfer-encoding: chunked\r\n\r\n"
    piece = b"10000\r\n" + b" " * 65536 + b"\r\n"
    with Wire(port) as wire:
        wire.send(head.encode())
        while sent < 1024 * MEGABYTE:
            readable, _, _ = select.select([wire.socket], [], [], 0)
            if readable:
                break
            wire.send(piece)
            sent += len(piece)
            most = max(most, process.memory_info().rss)
        assert wire.read().startswith(b"HTTP/1.1 413 ")
    assert MOST <= sent < MOST + 32 * MEGABYTE
    assert most - before < MOST + 32 * MEGABYTE
    assert ask(port) < 5


def test_a_gzip_bomb_is_not_unpacked(server: tuple[int, Any]) -> None:
    """Only the Open Inference Protocol knows content codings, and unpacks up to its limit."""
    import gzip

    port, process = server
    before, bomb = process.memory_info().rss, gzip.compress(b" " * 100 * MEGABYTE, 1)
    for path, status in (("/invocations", 415), ("/predict", 415), ("/v2/models/train/infer", 413)):
        with Wire(port, timeout=60) as wire:
            wire.send(protocol_help.post(path, bomb, "content-encoding: gzip", "connection: close"))
            assert wire.read().startswith(b"HTTP/1.1 %d " % status)
    assert process.memory_info().rss - before < 2 * MOST + 32 * MEGABYTE
