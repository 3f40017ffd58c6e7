"""Limits of a connection: a uvicorn protocol with a time limit for every wait for the client.

uvicorn waits without limit for the rest of a head or a body, and accepts a head of any length. Here each wait
for the client has a time limit, and a head has a size limit. When the process has its maximum number of
connections, the one that has waited longest is closed to make room for the newest.

Use it with
``uvicorn.Config(http="mlpipes_cli.server.http.connection_limits:LimitedProtocol", ws="none")`` after
:func:`raise_file_limit`; set ``LimitedProtocol.limits`` in each worker for other numbers.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
from dataclasses import dataclass
from typing import Any, ClassVar

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from mlpipes_cli.server.http.api_error import ApiError, bad_request
from mlpipes_cli.server.http.protocol_upgrades import new_parser, without_offer

_TICK = 1.0
_IDLE, _HEAD, _BODY, _OURS, _LINGER = range(5)  # whom the connection waits for: the client in all but _OURS
_FLOOD = 1000
_MOST_FILES = 20_000  # an idle connection costs about 10 KB
_OWN_FILES = 256  # the process's own: libraries, the database, logs
_DISCARDED = 64 * 1024  # an unread body up to this size does not end the connection


@dataclass(frozen=True)
class ConnectionLimits:
    """The limits of one connection, and of all connections.

    Attributes:
        head_seconds: Time limit for a request's line and headers.
        head_bytes: Their maximum size (431 beyond; one read of the socket may exceed it).
        body_seconds: Time limit for the body, plus a second for each ``rate`` bytes received.
        write_seconds: Time limit until the client has read an answer, plus a second for each ``rate`` bytes
            of it.
        rate: Bytes per second of the slowest client.
        idle_seconds: Time limit between two requests of a connection. It is more than the minute for which
            load balancers keep theirs; otherwise their next request could meet a connection that is being
            closed.
        linger_seconds: How long the rest of a rejected body is discarded before the connection is closed, so
            that the client can read the answer.
        linger_bytes: How much of it is discarded.
        connections: Maximum number at once; None for what the limit of open files allows, at most 20,000.
    """

    head_seconds: float = 10.0
    head_bytes: int = 64 * 1024
    body_seconds: float = 20.0
    write_seconds: float = 30.0
    rate: int = 16 * 1024
    idle_seconds: float = 75.0
    linger_seconds: float = 2.0
    linger_bytes: int = 64 * 1024 * 1024
    connections: int | None = None


def raise_file_limit(wanted: int = _MOST_FILES) -> int:
    """Raise the process's own limit of open files as far as possible; return the resulting limit."""
    try:
        import resource
    except ImportError:  # no such limit on this system
        return wanted
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    goal = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < goal:
        resource.setrlimit(resource.RLIMIT_NOFILE, (goal, hard))
        soft = goal
    return wanted if soft == resource.RLIM_INFINITY else soft


class _EarlyEnd:
    """The transport of an answer that may end before its request: then the protocol ends the connection.

    Attributes:
        reached: Whether the answer is complete, and the body was not when it began.
    """

    def __init__(self, transport: Any, cycle: RequestResponseCycle) -> None:
        self._transport, self._cycle, self.reached = transport, cycle, False
        self.write, self.is_closing = transport.write, transport.is_closing

    def close(self) -> None:
        self.reached = bool(self._cycle.response_complete)
        if not self.reached:
            self._transport.close()


class _Guard:
    """Checks all connections of a server once a second, as long as there are any."""

    def __init__(self, loop: asyncio.AbstractEventLoop, state: Any, limits: ConnectionLimits) -> None:
        self._loop, self._state, self._running, self._peak = loop, state, False, 0
        allowed = min(raise_file_limit(), _MOST_FILES)
        self.most = limits.connections or max(allowed - _OWN_FILES, 64)
        self.waiting: dict[LimitedProtocol, None] = {}  # the longest wait for a client first

    def joined(self, newest: LimitedProtocol) -> None:
        self.waiting[newest] = None
        if len(self._state.connections) > self.most:
            next(iter(self.waiting)).make_room(newest)
        if not self._running:
            self._running = True
            self._loop.call_later(_TICK, self._look)

    def _look(self) -> None:
        now = self._loop.time()
        for connection in list(self._state.connections):
            connection.look(now)
        self._running = bool(self._state.connections)
        self._peak = max(self._peak, len(self._state.connections))
        if self._peak > _FLOOD and len(self._state.connections) < self._peak / 10:
            self._peak = 0
            _give_back()
        if self._running:
            self._loop.call_later(_TICK, self._look)


def _give_back() -> None:
    """Return free memory to the system after a flood; the allocator would otherwise keep it."""
    with contextlib.suppress(OSError, AttributeError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)


class LimitedProtocol(HttpToolsProtocol):  # type: ignore[misc]
    """uvicorn's protocol over httptools, with a time limit for each wait for the client."""

    limits: ClassVar[ConnectionLimits] = ConnectionLimits()
    parser: Any

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.timeout_keep_alive = self.limits.idle_seconds  # uvicorn's own is 5 s
        self._turn, self._since = _IDLE, self.loop.time()
        self._seen = self._bodied = 0
        self._fresh = False
        self._early: _EarlyEnd | None = None
        self._keeps_alive = True  # what the request in ``_early`` wants
        self._unread: tuple[float, int] | None = None  # when writing stopped, and the size of the buffer then
        guard = getattr(self.server_state, "guard", None)
        if guard is None:
            guard = self.server_state.guard = _Guard(self.loop, self.server_state, self.limits)
        self._guard = guard
        guard.joined(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._guard.waiting.pop(self, None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._turn == _LINGER:
            self._seen += len(data)
            if self._seen > self.limits.linger_bytes:
                self.transport.close()
            return
        if self.transport.is_closing():
            return
        before = self._bodied
        self._read(data)
        if self._turn == _OURS or self._turn == _IDLE:
            return
        if self._turn == _BODY and self._early is None:
            self._expect_early_end()
        if self._fresh or self._bodied != before:  # the rest of the request before, or a growing body
            self._fresh, self._seen = False, 0
            return
        self._seen += len(data)
        if self._seen > self.limits.head_bytes:
            message = f"the headers exceed the limit of {self.limits.head_bytes} bytes"
            self._refuse(ApiError(431, "REQUEST_LIMIT_EXCEEDED", message))

    def _read(self, data: bytes) -> None:
        """Pass data to the parser; a head that offers another protocol is parsed again without the offer."""
        self._unset_keepalive_if_required()
        while True:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as offer:
                if self.parser.get_method() == b"CONNECT":  # not an offer, but a request for a tunnel
                    self.send_400_response("")
                    return
                data = without_offer(self.parser, self.url, self.headers) + data[offer.args[0] :]
                self.parser = new_parser(self)
            except httptools.HttpParserError:
                self.send_400_response("")
                return
            else:
                return

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._turn, self._fresh, self._since = _HEAD, True, self.loop.time()

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade():
            return  # see _read
        super().on_headers_complete()
        self._early = None
        self._turn, self._since, self._bodied = _BODY, self.loop.time(), 0

    def on_body(self, body: bytes) -> None:
        self._bodied += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        super().on_message_complete()
        if self._early is not None and not self.cycle.response_started:
            self.cycle.transport, self.cycle.keep_alive = self.transport, self._keeps_alive
            self._early = None
        if self.cycle.response_complete:
            self._turn, self._since = _IDLE, self.loop.time()
        else:
            self._turn = _OURS
            self._guard.waiting.pop(self, None)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            return
        now = self.loop.time()
        if self._early is not None and self._early.reached:
            self._linger(now)
        elif self._turn == _OURS:
            self._turn, self._since = _IDLE, now
            self._guard.waiting[self] = None

    def shutdown(self) -> None:
        self._keeps_alive = False
        super().shutdown()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = (self.loop.time(), self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        super().resume_writing()
        self._unread = None

    def send_400_response(self, msg: str) -> None:
        """Answer malformed HTTP in our form instead of uvicorn's."""
        self._refuse(bad_request("malformed HTTP request"))

    def look(self, now: float) -> None:
        """End the connection if its client has kept the server waiting too long."""
        limits, waited = self.limits, now - self._since
        if self.transport.is_closing() and self._unread is None:
            self._unread = (now, self.transport.get_write_buffer_size())
        if self._unread is not None:
            if now - self._unread[0] > limits.write_seconds + self._unread[1] / limits.rate:
                self.transport.abort()
        elif self._turn == _IDLE:
            if waited > limits.idle_seconds or (self.cycle is None and waited > limits.head_seconds):
                self.transport.close()
        elif self._turn == _HEAD and self._answering:  # the next request of a client that waits for us
            self._since = now
        elif self._turn == _HEAD and waited > limits.head_seconds:
            self._refuse(ApiError(408, "REQUEST_TIMEOUT", "the request's headers did not arrive in time"))
        elif self._turn == _LINGER and waited > limits.linger_seconds:
            self.transport.close()
        elif self._turn == _BODY and self.flow.read_paused:  # the server does not read
            self._since = now
        elif self._turn == _BODY and waited > limits.body_seconds + self._bodied / limits.rate:
            self._refuse(ApiError(408, "REQUEST_TIMEOUT", "the request's body did not arrive in time"))

    def make_room(self, newest: LimitedProtocol) -> None:
        """Close this connection for a newer one; if it is the newest itself, ask the client to retry."""
        self._guard.waiting.pop(self, None)
        if self is newest:
            self._refuse(ApiError(503, "TEMPORARILY_UNAVAILABLE", "too many connections", retry_after=1))
        elif self._turn == _IDLE:
            self.transport.close()
        else:
            self._refuse(ApiError(408, "REQUEST_TIMEOUT", "the request did not arrive in time"))

    def _expect_early_end(self) -> None:
        """Have an answer that begins before a long body has arrived say ``connection: close``."""
        length = dict(self.scope["headers"]).get(b"content-length", b"")
        if not length.isdigit() or int(length) > _DISCARDED:
            self._early, self._keeps_alive = _EarlyEnd(self.transport, self.cycle), self.cycle.keep_alive
            self.cycle.transport, self.cycle.keep_alive = self._early, False

    def _linger(self, now: float) -> None:
        """Delay the close while a rejected body still arrives, so that the client can read the answer."""
        self._turn, self._since, self._seen = _LINGER, now, 0
        if self.cycle.more_body and self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()

    def _refuse(self, error: ApiError) -> None:
        """Send an error, unless the application has started its answer, and close."""
        if self.transport.is_closing():
            return
        cycle, head = self.cycle, self._turn in (_IDLE, _HEAD)
        spoken = self._answering if head else cycle is not None and cycle.response_started
        if not spoken:
            self.transport.write(_written(error, getattr(self, "url", b"")))
        self.transport.close()
        if self._answering:
            cycle.disconnected = True
            cycle.message_event.set()

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete


def _written(error: ApiError, url: bytes) -> bytes:
    body = error.body_for(url.decode("latin-1"))
    headers = {**error.headers, "content-type": "application/json", "content-length": str(len(body))}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    start: bytes = STATUS_LINE[error.status]
    return start + f"{lines}connection: close\r\n\r\n{body}".encode()
