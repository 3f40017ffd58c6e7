"""Count the keys of a JSON body without decoding it, to find duplicate keys cheaply.

Decoders silently keep one of two equal keys. A body with more keys than were decoded has a duplicate key, or
columns that were ignored.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

_SMALL = 2**12  # bytes up to which numpy's calls take longer than methods of bytes
_CHUNK = 2**15  # bytes; larger temporary arrays are new pages of memory each time
_COLON, _QUOTE, _SPACE = ord(":"), ord('"'), ord(" ")
_Bytes = npt.NDArray[np.uint8]


def at_most(body: bytes, keys: int) -> bool:
    """Return whether the objects of a body have at most that many keys; each occurrence of a key counts.

    Args:
        body: Valid JSON in UTF-8.
        keys: The number of known keys in the body.
    """
    if len(body) <= _SMALL:
        return body.count(b":") <= keys or _outside_texts(body) <= keys
    return _colons(body) <= keys or _after_quotes(body) <= keys or _outside_texts_of_large(body) <= keys


def _outside_texts(body: bytes) -> int:
    """Count the colons outside of texts: there is exactly one for each key."""
    return b"".join(_without_escapes(body).split(b'"')[::2]).count(b":")


def _colons(body: bytes) -> int:
    return sum(int(np.count_nonzero(part == _COLON)) for part in _chunks(body))


def _after_quotes(body: bytes) -> int:
    """Count the colons that may follow a key: those directly after a quote or white space."""
    found = 0
    for part in _chunks(body, overlap=1):
        before = part[:-1]
        found += int(np.count_nonzero((part[1:] == _COLON) & ((before == _QUOTE) | (before <= _SPACE))))
    return found


def _outside_texts_of_large(body: bytes) -> int:
    found = quotes = 0
    for part in _chunks(_without_escapes(body)):
        positions = np.flatnonzero(part == _QUOTE)
        before = np.searchsorted(positions, np.flatnonzero(part == _COLON)) + quotes
        found += int(np.count_nonzero(before % 2 == 0))
        quotes += len(positions)
    return found


def _without_escapes(body: bytes) -> bytes:
    """Return the body without escaped quotes: every remaining quote begins or ends a text."""
    if b"\\" not in body:
        return body
    return body.replace(b"\\\\", b"").replace(b'\\"', b"")


def _chunks(body: bytes, overlap: int = 0) -> Iterator[_Bytes]:
    whole = np.frombuffer(body, np.uint8)
    for start in range(0, len(whole), _CHUNK):
        yield whole[max(0, start - overlap) : start + _CHUNK]
