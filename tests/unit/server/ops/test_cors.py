from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.middleware.cors import CORSMiddleware

from mlpipes_cli.server.ops.cors import Cors, options

ORIGINS = [None, "https://app.example", "https://other.example", "null", "https://app.example:443", "*", ""]


def by_starlette(origins: list[str], origin: str | None) -> set[tuple[bytes, bytes]]:
    """The headers that Starlette's middleware adds to an answer that has none."""
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [] if origin is None else [(b"origin", origin.encode())]
    scope = {"type": "http", "method": "POST", "headers": headers}
    asyncio.run(CORSMiddleware(app, **options(origins))(scope, None, send))  # type: ignore[arg-type]
    return set(sent[0]["headers"])


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("origins", [["https://app.example"], ["https://app.example", "null"], ["*"]])
def test_the_hot_path_says_what_the_middleware_says(origins: list[str], origin: str | None) -> None:
    headers = [(b"host", b"x")] + ([] if origin is None else [(b"origin", origin.encode())])
    assert set(Cors(origins).headers(headers)) == by_starlette(origins, origin)


def test_it_is_off_unless_set() -> None:
    cors = Cors([])
    asked = [(b"origin", b"https://app.example"), (b"access-control-request-method", b"POST")]
    assert cors.headers(asked) == []
    assert not cors.is_preflight("OPTIONS", asked)


def test_a_preflight_is_an_options_request_of_a_page() -> None:
    cors = Cors(["https://app.example"])
    asked = [(b"origin", b"https://app.example"), (b"access-control-request-method", b"POST")]
    assert cors.is_preflight("OPTIONS", asked)
    assert not cors.is_preflight("POST", asked)
    assert not cors.is_preflight("OPTIONS", asked[:1])
    assert not cors.is_preflight("OPTIONS", asked[1:])
