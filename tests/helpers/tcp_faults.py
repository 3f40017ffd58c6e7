"""A TCP proxy that can be told to misbehave, to stand between a server and its database.

Lives in a thread with an event loop of its own, so tests that block may use it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")
_PIECE = 16384


class Proxy:
    """Passes bytes on to ``(host, port)`` until told otherwise.

    Attributes:
        port: Where it listens.
        seconds: Latency that is added to each piece, in each direction.
        rate: Bytes a second in each direction of a connection; None is no limit.
        accepted: Connections so far.
    """

    def __init__(self, host: str, port: int) -> None:
        self._to = (host, port)
        self.seconds = 0.0
        self.rate: float | None = None
        self.accepted = 0
        self._refusing = False
        self._forget: Callable[[bytes], bool] | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self._flows: asyncio.Event
        self._server: asyncio.Server
        self.port: int = self._run(self._start())

    @classmethod
    def before(cls, url: str) -> Proxy:
        """In front of what a URL names."""
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        return cls(parts.hostname, parts.port)

    def url(self, of: str) -> str:
        """The same URL, through this proxy."""
        parts = urlsplit(of)
        user = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
        return parts._replace(netloc=f"{user}127.0.0.1:{self.port}").geturl()

    def cut(self) -> None:
        """Reset every connection; new ones are passed on."""
        self._call(self._cut)

    def refuse(self, refusing: bool = True) -> None:
        """Reset every connection, also each new one, or accept again."""

        def change() -> None:
            self._refusing = refusing
            if refusing:
                self._cut()

        self._call(change)

    def blackhole(self, stalled: bool = True) -> None:
        """Accept connections and pass nothing on, or go on from where it stopped."""

        def change() -> None:
            self._flows.clear() if stalled else self._flows.set()

        self._call(change)

    def strand(self) -> None:
        """Pass nothing on over the connections that there are, ever again; new ones work."""

        def change() -> None:
            self._flows.clear()
            self._flows = asyncio.Event()
            self._flows.set()

        self._call(change)

    def forget_answers(self, matching: Callable[[bytes], bool]) -> None:
        """Reset each connection over which the server says something that matches, unheard; once.

        The client has sent all that it wanted to, the server has done it, and nobody was told.
        """
        self._call(lambda: setattr(self, "_forget", matching))

    def wait_forgotten(self, seconds: float = 20) -> None:
        """Until an answer was kept back."""
        deadline = time.monotonic() + seconds
        while self._forget is not None:
            assert time.monotonic() < deadline, "no such answer came"
            time.sleep(0.01)

    def close(self) -> None:
        async def end() -> None:
            self._server.close()
            self._cut()
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
            await asyncio.sleep(0)

        self._run(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def _call(self, work: Callable[[], object]) -> None:
        async def called() -> None:
            work()

        self._run(called())

    async def _start(self) -> int:
        self._flows = asyncio.Event()
        self._flows.set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    def _cut(self) -> None:
        for writer in list(self._writers):
            _reset(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self._refusing:
            _reset(writer)
            return
        self._writers.add(writer)
        flows = self._flows
        try:
            await flows.wait()
            onward, back = await asyncio.open_connection(*self._to)
        except OSError:
            _reset(writer)
            self._writers.discard(writer)
            return
        self._writers.add(back)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(
                self._pass(reader, back, flows, answers=False),
                self._pass(onward, writer, flows, answers=True),
            )
        for one in (writer, back):
            self._writers.discard(one)
            one.close()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, flows: asyncio.Event, answers: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(_PIECE):
                await flows.wait()
                if self.seconds:
                    await asyncio.sleep(self.seconds)
                if self.rate:
                    await asyncio.sleep(len(piece) / self.rate)
                await flows.wait()
                if answers and self._forget is not None and self._forget(piece):
                    self._forget = None
                    self._cut()
                    return
                writer.write(piece)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST, as a host does that has lost the connection."""
    with contextlib.suppress(OSError, AttributeError):
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
