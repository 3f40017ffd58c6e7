"""A small HTTP/1.1 client on asyncio for load: as fast as answers come, or at a rate that nothing slows down.

At a rate, latency counts from the moment when a request was due, not from when a connection was free to
send it: a server that stalls is charged for all that had to wait meanwhile.
"""

from __future__ import annotations

import asyncio
import time
from array import array
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from peers.base import HOST

TICK = 0.001


@dataclass
class Window:
    """What came back in a part of the run: latencies in ms of predictions, and what was none."""

    latencies: array[float] = field(default_factory=lambda: array("d"))
    errors: int = 0

    @property
    def good(self) -> int:
        return len(self.latencies)

    def percentile(self, share: float) -> float:
        """Of the latencies; NaN without any. By selection, not sorting: the clients wait meanwhile."""
        if not self.latencies:
            return float("nan")
        position = min(int(share * len(self.latencies)), len(self.latencies) - 1)
        return float(np.partition(np.frombuffer(self.latencies), position)[position])


class Clients:
    """Connections that ask in turn for the given bodies.

    Args:
        port: Of the server.
        path: Of the route.
        bodies: What is asked.
        connections: How many requests may be under way.
    """

    def __init__(self, port: int, path: str, bodies: Sequence[str], connections: int) -> None:
        head = f"POST {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\nContent-Type: application/json\r\n"
        self._requests = [
            f"{head}Content-Length: {len(body.encode())}\r\n\r\n{body}".encode() for body in bodies
        ]
        self.port, self.connections = port, connections
        self.window = Window()
        self.queue: deque[float] = deque()
        self.sent = 0
        self._free: list[_Connection] = []
        self._closed_loop = False
        self._open: set[_Connection] = set()
        self._over = False

    async def closed(self, seconds: float) -> Window:
        """Ask on all connections as fast as the answers come; the answers."""
        await self._connect()
        self._closed_loop, self.window = True, Window()
        now = time.perf_counter()
        for connection in [self._free.pop() for _ in range(len(self._free))]:
            self._send(connection, now)
        await asyncio.sleep(seconds)
        self._closed_loop = False
        await self._drained()
        return self.window

    async def steady(self, rate: float, seconds: float) -> None:
        """Ask at a rate, whatever the server does; :attr:`window` fills, and may be replaced meanwhile."""
        await self._connect()
        started = time.perf_counter()
        due = 0
        while (passed := time.perf_counter() - started) < seconds:
            while due < passed * rate:
                self.queue.append(started + due / rate)
                due += 1
            self._feed()
            await asyncio.sleep(TICK)
        await self._drained()

    async def renew(self) -> None:
        """New connections for all that rest: a server may close one that rests just when it is used again."""
        for connection in self._free:
            self._open.discard(connection)
            connection.transport.close()
        self._free.clear()
        await self._connect()

    async def close(self) -> None:
        self._over = True
        for connection in list(self._open):
            connection.transport.close()
        await asyncio.sleep(0)

    @property
    def under_way(self) -> int:
        return len(self._open) - len(self._free) + len(self.queue)

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        while len(self._open) < self.connections:
            await loop.create_connection(lambda: _Connection(self), HOST, self.port)

    async def _drained(self, patience: float = 60.0) -> None:
        deadline = time.perf_counter() + patience
        while self.under_way and time.perf_counter() < deadline:
            self._feed()
            await asyncio.sleep(0.01)

    def _feed(self) -> None:
        while self.queue and self._free:
            self._send(self._free.pop(), self.queue.popleft())

    def _send(self, connection: _Connection, due: float) -> None:
        connection.due = due
        connection.transport.write(self._requests[self.sent % len(self._requests)])
        self.sent += 1

    def _answered(self, connection: _Connection, status: bytes) -> None:
        now = time.perf_counter()
        if status == b"200":
            self.window.latencies.append((now - connection.due) * 1000)
        else:
            self.window.errors += 1
        if self._closed_loop:
            self._send(connection, now)
        elif self.queue:
            self._send(connection, self.queue.popleft())
        else:
            self._free.append(connection)

    def _made(self, connection: _Connection) -> None:
        self._open.add(connection)
        self._free.append(connection)

    def _lost(self, connection: _Connection) -> None:
        if connection not in self._open:  # we closed it
            return
        self._open.discard(connection)
        if connection in self._free:
            self._free.remove(connection)
        else:
            self.window.errors += 1
        if not self._over:
            again = asyncio.get_running_loop().create_task(self._connect())
            again.add_done_callback(lambda task: task.exception())


class _Connection(asyncio.Protocol):
    """One connection with at most one request under way."""

    transport: asyncio.Transport

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._buffer = b""
        self.due = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._clients._made(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        length = head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0]
        if len(body) < int(length or 0):
            return
        self._buffer = b""
        self._clients._answered(self, head[9:12])

    def connection_lost(self, error: Exception | None) -> None:
        self._clients._lost(self)
