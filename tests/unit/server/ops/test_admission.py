"""Who is let in, by a request's headers."""

from __future__ import annotations

import pytest

from mlpipes_cli.server.ops.admission import Admission
from mlpipes_cli.server.ops.allowed_hosts import AllowedHosts

JSON = (b"content-type", b"application/json")


def host(name: str) -> tuple[bytes, bytes]:
    return (b"host", name.encode())


def status(
    method: str, path: str, *headers: tuple[bytes, bytes], version: str = "1.1", **told: list[str]
) -> int:
    refusal = Admission(told.get("hosts", []), told.get("cors", [])).refusal(method, path, version, headers)
    return 200 if refusal is None else refusal.status


@pytest.mark.parametrize(
    "name",
    [
        *("localhost", "localhost:8000", "LocalHost.", "model.localhost:80", "127.0.0.1:8000", "[::1]:8000"),
        *("192.168.1.7:8000", "203.0.113.5", "[fe80::1]", "api:8000", "my_project-api-1", "box.local"),
        *("host.docker.internal:8000", "fraud.default.svc:8000", "fraud.default.svc.cluster.local"),
    ],
)
def test_names_that_no_stranger_can_own_are_ours(name: str) -> None:
    assert status("POST", "/predict", host(name), JSON) == 200


@pytest.mark.parametrize(
    "name",
    [
        *("evil.example", "EVIL.example:8000", "127.0.0.1.evil.example", "localhost.evil.example", "127.1.2"),
        *("evil-localhost.com", "local.evil.com", "xlocal.com", "999.1.1.1", "[1.2.3.4]x.com"),
    ],
)
def test_other_names_get_403_or_400(name: str) -> None:
    assert status("GET", "/predictions/recent", host(name)) in (400, 403)
    assert status("GET", "/metrics", host(name)) in (400, 403)
    assert status("POST", "/predict", host(name), JSON) in (400, 403)


def test_the_refusal_says_the_setting() -> None:
    refusal = AllowedHosts([]).refusal(b"fraud.example.com:8000")
    assert refusal is not None and refusal.status == 403
    assert "serving: {allowed_hosts: [fraud.example.com]}" in refusal.message


def test_names_of_the_settings_are_ours() -> None:
    told = ["api.example.com", "*.corp.example"]
    assert status("GET", "/version", host("API.example.com:443"), hosts=told) == 200
    assert status("GET", "/version", host("a.b.corp.example"), hosts=told) == 200
    for other in ("corp.example", "example.com", "xapi.example.com", "evilcorp.example"):
        assert status("GET", "/version", host(other), hosts=told) == 403
    assert status("GET", "/version", host("evil.example"), hosts=["*"]) == 200


@pytest.mark.parametrize("path", ["/health", "/ping", "/ready", "/v2/health/live", "/v2/health/ready"])
def test_health_is_told_under_any_name(path: str) -> None:
    assert status("GET", path, host("lb.example.com")) == 200
    assert status("GET", path) == 400


@pytest.mark.parametrize("name", ["", "a b", "x:port", "x:1:2", "[::1", "user@x", "x/y", "x:999999", "a%00b"])
def test_what_is_no_host_gets_400(name: str) -> None:
    assert status("GET", "/health", host(name)) == 400
    assert status("GET", "/health", host(name), hosts=["*"]) == 400


def test_one_host_header() -> None:
    assert status("GET", "/health") == 400
    assert status("GET", "/health", host("x"), host("x")) == 400
    assert status("GET", "/health", version="1.0") == 200
    assert status("GET", "/health", host("x"), host("x"), version="1.0") == 400


@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        ({}, 200),  # no browser
        ({"origin": "http://x:8000"}, 200),
        ({"origin": "https://x:8000"}, 200),  # behind a proxy that speaks TLS
        ({"origin": "https://app.example"}, 200),  # named in `cors`
        ({"origin": "https://app.example", "sec-fetch-site": "cross-site"}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://x:3000"}, 403),  # another server of the same machine
        ({"origin": "http://x:8000.evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site", "origin": "http://x:8000"}, 403),
        ({"sec-fetch-site": "same-origin", "origin": "https://fraud.example"}, 200),  # a proxy changed Host
        ({"sec-fetch-site": "none"}, 200),
    ],
)
def test_pages_of_others_do_not_write(headers: dict[str, str], wanted: int) -> None:
    given = [(name.encode(), value.encode()) for name, value in headers.items()]
    for path in ("/predict", "/feedback", "/invocations", "/v2/models/m/infer", "/models/prediction/m/a"):
        found = status("POST", path, host("x:8000"), JSON, *given, cors=["https://app.example"])
        assert found == wanted, path
    assert status("GET", "/version", host("x:8000"), *given) == 200  # browsers do not let others read it


def test_cors_for_every_page_lets_every_page_write() -> None:
    origin = (b"origin", b"null")
    assert status("POST", "/predict", host("x"), JSON, origin, cors=["*"]) == 200


def test_two_origins_are_none_of_ours() -> None:
    two = [(b"origin", b"http://x"), (b"origin", b"http://x")]
    assert status("POST", "/predict", host("x"), JSON, *two) == 403


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON", "application/json; charset=utf-8"])
def test_json_is_taken(kind: str) -> None:
    for path in ("/predict", "/feedback", "/models/prediction/m/a", "/v2/models/m/infer"):
        assert status("POST", path, host("x"), (b"content-type", kind.encode())) == 200


@pytest.mark.parametrize(
    "kind", [None, "", "text/plain", "text/plain;charset=UTF-8", "multipart/form-data; boundary=x"]
)
def test_what_a_page_sends_without_asking_is_not(kind: str | None) -> None:
    given = [] if kind is None else [(b"content-type", kind.encode())]
    for path in ("/predict", "/feedback", "/models/prediction/m/a"):
        assert status("POST", path, host("x"), *given) == 415
    # Triton's own client names no type; a page that does so has its origin looked at
    assert status("POST", "/v2/models/m/infer", host("x"), *given) == (200 if kind is None else 415)
    origin = (b"origin", b"http://evil.example")
    assert status("POST", "/v2/models/m/infer", host("x"), *given, origin) == 403
    assert (
        status("POST", "/v2/models/m/infer", host("x"), *given, (b"inference-header-content-length", b"9"))
        == 200
    )
    assert status("POST", "/invocations", host("x"), *given) == 200  # MLflow's own refusal follows


def test_curl_is_told_what_to_add() -> None:
    form = (b"content-type", b"application/x-www-form-urlencoded")
    refusal = Admission([], []).refusal("POST", "/predict", "1.1", [host("x"), form])
    assert refusal is not None and refusal.status == 415
    assert refusal.message == (
        "expected the header `Content-Type: application/json`, got application/x-www-form-urlencoded; "
        "with curl: -H 'Content-Type: application/json'"
    )


@pytest.mark.parametrize("path", ["/predict", "/invocations", "/feedback", "/models/prediction/m/a"])
def test_packed_bodies_get_415(path: str) -> None:
    given = [host("x"), JSON]
    refusal = Admission([], []).refusal("POST", path, "1.1", [*given, (b"content-encoding", b"gzip")])
    assert (
        refusal is not None and refusal.status == 415 and refusal.headers == {"Accept-Encoding": "identity"}
    )
    assert status("POST", path, *given, (b"content-encoding", b"identity")) == 200
    assert status("POST", "/v2/models/m/infer", *given, (b"content-encoding", b"gzip")) == 200
