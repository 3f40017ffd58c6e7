"""Parse JSON strictly: reject duplicate keys and single surrogates, which parsers accept.

Of a key's values the last would be used, so the answer would be for a row that the client did not mean.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from mlpipes_cli.server.http.api_error import ApiError, bad_request

_SHOWN = 60  # characters of a key in a message
_HIGH, _LOW = rb"\\u[dD][89abAB][0-9a-fA-F]{2}", rb"\\u[dD][c-fC-F]"
# a single surrogate, one whose backslash may be part of the text, and one that is not escaped
_MAY_HOLD_HALVES = re.compile(rb"%b(?!%b)|(?<!%b)%b|\\\\u[dD]|\xed[\xa0-\xbf]" % (_HIGH, _LOW, _HIGH, _LOW))
_LOOKED_AT = 2**16  # the maximum size in bytes for a check within the event loop


def parse(body: bytes, constant: Callable[[str], Any] | None = None) -> Any:
    """Parse the JSON document of a body.

    Args:
        body: UTF-8, or one of JSON's other encodings.
        constant: Called with ``NaN``, ``Infinity`` and ``-Infinity``; the default makes them floats.

    Raises:
        ValueError: The body is not JSON.
        RecursionError: It is nested too deeply.
        ApiError: An object has a duplicate key, or a text has a single surrogate (400).
    """
    document = json.loads(body, object_pairs_hook=_object, parse_constant=constant)
    escaped = b"\\u" in body or b"\xed" in body  # nothing else matches, and the pattern is slow
    suspect = (escaped and _MAY_HOLD_HALVES.search(body)) or b"\0" in body[:4]  # which is UTF-16 or UTF-32
    if suspect and (path := _half(document, "")) is not None:
        where = f" at {path}" if path else ""
        raise bad_request(
            f"the text{where} holds half a character (one surrogate, such as \\ud800); send whole characters"
        )
    return document


def surely_once(body: bytes) -> bool:
    """Return whether no object of the body has a duplicate key; False if the body is too large to check here.

    Args:
        body: JSON that was already decoded.
    """
    if len(body) > _LOOKED_AT:
        return False
    try:
        json.loads(body, object_pairs_hook=_object)
    except (ApiError, ValueError, RecursionError):
        return False
    return True


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise bad_request(f"the key {_twice(pairs)} appears twice in an object")
    return found


def _twice(pairs: list[tuple[str, Any]]) -> str:
    seen: set[str] = set()
    name = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
    return ascii_safe(name[:_SHOWN]) + ("..." if len(name) > _SHOWN else "")


def ascii_safe(name: str) -> str:
    """Return a name as a message can show it: single surrogates are escaped."""
    return repr(name.encode("utf-8", "backslashreplace").decode())


def _half(value: Any, path: str) -> str | None:
    """Return the path of a text with a single surrogate, as ``instances[3].city``; None if there is none."""
    waiting = [(value, path)]
    while waiting:
        value, path = waiting.pop()
        if isinstance(value, str):
            if _is_broken(value):
                return path
        elif isinstance(value, list):
            waiting += [(part, f"{path}[{at}]") for at, part in enumerate(value)]
        elif isinstance(value, dict):
            for name, part in value.items():
                if _is_broken(name):
                    return f"{path}.{ascii_safe(name[:_SHOWN])}".lstrip(".")
                waiting.append((part, f"{path}.{name[:_SHOWN]}".lstrip(".")))
    return None


def _is_broken(text: str) -> bool:
    if text.isascii():
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
