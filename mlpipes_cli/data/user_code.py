"""Calls of users' functions in this process."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import NoReturn


class ExitCalled(SystemExit):
    """A user's function called ``os._exit``, which would have ended the process at once."""

    def __init__(self, code: int) -> None:
        super().__init__(f"os._exit({code})")


@contextlib.contextmanager
def running() -> Iterator[None]:
    """Run users' code: what it prints goes to standard error, and it cannot end this process unnoticed.

    A process that the code starts can end as it likes.

    Raises:
        SystemExit: The code asked for the end of the process; also by ``os._exit``, see :class:`ExitCalled`.
    """
    process, leave = os.getpid(), os._exit

    def refuse(status: int) -> NoReturn:
        if os.getpid() != process:
            leave(status)
        raise ExitCalled(status)

    os._exit = refuse
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        os._exit = leave
