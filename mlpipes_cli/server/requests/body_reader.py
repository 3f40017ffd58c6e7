"""Read a request's body up to the limit, and parse its JSON."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from mlpipes_cli.server.http.api_error import ApiError, bad_request, too_large
from mlpipes_cli.server.requests import strict_json
from mlpipes_cli.server.requests.bounds import check_json

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


async def read_body(receive: Receive, length: str | None, limit: int) -> bytes:
    """Return the whole body.

    Args:
        receive: The ASGI callable.
        told: The ``Content-Length`` header, or None.
        limit: Bytes.

    Raises:
        ApiError: The body is larger than the limit (413), or the client disconnected.
    """
    if length is not None and length.isdigit() and int(length) > limit:
        raise _over(limit)
    message = await receive()
    if message["type"] != "http.request":
        raise bad_request("the body ended early")
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        if len(body) > limit:
            raise _over(limit)
        return body
    parts, size = [body], len(body)
    while message.get("more_body", False):
        if size > limit:
            raise _over(limit)
        message = await receive()
        if message["type"] != "http.request":
            raise bad_request("the body ended early")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
    if size > limit:
        raise _over(limit)
    return b"".join(parts)


def read_json(body: bytes) -> Any:
    """Return the JSON document of a body.

    Raises:
        ApiError: The body is not JSON, has too many elements, a duplicate key, or a single surrogate.
    """
    check_json(body)
    try:
        return strict_json.parse(body)
    except json.JSONDecodeError as error:
        position = f"line {error.lineno}, column {error.colno}"
        raise bad_request(f"the body is not valid JSON: {error.msg} at {position}") from None
    except UnicodeDecodeError as error:
        raise bad_request(f"the body is not valid UTF-8 at byte {error.start}") from None
    except (ValueError, RecursionError):
        raise bad_request(
            "the JSON body cannot be parsed: a number is too long or the nesting is too deep"
        ) from None


def _over(limit: int) -> ApiError:
    return too_large(f"the body exceeds the limit of {limit} bytes; split it into several requests")
