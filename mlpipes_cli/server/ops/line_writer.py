"""Lines to a stream that may block: whoever has one to write never waits for it.

A thread writes what was gathered in a twentieth of a second. Where the stream takes nothing for
long, further lines are dropped and counted, and their number is written when it takes lines again.
"""

from __future__ import annotations

import atexit
import contextlib
import io
import os
import select
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import TextIO

_GATHER = 0.05
_BYTES = 4 * 2**20
_LAST_SECONDS = 1.0


class LineWriter:
    """Writes lines from a thread of its own; may be used from any thread.

    Args:
        stream: Where to.
        dropped: Makes the line that says how many were dropped.
        limit: Bytes that may wait.
    """

    _lines: list[bytes]
    _thread: threading.Thread | None

    def __init__(self, stream: TextIO, dropped: Callable[[int], bytes], limit: int = _BYTES) -> None:
        self._stream, self._dropped_line, self._limit = stream, dropped, limit
        self._fresh()
        _writers.add(self)

    def put(self, line: bytes) -> None:
        """Have a line written, which ends with a newline."""
        with self._lock:
            if self._size + len(line) > self._limit:
                self._lost += 1
                return
            self._lines.append(line)
            self._size += len(line)
            if len(self._lines) > 1:
                return
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._run, name="log", daemon=True)
                self._thread.start()
        self._wake.set()

    def close(self, seconds: float = _LAST_SECONDS) -> None:
        """Write what waits, unless that takes longer than this; afterwards nothing is written."""
        self._closed = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(seconds)
        elif self._lines:
            self._write_all()

    def _fresh(self) -> None:
        """Begin anew, as a forked process has to: it has no such thread, and the lines are its parent's."""
        self._lock, self._wake = threading.Lock(), threading.Event()
        self._lines = []
        self._size = self._lost = 0
        self._thread = None
        self._closed = False

    def _run(self) -> None:
        while True:
            self._wake.wait()
            if not self._closed:
                time.sleep(_GATHER)
            self._wake.clear()
            self._write_all()
            if self._closed and not self._lines:
                return

    def _write_all(self) -> None:
        with self._lock:
            lines, self._lines, self._size = self._lines, [], 0
            lost, self._lost = self._lost, 0
        if lost:
            lines.append(self._dropped_line(lost))
        if lines:
            with contextlib.suppress(OSError, ValueError):  # nobody reads any more: nobody misses it
                for piece in _pieces(lines):
                    self._write(piece)

    def _write(self, data: bytes) -> None:
        try:
            number = self._stream.fileno()
        except (OSError, AttributeError, io.UnsupportedOperation):
            self._stream.write(data.decode("utf-8"))
            self._stream.flush()
            return
        left = memoryview(data)
        while left:
            try:
                left = left[os.write(number, left) :]
            except BlockingIOError:
                select.select([], [number], [])


def _pieces(lines: list[bytes]) -> Iterator[bytes]:
    """Whole lines, joined up to what a pipe takes at once: several workers write to one."""
    piece: list[bytes] = []
    size = 0
    for line in lines:
        if piece and size + len(line) > select.PIPE_BUF:
            yield b"".join(piece)
            piece, size = [], 0
        piece.append(line)
        size += len(line)
    yield b"".join(piece)


_writers: weakref.WeakSet[LineWriter] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    for writer in list(_writers):
        writer.close()


def _after_fork() -> None:
    for writer in list(_writers):
        writer._fresh()


os.register_at_fork(after_in_child=_after_fork)
