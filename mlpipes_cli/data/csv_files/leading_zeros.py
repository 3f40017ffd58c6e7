"""Detects codes such as 00501 while a CSV file is read, since a parser of numbers turns them into 501."""

from __future__ import annotations

import io
import re
from typing import Any, BinaryIO

import numpy as np

_ZERO, _NEWLINE, _QUOTE, _SPACE, _PLUS, _MINUS = b'0\n" +-'
_KEPT = 32  # bytes before a zero in which its field begins, but for wider padding


class LeadingZeros(io.RawIOBase):
    """A reader of a file's bytes that inspects them on the way.

    Attributes:
        found: Whether a field of digits began with a zero and had more digits.
    """

    def __init__(self, raw: BinaryIO, separator: str) -> None:
        self._raw, self._mark = raw, ord(separator)
        mark = re.escape(separator).encode()
        self._field = re.compile(rb'(?:^|[\n"]|%b) *[+-]?0\d+ *(?=["\r\n]|%b|$)' % (mark, mark))
        self._before = b"\n"
        self.found = False

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to another place of the file, without looking at it."""
        return self._raw.seek(offset, whence)

    def readinto(self, buffer: Any) -> int:
        content = self._raw.read(len(buffer))
        buffer[: len(content)] = content
        if not self.found:
            self._look(self._before + content)
            self._before = (self._before + content)[-_KEPT:] if len(content) < _KEPT else content[-_KEPT:]
        return len(content)

    def _look(self, content: bytes) -> None:
        codes = np.frombuffer(content, dtype=np.uint8)
        before, here, after = codes[:-2], codes[1:-1], codes[2:]
        hit = (here == _ZERO) & ((after - np.uint8(_ZERO)) < 10)
        edge = (before == self._mark) | (before == _NEWLINE) | (before == _QUOTE)
        padded = (before == _SPACE) | (before == _PLUS) | (before == _MINUS)
        padded[1:] &= edge[:-1] | (before[:-1] == _SPACE)  # but not the month in "5 06", or 1e-05
        hit &= edge | padded
        if hit.any():
            start = max(int(hit.argmax()) - _KEPT, 0)
            self.found = self._field.search(content, start) is not None
