"""Choose TCP ports on 127.0.0.1, remember them, and never give one to two projects at a time.

Until a service listens on its chosen port, a second project could choose that port too. So the
process that chooses holds the UDP port of the same number for that time: the system gives it to one
process of the machine only, of any user, and releases it when the process ends.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType

from mlpipes_cli.errors import MlpipesError, UsageError

HOST = "127.0.0.1"
OFFSET = "MLPIPES_PORT_OFFSET"
_TRIES = 200
_LARGEST = 50_000


def first(preference: int, environ: Mapping[str, str] = os.environ) -> int:
    """Return the first candidate for an automatic port: ``preference`` plus ``MLPIPES_PORT_OFFSET``.

    Raises:
        UsageError: The offset is not a number from 0 to 50000.
    """
    text = environ.get(OFFSET) or "0"
    if not text.isascii() or not text.isdigit() or int(text) > _LARGEST:
        raise UsageError(f"{OFFSET} is {text!r}", f"set it to a number from 0 to {_LARGEST}, or unset it")
    return preference + int(text)


def is_free(port: int) -> bool:
    """Return whether a service could listen on a port; connections in TIME_WAIT do not count."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise MlpipesError(
                f"the address {HOST} cannot be used ({error.strerror})", "enable the loopback interface"
            ) from None
    return not answers(port)


def answers(port: int) -> bool:
    """Return whether a process accepts connections on a port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((HOST, port)) == 0


def holder(port: int) -> str:
    """Describe the process that listens on a port."""
    import psutil

    try:
        found = [
            c for c in psutil.net_connections("tcp")
            if c.status == psutil.CONN_LISTEN and c.laddr and c.laddr.port == port
        ]  # fmt: skip
        pid = next((c.pid for c in found if c.pid), None)
        if pid:
            return f"{psutil.Process(pid).name()} (pid {pid})"
        if not found:
            return "another process"
    except psutil.Error:
        pass
    return "a process of another user"


@dataclass
class PortReservations:
    """Reserves ports until the context ends."""

    _held: dict[int, socket.socket] = field(default_factory=dict)

    def take(self, port: int) -> bool:
        """Reserve a port if it is free and not reserved; return whether that succeeded."""
        if port in self._held:
            return False
        guard = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            guard.bind((HOST, port))
        except OSError:
            guard.close()
            return False
        if not is_free(port):
            guard.close()
            return False
        self._held[port] = guard
        return True

    def release(self, port: int) -> None:
        """Release the reservation of a port."""
        guard = self._held.pop(port, None)
        if guard:
            guard.close()

    def __enter__(self) -> PortReservations:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for guard in self._held.values():
            guard.close()
        self._held.clear()


def choose(
    service: str,
    reservations: PortReservations,
    *,
    wanted: int | None,
    remembered: int | None,
    preference: int,
    say: Callable[[str], None],
    owner_of: Callable[[int], str] = holder,
) -> int:
    """Choose and reserve the port for a service that is about to start.

    Args:
        service: For messages.
        reservations: Holds the port until the service listens.
        wanted: The fixed port of the settings; None is ``auto``.
        remembered: The port that the service had the last time.
        preference: The first candidate, before the offset is added.
        say: Called with a message if the remembered port is taken.
        who: Describes the process that holds a port.

    Raises:
        MlpipesError: The fixed port is taken (the message names its holder), or no port is free.
        UsageError: The offset is not valid.
    """
    if wanted is not None:
        if reservations.take(wanted):
            return wanted
        raise MlpipesError(
            f"port {wanted} of {service} is taken by {owner_of(wanted)}",
            f"stop it, or set another port (or auto) for {service} in mlpipes.yaml",
        )
    if remembered is not None and reservations.take(remembered):
        return remembered
    start = first(preference)
    port = next((port for port in _from(start) if reservations.take(port)), None)
    if port is None:
        raise MlpipesError(
            f"no free port for {service} at or above {start}", "stop services that you no longer need"
        )
    if remembered is not None:
        say(
            f"port {remembered} of {service} is taken by {owner_of(remembered)};"
            f" using the next free port, {port}"
        )
    return port


def _from(start: int) -> Iterator[int]:
    return iter(range(start, min(start + _TRIES, 65536)))
