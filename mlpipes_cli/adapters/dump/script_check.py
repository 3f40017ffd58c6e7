"""Checks that a script is complete and stays inside the transaction that it runs in.

It is read as `psql` reads it (its ``psqlscan.l``): quotes, comments, dollar quotes, parentheses, rows of
a ``COPY``. If a script ended inside one of them, `psql` would take what is sent afterwards as
part of it, and wait forever. A statement that ends the transaction would commit a part in any case.
"""

from __future__ import annotations

import re
from typing import BinaryIO

from mlpipes_cli.errors import MlpipesError

_LONGEST = 1 << 24  # bytes of a line that is not a row
COMPLETE = b"-- PostgreSQL database dump complete"
_NOT_OURS = frozenset(
    (b"begin", b"start", b"commit", b"end", b"rollback", b"abort", b"savepoint", b"release", b"prepare")
)
_OUTER = re.compile(rb"\s*\\(un)?restrict [A-Za-z0-9]+\s*")  # around scripts since August 2025
_PIECE = re.compile(
    rb"--.*|/\*|[eE]'|'|\"|\$(?:[A-Za-z_\x80-\xff][\w\x80-\xff]*)?\$|[A-Za-z_\x80-\xff][\w$\x80-\xff]*|[();\\]"
)
_STRINGS = b"standard_conforming_strings"
_STRINGS_ON = b"SET standard_conforming_strings = on;"
_ESCAPED = re.compile(rb"(?s)\\.|'")
_COMMENT = re.compile(rb"/\*|\*/")
_FUNCTION = re.compile(rb"create (or replace )?(function|procedure) ")
_ROWS_END = re.compile(rb"^\\\.\r?\n", re.MULTILINE)


class ScriptCheck:
    """A file object around a script that checks what it reads before it returns it.

    Reading raises a ``MlpipesError`` for a script that is incomplete or holds a forbidden statement.
    """

    def __init__(self, script: BinaryIO) -> None:
        self._script = script
        self._held = b""
        self._within = b""  # the end of the open quote or comment; empty in plain text
        self._comments = 0
        self._rows = self._escaped = self._complete = False
        self._begin()

    def _begin(self) -> None:
        """Begin a new statement."""
        self._words: list[bytes] = []  # its first words
        self._last = (b"", b"")
        self._parentheses = self._blocks = 0

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes of the script."""
        chunk = self._script.read(size)
        if chunk:
            self._feed(chunk)
        else:
            self._finish()
        return chunk

    def _feed(self, chunk: bytes) -> None:
        held = self._held + chunk
        start = 0
        while True:
            if self._rows:
                found = _ROWS_END.search(held, start)
                if found is None:  # the last line may be the start of the end
                    start = max(start, held.rfind(b"\n", start) + 1)
                    if len(held) - start > 4:
                        held, start = b"-" + held[-1:], 0  # the rest of a long row
                    break
                self._rows, start = False, found.end()
                continue
            end = held.find(b"\n", start) + 1
            if not end:
                break
            self._line(held[start:end])
            start = end
        self._held = held[start:]
        if len(self._held) > _LONGEST:
            raise _wrong("a line is too long")

    def _finish(self) -> None:
        if self._held and not self._rows:
            self._line(self._held)
        self._held = b""
        if self._rows or self._within or self._words or self._parentheses or not self._complete:
            raise _wrong("it is incomplete")

    def _line(self, line: bytes) -> None:
        if not self._within and not self._words:
            self._complete = line.startswith(COMPLETE) or (self._complete and not line.strip(b"-\r\n"))
            if _OUTER.fullmatch(line):
                self._complete = self._complete or line.lstrip().startswith(b"\\unrestrict")
                return
        if _STRINGS in line and not self._within and line.strip() != _STRINGS_ON:
            raise _wrong("it changes how PostgreSQL parses quotes")
        at = 0
        while at < len(line):
            at = self._inside(line, at) if self._within else self._plain(line, at)

    def _inside(self, line: bytes, at: int) -> int:
        """Skip to the end of the open quote or comment; return the position to read on from."""
        if self._within == b"*/":
            found = _COMMENT.search(line, at)
            if found is None:
                return len(line)
            self._comments += 1 if found[0] == b"/*" else -1
            self._within = b"*/" if self._comments else b""
            return found.end()
        if self._escaped:
            found = next((match for match in _ESCAPED.finditer(line, at) if match[0] == b"'"), None)
            end = found.start() if found else -1
        else:
            end = line.find(self._within, at)
        if end < 0:
            return len(line)
        end += len(self._within)
        self._within = b""
        return end

    def _plain(self, line: bytes, at: int) -> int:
        """Examine the next part of a statement; return the position to read on from."""
        found = _PIECE.search(line, at)
        if line[at : found.start() if found else None].strip():
            self._escaped = False
        if found is None:
            return len(line)
        token = found[0]
        if token.startswith(b"--"):
            return len(line)
        if token == b"/*":
            self._within, self._comments = b"*/", 1
            return found.end()
        # a string that continues after a line's end is read as it began
        self._escaped = token.lower() == b"e'" or (token == b"'" and self._escaped)
        if token[-1:] == b"'" or token == b'"' or token[:1] == b"$":
            self._words = self._words or [b""]
            self._within = token[-1:] if token[:1] != b"$" else token
        elif token == b"\\":
            raise _wrong("it contains a psql command")
        elif token == b";":
            self._end(line, found.end())
        elif token in (b"(", b")"):
            self._parentheses = max(0, self._parentheses + (1 if token == b"(" else -1))
        else:
            self._word(token.lower())
        return found.end()

    def _word(self, word: bytes) -> None:
        if not self._words and word in _NOT_OURS:
            raise _wrong(f"it contains its own {word.decode().upper()}")
        self._last = (self._last[1], word)
        if len(self._words) < 5:
            self._words.append(word)
        if not self._parentheses and _FUNCTION.match(b" ".join(self._words) + b" "):
            if word == b"begin" or (word == b"case" and self._blocks):
                self._blocks += 1
            elif word == b"end" and self._blocks:
                self._blocks -= 1

    def _end(self, line: bytes, at: int) -> None:
        if self._parentheses or self._blocks:
            return
        if self._words[:1] == [b"copy"]:
            self._rows = self._last == (b"from", b"stdin") and not line[at:].strip()
            if not self._rows:
                raise _wrong("it contains an unexpected COPY statement")
        self._begin()


def _wrong(what: str) -> MlpipesError:
    return MlpipesError(f"the database script is damaged: {what}", "use another backup file")
