"""Connect to the engine of another machine through the ``ssh`` program and its settings.

The Docker SDK's own way needs a second SSH implementation, which supports neither the user's
``~/.ssh/config`` nor the agents of ``ssh``; so the program's standard streams are one end of a socket
pair, and the SDK uses the other end.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import tempfile
from types import TracebackType
from urllib.parse import urlsplit

_OPTIONS = ("-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=15", "-o", "ServerAliveInterval=20")
_REMOTE = ("docker", "system", "dial-stdio")


class SshError(Exception):
    """The other machine was not reached; the message is the output of ``ssh``."""


def destination(url: str) -> list[str]:
    """Return the arguments of ``ssh`` that name the machine of ``ssh://[user@]host[:port]``.

    Raises:
        SshError: The address is not valid.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise SshError(f"{url} is not a valid address") from None
    if not parts.hostname or parts.hostname.startswith("-") or (parts.username or "").startswith("-"):
        raise SshError(f"{url} is not a valid address")
    words = ["-p", str(port)] if port else []
    words += ["-l", parts.username] if parts.username else []
    return [*words, "--", parts.hostname]


def hostname(url: str) -> str:
    """Return the machine's name or address, as ``~/.ssh/config`` resolves the one in the URL."""
    with contextlib.suppress(OSError, subprocess.SubprocessError, SshError):
        done = subprocess.run(
            ["ssh", "-G", *destination(url)], capture_output=True, text=True, timeout=5, check=True
        )
        for line in done.stdout.splitlines():
            name, _, value = line.partition(" ")
            if name == "hostname" and value:
                return value
    return urlsplit(url).hostname or ""


class SshConnection:
    """Runs one ``ssh`` process for one connection.

    Attributes:
        sock: The socket to the engine.

    Raises:
        SshError: The program is not installed, or the address is not valid.
    """

    def __init__(self, url: str) -> None:
        command = ["ssh", *_OPTIONS, *destination(url), *_REMOTE]
        self.sock, theirs = socket.socketpair()
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as this object)
        try:
            self._process = subprocess.Popen(
                command,
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=self._stderr,
                start_new_session=True,
            )
        except OSError as error:
            self.sock.close()
            self._stderr.close()
            what = "is not installed" if isinstance(error, FileNotFoundError) else str(error.strerror)
            raise SshError(f"the program `ssh` {what}") from None
        finally:
            theirs.close()

    def words(self) -> str:
        """Return the last output of ``ssh``, or of the program on the other side, once it has exited."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=2)
        with contextlib.suppress(OSError, ValueError):
            size = os.fstat(self._stderr.fileno()).st_size
            text = os.pread(self._stderr.fileno(), 4000, max(0, size - 4000)).decode(errors="replace")
            lines = [line.strip() for line in text.splitlines() if line.strip()]
            return lines[-1] if lines else ""
        return ""

    def release(self) -> None:
        """Close this end; the process gets the end of its input once no response is being read any more."""
        with contextlib.suppress(OSError):
            self.sock.close()
        self._stderr.close()

    def close(self) -> None:
        """End the connection and the process."""
        with contextlib.suppress(OSError):
            self.sock.close()
        self._process.terminate()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._stderr.close()

    def __enter__(self) -> SshConnection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
