"""What a connection may cost, over real sockets."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import protocol_help
import pytest
from protocol_help import Wire

from mlpipes_cli.server.http import connection_limits
from mlpipes_cli.server.http.connection_limits import ConnectionLimits, LimitedProtocol

LIMITS = ConnectionLimits(
    head_seconds=0.5,
    head_bytes=8192,
    body_seconds=0.5,
    write_seconds=0.5,
    idle_seconds=1.5,
    linger_seconds=0.5,
    connections=50,
)


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Says how many bytes came; /early answers without reading, /large gives 20 MB."""
    size = 0
    if scope["path"] == "/large":
        size = 20_000_000
    elif scope["path"] != "/early":
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            size += len(message["body"])
            if not message["more_body"]:
                break
    body = b"x" * size if scope["path"] == "/large" else str(size).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    own = {"lifespan": "off", "timeout_keep_alive": 0}  # uvicorn's
    with pytest.MonkeyPatch.context() as changed, protocol_help.live(app, **own) as found:
        changed.setattr(LimitedProtocol, "limits", LIMITS)
        changed.setattr(connection_limits, "_TICK", 0.1)
        yield found


def ask(port: int) -> bytes:
    with Wire(port) as wire:
        wire.send(protocol_help.post("/", b"abc", "connection: close"))
        return wire.read()


def test_a_connection_takes_several_requests(port: int) -> None:
    with Wire(port) as wire:
        for size in (0, 3, 200_000):
            wire.send(protocol_help.post("/", b"x" * size))
            status, head, body = wire.answer()
            assert (status, body) == (200, str(size).encode())
            assert b"connection: close" not in head


def test_requests_that_come_together_are_answered_in_order(port: int) -> None:
    with Wire(port) as wire:
        bodies = [b"a" * size for size in (1, 100_000, 2)]
        wire.send(b"".join(protocol_help.post("/", body) for body in bodies[:-1]))
        wire.send(protocol_help.post("/", bodies[-1], "connection: close"))
        answers = wire.read()
    assert answers.split(b"\r\n\r\n")[-1] == b"2"
    assert answers.count(b"HTTP/1.1 200") == 3


@pytest.mark.parametrize("sent", [b"POST / HTTP/1.1\r\nhost: x\r\nx-a: ", b"P"])
def test_headers_that_stop_are_answered_with_408(port: int, sent: bytes) -> None:
    start = time.monotonic()
    with Wire(port) as wire:
        wire.send(sent)
        answer = wire.read()
    assert answer.startswith(b"HTTP/1.1 408 ") and b'"error_code": "REQUEST_TIMEOUT"' in answer
    assert b"connection: close" in answer
    assert time.monotonic() - start < 30


def test_headers_that_drip_are_answered_with_408(port: int) -> None:
    with Wire(port) as wire:
        wire.send(b"GET / HTTP/1.1\r\n")
        with pytest.raises(OSError):
            for _ in range(40):
                wire.send(b"a: b\r\n")
                time.sleep(0.1)


def test_a_body_that_stops_is_answered_with_408(port: int) -> None:
    with Wire(port) as wire:
        wire.send(protocol_help.post("/", b"x" * 100)[:-50])
        answer = wire.read()
    assert answer.startswith(b"HTTP/1.1 408 ") and b"body" in answer


def test_an_error_in_the_form_of_the_protocol_that_was_spoken(port: int) -> None:
    with Wire(port) as wire:
        wire.send(protocol_help.post("/v2/models/m/infer", b"x" * 100)[:-50])
        assert b'{"error": ' in wire.read()


def test_a_slow_body_that_keeps_coming_is_taken(port: int) -> None:
    """Longer than the base time, since its bytes earn more."""
    LimitedProtocol.limits, before = replace(LIMITS, rate=4), LimitedProtocol.limits
    try:
        with Wire(port) as wire:
            request = protocol_help.post("/", b"x" * 15)
            wire.send(request[:-15])
            for _ in range(15):
                wire.send(b"x")
                time.sleep(0.1)
            assert wire.answer()[2] == b"15"
    finally:
        LimitedProtocol.limits = before


def test_idle_connections_are_closed_without_a_word(port: int) -> None:
    with Wire(port) as fresh, Wire(port) as used:
        for _ in range(2):  # after a rest too
            used.send(protocol_help.post("/", b""))
            assert used.answer()[0] == 200
            time.sleep(0.4)
        assert fresh.read() == b"" and used.read() == b""


def test_load_balancers_close_their_connections_first() -> None:
    assert ConnectionLimits().idle_seconds > 60 + 2 * connection_limits._TICK


def test_line_ends_do_not_keep_a_connection(port: int) -> None:
    with Wire(port) as wire, pytest.raises(OSError):
        for _ in range(60):
            wire.send(b"\r\n")
            time.sleep(0.1)


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /" + b"a" * 2_000_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nx: " + b"a" * 2_000_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 400_000 + b"\r\n",
    ],
)
def test_endless_headers_are_refused(port: int, sent: bytes) -> None:
    with Wire(port) as wire:
        try:
            wire.send(sent)
        except OSError:
            return
        answer = wire.read()
    assert answer == b"" or answer.startswith(b"HTTP/1.1 431 "), answer[:100]


def test_endless_trailers_are_refused(port: int) -> None:
    with Wire(port) as wire:
        wire.send(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n")
        time.sleep(0.2)
        try:
            for _ in range(100):
                wire.send(b"a: " + b"b" * 60_000 + b"\r\n")
        except OSError:
            return
        assert not wire.read().startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "sent", [b"\x16\x03\x01\x02\x00\x01\x00", b"HELO there\r\n\r\n", b"GET \xff HTTP/1.1\r\n\r\n"]
)
def test_what_is_no_http_gets_400(port: int, sent: bytes) -> None:
    with Wire(port) as wire:
        wire.send(sent)
        answer = wire.read()
    assert answer.startswith(b"HTTP/1.1 400 ") and b'"error_code": "BAD_REQUEST"' in answer


def test_an_answer_before_the_body_has_come_ends_the_connection_and_reaches_the_client(port: int) -> None:
    with Wire(port) as wire:
        wire.send(b"POST /early HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000\r\n\r\n")
        for _ in range(100):
            wire.send(b"x" * 100_000)  # what a client sends that does not look
        answer = wire.read()
    assert answer.startswith(b"HTTP/1.1 200 ") and b"connection: close" in answer


@pytest.mark.parametrize("wanted", ["keep-alive", "close"])
@pytest.mark.parametrize("length", ["content-length: 100000", "transfer-encoding: chunked"])
def test_a_body_that_comes_in_pieces_leaves_the_connection_as_the_client_wants_it(
    port: int, wanted: str, length: str
) -> None:
    chunked = "chunked" in length
    piece = b"2710\r\n" + b"x" * 10_000 + b"\r\n" if chunked else b"x" * 10_000
    with Wire(port) as wire:
        for turn in range(2 if wanted == "keep-alive" else 1):
            wire.send(f"POST / HTTP/1.1\r\nhost: x\r\nconnection: {wanted}\r\n{length}\r\n\r\n".encode())
            for _ in range(10):
                time.sleep(0.01)
                wire.send(piece)
            wire.send(b"0\r\n\r\n" if chunked else b"")
            status, head, body = wire.answer()
            assert (status, body) == (200, b"100000"), turn
            assert (b"connection: close" in head) == (wanted == "close")
        if wanted == "close":
            assert wire.read() == b""


def test_an_answer_while_the_next_long_body_comes_does_not_end_the_connection(port: int) -> None:
    with Wire(port) as wire:
        wire.send(protocol_help.post("/", b"abc") + protocol_help.post("/", b"x" * 100_000)[:-50_000])
        assert wire.answer()[2] == b"3"
        wire.send(b"x" * 50_000)
        status, head, body = wire.answer()
        assert (status, body) == (200, b"100000")
        assert b"connection: close" not in head


def test_a_server_that_stops_ends_the_connection_after_the_body_that_still_comes() -> None:
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(protocol_help.live(app, lifespan="off"))
        with Wire(port) as wire:
            request = protocol_help.post("/", b"x" * 100_000)
            wire.send(request[:-50_000])
            time.sleep(0.2)
            stopping = threading.Thread(target=stack.close)
            stopping.start()
            time.sleep(0.5)
            wire.send(request[-50_000:])
            status, head, body = wire.answer()
            assert (status, body) == (200, b"100000")
            assert b"connection: close" in head
        stopping.join(20)
        assert not stopping.is_alive()


def test_a_small_body_that_nobody_read_does_not_cost_the_connection(port: int) -> None:
    with Wire(port) as wire:
        for _ in range(2):
            request = protocol_help.post("/early", b"x" * 100)
            wire.send(request[:-100])
            status, head, _ = wire.answer()
            assert status == 200 and b"connection: close" not in head
            wire.send(request[-100:])


def test_a_client_that_does_not_read_its_answer_loses_it(port: int) -> None:
    with Wire(port) as wire:
        LimitedProtocol.limits, before = replace(LIMITS, rate=20_000_000), LimitedProtocol.limits
        try:
            wire.send(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n")
            time.sleep(2)
            assert len(wire.read()) < 20_000_000
        finally:
            LimitedProtocol.limits = before


def test_the_longest_waiting_connection_makes_room(port: int) -> None:
    waiting = [Wire(port) for _ in range(50)]
    try:
        for _ in range(20):
            assert ask(port).startswith(b"HTTP/1.1 200 ")
        waiting[-1].send(protocol_help.post("/", b"abc"))
        assert waiting[-1].answer()[0] == 200
        assert waiting[0].read() == b""
    finally:
        for wire in waiting:
            wire.close()
