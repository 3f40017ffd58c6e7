"""Requests that offer another protocol are read as if they did not, over real sockets."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import protocol_help
import pytest
from protocol_help import Wire

OFFER = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABk")
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n"


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers with what it was asked: method, path, body, and the headers that it got."""
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message["body"]
        if not message["more_body"]:
            break
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    told = json.dumps([scope["method"], scope["path"], body.decode(), headers]).encode()
    start = [(b"content-length", str(len(told)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": start})
    await send({"type": "http.response.body", "body": told})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with protocol_help.live(app, lifespan="off") as found:
        yield found


def answered(wire: Wire) -> list[Any]:
    status, _, body = wire.answer()
    assert status == 200
    return json.loads(body)[:3]


def chunked(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


@pytest.mark.parametrize("offer", [OFFER, ("connection: keep-alive, upgrade", "upgrade: websocket")])
@pytest.mark.parametrize("pause", [False, True])
@pytest.mark.parametrize("coded", [False, True])
def test_the_body_of_an_offer_is_its_body(
    port: int, offer: tuple[str, ...], pause: bool, coded: bool
) -> None:
    head, _, _ = protocol_help.post("/", b"x" * len(SMUGGLED), *offer).partition(b"\r\n\r\n")
    body = SMUGGLED
    if coded:
        head = head.replace(b"content-length: %d" % len(SMUGGLED), b"transfer-encoding: chunked")
        body = chunked(body)
    with Wire(port) as wire:
        if pause:
            wire.send(head[:40])
            time.sleep(0.05)
            wire.send(head[40:] + b"\r\n\r\n")
            time.sleep(0.05)
            wire.send(body[:10])
            time.sleep(0.05)
            wire.send(body[10:])
        else:
            wire.send(head + b"\r\n\r\n" + body)
        assert answered(wire) == ["POST", "/", SMUGGLED.decode()]
        wire.send(protocol_help.post("/next", b"abc", *offer))  # nothing of it is left on the connection
        assert answered(wire) == ["POST", "/next", "abc"]


def test_offers_that_come_together_are_answered_in_order(port: int) -> None:
    sizes = [0, 1, 100_000, 2]
    with Wire(port) as wire:
        wire.send(b"".join(protocol_help.post("/", b"a" * size, *OFFER) for size in sizes))
        wire.send(protocol_help.post("/", b"a", "connection: close"))
        answers = wire.read().decode().split("HTTP/1.1 200 OK")[1:]
    assert [json.loads(answer.partition("\r\n\r\n")[2])[2] for answer in answers] == [
        "a" * size for size in [*sizes, 1]
    ]


def test_what_offers_is_not_told_and_all_else_is(port: int) -> None:
    with Wire(port) as wire:
        wire.send(
            protocol_help.post("/a%20b?c=d", b"abc", "Connection: close, upgrade", *OFFER[1:], "x-own: v:1")
        )
        answer = wire.read()  # until it closes, as the client wanted
    assert b"connection: close" in answer
    _, path, _, headers = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert path == "/a b" and "upgrade" not in headers and "http2-settings" not in headers
    assert headers["connection"] == "close" and headers["x-own"] == "v:1" and headers["host"] == "x"


def test_an_offer_that_waits_to_be_told_to_go_on(port: int) -> None:
    request = protocol_help.post("/", b"abc", *OFFER, "Expect: 100-continue")
    with Wire(port) as wire:
        wire.send(request[:-3])
        assert wire.socket.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        wire.send(request[-3:])
        assert answered(wire) == ["POST", "/", "abc"]


@pytest.mark.parametrize("fold", [b"\r\n ", b"\n "])
def test_folded_headers_make_no_new_ones(port: int, fold: bytes) -> None:
    head, _, _ = protocol_help.post("/", b"", *OFFER).partition(b"\r\n\r\n")
    with Wire(port) as wire:
        wire.send(head + b"\r\nx-a: b" + fold + b"x-c: d\r\nconnection: close\r\n\r\n")
        answer = wire.read()
    if answer.startswith(b"HTTP/1.1 200 "):
        assert "x-c" not in json.loads(answer.partition(b"\r\n\r\n")[2])[3]
    else:
        assert answer.startswith(b"HTTP/1.1 400 ")


def test_there_is_no_way_to_somewhere_else(port: int) -> None:
    with Wire(port) as wire:
        wire.send(b"CONNECT example.com:443 HTTP/1.1\r\nhost: example.com:443\r\n\r\n" + SMUGGLED)
        answer = wire.read()
    assert answer.startswith(b"HTTP/1.1 400 ") and answer.count(b"HTTP/1.1") == 1
