"""Errors of a place where no engine answers, each told apart; the places are real sockets."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlpipes_cli.adapters.docker.engine import connection
from mlpipes_cli.adapters.docker.engine.contexts import EngineCandidate
from mlpipes_cli.adapters.docker.engine.ping import EngineUnreachable, PingAnswer, ask
from mlpipes_cli.adapters.docker.errors.unreachable import explain
from mlpipes_cli.errors import MlpipesError


@contextlib.contextmanager
def answering(family: int, address: object, answer: bytes | None) -> Iterator[socket.socket]:
    """Somebody who answers each connection with the same; with None never."""
    with socket.socket(family) as server:
        server.bind(address)  # type: ignore[arg-type]
        server.listen()
        held: list[socket.socket] = []

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = server.accept()
                    held.append(client)
                    if answer is not None:
                        client.recv(4096)
                        client.sendall(answer)
                        client.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server
        server.shutdown(socket.SHUT_RDWR)
        for one in held:
            one.close()
    thread.join(5)


def version(api: str) -> bytes:
    body = json.dumps({"ApiVersion": api, "Version": "x"}).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def chosen(url: str) -> EngineCandidate:
    return EngineCandidate(url, f"DOCKER_HOST={url}", chosen=True)


def kind(url: str) -> str:
    with pytest.raises(EngineUnreachable) as caught:
        ask(chosen(url), 0.5)
    return str(caught.value.kind)


def error(environ: dict[str, str]) -> str:
    with pytest.raises(MlpipesError) as caught:
        connection.connect(environ)
    return caught.value.lines()[0]


def test_an_engine(tmp_path: Path) -> None:
    path = tmp_path / "d.sock"
    with answering(socket.AF_UNIX, str(path), version("1.44")):
        assert ask(chosen(f"unix://{path}"), 5) == PingAnswer("1.44")


def test_no_socket(tmp_path: Path) -> None:
    assert kind(f"unix://{tmp_path}/none.sock") == "missing"
    line = error({"HOME": str(tmp_path), "DOCKER_HOST": f"unix://{tmp_path}/none.sock"})
    assert "does not exist" in line
    assert "DOCKER_HOST" in line


def test_no_socket_at_any_of_the_usual_paths(tmp_path: Path) -> None:
    at = [EngineCandidate(f"unix://{tmp_path}/{number}.sock", f"socket {number}") for number in range(6)]
    told = explain([(one, EngineUnreachable("missing")) for one in at]).reason
    four = ", ".join(str(one.socket) for one in at[:4])
    assert told == f"no Docker engine found: no socket at {four} or 2 other paths"
    assert explain([(at[0], EngineUnreachable("missing"))]).reason.endswith(f"no socket at {at[0].socket}")


def test_a_socket_of_an_engine_that_was_stopped(tmp_path: Path) -> None:
    path = tmp_path / "d.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
    assert kind(f"unix://{path}") == "refused"
    line = error({"HOME": str(tmp_path), "DOCKER_HOST": f"unix://{path}"})
    assert "the Docker engine is not running" in line
    assert "embedded" in line


@pytest.mark.skipif(not hasattr(os, "setuid") or os.getuid() != 0, reason="needs another user to be refused")
def test_a_socket_of_another_user(tmp_path: Path) -> None:
    path = tmp_path / "d.sock"
    with answering(socket.AF_UNIX, str(path), version("1.44")):
        path.chmod(0o600)
        for folder in (tmp_path, *tmp_path.parents):
            if str(folder).startswith("/tmp/"):
                folder.chmod(0o755)
        code = (
            "import os, sys; os.setuid(65534)\n"
            "from mlpipes_cli.adapters.docker.engine import connection as engine\n"
            "from mlpipes_cli.errors import MlpipesError\n"
            "try: engine.connect({'HOME': '/nowhere', 'DOCKER_HOST': sys.argv[1]})\n"
            "except MlpipesError as error: print(error.lines()[0])"
        )
        done = subprocess.run(
            [sys.executable, "-c", "import mlpipes_cli.adapters.docker.engine.connection\n" + code, f"unix://{path}"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    assert "no permission" in done.stdout
    assert "usermod -aG docker" in done.stdout


def test_somebody_who_never_answers() -> None:
    with answering(socket.AF_INET, ("127.0.0.1", 0), None) as server:
        assert kind(f"tcp://127.0.0.1:{server.getsockname()[1]}") == "silent"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "wrong"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntrue", "wrong"),
        (b"220 mail\r\n", "wrong"),
        (b"", "wrong"),
        (
            b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",
            "tls",
        ),
    ],
)
def test_somebody_else(answer: bytes, expected: str) -> None:
    with answering(socket.AF_INET, ("127.0.0.1", 0), answer) as server:
        assert kind(f"tcp://127.0.0.1:{server.getsockname()[1]}") == expected


def test_a_closed_port_and_a_name_that_nobody_has() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and nobody listens
        assert kind(f"tcp://127.0.0.1:{taken.getsockname()[1]}") == "refused"
    assert kind("tcp://no-such-host.invalid:2375") == "unknown host"


def test_an_engine_that_is_too_old(tmp_path: Path) -> None:
    path = tmp_path / "d.sock"
    with answering(socket.AF_UNIX, str(path), version("1.38")):
        line = error({"HOME": str(tmp_path), "DOCKER_HOST": f"unix://{path}"})
        assert "supports API 1.38; at least 1.41 is required" in line
        assert connection.available({"DOCKER_HOST": f"unix://{path}"})[0] is False


def test_what_was_chosen_has_no_second(tmp_path: Path) -> None:
    """An engine at a usual place is not taken when the user chose another that does not answer."""
    own = tmp_path / "docker.sock"
    with answering(socket.AF_UNIX, str(own), version("1.44")):
        environ = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
        wrong = environ | {"DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
        assert connection.available(wrong)[0] is False


def test_the_first_usual_place_that_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlpipes_cli.adapters.docker.engine.contexts._SYSTEM", tmp_path / "stale.sock")
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(tmp_path / "stale.sock"))
    own = tmp_path / "docker.sock"
    environ = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    with answering(socket.AF_UNIX, str(own), version("1.44")):
        assert connection.available(environ) == (True, f"socket {own}")
        found = connection.connect(environ)
        assert (found.host, found.local, found.client.api.api_version) == ("127.0.0.1", True, "1.44")
        found.client.close()


def test_no_engine_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_SYSTEM", "_SYSTEM_PODMAN"):
        monkeypatch.setattr(f"mlpipes_cli.adapters.docker.engine.contexts.{name}", tmp_path / "none.sock")
    monkeypatch.setattr("os.getuid", lambda: 4242)
    environ = {"HOME": str(tmp_path)}
    line = error(environ)
    assert "no Docker engine found" in line
    assert "--runtime embedded" in line
    answer, why = connection.available(environ)
    assert (answer, "no Docker engine found" in why) == (False, True)


def test_looking_imports_no_sdk() -> None:
    code = (
        "import sys; from mlpipes_cli.adapters.docker.engine.connection import available; available();"
        "print([name for name in ('docker', 'requests', 'urllib3') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
