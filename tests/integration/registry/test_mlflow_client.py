"""MLflow's own client against servers that are down, strange, busy or picky."""

import http.server
import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import signing_help

from mlpipes_cli.adapters.mlflow.client import BRIEFLY, PATIENTLY, Connection, MlflowApiError
from mlpipes_cli.adapters.mlflow.registry import MlflowRegistry
from mlpipes_cli.adapters.mlflow.tracking import MlflowTracking
from mlpipes_cli.errors import MlpipesError

pytestmark = pytest.mark.slow  # MLflow's import alone takes seconds


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a connection sets is undone."""
    with monkeypatch.context() as kept:
        for name in (*BRIEFLY, "MLFLOW_TRACKING_URI"):
            kept.setenv(name, os.environ.get(name, ""))
        yield


class _Other(http.server.BaseHTTPRequestHandler):
    """A server whose answers the test chooses; it remembers how it was asked."""

    status: int
    failures: int  # so many requests first
    body: bytes
    promised: int  # bytes more than there are
    seen: list[tuple[str, str]]

    def do_GET(self) -> None:
        type(self).seen.append((self.path, self.headers.get("Authorization", "")))
        if length := int(self.headers.get("Content-Length", 0)):
            self.rfile.read(length)
        failing = len(self.seen) <= self.failures
        self.send_response(503 if failing else self.status)
        self.send_header("Content-Length", str(len(self.body) + self.promised))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(self.body)

    do_POST = do_GET

    def log_message(self, *args: object) -> None: ...


@pytest.fixture
def other() -> Any:
    _Other.status, _Other.failures, _Other.promised = 200, 0, 0
    _Other.body, _Other.seen = b"<html>hello</html>", []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Other)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def lines(call: Any) -> list[str]:
    with pytest.raises(MlpipesError) as caught:
        call()
    return caught.value.lines()


@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid"])
def test_a_server_that_is_down_is_one_line(host: str, tmp_path: Path):
    registry = MlflowRegistry(Connection(f"http://{host}:{free_port()}"))
    for call in (registry.models, lambda: registry.artifact("0" * 32, "a.json", tmp_path / "a.json")):
        (line,) = lines(call)
        assert host in line and "mlpipes up" in line and "(" in line
    assert list(tmp_path.iterdir()) == []


def test_a_ping_is_short_however_patient_the_connection():
    uri = f"http://127.0.0.1:{free_port()}"
    (line,) = lines(MlflowTracking(Connection(uri, PATIENTLY), signing_help.KEY).ping)
    assert "Connection refused" in line
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == BRIEFLY["MLFLOW_HTTP_REQUEST_MAX_RETRIES"]


def test_a_server_that_comes_back_is_waited_for(other: str):
    _Other.failures, _Other.body = 2, json.dumps({"experiments": []}).encode()
    with Connection(other, PATIENTLY).asked("the experiments") as client:
        assert list(client.search_experiments()) == []
    assert len(_Other.seen) == 3


def test_only_the_first_request_asks_where_we_are(other: str, monkeypatch: pytest.MonkeyPatch):
    sought = []

    class Finder:
        @staticmethod
        def find_spec(name: str, *_: object) -> None:
            sought.append(name)

    _Other.body = json.dumps({"experiments": []}).encode()
    with Connection(other).asked("the experiments") as client:
        client.search_experiments()
        monkeypatch.setattr(sys, "meta_path", [Finder, *sys.meta_path])
        client.search_experiments()
    assert len(_Other.seen) == 2
    assert [name for name in sought if name.startswith(("dbruntime", "IPython"))] == []


def test_a_server_that_keeps_failing(other: str):
    _Other.status = 500
    (line,) = lines(MlflowRegistry(Connection(other)).models)
    assert "keeps failing on the registered models" in line and "mlpipes logs mlflow" in line


@pytest.mark.parametrize(("status", "code"), [(200, "INTERNAL_ERROR"), (404, "ENDPOINT_NOT_FOUND")])
def test_another_server_on_that_port(other: str, status: int, code: str):
    _Other.status = status
    (line,) = lines(MlflowRegistry(Connection(other)).models)
    assert line.startswith("MLflow refused the registered models: API request to endpoint")
    assert line.endswith(f"({code})")


def test_a_refusal_is_one_line_with_its_code(other: str):
    _Other.status = 400
    _Other.body = json.dumps({"error_code": "INVALID_PARAMETER_VALUE", "message": "not\nso."}).encode()
    with pytest.raises(MlflowApiError) as caught:
        MlflowRegistry(Connection(other)).set_tag("m", "k", "v")
    assert caught.value.lines() == ["MLflow refused the tag k of m: not so (INVALID_PARAMETER_VALUE)"]
    assert caught.value.code == "INVALID_PARAMETER_VALUE" and not caught.value.missing


def test_an_artifact_that_breaks_off_leaves_no_file(other: str, tmp_path: Path):
    run = {"run": {"info": {"run_id": "1", "artifact_uri": f"{other}api/2.0/mlflow-artifacts/artifacts/1"}}}
    _Other.body, _Other.promised = json.dumps(run).encode(), 10
    (line,) = lines(lambda: MlflowRegistry(Connection(other)).artifact("1", "a.json", tmp_path / "a.json"))
    assert "does not answer" in line or "refused the artifact a.json" in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("environ", "header"),
    [
        ({}, ""),
        ({"MLFLOW_TRACKING_TOKEN": "t0k"}, "Bearer t0k"),
        ({"MLFLOW_TRACKING_USERNAME": "ada", "MLFLOW_TRACKING_PASSWORD": "p"}, "Basic YWRhOnA="),
    ],
)
def test_mlflow_s_own_credentials_are_sent(
    other: str, environ: dict[str, str], header: str, monkeypatch: pytest.MonkeyPatch
):
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    lines(MlflowRegistry(Connection(other)).models)
    assert {sent for _, sent in _Other.seen} == {header}


QUIET = """
import sys
from mlpipes_cli.adapters.mlflow.client import BRIEFLY, Connection
from mlpipes_cli.adapters.mlflow.tracking import MlflowTracking
from mlpipes_cli.signing import keys
key = keys.read("k" * 40, "a test")
assert "mlflow" not in sys.modules
tracking = MlflowTracking(Connection(sys.argv[1]), key)
assert "mlflow" not in sys.modules, "only the first use imports it"
run_id = tracking.begin("quiet", "a", {"long": "t" * 9000}, {"long": "p" * 9000})
tracking.give_up(run_id, "FAILED", "e" * 9000, None)
try:
    MlflowTracking(Connection(sys.argv[2]), key).ping()
except Exception:
    pass
"""


def test_nothing_is_printed(running_stack: Any):
    uri, down = running_stack.environment["MLFLOW_TRACKING_URI"], f"http://127.0.0.1:{free_port()}"
    done = subprocess.run(
        [sys.executable, "-c", QUIET, uri, down],
        env=running_stack.cli.environment, cwd=running_stack.root, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
