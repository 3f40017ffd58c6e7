"""What the whole API lets in, on a real socket."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable

import httpx
import pytest
from protocol_help import Api, Wire

pytestmark = pytest.mark.slow
ROW = {"amount": 120.5, "ratio": 0.25, "age": 40, "level": 3, "member": True, "city": "Paris"}
BODY = json.dumps(ROW).encode()
READ = [
    *("/health", "/ping", "/ready", "/version", "/metrics", "/docs", "/openapi.json", "/", "/page/model"),
    *(
        "/models/list",
        "/predictions/recent",
        "/v2",
        "/v2/health/live",
        "/v2/health/ready",
        "/v2/models/train",
    ),
]


@pytest.fixture(scope="module")
def train(api: Callable[[str], Api]) -> Api:
    return api("train")


@pytest.mark.parametrize("path", READ)
def test_head_answers_as_get_without_a_body(train: Api, path: str) -> None:
    got, asked = train.client.get(path), train.client.head(path)
    assert got.status_code == asked.status_code == 200
    assert asked.content == b"" and got.content
    assert asked.headers["content-type"] == got.headers["content-type"]
    if path != "/metrics":
        assert asked.headers["content-length"] == got.headers["content-length"] == str(len(got.content))
    with Wire(train.port) as wire:  # nothing of a body is on the wire
        wire.send(f"HEAD {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
        assert wire.read().endswith(b"\r\n\r\n")


def test_head_of_what_is_only_posted_or_nowhere(train: Api) -> None:
    assert train.client.head("/predict").status_code == 405
    assert train.client.head("/nowhere").status_code == 404


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (["GET /health HTTP/1.1"], 400),
        (["GET /health HTTP/1.1", "host: x", "host: x"], 400),
        (["GET /health HTTP/1.1", "host: x", "host: y"], 400),
        (["GET /health HTTP/1.1", "host:"], 400),
        (["GET /health HTTP/1.0"], 200),
        (["GET /predictions/recent HTTP/1.1", "host: evil.example"], 403),
        (["GET /metrics HTTP/1.1", "host: evil.example:8000"], 403),
    ],
)
def test_hosts(train: Api, lines: list[str], status: int) -> None:
    with Wire(train.port) as wire:
        wire.send("\r\n".join([*lines, "connection: close", "", ""]).encode())
        assert int(wire.read().split()[1]) == status


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/predict", {"content-type": "text/plain"}, 415),
        ("/predict", {}, 415),
        ("/predict", {"content-type": "application/json", "origin": "http://evil.example"}, 403),
        ("/feedback", {"content-type": "text/plain"}, 415),
        ("/feedback", {"content-type": "application/json", "origin": "http://evil.example"}, 403),
        ("/models/prediction/train/production", {}, 415),
        ("/v2/models/train/infer", {"content-type": "text/plain"}, 415),
        ("/invocations", {"content-type": "text/plain"}, 415),
        ("/invocations", {"content-type": "application/json", "origin": "null"}, 403),
    ],
)
def test_pages_of_others_store_nothing(train: Api, path: str, headers: dict[str, str], status: int) -> None:
    before = train.count()
    answer = httpx.post(
        f"http://127.0.0.1:{train.port}{path}", content=BODY, headers=headers, trust_env=False
    )
    assert answer.status_code == status, answer.text
    if path.startswith("/v2"):
        assert set(answer.json()) == {"error"}
    assert train.count() == before


def test_packed_bodies_get_415_and_say_what_is_taken(train: Api) -> None:
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    answer = train.client.post("/predict", content=gzip.compress(BODY), headers=headers)
    assert answer.status_code == 415 and answer.headers["accept-encoding"] == "identity"
    assert "Content-Encoding" in answer.json()["message"]
