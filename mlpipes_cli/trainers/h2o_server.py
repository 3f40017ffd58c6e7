"""An H2O server of our own, which ends when its time is over, whatever becomes of this process."""

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
    """The address of an H2O that is connected to, on a free port of 127.0.0.1.

    Its log is ``h2o.log`` in the folder, and all that it writes is below that. It is in this process's
    group; on Linux the kernel ends it together with this process.

    Args:
        java: What runs it.
        folder: An existing one.
        threads: That it may use.
        heap: The most memory for its objects, in bytes; None for a quarter of the machine's.
        connect: Is given the address; raises where the server turns out not to work.

    Raises:
        TrainingError: It cannot be started; with what its log says.
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
            except Exception as error:  # noqa: BLE001 (h2o raises many kinds, some of them bare)
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
    """Without what would turn a program into something else, or print lines of its own."""
    return {name: value for name, value in environ.items() if name not in {"JAVA_TOOL_OPTIONS"}}


def _base_port() -> int:
    """Where H2O starts to look for two free ports in a row; several servers start at a time."""
    return 54321 + 2 * secrets.randbelow(2000)


def _dying_with(parent: int) -> Callable[[], None] | None:
    """For the child, before it becomes Java: the kernel kills it with its parent (Linux only)."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def bind() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return bind


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Wait until it says where it listens."""
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
    """What the log says of memory and the like, else the text."""
    lines = log.read_text("utf-8", errors="replace").splitlines()
    told = next((line.strip() for line in lines if _TROUBLE.search(line)), "")
    first = next((line.strip() for line in otherwise.splitlines() if line.strip()), "")
    return f"{first} ({told[:200]})" if told else first


def _end(process: subprocess.Popen[bytes]) -> None:
    """There is nothing in it that is worth a friendly end."""
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_SECONDS_TO_END)
