"""Runs the command line without its imports, which are most of what a command costs.

Each call is a process of its own, with the variables, folder, input and outputs that it is given, and runs
``python -m mlpipes_cli`` as it is. Only what it imports is there already (``warm_process``): a command that
needs MLflow's client takes a tenth of the time. What is about starting, about Python's own settings, or
about a process that is looked at from outside, has to start the binary itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any

import warm_children

HERE = Path(__file__).parent
# Read by the interpreter, the loader or a library when it starts, not by mlpipes.
EARLY = ("PYTHON", "LD_", "OMP_", "OPENBLAS_", "MKL_", "MALLOC_", "LANG", "LC_")


def fits(environment: Mapping[str, str]) -> bool:
    """Whether a call with these variables can run in a fork."""
    ours, theirs = (_early(variables) for variables in (_base(), environment))
    return sys.platform == "linux" and ours == theirs


def run(
    arguments: Sequence[str], cwd: Path, environment: Mapping[str, str], stdin: str, timeout: float
) -> tuple[int, str, str]:
    """Run a command; its exit code (negative for a signal), standard output and standard error.

    Raises:
        subprocess.TimeoutExpired: It took longer, and was killed.
    """
    call = {"arguments": list(arguments), "cwd": str(cwd), "environment": dict(environment)}
    pipes = [os.pipe() for _ in range(3)]
    (reads_in, writes_in), (reads_out, writes_out), (reads_err, writes_err) = pipes
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(_process().address)
        theirs = [reads_in, writes_out, writes_err]
        text = json.dumps(call).encode() + b"\n"
        sent = socket.send_fds(link, [text], theirs)
        link.sendall(text[sent:])
        for descriptor in theirs:
            os.close(descriptor)
        with link.makefile("r") as told:
            pid = int(told.readline())
            feeding = threading.Thread(target=_feed, args=(writes_in, stdin.encode()))
            outputs: dict[int, str] = {}
            reading = [
                threading.Thread(target=_read, args=(number, outputs)) for number in (reads_out, reads_err)
            ]
            for thread in (feeding, *reading):
                thread.start()
            link.settimeout(timeout)
            try:
                code = int(told.readline())
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired(list(arguments), timeout) from None
            finally:
                for thread in (feeding, *reading):
                    thread.join(timeout)
    return code, outputs[reads_out], outputs[reads_err]


class Child:
    """A program of this interpreter in a session of its own, with what of ``subprocess.Popen`` servers need.

    Args:
        command: The interpreter, then ``-m`` and a module, ``-c`` and a text, or a script; and its arguments.
        cwd: Its folder.
        environment: Its variables; they have to fit.
        output: The file that receives its standard output.
        errors: The one for its standard error; None for the same.
    """

    def __init__(
        self, command: Sequence[str], cwd: Path, environment: Mapping[str, str],
        output: IO[Any], errors: IO[Any] | None = None,
    ) -> None:  # fmt: skip
        call = {"command": list(command), "cwd": str(cwd), "umask": warm_children.umask()}
        text = json.dumps(call | {"environment": dict(environment)}).encode() + b"\n"
        self.args = list(command)
        self._link = socket.socket(socket.AF_UNIX)
        self._link.connect(_process().address)
        with Path(os.devnull).open("rb") as nothing:
            files = [nothing.fileno(), output.fileno(), (errors or output).fileno()]
            self._link.sendall(text[socket.send_fds(self._link, [text], files) :])
            self._told = self._link.makefile("r")
            self.pid = int(self._told.readline())
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit code, or None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, once it has ended.

        Raises:
            subprocess.TimeoutExpired: It has not.
        """
        if self.returncode is None:
            if not select.select([self._link], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            self.returncode = int(self._told.readline())
            self._told.close()
            self._link.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def start(
    command: Sequence[str], cwd: Path, environment: Mapping[str, str],
    output: IO[Any], errors: IO[Any] | None = None,
) -> Child | subprocess.Popen[Any]:  # fmt: skip
    """Start a program of this interpreter beside the test, as a fork where its variables allow that."""
    if fits(environment) and warm_children.have_room(command, environment):
        return Child(command, cwd, environment, output, errors)
    return subprocess.Popen(
        list(command), cwd=cwd, env=dict(environment), stdin=subprocess.DEVNULL, stdout=output,
        stderr=errors or output, start_new_session=True,
    )  # fmt: skip


def program(
    command: Sequence[str], environment: Mapping[str, str], timeout: float = 180
) -> subprocess.CompletedProcess[str]:
    """Run a program of this interpreter to its end, in this folder.

    Raises:
        subprocess.TimeoutExpired: It took longer, and was killed.
    """
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        process = start(command, Path.cwd(), environment, output, errors)
        try:
            code = process.wait(timeout)
        finally:
            process.kill()
        for file in (output, errors):
            file.seek(0)
        return subprocess.CompletedProcess(list(command), code, output.read(), errors.read())


def _feed(descriptor: int, text: bytes) -> None:
    with contextlib.suppress(BrokenPipeError), os.fdopen(descriptor, "wb") as file:
        file.write(text)


def _read(descriptor: int, outputs: dict[int, str]) -> None:
    with os.fdopen(descriptor, encoding="utf-8") as file:
        outputs[descriptor] = file.read()


def _early(variables: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if name.startswith(EARLY)}


@cache
def _base() -> dict[str, str]:
    """The variables of the process that is forked."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "MLPIPES_"))}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)  # as a sealed environment has it
    return kept


class _Process:
    """The process that is forked, started with the first call."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="warm-"))
        self.address = str(self._folder / "socket")
        quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "NO_COLOR": "1", "COLUMNS": "120", "TERM": "dumb"}
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.address)
            listener.listen(64)
            self._process = subprocess.Popen(
                [sys.executable, HERE / "warm_process.py", str(listener.fileno()), "-" * warm_children.ROOM],
                env=_base() | quiet | warm_children.SURROUNDINGS | {"ROOM": "-" * warm_children.ROOM},
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                pass_fds=[listener.fileno()],
            )

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder)


@cache
def _process() -> _Process:
    return _Process()


def end() -> None:
    """No process and no file is left; a later call starts another."""
    if _process.cache_info().currsize:
        _process().end()
        _process.cache_clear()
