"""Runs uv, keeps its output, and reports errors in one line."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlpipes_cli.errors import MlpipesError

_WORDS = 700  # characters of the resolver's explanation that fit on one line
_UNREACHABLE = ("dns error", "error sending request", "Failed to fetch", "Connection refused", "timed out")
# Ends with us, however we end: prctl(PR_SET_PDEATHSIG, SIGKILL), kept by execv.
_TIED = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 9); "
    "os.getppid() == int(sys.argv[1]) or os._exit(1); os.execv(sys.argv[2], sys.argv[2:])"
)


class UvFailed(MlpipesError):
    """uv failed; the reason quotes its message."""


class Uv:
    """The uv program; several threads may use one object.

    Args:
        environ: The variables that it gets.
        folder: Its working directory, one without any project's settings.
    """

    def __init__(self, environ: Mapping[str, str], folder: Path) -> None:
        self._environ, self._folder = dict(environ), folder
        self._running: set[subprocess.Popen[str]] = set()
        self._guard = threading.Lock()
        self.stopped = False

    def run(self, arguments: Sequence[str], log: Path | None, **variables: str) -> str:
        """Run uv and return its standard output.

        Raises:
            UvFailed: It failed.
        """
        command = [_program(), *arguments, "--no-progress", "--color", "never"]
        process = self._start(command, variables)
        try:
            out, err = process.communicate()
        finally:
            with self._guard:
                self._running.discard(process)
        _note(log, ["uv", *arguments], out, err)
        if self.stopped:
            raise UvFailed("stopped")
        if process.returncode:
            raise UvFailed(*explain(err, self._folder, process.returncode))
        return out

    def stop(self) -> None:
        """Kill running programs; none can be started from now on."""
        with self._guard:
            self.stopped = True
            for process in self._running:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)

    def _start(self, command: Sequence[str], variables: Mapping[str, str]) -> subprocess.Popen[str]:
        tied = [sys.executable, "-ISc", _TIED, str(os.getpid())] if sys.platform == "linux" else []
        with self._guard:
            if self.stopped:
                raise UvFailed("stopped")
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                process = subprocess.Popen(
                    [*tied, *command],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    errors="replace",
                    cwd=self._folder,
                    env={**self._environ, **variables},
                    start_new_session=True,
                )
            except OSError as error:
                where = error.filename or self._folder
                raise UvFailed(f"{where}: {error.strerror or error}") from None
            self._running.add(process)
        return process


def _program() -> str:
    from uv import find_uv_bin

    try:
        return str(find_uv_bin())
    except FileNotFoundError:
        raise UvFailed(
            "uv, which builds environments, is not installed", "install it: python -m pip install uv"
        ) from None


def _note(log: Path | None, shown: Sequence[str], out: str, err: str) -> None:
    if log is not None:
        with contextlib.suppress(OSError), log.open("a", encoding="utf-8") as file:
            file.write(f"$ {' '.join(shown)}\n{out}{err}\n")


def explain(said: str, folder: Path, code: int) -> tuple[str, str]:
    """Return the reason and the hint from uv's standard error."""
    if "os error 28" in said or "No space left" in said:
        return (
            f"{folder}: the disk is full",
            "free space, remove environments with `mlpipes environments prune --all`, or set MLPIPES_CACHE "
            "to a folder on another disk",
        )
    if "os error 122" in said:
        return f"{folder}: the disk quota is exceeded", "free space, or set MLPIPES_CACHE to another folder"
    words = _causes(said)
    if "No solution found" not in said and any(part in said for part in _UNREACHABLE):
        host = re.search(r"https?://(?:[^/\s@]*@)?([^/\s:`)]+)", said)
        why = words.rpartition("cause: ")[2].rpartition("; ")[2]
        return (
            f"{host[1] if host else 'the package index'} cannot be reached ({why})",
            "check the network, or set PIP_INDEX_URL to an index that is reachable",
        )
    return words or f"uv exited with code {code} without a message", ""


def _causes(said: str) -> str:
    """Join the lines from ``error:`` on, without passwords in addresses, cut to the maximum length."""
    found = re.search(r"^\s*(?:error:|×)", said, re.MULTILINE)
    text = said[found.start() :] if found else said
    text = re.sub(r"^\s*(?:error:|×|╰─▶|├─▶|│)\s*", "", text, flags=re.MULTILINE)
    text = re.sub(r"\s*\n\s*cause:\s*", "; ", text)
    text = re.sub(r"://[^/\s@]+@", "://", " ".join(text.split()))
    return (
        text if len(text) <= _WORDS else text[:_WORDS].rsplit(" ", 1)[0] + " ... (see the log for the rest)"
    )
