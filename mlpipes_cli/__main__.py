"""Entry point of ``python -m mlpipes_cli`` and of the ``mlpipes`` binary."""

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
    """Make an interrupted command exit with its exit code.

    If a KeyboardInterrupt passes through `exec` of a text (for example when a deferred import creates a
    dataclass), Python ends itself by SIGINT although the exception was caught
    (``_Py_UnhandledKeyboardInterrupt``).
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
    ending = _Ending()  # registered before every other exit handler, so it runs last
    # Start-up is mostly imports, which create no garbage; and mlpipes has no pydantic plugins.
    gc.set_threshold(200_000, 20, 20)
    os.umask(os.umask(0o077) | 0o002)  # other accounts must not be able to write to our files
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    try:
        from mlpipes_cli.cli.app import run

        code = run()
    except BaseException as error:  # an interrupt before the command started
        if not is_interrupt(error):
            raise
        code = _INTERRUPTED
    ending.code = code
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C does not change the reported result
    gc.freeze()  # the process ends: skip the last garbage collection
    sys.exit(code)


if __name__ == "__main__":
    main()
