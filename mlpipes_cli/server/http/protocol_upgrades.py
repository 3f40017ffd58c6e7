"""Requests that offer another protocol (RFC 9110, section 7.8); the server accepts no such offer.

Java's client offers HTTP/2 with its first request to a plain server, even with a POST. The parser assumes
that the offer is accepted: it drops the request's body and leaves the rest of the connection to another
protocol. So the head is parsed again without the offer, followed by the body.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import httptools

_OFFERS = frozenset((b"upgrade", b"http2-settings"))


def new_parser(protocol: Any) -> Any:
    """Return a request parser that calls the protocol, set up as uvicorn does."""
    parser = httptools.HttpRequestParser(protocol)
    parser.set_dangerous_leniencies(lenient_data_after_close=True)
    return parser


def without_offer(parser: Any, url: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return the head that was just parsed, as bytes, without the headers that offer another protocol.

    Args:
        parser: The parser, positioned after that head.
        url: The request's target.
        headers: As the parser passed them, names in lower case.
    """
    lines = [b"%s %s HTTP/%s" % (parser.get_method(), url, parser.get_http_version().encode("ascii"))]
    for name, value in headers:
        if name in _OFFERS:
            continue
        if name == b"connection":
            options = [option.strip() for option in value.split(b",")]
            value = b", ".join(option for option in options if option.lower() not in _OFFERS)
            if not value:
                continue
        lines.append(name + b": " + value)
    return b"\r\n".join((*lines, b"", b""))
