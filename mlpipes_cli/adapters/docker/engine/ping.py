"""Ping a candidate address of a Docker engine, with the standard library alone."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from mlpipes_cli.adapters.docker.engine import ssh
from mlpipes_cli.adapters.docker.engine.contexts import EngineCandidate, TlsSettings

Kind = Literal["missing", "permission", "refused", "silent", "unknown host", "tls", "ssh", "wrong"]


@dataclass(frozen=True)
class PingAnswer:
    """Holds an engine's response to a ping.

    Attributes:
        api: The newest API version that the engine supports, or empty if it does not report one.
    """

    api: str


class EngineUnreachable(Exception):
    """No Docker engine answers at an address.

    Attributes:
        kind: The kind of failure.
        said: The error message.
    """

    def __init__(self, kind: Kind, message: str = "") -> None:
        super().__init__(f"{kind}: {message}")
        self.kind: Kind = kind
        self.message = " ".join(message.split())


def ask(candidate: EngineCandidate, timeout: float) -> PingAnswer:
    """Request the API version.

    Args:
        candidate: The address.
        timeout: Seconds for the whole request.

    Raises:
        EngineUnreachable: There is no engine, or it cannot be reached.
    """
    deadline = time.monotonic() + timeout
    with _errors(candidate), _connected(candidate, timeout) as sock:
        sock.settimeout(max(0.05, deadline - time.monotonic()))
        return _ping(sock)


@contextlib.contextmanager
def _errors(candidate: EngineCandidate) -> Iterator[None]:
    try:
        yield
    except ssh.SshError as error:
        raise EngineUnreachable("ssh", str(error)) from None
    except (FileNotFoundError, NotADirectoryError):
        raise EngineUnreachable("missing") from None
    except PermissionError:
        raise EngineUnreachable("permission") from None
    except TimeoutError:
        raise EngineUnreachable("silent") from None
    except socket.gaierror as error:
        raise EngineUnreachable("unknown host", str(error.strerror)) from None
    except ssl.SSLError as error:
        raise EngineUnreachable("tls", str(error.reason or error)) from None
    except ConnectionRefusedError:
        raise EngineUnreachable("refused") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        what = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise EngineUnreachable("refused" if candidate.scheme == "unix" else "wrong", what) from None


@contextlib.contextmanager
def _connected(candidate: EngineCandidate, timeout: float) -> Iterator[socket.socket]:
    if candidate.scheme == "unix":
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(timeout)
            sock.connect(str(candidate.socket))
            yield sock
    elif candidate.scheme == "ssh":
        with ssh.SshConnection(candidate.url) as dialed:
            try:
                yield dialed.sock
            except TimeoutError:
                raise
            except (OSError, http.client.HTTPException):
                raise ssh.SshError(dialed.words() or "the connection was closed") from None
    else:
        parts = urlsplit(candidate.url)
        port = parts.port or (2376 if candidate.tls else 2375)
        with socket.create_connection((parts.hostname or "", port), timeout=timeout) as sock:
            if candidate.tls is None:
                yield sock
            else:
                with _context(candidate.tls).wrap_socket(sock, server_hostname=parts.hostname) as secure:
                    yield secure


def _context(tls: TlsSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=tls.ca)
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.cert and tls.key:
        context.load_cert_chain(tls.cert, tls.key)
    return context


def _ping(sock: socket.socket) -> PingAnswer:
    sock.sendall(b"GET /version HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n")
    response = http.client.HTTPResponse(sock)
    response.begin()
    body = response.read(65536)
    if response.status == 400 and b"HTTPS server" in body:
        raise EngineUnreachable("tls", "the engine requires an encrypted connection")
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if response.status != 200 or not isinstance(found, dict) or "ApiVersion" not in found:
        message = found.get("message", "") if isinstance(found, dict) else body[:200].decode(errors="replace")
        raise EngineUnreachable("wrong", f"it answers {response.status} {message}")
    return PingAnswer(str(found["ApiVersion"]))
