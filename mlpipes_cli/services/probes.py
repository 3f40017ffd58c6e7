"""Probes: requests that a service answers when it can do its work."""

from __future__ import annotations

import dataclasses
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

_CHUNK = 4096


@dataclass(frozen=True)
class HttpProbe:
    """Sends an HTTP request that only a working service answers with 200.

    Attributes:
        method: GET or POST.
        path: The path, with its query.
        body: JSON, or empty.
        headers: Additional headers; they may hold a secret, in a definition as ``{NAME}`` of ``.env``.
    """

    method: str
    path: str
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def with_secrets(self, secrets: Mapping[str, str]) -> HttpProbe:
        """Return the probe with the values of ``.env`` in its headers; a missing one is empty."""
        values = _OrEmpty(secrets)
        filled = {name: value.format_map(values) for name, value in self.headers.items()}
        return dataclasses.replace(self, headers=filled)

    def ask(self, port: int, host: str = "127.0.0.1", timeout: float = 5.0) -> bool:
        """Return whether the response status is 200."""
        return self.answer(port, host, timeout) == 200

    def answer(self, port: int, host: str = "127.0.0.1", timeout: float = 5.0) -> int | None:
        """Return the response status, or None if there is no HTTP response."""
        from mlpipes_cli import http_probe

        headers = {"Content-Type": "application/json"} if self.body else {}
        answer = http_probe.ask(
            host,
            port,
            self.path,
            method=self.method,
            body=self.body or None,
            headers={**headers, **self.headers},
            timeout=timeout,
        )
        return answer.status if answer else None


@dataclass(frozen=True)
class TcpProbe:
    """Sends bytes that only a working service answers with the expected ones: a protocol's ping.

    Attributes:
        send: What is sent; it may hold a secret, in a definition as ``{NAME}`` of ``.env``.
        expect: What the answer contains.
    """

    send: str = field(repr=False)
    expect: str

    def with_secrets(self, secrets: Mapping[str, str]) -> TcpProbe:
        """Return the probe with the values of ``.env`` in what it sends; a missing one is empty."""
        return dataclasses.replace(self, send=self.send.format_map(_OrEmpty(secrets)))

    def ask(self, port: int, host: str = "127.0.0.1", timeout: float = 5.0) -> bool:
        """Return whether the expected bytes come within ``timeout`` seconds."""
        wanted, found, end = self.expect.encode(), b"", time.monotonic() + timeout
        try:
            with socket.create_connection((host, port), timeout) as link:
                link.sendall(self.send.encode())
                while wanted not in found:
                    link.settimeout(max(0.001, end - time.monotonic()))
                    part = link.recv(_CHUNK)
                    if not part:
                        return False
                    found = found[-len(wanted) :] + part
        except OSError:
            return False
        return True


@dataclass(frozen=True)
class DatabaseProbe:
    """Stands for queries as the databases' owners; the runtime asks, since it has the passwords."""


@dataclass(frozen=True)
class BucketProbe:
    """Stands for an S3 request for the project's bucket; the runtime asks, since it has the keys."""


Probe = HttpProbe | TcpProbe | DatabaseProbe | BucketProbe


class _OrEmpty(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return ""
