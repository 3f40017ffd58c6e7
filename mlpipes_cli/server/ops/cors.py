"""Web pages that may use the API (the Fetch standard's CORS protocol,
https://fetch.spec.whatwg.org/#http-cors-protocol).

The FastAPI application has Starlette's middleware; responses without it get the same headers here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastapi import FastAPI

Headers = list[tuple[bytes, bytes]]
_EXPOSED = ("X-Request-ID", "traceparent", "tracestate", "Retry-After", "WWW-Authenticate")


def options(origins: Sequence[str]) -> dict[str, Any]:
    """Return the arguments of Starlette's ``CORSMiddleware``.

    Args:
        origins: For example ``https://app.example.com``, or ``*`` for every page.
    """
    return {
        "allow_origins": tuple(origins),
        "allow_methods": ("GET", "POST"),
        "allow_headers": ("Authorization", "X-API-Key", "X-Request-ID", "traceparent", "tracestate"),
        "expose_headers": _EXPOSED,
        "max_age": 600,
    }


def add_middleware(app: FastAPI, origins: Sequence[str]) -> None:
    """Add the middleware that answers pages of these origins, and their preflight requests."""
    if origins:
        from starlette.middleware.cors import CORSMiddleware

        app.add_middleware(CORSMiddleware, **options(origins))


class Cors:
    """The CORS headers of responses without the middleware.

    Args:
        origins: As in :func:`options`; an empty list turns CORS off.
    """

    def __init__(self, origins: Sequence[str]) -> None:
        self._origins = {origin.encode("latin-1") for origin in origins}
        exposed = (b"access-control-expose-headers", ", ".join(_EXPOSED).encode("ascii"))
        vary = (b"vary", b"Origin")
        every = (b"access-control-allow-origin", b"*")
        self._all = b"*" in self._origins
        self._none: Headers = [vary]
        self._foreign: Headers = [every, exposed, vary] if self._all else [exposed, vary]
        self._known: dict[bytes, Headers] = {
            origin: [exposed, (b"access-control-allow-origin", origin), vary] for origin in self._origins
        }

    def headers(self, given: Iterable[tuple[bytes, bytes]]) -> Headers:
        """Return the headers for a response.

        Args:
            given: The request's headers as ASGI passes them: names in lower case.
        """
        if not self._origins:
            return []
        origin = next((value for name, value in given if name == b"origin"), None)
        if origin is None:
            return self._none
        return self._foreign if self._all else self._known.get(origin, self._foreign)

    def is_preflight(self, method: str, given: Iterable[tuple[bytes, bytes]]) -> bool:
        """Return whether it is a preflight request; browsers send no key with it."""
        if method != "OPTIONS" or not self._origins:
            return False
        names = {name for name, _ in given}
        return b"origin" in names and b"access-control-request-method" in names
