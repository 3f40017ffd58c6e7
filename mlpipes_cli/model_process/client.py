"""A model in a process of the environment that trained it, and the requests to it."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import weakref
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlpipes_cli import package_files
from mlpipes_cli.child_process import guard
from mlpipes_cli.model_process import protocol
from mlpipes_cli.model_process.output import ModelOutput
from mlpipes_cli.scoring.score_reader import ScoreReader

logger = logging.getLogger("mlpipes.server")
_model_logger = logging.getLogger("mlpipes.model")
_LOADS = 600.0  # seconds that a model may take to load
_ENDS = 10.0  # seconds until a process that was asked to exit is killed
_LONGEST_PAUSE = 30.0  # seconds between two attempts to start a failing process
_LINE = 2000  # characters of a line of the model's output that are logged
_NOT_THEIRS = ("PYTHONPATH", "PYTHONHOME", "__PYVENV_LAUNCHER__", "PROMETHEUS_MULTIPROC_DIR")
_SECRET = ("MLPIPES_DATABASE_URL", "MLPIPES_MODEL_KEY", "MLFLOW_TRACKING_")


class Away(Exception):
    """The model's process does not answer now; another attempt may succeed. One line."""


class ModelError(Exception):
    """The model raised an exception; one line of its message."""


class NotLoaded(Exception):
    """The model's process did not start; one line."""


@dataclass(frozen=True)
class LoadRequest:
    """The model that a process loads.

    Attributes:
        folder: The model's folder.
        pickled: The file of a scikit-learn estimator that is asked by its ``predict`` alone; or None.
        details: The metadata that training stored for serving.
    """

    folder: Path
    pickled: Path | None
    details: Mapping[str, Any]


class ModelProcess:
    """A model's process, kept running until it is closed; may be called from several threads.

    It answers one request at a time. A process that exits is started again, and its request fails with
    :class:`Away`. Its standard output and error go to the logger ``mlpipes.model``.

    Args:
        python: The interpreter of the model's environment.
        model: The model's folder, and how to load it.
        title: The name in the log.
        seconds: Time limit for a request; after it the process is terminated. None is no limit.
    """

    def __init__(self, python: Path, model: LoadRequest, title: str, seconds: float | None = None) -> None:
        self._python, self._title, self._seconds = python, title, seconds
        self._load_request = {
            "folder": str(model.folder),
            "pickled": None if model.pickled is None else str(model.pickled),
            "details": dict(model.details),
        }
        self._turn = threading.Lock()
        self._talking = threading.Lock()  # no other thread closes the socket meanwhile
        self._state = threading.Condition()
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._scratch: str | None = None
        self._socket: socket.socket | None = None  # to the process
        self._link: socket.socket | None = None  # the same, while it answers
        self._number = 0
        self._problem: str | None = None
        self._last: deque[str] = deque(maxlen=8)
        self.pid = 0  # of the process that holds the model
        self.scores: ScoreReader | None = None
        """What is known of the scores; it cannot be asked for any."""

    @property
    def problem(self) -> str | None:
        """Why the process does not answer, or None."""
        return self._problem

    def start(self) -> None:
        """Start the process and wait until it is ready.

        Raises:
            NotLoaded: The model cannot be loaded there.
        """
        self._come_up()
        _alive.add(self)
        threading.Thread(target=self._keep, name="model", daemon=True).start()

    def ask(self, data: Any, params: Mapping[str, Any] | None = None) -> ModelOutput:
        """Return the model's answer.

        Raises:
            Away: The process is not running, exited, or did not answer in time.
            ModelError: The model raised an exception.
            TypeError: The data cannot be sent.
        """
        deadline = None if self._seconds is None else time.monotonic() + self._seconds
        with self._turn:
            link, process = self._ready(deadline)
            self._number += 1
            try:
                with self._talking:
                    if link.fileno() < 0:  # another thread closed it meanwhile
                        raise protocol.Closed
                    link.settimeout(_left(deadline))
                    protocol.send(link, "ask", number=self._number, data=data, params=params or None)
                    reply = protocol.receive(link)
                if reply.value.get("number") != self._number:
                    raise ValueError("an answer to another request")
            except TimeoutError:
                self._forget(link)
                process.terminate()
                raise Away(f"the model did not respond within {self._seconds:g} s") from None
            except protocol.Closed:
                self._forget(link)
                raise Away("the model's process exited and is being restarted") from None
            except ValueError as error:  # not a valid message: the stream cannot be read further
                self._forget(link)
                process.terminate()
                raise Away(f"the model's process sent an invalid message ({error})") from None
        if reply.type == "error":
            raise ModelError(reply.value["error"])
        scores = reply.value["scores"]
        return ModelOutput(reply.value["raw"], None if scores is None else scores.tolist())

    def release(self) -> None:
        """Ask the process to exit, without waiting for it."""
        self._stopping.set()
        with self._state:
            self._link = None
            self._state.notify_all()
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End the process and all processes that it started."""
        self.release()
        if self._process is not None:
            _end(self._process)
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)

    def _forget(self, link: socket.socket) -> None:
        """Drop a socket whose process has exited; later requests wait for the next process."""
        with self._state:
            if self._link is link:
                self._link = None
        with contextlib.suppress(OSError):
            link.shutdown(socket.SHUT_RDWR)

    def _ready(self, deadline: float | None) -> tuple[socket.socket, subprocess.Popen[bytes]]:
        with self._state:
            while self._link is None:
                if self._stopping.is_set() or self._problem is not None:
                    raise Away(self._problem or "the model is no longer served")
                if not self._state.wait(_left(deadline)):
                    raise Away("the model's process is being started")
            assert self._process is not None
            return self._link, self._process

    def _come_up(self) -> None:
        ours, theirs = socket.socketpair()
        self._socket = ours
        self._last.clear()
        package = package_files.package()
        self._scratch = scratch = tempfile.mkdtemp(prefix="mlpipes-model-process-")
        command = [
            str(self._python),
            str(package / "child_process" / "entry.py"),
            "mlpipes_cli.model_process.server",
        ]
        try:
            process = subprocess.Popen(
                [*command, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[theirs.fileno()],
                env=process_environment(self._python) | {"TMPDIR": scratch, guard.REMOVE: scratch},
                start_new_session=True,
            )
        except OSError as error:
            ours.close()
            shutil.rmtree(scratch, ignore_errors=True)
            raise NotLoaded(f"{self._python} cannot be started: {error.strerror}") from None
        finally:
            theirs.close()
        reader = threading.Thread(target=self._log, args=(process,), name="model log", daemon=True)
        reader.start()
        self._process = process
        if self._stopping.is_set():  # released before the process was known
            self.release()
        try:
            ours.settimeout(_LOADS)
            protocol.send(ours, "load", **self._load_request)
            reply = protocol.receive(ours)
            if reply.type != "ready":
                raise NotLoaded(str(reply.value.get("error")))
        except (protocol.Closed, TimeoutError, ValueError) as error:
            ours.close()
            _end(process)
            reader.join(1)
            words = self._last[-1] if self._last else f"exit code {process.returncode}"
            why = f"it was not ready after {_LOADS:g} s" if isinstance(error, TimeoutError) else words
            raise NotLoaded(f"its process exited: {why}") from None
        except BaseException:
            ours.close()
            _end(process)
            raise
        self.pid, self.scores = int(reply.value["pid"]), _scores(reply.value["scores"])
        with self._state:
            self._link, self._problem = ours, None
            self._state.notify_all()
        if self._stopping.is_set():
            self.release()

    def _keep(self) -> None:
        """Start the process again whenever it exits."""
        while True:
            process = self._process
            assert process is not None
            code = process.wait()
            with self._state:
                self._link = None
            self._hang_up()
            if self._scratch is not None:
                shutil.rmtree(self._scratch, ignore_errors=True)
            if self._stopping.is_set():
                return
            logger.warning("the process of %s exited (code %d) and is being restarted", self._title, code)
            if not self._again():
                return

    def _hang_up(self) -> None:
        """Close the socket, but not while a thread waits for it: the next socket would get its number, and
        the system would let that thread wait forever."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)  # which ends the wait
            with self._talking:
                self._socket.close()

    def _again(self) -> bool:
        pause = 0.5
        while not self._stopping.is_set():
            try:
                self._come_up()
            except NotLoaded as error:
                with self._state:
                    self._problem = f"the process of {self._title} cannot be restarted: {error}"
                    self._state.notify_all()
                logger.error("%s", self._problem)
                self._stopping.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                logger.warning("the process of %s is running again", self._title)
                return True
        return False

    def _log(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        with process.stdout as stream:
            for raw in stream:
                line = raw.decode("utf-8", "replace").rstrip()
                if line:
                    self._last.append(line[:300])
                    _model_logger.info("%s", line[:_LINE])


def process_environment(python: Path, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment variables for a program in another Python environment, without secrets."""
    variables = os.environ if environ is None else environ
    made = {
        name: value
        for name, value in variables.items()
        if name not in _NOT_THEIRS and not name.startswith(_SECRET) and not name.startswith("MLPIPES_SERV")
    }
    folder = python.parent
    return made | {
        "PATH": os.pathsep.join([str(folder), variables.get("PATH", os.defpath)]),
        "VIRTUAL_ENV": str(folder.parent),
        "PYTHONNOUSERSITE": "1",
        "PYTHONUNBUFFERED": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MPLBACKEND": "Agg",
    }


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.001, deadline - time.monotonic())


def _scores(description: Mapping[str, Any] | None) -> ScoreReader | None:
    if description is None:
        return None
    return ScoreReader(
        None, description["positive"], tuple(description["order"]), description["probabilities"]
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    """Wait for a process whose socket was closed; terminate it, then kill it, if it does not exit."""
    for insist in (process.terminate, process.kill):
        try:
            process.wait(_ENDS)
        except subprocess.TimeoutExpired:
            insist()
        else:
            return
    process.wait()


_alive: weakref.WeakSet[ModelProcess] = weakref.WeakSet()


@atexit.register
def _end_all() -> None:
    ending = list(_alive)
    for process in ending:
        process.release()
    for process in ending:
        process.close()
