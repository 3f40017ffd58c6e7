"""Hands alerts to a program on its standard input."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlpipes_cli.errors import MlpipesError

SECONDS = 60.0


class Command:
    """Implements :class:`mlpipes_cli.ports.alerts.Channel`.

    Args:
        line: The program and its arguments.
        folder: The folder that it runs in.
        seconds: The most time that it may take, in seconds.
    """

    def __init__(self, line: str, folder: Path, seconds: float = SECONDS) -> None:
        self._words, self._folder, self._seconds = shlex.split(line), folder, seconds

    def send(self, message: Mapping[str, Any]) -> str | None:
        text = json.dumps(message, ensure_ascii=False).encode()
        quiet = subprocess.DEVNULL
        try:
            process = subprocess.Popen(
                self._words, cwd=self._folder, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet,
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise MlpipesError(f"the command cannot be started ({error.strerror})") from None
        try:
            process.communicate(text, timeout=self._seconds)
        except subprocess.TimeoutExpired:
            raise MlpipesError(f"the command did not end within {self._seconds:g} seconds") from None
        finally:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if process.returncode:
            raise MlpipesError(f"the command exited with code {process.returncode}")
        return None
