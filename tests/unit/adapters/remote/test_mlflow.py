"""What a remote MLflow may answer; a small server answers it here."""

from __future__ import annotations

import http.server
import importlib.metadata
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from mlpipes_cli.adapters.remote import mlflow

OURS = importlib.metadata.version("mlflow")
FINE = {
    "/version": (200, OURS),
    "/api/2.0/mlflow/experiments/search": (
        200, {"experiments": [{"artifact_location": "mlflow-artifacts:/0"}]}
    ),
    "/api/2.0/mlflow-artifacts/artifacts": (200, {"files": []}),
}  # fmt: skip
Answers = dict[str, tuple[int, object]]


@pytest.fixture
def server() -> Callable[[Answers], AbstractContextManager[str]]:
    @contextmanager
    def serve(answers: Answers) -> Iterator[str]:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, body = answers.get(self.path, (404, "nothing here"))
                content = (body if isinstance(body, str) else json.dumps(body)).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_GET

            def log_message(self, *_: object) -> None: ...

        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
            threading.Thread(target=listening.serve_forever, daemon=True).start()
            yield f"http://127.0.0.1:{listening.server_port}"
            listening.shutdown()

    return serve


@pytest.mark.parametrize(
    ("changed", "levels", "words"),
    [
        ({}, ["ok", "ok"], f"MLflow {OURS} answers"),
        ({"/version": (200, "3.1.0")}, ["warning", "ok"], "our client is"),
        ({"/version": (200, "2.20.1")}, ["fault", "ok"], "are not compatible"),
        ({"/version": (200, "<html>")}, ["fault"], "is not MLflow"),
        ({"/version": (404, "")}, ["fault"], "is not MLflow"),
        ({"/version": (401, "")}, ["fault"], "rejected our credentials"),
        ({"/version": (403, "")}, ["fault"], "denied access"),
        ({"/version": (503, "")}, ["fault"], "it returned HTTP 503"),
        ({"/api/2.0/mlflow/experiments/search": (200, {})}, ["fault"], "is not MLflow"),
        ({"/api/2.0/mlflow/experiments/search": (200, "hello")}, ["fault"], "is not MLflow"),
        ({"/api/2.0/mlflow/experiments/search": (401, "")}, ["fault"], "rejected our credentials"),
        (
            {"/api/2.0/mlflow/experiments/search": (200, {"experiments": [{"artifact_location": "s3://b/0"}]})},
            ["ok", "fault"],
            "clients would need direct access to s3:",
        ),
        ({"/api/2.0/mlflow-artifacts/artifacts": (503, "")}, ["ok", "fault"], "does not serve them"),
    ],
)  # fmt: skip
def test_answers(server: Callable[[Answers], AbstractContextManager[str]], changed: Answers,
                 levels: list[str], words: str) -> None:  # fmt: skip
    with server({**FINE, **changed}) as url:
        found = mlflow.examine(url, {})
    assert [check.level for check in found] == levels
    assert any(words in check.found for check in found), found
    assert all(check.fix for check in found if check.level != "ok")


def test_nobody_there() -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as closed:
        port = closed.server_port
    (found,) = mlflow.examine(f"http://127.0.0.1:{port}", {})
    assert found.level == "fault"
    assert "Connection refused" in found.found
    assert not mlflow.answers(f"http://127.0.0.1:{port}", {})
