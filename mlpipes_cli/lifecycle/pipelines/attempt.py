"""One try of a step: its command as a process in a session of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.lifecycle.pipelines.step_log import LINE_BYTES, StepLog

TIMEOUT_CODE = 124  # as timeout(1) has it
RESULT_BYTES = 1_000_000
GRACE = 10.0  # seconds from SIGTERM to SIGKILL
_DRAIN = 2.0  # seconds for the last output of a process that has ended


@dataclass(frozen=True)
class Ended:
    """How a try ended.

    Attributes:
        exit: The exit code; 128 and the signal that ended it; 124 for a timeout.
        result: The JSON of its standard output, or None.
        reason: What was special, in a line.
    """

    exit: int
    result: Any
    reason: str


class Attempt:
    """Runs a command once.

    Args:
        command: Its words.
        folder: The folder that it runs in.
        environment: Its variables.
        log: Gets what it writes.
        log_output: Whether its standard output goes to the log, too.
    """

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        log: StepLog,
        *,
        log_output: bool,
    ) -> None:
        self._log, self._log_output = log, log_output
        self._output, self._too_much = bytearray(), False
        try:
            self._process = subprocess.Popen(
                list(command),
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise MlpipesError(f"{command[0]}: cannot be started ({error})") from None
        self.pid = self._process.pid
        self._readers = [
            _start(self._process.stdout, self._take_output), _start(self._process.stderr, log.write)
        ]  # fmt: skip

    def wait(self, timeout: float | None) -> Ended:
        """Wait for the end; what is left of the process's session is ended, too.

        Args:
            timeout: Seconds until it is ended; None for no limit.
        """
        reason, code = "", None
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            reason, code = f"did not end within {timeout:g} seconds", TIMEOUT_CODE
            self.stop()
        end_session(self.pid)
        drained = time.monotonic() + _DRAIN
        for reader in self._readers:
            reader.join(max(0.0, drained - time.monotonic()))
        returned = self._process.returncode
        result, problem = (None, "") if self._too_much else parse_result(bytes(self._output))
        if self._too_much:
            problem = f"its output has more than {RESULT_BYTES:,} bytes, so it is not kept as the result"
        if returned < 0 and not reason:
            reason = f"ended by {_signal_name(-returned)}"
        exit_code = code if code is not None else returned if returned >= 0 else 128 - returned
        return Ended(exit_code, result, reason or problem)

    def stop(self) -> None:
        """End the process: SIGTERM to its session, and SIGKILL after a grace period."""
        self.signal(signal.SIGTERM)
        try:
            self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            self._process.wait()

    def signal(self, number: int) -> None:
        """Send a signal to the process group."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)

    def _take_output(self, line: bytes) -> None:
        if len(self._output) + len(line) > RESULT_BYTES:
            self._too_much = True
        else:
            self._output += line
        if self._log_output:
            self._log.write(line)


def end_session(leader: int, patience: float = 2.0) -> None:
    """End what is left of a process group whose leader has ended."""
    deadline = time.monotonic() + patience
    number = signal.SIGTERM
    while True:
        try:
            os.killpg(leader, number)
        except (ProcessLookupError, PermissionError):
            return
        if number == signal.SIGKILL and time.monotonic() > deadline + patience:
            return
        if time.monotonic() > deadline:
            number = signal.SIGKILL
        time.sleep(0.02)


def parse_result(output: bytes) -> tuple[Any, str]:
    """Return the JSON of a step's output, and why it is not kept, if it is JSON that no database takes."""
    try:
        found = json.loads(output.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None, ""
    try:
        text = json.dumps(found, ensure_ascii=False, allow_nan=False)
        text.encode()
    except UnicodeEncodeError:
        return None, "its result has half of a surrogate pair, so it is not kept"
    except ValueError:
        return None, "its result has a number that is too large, so it is not kept"
    if "\\u0000" in text:
        return None, "its result has the character U+0000, so it is not kept"
    return found, ""


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is not JSON")


def _start(pipe: IO[bytes] | None, take: Callable[[bytes], None]) -> threading.Thread:
    def read() -> None:
        with contextlib.suppress(OSError, ValueError):
            while line := pipe.readline(LINE_BYTES):  # type: ignore[union-attr]
                take(line)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
