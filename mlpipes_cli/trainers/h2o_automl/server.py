"""A private H2O server, which ends with its context or with this process."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from mlpipes_cli.trainers.base import TrainingError
from mlpipes_cli.trainers.java import Java
from mlpipes_cli.trainers.models.h2o_model import jar

_TRIES = 3  # some starts end with half of the server registered, mostly on a Java newer than 17
_SECONDS_TO_START = 180.0
_SECONDS_TO_END = 5.0
_PR_SET_PDEATHSIG = 1
_LISTENS = re.compile(r"Open H2O Flow in your web browser: (https?://\S+)")
_TROUBLE = re.compile(r"OutOfMemoryError|Could not reserve enough space|Invalid maximum heap size|Error:")


@contextlib.contextmanager
def server(
    java: Java, folder: Path, threads: int, heap: int | None, connect: Callable[[str], None]
) -> Iterator[str]:
    """Start an H2O server on a free port of 127.0.0.1 and yield its address.

    The log is ``h2o.log`` in the folder, and all other files are below the folder. The server belongs to this
    process's group; on Linux the kernel kills it when this process dies.

    Args:
        java: The Java to run it with.
        folder: An existing folder.
        threads: The number of threads that it may use.
        heap: The maximum heap size in bytes; None for a quarter of the machine's memory.
        connect: Called with the address; raises if the server does not work.

    Raises:
        TrainingError: The server cannot be started; the message quotes its log.
    """
    process = None
    try:
        for attempt in range(1, _TRIES + 1):
            log = folder / f"h2o{'' if attempt == 1 else attempt}.log"
            process = _launch(java, folder, threads, heap, log)
            try:
                address = _address(process, log)
                connect(address)
                break
            except Exception as error:  # noqa: BLE001 (h2o raises many types, even bare Exception)
                _end(process)
                if attempt == _TRIES:
                    reason = str(error) if isinstance(error, TrainingError) else _why(log, str(error))
                    raise TrainingError(f"H2O cannot be started: {reason}") from None
        yield address
    finally:
        if process is not None:
            _end(process)


def _launch(java: Java, folder: Path, threads: int, heap: int | None, log: Path) -> subprocess.Popen[bytes]:
    memory = [] if heap is None else [f"-Xmx{heap // 2**20}M"]
    command = [
        str(java.executable), *memory, f"-XX:ActiveProcessorCount={threads}", f"-Djava.io.tmpdir={folder}",
        "-XX:-UsePerfData", f"-XX:ErrorFile={folder}/hs_err.log", "-jar", str(jar()),
        "-name", f"mlpipes-{secrets.token_hex(8)}",
        "-ip", "127.0.0.1", "-web_ip", "127.0.0.1", "-baseport", str(_base_port()), "-ice_root", str(folder),
        "-nthreads", str(threads), "-log_level", "INFO", "-allow_unsupported_java",
    ]  # fmt: skip
    with log.open("wb") as output:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=folder,
            env=_environment(os.environ), preexec_fn=_dying_with(os.getpid()),
        )  # fmt: skip


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without variables that change Java's options or make it print."""
    return {name: value for name, value in environ.items() if name not in {"JAVA_TOOL_OPTIONS"}}


def _base_port() -> int:
    """Return a port from which H2O looks for two consecutive free ones; several servers may start at once."""
    return 54321 + 2 * secrets.randbelow(2000)


def _dying_with(parent: int) -> Callable[[], None] | None:
    """Return a function for the child that makes the kernel kill it with its parent (Linux only)."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def bind() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return bind


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Wait until the server logs its address; return the address."""
    deadline = time.monotonic() + _SECONDS_TO_START
    while time.monotonic() < deadline:
        text = log.read_text("utf-8", errors="replace")
        if found := _LISTENS.search(text):
            return found[1]
        if process.poll() is not None:
            raise TrainingError(_why(log, f"it exited with code {process.returncode}"))
        time.sleep(0.1)
    raise TrainingError(_why(log, f"it did not respond after {_SECONDS_TO_START:g} s"))


def _why(log: Path, otherwise: str) -> str:
    """Describe the failure, with the log's line on memory or the like if there is one."""
    lines = log.read_text("utf-8", errors="replace").splitlines()
    cause = next((line.strip() for line in lines if _TROUBLE.search(line)), "")
    first = next((line.strip() for line in otherwise.splitlines() if line.strip()), "")
    return f"{first} ({cause[:200]})" if cause else first


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the process: there is nothing to shut down gracefully."""
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_SECONDS_TO_END)
