"""Context of a request: its identifier and its position in the caller's trace.

The trace follows W3C Trace Context Level 1 (Recommendation of 23 November 2021,
https://www.w3.org/TR/trace-context-1/). The API takes part as one span: the caller's trace continues with an
identifier of ours as its parent, and ``tracestate`` of other systems is passed on unchanged.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterable
from contextvars import ContextVar

_NAMES = frozenset((b"x-request-id", b"traceparent", b"tracestate"))
_REQUEST_ID = re.compile(rb"[\x21-\x7e]{1,128}")
_SAMPLED = 1  # the only flag of Level 1; a sender sets the others to zero (section 3.2.2.5)

# Section 3.2.2: version, trace-id, parent-id, trace-flags; more only in a version after 00 (3.2.4).
_TRACEPARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)
_NO_TRACE, _NO_PARENT = b"0" * 32, b"0" * 16

# Section 3.3.1.3: a key, or a tenant's key at a system; the value's last character is not a blank.
_REST = rb"[a-z0-9_\-*/]"
_MEMBER = re.compile(
    rb"((?:[a-z]" + _REST + rb"{0,255}|[a-z0-9]" + _REST + rb"{0,240}@[a-z]" + _REST + rb"{0,13}))"
    rb"=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
)
_MEMBERS = 32

_random = random.Random()  # our own: a model that seeds the global one must not repeat our identifiers
os.register_at_fork(after_in_child=_random.seed)
_bits = _random.getrandbits


class RequestContext:
    """The identifiers of one request; they cost about 2 microseconds per request.

    Attributes:
        request_id: The caller's ``X-Request-ID`` if it is printable ASCII without blanks and at most 128
            characters, else 32 hexadecimal digits of ours.
        trace_id: 32 hexadecimal digits, or None if the caller sent no valid ``traceparent``.
        parent_id: The caller's span, 16 hexadecimal digits, or None.
        span_id: Ours, 16 hexadecimal digits, or None if there is no trace.
        flags: ``trace-flags`` as we send them on: 1 if the caller sampled, else 0.
        tracestate: The state of other systems, one header without optional blanks; empty if there is none or
            it is invalid.
        rows: The number of rows of the request; set when it is answered, for the log.
        version: The model version that answered; set at the same time.
    """

    __slots__ = (
        "flags",
        "parent_id",
        "request_id",
        "rows",
        "span_id",
        "trace_id",
        "tracestate",
        "version",
    )

    def __init__(
        self,
        request_id: str,
        trace_id: str | None = None,
        parent_id: str | None = None,
        span_id: str | None = None,
        flags: int = 0,
        tracestate: bytes = b"",
    ) -> None:
        self.request_id = request_id
        self.trace_id = trace_id
        self.parent_id = parent_id
        self.span_id = span_id
        self.flags = flags
        self.tracestate = tracestate
        self.rows: int | None = None
        self.version: int | None = None

    @classmethod
    def read(cls, headers: Iterable[tuple[bytes, bytes]]) -> RequestContext:
        """Read the context from a request's headers.

        Args:
            headers: As ASGI passes them: names in lower case.
        """
        given: bytes | None = None
        parents: list[bytes] = []
        states: list[bytes] = []
        for name, value in headers:
            if name in _NAMES:
                if name == b"x-request-id":
                    given = value if given is None else given
                elif name == b"traceparent":
                    parents.append(value)
                else:
                    states.append(value)
        if given is not None and _REQUEST_ID.fullmatch(given):
            context = cls(given.decode("ascii"))
        else:
            context = cls(f"{_bits(128):032x}")
        if len(parents) == 1 and (found := parse_traceparent(parents[0])) is not None:
            context.trace_id, context.parent_id, context.flags = found
            context.span_id = f"{_bits(64) or 1:016x}"
            if states:
                context.tracestate = parse_tracestate(states)
        return context

    def response_headers(self) -> list[tuple[bytes, bytes]]:
        """Return the response headers: the request's identifier, and the trace with our span as parent."""
        headers = [(b"x-request-id", self.request_id.encode("ascii"))]
        if self.trace_id is not None:
            headers.append((b"traceparent", f"00-{self.trace_id}-{self.span_id}-{self.flags:02x}".encode()))
            if self.tracestate:
                headers.append((b"tracestate", self.tracestate))
        return headers


current: ContextVar[RequestContext | None] = ContextVar("mlpipes_request", default=None)
"""The request that runs here; log records take its identifiers from it."""


def parse_traceparent(value: bytes) -> tuple[str, str, int] | None:
    """Return trace, parent and flags of a ``traceparent``, or None if it is invalid (sections 3.2.2, 3.2.4).

    Of a version after 00, the first 55 characters are read if a dash or nothing follows them.
    """
    found = _TRACEPARENT.fullmatch(value.strip(b" \t"))
    if found is None:
        return None
    version, trace, parent, flags, more = found.groups()
    if version == b"ff" or trace == _NO_TRACE or parent == _NO_PARENT:
        return None
    if version == b"00" and more is not None:
        return None
    return trace.decode(), parent.decode(), int(flags, 16) & _SAMPLED


def parse_tracestate(values: Iterable[bytes]) -> bytes:
    """Return several ``tracestate`` headers as one, or an empty one if they are invalid (section 3.3.1).

    Empty members are left out. More than 32 members, a malformed member or a duplicate key make the whole
    invalid.
    """
    members = [part for part in (part.strip(b" \t") for part in b",".join(values).split(b",")) if part]
    if len(members) > _MEMBERS:
        return b""
    keys = set()
    for member in members:
        found = _MEMBER.fullmatch(member)
        if found is None or found[1] in keys:
            return b""
        keys.add(found[1])
    return b",".join(members)
