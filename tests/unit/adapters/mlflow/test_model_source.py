"""The registry over REST: what passes is asked again, and what does not is said at once."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mlpipes_cli.adapters.mlflow import model_source
from mlpipes_cli.adapters.mlflow.model_source import RestModelSource
from mlpipes_cli.errors import MlpipesError

MODEL = {"registered_model": {"name": "m", "aliases": [{"alias": "production", "version": "3"}]}}


class Server(ThreadingHTTPServer):
    """Answers with the given codes in turn, 0 for a dropped connection, then 200.

    Attributes:
        codes: What is still to be answered.
        asked: How often it was asked.
        error: The body of each error.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.codes: list[int] = []
        self.asked = 0
        self.error = b"{}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked += 1
        code = self.server.codes.pop(0) if self.server.codes else 200
        if not code:
            self.close_connection = True
            return
        body = self.server.error if code >= 400 else json.dumps(MODEL).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(model_source, "_WAITS", (0.01, 0.01))
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def source(server: Server) -> RestModelSource:
    return RestModelSource(f"http://127.0.0.1:{server.server_address[1]}", {})


@pytest.mark.parametrize("codes", [[500, 503], [0], [429, 0]], ids=str)
def test_what_passes_is_asked_again(server: Server, codes: list[int]) -> None:
    server.codes = list(codes)
    found = source(server).published("m")
    assert found is not None
    assert found.aliases == {"production": 3}
    assert server.asked == len(codes) + 1


def test_a_server_that_goes_on_failing_is_named(server: Server) -> None:
    server.codes = [500] * 5
    server.error = b"Internal Server Error"
    with pytest.raises(MlpipesError, match=r"MLflow does not answer \(500 Internal Server Error\)"):
        source(server).published("m")
    assert server.asked == 3


@pytest.mark.parametrize(("code", "words"), [(401, "401"), (400, "400")])
def test_a_refusal_is_not_asked_again(server: Server, code: int, words: str) -> None:
    server.codes = [code]
    with pytest.raises(MlpipesError, match=words):
        source(server).published("m")
    assert server.asked == 1


def test_what_is_missing_is_not_asked_again(server: Server) -> None:
    server.codes = [404]
    assert source(server).published("m") is None
    assert server.asked == 1


def test_an_object_that_the_store_does_not_have_is_missing(server: Server) -> None:
    """MLflow answers 500 for it, with the store's own words; here as MinIO's came through."""
    server.codes = [500]
    server.error = json.dumps(
        {
            "error_code": "INTERNAL_ERROR",
            "message": "The following failures occurred while downloading one or more artifacts from "
            "s3://mlflow:\n##### File 0/none/MLmodel #####\nAn error occurred (404) when calling the "
            "HeadObject operation: Not Found",
        }
    ).encode()
    assert source(server).published("m") is None
    assert server.asked == 1
