"""Run a program in a container with this process's input and output, without the Docker CLI."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import IO, TYPE_CHECKING, Any

from mlpipes_cli.adapters.docker.errors.translate import translate_errors

if TYPE_CHECKING:
    from docker.api import APIClient

    from mlpipes_cli.adapters.docker.stack.resources import Container

_SHELL = ("sh", "-c", "command -v bash >/dev/null && exec bash; exec sh")
_INPUT, _OUTPUT, _ERRORS = 0, 1, 2
_PIECE = 65536


def run(api: APIClient, container: Container, command: Sequence[str]) -> int:
    """Run a program in a container and wait for its end; with a terminal if this process has one.

    Args:
        api: The engine's API client.
        container: A running container.
        command: The program and its arguments; if empty, the container's bash or sh.

    Returns:
        The program's exit code.

    Raises:
        MlpipesError: The engine cannot start the program, or stops answering.
    """
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    with translate_errors(f"running {command[0] if command else 'a shell'} in {container.service}"):
        made = api.exec_create(
            container.id,
            list(command or _SHELL),
            tty=terminal,
            stdin=terminal or _can_end_input(api),
            environment={"TERM": os.environ.get("TERM", "xterm")} if terminal else None,
        )["Id"]
        opened: Any = api.exec_start(made, tty=terminal, socket=True)
        with contextlib.closing(opened), _as_terminal(api, made) if terminal else contextlib.nullcontext():
            _exchange(opened, terminal=terminal, writing=terminal or _can_end_input(api))
        return int(api.exec_inspect(made)["ExitCode"] or 0)


def _can_end_input(api: APIClient) -> bool:
    """Return whether the end of the input can be passed on; a TLS connection cannot be half-closed."""
    return not str(api.base_url).startswith("https://")


def _exchange(opened: Any, *, terminal: bool, writing: bool) -> None:
    """Pass bytes in both directions until the program has exited."""
    answer: IO[bytes] = opened._response.raw._fp.fp  # its buffer holds what arrived with the headers
    link: socket.socket = getattr(opened, "_sock", opened)
    link.settimeout(None)
    if writing:
        threading.Thread(target=_send, args=(link, not terminal), name="shell-input", daemon=True).start()
    if terminal:
        while chunk := answer.read1(_PIECE):  # type: ignore[attr-defined]
            _write(_OUTPUT, chunk)
        return
    while len(header := answer.read(8)) == 8:
        where = _ERRORS if header[0] == _ERRORS else _OUTPUT
        _write(where, answer.read(int.from_bytes(header[4:], "big")))


def _send(link: socket.socket, ending: bool) -> None:
    """Send this process's input to the program; with ``ending`` also the end of the input."""
    with contextlib.suppress(OSError):
        while chunk := os.read(_INPUT, _PIECE):
            link.sendall(chunk)
        if ending:
            link.shutdown(socket.SHUT_WR)


def _write(where: int, chunk: bytes) -> None:
    while chunk:
        chunk = chunk[os.write(where, chunk) :]


@contextlib.contextmanager
def _as_terminal(api: APIClient, made: str) -> Iterator[None]:
    """Pass every key to the program, Ctrl-C too, and report the window's size to it."""
    import termios
    import tty
    from types import FrameType

    def resize(_number: int = 0, _frame: FrameType | None = None) -> None:
        from docker.errors import APIError

        size = os.get_terminal_size(_OUTPUT)
        with contextlib.suppress(APIError):  # the program has exited, or does not run yet
            api.exec_resize(made, height=size.lines, width=size.columns)

    before = termios.tcgetattr(_INPUT)
    previous = signal.signal(signal.SIGWINCH, resize)
    try:
        tty.setraw(_INPUT, termios.TCSADRAIN)  # keep input that was typed before
        resize()
        yield
    finally:
        termios.tcsetattr(_INPUT, termios.TCSADRAIN, before)
        signal.signal(signal.SIGWINCH, previous)
