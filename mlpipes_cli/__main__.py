"""``python -m mlpipes_cli`` and the ``mlpipes`` binary."""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import signal
import sys

from mlpipes_cli.errors import is_interrupt

_INTERRUPTED = 130


class _Ending:
    """Sees to it that an interrupted command ends with its exit code.

    A KeyboardInterrupt that passes through `exec` of a text, as where a dataclass is made in a late
    import, lets Python end itself by SIGINT although it was caught (``_Py_UnhandledKeyboardInterrupt``).
    """

    def __init__(self) -> None:
        self.code = 0
        atexit.register(self._leave)

    def _leave(self) -> None:
        if self.code != _INTERRUPTED:
            return
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(self.code)


def main() -> None:
    """Run the command line and exit with its code."""
    ending = _Ending()  # before anything else is registered to run at the end: this one runs last
    # A first answer is mostly imports, which make no garbage; and we have no plugins of pydantic.
    gc.set_threshold(200_000, 20, 20)
    os.umask(os.umask(0o077) | 0o002)  # whatever it is, what we write is not for everybody to change
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    try:
        from mlpipes_cli.cli.app import run

        code = run()
    except BaseException as error:  # of an interrupt so early that nothing was begun
        if not is_interrupt(error):
            raise
        code = _INTERRUPTED
    ending.code = code
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C does not change what was said
    gc.freeze()  # the process ends: nothing to search for garbage once more
    sys.exit(code)


if __name__ == "__main__":
    main()
