"""Write lines to a stream that may block, without making the caller wait.

A thread writes the lines of the last twentieth of a second. If the stream blocks for long, further lines are
dropped and counted; their number is written once the stream accepts lines again.
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
    """Writes lines from its own thread; may be used from any thread.

    Args:
        stream: The stream to write to.
        dropped: Makes the line that reports the number of dropped lines.
        limit: Maximum number of bytes that wait.
    """

    _lines: list[bytes]
    _thread: threading.Thread | None

    def __init__(self, stream: TextIO, dropped: Callable[[int], bytes], limit: int = _BYTES) -> None:
        self._stream, self._dropped_line, self._limit = stream, dropped, limit
        self._fresh()
        _writers.add(self)

    def put(self, line: bytes) -> None:
        """Write a line, which ends with a newline, later from the thread."""
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
        """Write the waiting lines, unless that takes longer than this; later lines are not written."""
        self._closed = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(seconds)
        elif self._lines:
            self._write_all()

    def _fresh(self) -> None:
        """Reset the state, as a forked process must: it has no thread, and the lines are its parent's."""
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
            with contextlib.suppress(OSError, ValueError):  # the stream has no reader any more
                for chunk in _chunks(lines):
                    self._write(chunk)

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


def _chunks(lines: list[bytes]) -> Iterator[bytes]:
    """Yield whole lines, joined up to what a pipe accepts at once: several workers write to one."""
    chunk: list[bytes] = []
    size = 0
    for line in lines:
        if chunk and size + len(line) > select.PIPE_BUF:
            yield b"".join(chunk)
            chunk, size = [], 0
        chunk.append(line)
        size += len(line)
    yield b"".join(chunk)


_writers: weakref.WeakSet[LineWriter] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    for writer in list(_writers):
        writer.close()


def _after_fork() -> None:
    for writer in list(_writers):
        writer._fresh()


os.register_at_fork(after_in_child=_after_fork)
