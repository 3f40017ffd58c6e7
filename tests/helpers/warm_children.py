"""What a command of the warm process starts, and what would import the same libraries again: a fork, too.

A command that runs in a fork (``warm_process``) forks itself once more before it begins. This child waits
until the command starts a worker host, MLflow's server or another command with this interpreter, and becomes
that process: of the same parent, with the folder, variables, files and session that ``subprocess`` would have
given to it, and it runs the same module from its first line. Only what it imports is there already. Whatever
else a command starts is started as ever; so is all of a test that starts the binary itself.
"""

from __future__ import annotations

import ctypes
import io
import json
import os
import runpy
import socket
import subprocess
import sys
import tempfile
import types
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

# Verbs that start such processes, and how many; a fork costs too much to have one for each command.
STARTERS = dict.fromkeys(("train", "retrain", "serve"), 1)
STARTERS |= dict.fromkeys(("up", "restart", "start", "restore"), 2)  # MLflow's server and the API
STARTERS |= {"demo": 3, "run": 4}  # all of the story; a pipeline's steps are commands
MODULES = ["mlpipes_cli", "mlpipes_cli.worker.host"]
SERVER = os.path.join("mlflow", "one_process.py")  # noqa: PTH118 (the end of a path)
# Read when the interpreter starts; `become` does what they say.
OBEYED = ("PYTHONHASHSEED", "PYTHONUNBUFFERED", "PYTHONWARNINGS", "PYTHONSAFEPATH")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
SURROUNDINGS = {"PYTHONHASHSEED": "0", **dict.fromkeys(THREADS, "1")}  # of the warm process
EARLY = ("PYTHON", "LD_", "OMP_", "OPENBLAS_", "MKL_", "MALLOC_", "LANG", "LC_")
BASIC = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)
ROOM = 24_000  # bytes in the warm process's own variables, so that a child's fit in their place


class Spare:
    """The child that waits to become what the command starts."""

    def __init__(self, leave: Callable[[object], NoReturn], environment: Mapping[str, str]) -> None:
        self._early = _early(environment)
        self._link, theirs = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            self._link.close()
            _wait(theirs, leave)
        theirs.close()

    def fits(self, command: Sequence[str], environment: Mapping[str, str]) -> bool:
        if not self.pid or list(command[:1]) != [sys.executable]:
            return False
        module = command[2] if command[1] == "-m" else ""
        if module not in MODULES and not str(command[1]).endswith(SERVER):
            return False
        seeded = environment.get("PYTHONHASHSEED", "0") == "0"
        return seeded and have_room(command, environment) and _early(environment) == self._early

    def become(
        self, command: Sequence[str], cwd: Any, environment: Mapping[str, str], files: Sequence[int]
    ) -> int:
        """Make the child the process of a command; its pid."""
        call: dict[str, Any] = {"command": list(map(os.fspath, command)), "cwd": str(cwd or Path.cwd())}
        call |= {"environment": dict(environment), "umask": umask()}
        text = json.dumps(call).encode() + b"\n"
        sent = socket.send_fds(self._link, [text], list(files))
        if sent < len(text):  # else the child may have closed its end already
            self._link.sendall(text[sent:])
        if self._link.recv(1) != b"k":
            raise RuntimeError("the fork that waits has ended")
        self._link.close()
        pid, self.pid = self.pid, 0
        return pid


def have_room(command: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Whether words and variables fit where those of the warm process are."""
    words, values = _shown(command, environment)
    return max(len(words), len(values)) <= ROOM


def _shown(command: Sequence[str], environment: Mapping[str, str]) -> tuple[bytes, bytes]:
    words = b"".join(os.fsencode(one) + b"\0" for one in command)
    return words, b"".join(os.fsencode(f"{name}={value}") + b"\0" for name, value in environment.items())


def _early(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that a fork cannot do anything about."""
    told = {name for name in environment if name.startswith(EARLY)}
    return {name: environment[name] for name in told.difference(OBEYED, THREADS)}


def umask() -> int:
    now = os.umask(0o077)
    os.umask(now)
    return now


def have(words: Iterable[str], leave: Callable[[object], NoReturn]) -> None:
    """Let the ``subprocess.Popen`` of this process, which runs that command, use children that wait."""
    wanted = max((STARTERS.get(word, 0) for word in words), default=0)
    spares = [Spare(leave, os.environ) for _ in range(wanted)]
    if spares:
        _give(spares)


def _give(spares: Sequence[Spare]) -> None:
    class Popen(subprocess.Popen):  # type: ignore[type-arg]
        def _execute_child(  # type: ignore[no-untyped-def]
            self, args, executable, preexec_fn, close_fds, pass_fds, cwd, env, startupinfo, creationflags,
            shell, p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite, restore_signals, gid, gids, uid,
            umask, start_new_session, process_group, *more,
        ) -> None:  # fmt: skip
            files = (p2cread, c2pwrite, errwrite)
            plain = not (shell or executable or preexec_fn or pass_fds or more) and min(files) >= 0
            plain = bool(plain and env and start_new_session and not isinstance(args, str))
            spare = next((one for one in spares if plain and one.fits(args, env)), None)
            if spare:
                self.pid = spare.become(args, cwd, env, files)
                self._child_created = True
                self._close_pipe_fds(  # type: ignore[attr-defined]
                    p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite
                )  # fmt: skip
                return
            super()._execute_child(  # type: ignore[misc]
                args, executable, preexec_fn, close_fds, pass_fds, cwd, env, startupinfo, creationflags,
                shell, p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite, restore_signals, gid, gids,
                uid, umask, start_new_session, process_group, *more,
            )  # fmt: skip

    subprocess.Popen = Popen  # type: ignore[misc]


def _wait(link: socket.socket, leave: Callable[[object], NoReturn]) -> NoReturn:
    text, files, _, _ = socket.recv_fds(link, 1 << 20, 3)
    while text and not text.endswith(b"\n"):
        text += link.recv(1 << 20)
    if not text:  # the command has ended
        os._exit(0)
    call = json.loads(text)
    become(call, files, lambda: link.sendall(b"k"))
    have({"train", "retrain"}.intersection(call["command"]), leave)  # not for what stays
    leave(run(call["command"]))


def become(call: Mapping[str, Any], files: Sequence[int], tell: Callable[[], None] | None = None) -> None:
    """Take the place that the call tells of: session, folder, variables, and these files as 0, 1 and 2."""
    os.setsid()
    os.chdir(call["cwd"])
    os.umask(call["umask"])
    for number, file in enumerate(files):
        os.dup2(file, number)
    os.environ.clear()
    os.environ.update(call["environment"])
    _show(call["command"], call["environment"])
    if tell:
        tell()
    os.closerange(3, max(map(int, os.listdir("/proc/self/fd"))) + 1)  # noqa: PTH208
    tempfile.tempdir = None
    _open_streams()
    _warn(os.environ.get("PYTHONWARNINGS", ""))
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()


def run(command: Sequence[str]) -> object:
    """Run a module (``-m``), a text (``-c``) or a script as the interpreter would have; its exit code."""
    kind, rest = command[1], list(command[2:])
    sys.path.pop(0)  # where the warm process lies
    if not os.environ.get("PYTHONSAFEPATH"):
        first = {"-m": str(Path.cwd()), "-c": ""}.get(kind, str(Path(kind).parent))
        sys.path.insert(0, first)
    try:
        if kind == "-m":
            sys.argv = rest
            runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
        elif kind == "-c":
            sys.argv = ["-c", *rest[1:]]
            main = sys.modules["__main__"] = types.ModuleType("__main__")
            exec(compile(rest[0], "<string>", "exec"), vars(main))
        else:
            sys.argv = [kind, *rest]
            runpy.run_path(kind, run_name="__main__")
    except SystemExit as error:
        return error.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def _open_streams() -> None:
    at_once = bool(os.environ.get("PYTHONUNBUFFERED"))
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", closefd=False)  # type: ignore[misc]  # noqa: SIM115
    for number, name in ((1, "stdout"), (2, "stderr")):
        raw = open(number, "wb", buffering=0 if at_once else -1, closefd=False)  # noqa: SIM115
        errors = "strict" if number == 1 else "backslashreplace"
        text = io.TextIOWrapper(
            raw, encoding="utf-8", errors=errors, write_through=at_once, line_buffering=number == 2
        )  # fmt: skip
        setattr(sys, name, text)
        setattr(sys, f"__{name}__", text)


def _warn(wanted: str) -> None:
    """Filters as of an interpreter that is told of them, under those of the libraries."""
    if wanted == "default":
        for one in [one for one in warnings.filters if one[:2] == ("ignore", None) and one[2] in BASIC]:
            warnings.filters.remove(one)  # type: ignore[attr-defined]
        warnings.simplefilter("default", append=True)


def _show(command: Sequence[str], environment: Mapping[str, str]) -> None:
    """Have the system tell of this process what it would tell of a new one: its words and its variables.

    Both lie in the process's own memory, where the variables of the warm process, which nobody reads any
    more, leave ``ROOM``.
    """
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    words_at, words_end, values_at, values_end = (int(text) for text in fields[45:49])
    words, values = _shown(command, environment)
    for text, start, end in ((words, words_at, words_end), (values, values_at, values_end)):
        if len(text) > end - start:
            raise RuntimeError(f"{len(text)} bytes do not fit into {end - start}")
        ctypes.memset(start, 0, end - start)
        ctypes.memmove(start, text, len(text))
