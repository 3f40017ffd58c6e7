"""What JSON's parsers let pass in silence: a key that stands twice in an object, and half a character.

Of a key's values the last would count, so a request would be answered for a row that nobody meant.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from mlpipes_cli.server.http.api_error import ApiError, bad_request

_SHOWN = 60  # characters of a key in a message
_HIGH, _LOW = rb"\\u[dD][89abAB][0-9a-fA-F]{2}", rb"\\u[dD][c-fC-F]"
# a half without the other one, one whose backslash may be a text's own, and one that is not even escaped
_MAY_HOLD_HALVES = re.compile(rb"%b(?!%b)|(?<!%b)%b|\\\\u[dD]|\xed[\xa0-\xbf]" % (_HIGH, _LOW, _HIGH, _LOW))
_LOOKED_AT = 2**16  # bytes that may be looked at within the event loop


def parse(body: bytes, constant: Callable[[str], Any] | None = None) -> Any:
    """The JSON document of a body.

    Args:
        body: UTF-8, or one of JSON's other encodings.
        constant: Is given ``NaN``, ``Infinity`` and ``-Infinity``; they are floats when left out.

    Raises:
        ValueError: It is none.
        RecursionError: It nests too deep.
        Fault: A key stands twice in an object, or a text holds half a character (400).
    """
    document = json.loads(body, object_pairs_hook=_object, parse_constant=constant)
    suspect = _MAY_HOLD_HALVES.search(body) or b"\0" in body[:4]  # which is UTF-16 or UTF-32
    if suspect and (place := _half(document, "")) is not None:
        where = f" at {place}" if place else ""
        raise bad_request(
            f"the text{where} holds half a character (one surrogate, such as \\ud800); send whole characters"
        )
    return document


def surely_once(body: bytes) -> bool:
    """Whether no object of the body has a key twice; False where that takes too long to find out here.

    Args:
        body: JSON that was decoded already.
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
    """A name as a message may show it: halves of characters are written out."""
    return repr(name.encode("utf-8", "backslashreplace").decode())


def _half(value: Any, place: str) -> str | None:
    """Where in a document there is half a character, as ``instances[3].city``; None where there is none."""
    waiting = [(value, place)]
    while waiting:
        value, place = waiting.pop()
        if isinstance(value, str):
            if _is_broken(value):
                return place
        elif isinstance(value, list):
            waiting += [(part, f"{place}[{at}]") for at, part in enumerate(value)]
        elif isinstance(value, dict):
            for name, part in value.items():
                if _is_broken(name):
                    return f"{place}.{ascii_safe(name[:_SHOWN])}".lstrip(".")
                waiting.append((part, f"{place}.{name[:_SHOWN]}".lstrip(".")))
    return None


def _is_broken(text: str) -> bool:
    if text.isascii():
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
