"""A program inside of a container, on the input and output of this process; no Docker program is needed."""

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
    """Run a program in a container and wait for its end; with a terminal where this process has one.

    Args:
        api: The engine's.
        container: It runs.
        command: The program and its arguments; the container's bash or sh where it is empty.

    Returns:
        The program's exit code.

    Raises:
        MlpipesError: The engine cannot start it, or stops answering.
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
    """Whether the end of our input can be passed on; a TLS connection ends as a whole."""
    return not str(api.base_url).startswith("https://")


def _exchange(opened: Any, *, terminal: bool, writing: bool) -> None:
    """Pass bytes on in both ways until the program has ended."""
    answer: IO[bytes] = opened._response.raw._fp.fp  # what came with the headers is in its buffer
    link: socket.socket = getattr(opened, "_sock", opened)
    link.settimeout(None)
    if writing:
        threading.Thread(target=_send, args=(link, not terminal), name="shell-input", daemon=True).start()
    if terminal:
        while piece := answer.read1(_PIECE):  # type: ignore[attr-defined]
            _write(_OUTPUT, piece)
        return
    while len(header := answer.read(8)) == 8:
        where = _ERRORS if header[0] == _ERRORS else _OUTPUT
        _write(where, answer.read(int.from_bytes(header[4:], "big")))


def _send(link: socket.socket, ending: bool) -> None:
    """Our input to the program; with ``ending`` it is told of the end."""
    with contextlib.suppress(OSError):
        while piece := os.read(_INPUT, _PIECE):
            link.sendall(piece)
        if ending:
            link.shutdown(socket.SHUT_WR)


def _write(where: int, piece: bytes) -> None:
    while piece:
        piece = piece[os.write(where, piece) :]


@contextlib.contextmanager
def _as_terminal(api: APIClient, made: str) -> Iterator[None]:
    """Every key goes to the program, Ctrl-C too, and it knows the size of the window."""
    import termios
    import tty
    from types import FrameType

    def resize(_number: int = 0, _frame: FrameType | None = None) -> None:
        from docker.errors import APIError

        size = os.get_terminal_size(_OUTPUT)
        with contextlib.suppress(APIError):  # it has ended, or does not run yet
            api.exec_resize(made, height=size.lines, width=size.columns)

    before = termios.tcgetattr(_INPUT)
    earlier = signal.signal(signal.SIGWINCH, resize)
    try:
        tty.setraw(_INPUT, termios.TCSADRAIN)  # what was typed already counts
        resize()
        yield
    finally:
        termios.tcsetattr(_INPUT, termios.TCSADRAIN, before)
        signal.signal(signal.SIGWINCH, earlier)
