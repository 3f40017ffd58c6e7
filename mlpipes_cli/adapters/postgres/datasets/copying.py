"""Streams rows into a COPY: a thread encodes the next batch while the database takes the one before."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from mlpipes_cli.adapters.postgres.datasets import binary_rows

_WAITING = 2  # encoded batches in memory
_CHUNK = 1 << 20  # bytes at once


class RowStream:
    """A file for psycopg2's COPY, whose content is made from batches on the way.

    Args:
        batches: Lists of Arrow arrays.
        types: The types of the columns.
        load: The load's number.
        first: The number of the first row.
    """

    def __init__(self, batches: Iterator[Sequence[Any]], types: Sequence[str], load: int, first: int) -> None:
        self._batches, self._types, self._load, self._first = batches, types, load, first
        self._ready: queue.Queue[bytes | None] = queue.Queue(_WAITING)
        self._stop = threading.Event()
        self._failed: BaseException | None = None
        self._left = memoryview(binary_rows.HEADER)
        self._ended = False
        self.rows = 0
        self._thread = threading.Thread(target=self._encode, name="mlpipes-encode", daemon=True)

    def __enter__(self) -> RowStream:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        while self._thread.is_alive():  # it may wait for room
            try:
                self._ready.get(timeout=0.05)
            except queue.Empty:
                pass
        self._thread.join()

    def _encode(self) -> None:
        try:
            for columns in self._batches:
                content = binary_rows.encode(columns, self._types, self._load, self._first + self.rows)
                self.rows += len(columns[0])
                self._put(content)
                if self._stop.is_set():
                    return
            self._put(binary_rows.TRAILER)
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that copies
            self._failed = error
        self._put(None)

    def _put(self, content: bytes | None) -> None:
        while not self._stop.is_set():
            try:
                self._ready.put(content, timeout=0.1)
                return
            except queue.Full:
                continue

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes; none at the end.

        Raises:
            BaseException: What making the batches raised.
        """
        while not len(self._left) and not self._ended:
            content = self._ready.get()
            if content is None:
                self._ended = True
                if self._failed is not None:
                    raise self._failed
                break
            self._left = memoryview(content)
        some = self._left[: size if size > 0 else len(self._left)]
        self._left = self._left[len(some) :]
        return bytes(some)

    def send(self, cursor: Any, statement: str) -> None:
        """Run the COPY.

        Raises:
            psycopg2.Error: The database refuses.
            BaseException: What making the batches raised.
        """
        import psycopg2

        try:
            cursor.copy_expert(statement, self, size=_CHUNK)
        except psycopg2.Error:
            if self._failed is not None:
                raise self._failed from None
            raise
