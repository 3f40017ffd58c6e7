"""The log of a step: what its command writes, bounded."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO

from mlpipes_cli.lifecycle.pipelines.journal import LOG_BYTES

LINE_BYTES = 65_536


class StepLog:
    """Appends to a file, and starts it anew when it is large; the part before stays next to it.

    A disk that is full loses lines of the log, not the step.

    Args:
        path: The file.
        shown: Called with each line.
    """

    def __init__(self, path: Path, shown: Callable[[str], None]) -> None:
        self._path, self._shown = path, shown
        self._lock = threading.Lock()
        self._file: IO[bytes] | None = None
        self.last = ""

    def write(self, line: bytes) -> None:
        """Append a line, or a part of a very long one."""
        text = line.decode(errors="replace").rstrip()
        with self._lock:
            with contextlib.suppress(OSError):
                file = self._opened()
                file.write(line if line.endswith(b"\n") else line + b"\n")
                file.flush()
            if text:
                self.last = text
        self._shown(text)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._file is not None:
                with contextlib.suppress(OSError):
                    self._file.close()
            self._file = None

    def _opened(self) -> IO[bytes]:
        if self._file is not None and self._file.tell() > LOG_BYTES:
            self._file.close()
            self._file = None
            self._path.replace(self._path.with_suffix(".log.old"))
        if self._file is None:
            self._file = self._path.open("ab")
        return self._file
