"""Requests that tell whether a service works, sent to real sockets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from mlpipes_cli.services.probes import HttpProbe, TcpProbe

PING = TcpProbe("AUTH {REDIS_PASSWORD}\r\nPING\r\n", "+PONG\r\n")


@contextmanager
def server(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server that takes one connection."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            link, _ = listening.accept()
            with link:
                talk(link)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        thread.join()


def test_a_ping_is_sent_with_its_secret_and_its_answer_may_come_in_parts() -> None:
    heard: list[bytes] = []

    def talk(link: socket.socket) -> None:
        heard.append(link.recv(1000))
        for part in (b"+OK\r\n+PO", b"NG\r", b"\n"):
            link.sendall(part)

    with server(talk) as port:
        assert PING.with_secrets({"REDIS_PASSWORD": "a{b}c"}).ask(port)
    assert heard == [b"AUTH a{b}c\r\nPING\r\n"]


@pytest.mark.parametrize("answer", [b"-NOAUTH Authentication required.\r\n", b"+PON", b""])
def test_another_answer_is_none(answer: bytes) -> None:
    def talk(link: socket.socket) -> None:
        link.recv(1000)
        link.sendall(answer)

    with server(talk) as port:
        assert not PING.with_secrets({}).ask(port, timeout=2)


def test_who_says_nothing_is_waited_for_no_longer_than_asked() -> None:
    done = threading.Event()
    with server(lambda link: (done.wait(30), None)[1]) as port:
        assert not PING.with_secrets({}).ask(port, timeout=0.2)
        done.set()
    assert not PING.ask(port)  # nobody listens any more


def test_headers_get_the_values_of_env_and_show_none() -> None:
    probe = HttpProbe("GET", "/api/status", headers={"Authorization": "token {JUPYTER_TOKEN}"})
    assert probe.with_secrets({"JUPYTER_TOKEN": "s3cret"}).headers == {"Authorization": "token s3cret"}
    assert probe.with_secrets({}).headers == {"Authorization": "token "}
    assert "s3cret" not in repr(probe.with_secrets({"JUPYTER_TOKEN": "s3cret"}))
