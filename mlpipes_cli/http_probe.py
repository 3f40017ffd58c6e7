"""Ask a service of the stack whether it answers, by one HTTP request: no redirects, no proxies, no TLS.

``http.client`` loads in a fifth of the time that httpx takes, and probes run in commands that answer at once
(``docs/adr/0001``).
"""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

_MOST = 1 << 20  # bytes of an answer that are read


@dataclass(frozen=True)
class Answer:
    """What a service answered.

    Attributes:
        status: The HTTP status.
        body: The start of the body, at most 1 MiB; empty if it was not asked for.
    """

    status: int
    body: bytes = b""


def ask(
    host: str,
    port: int | None,
    path: str,
    *,
    method: str = "GET",
    body: str | bytes | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float = 5.0,
    read: bool = False,
) -> Answer | None:
    """Return the answer, or None if there is no HTTP answer within ``timeout`` seconds.

    Args:
        host: A name or an address, an IPv6 address without brackets.
        port: The port; 80 if it is None.
        path: The path, with its query.
        method: The HTTP method.
        body: The body of the request.
        headers: Headers; they may hold a secret.
        timeout: The longest wait for each part of the exchange.
        read: Read the body of the answer too.
    """
    link = http.client.HTTPConnection(host, port or 80, timeout=timeout)
    try:
        link.request(method, path, body, dict(headers or {}))
        answer = link.getresponse()
        return Answer(answer.status, answer.read(_MOST) if read else b"")
    except (OSError, ValueError, http.client.HTTPException):
        return None
    finally:
        link.close()


def ask_url(url: str, *, timeout: float = 5.0, read: bool = False) -> Answer | None:
    """Send a GET request as :func:`ask` does."""
    parts = urlsplit(url)
    query = f"?{parts.query}" if parts.query else ""
    return ask(parts.hostname or "", parts.port, f"{parts.path or '/'}{query}", timeout=timeout, read=read)
