from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mlpipes_cli.http_probe import Answer, ask, ask_url


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status = {"/gone": 404, "/moved": 302}.get(self.path, 200)
        length = int(self.headers.get("Content-Length") or 0)
        told = f"{self.command} {self.path} {self.headers.get('X-Key')} {self.rfile.read(length).decode()}"
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/login")
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told.encode())

    do_POST = do_GET

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(params=["127.0.0.1", "::1"])
def server(request: pytest.FixtureRequest) -> Iterator[tuple[str, int]]:
    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in request.param else socket.AF_INET

    try:
        listening = Server((request.param, 0), Handler)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        try:
            yield request.param, listening.server_port
        finally:
            listening.shutdown()
            thread.join()


def test_the_answer_is_the_services_own(server: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    host, port = server
    posted = ask(host, port, "/a?b=1", method="POST", body="c", headers={"X-Key": "k"}, read=True)
    assert posted == Answer(200, b"POST /a?b=1 k c")
    assert ask(host, port, "/gone", read=True) == Answer(404, b"GET /gone None ")
    assert ask(host, port, "/moved") == Answer(302)  # nor does it go to the page of a login
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    assert ask_url(f"{url}/a?b=1", read=True) == Answer(200, b"GET /a?b=1 None ")
    assert ask_url(url, read=True) == Answer(200, b"GET / None ")


def test_no_answer(free_port: int) -> None:
    assert ask("127.0.0.1", free_port, "/") is None
    assert ask("no-such-host.invalid", 80, "/") is None
    assert ask("127.0.0.1", free_port, "/a b") is None


@pytest.mark.parametrize("said", [b"", b"SSH-2.0-OpenSSH_9.2\r\n"])
def test_what_is_no_http_server_does_not_answer(said: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]

        def once() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(said)

        thread = threading.Thread(target=once)
        thread.start()
        assert ask("127.0.0.1", port, "/") is None
        thread.join()


def test_a_silent_server_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        started = time.monotonic()
        assert ask("127.0.0.1", listening.getsockname()[1], "/", timeout=0.2) is None
        assert time.monotonic() - started < 5


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])
