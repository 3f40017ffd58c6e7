"""Run a candidate on a node of a Ray cluster: build its environment, train, return the results.

This is our own code, sent along with the job. Nothing of it is installed on the node, and the cluster's
Python runs it with the standard library alone. The candidate itself is a child of a worker host in the built
environment, as on the core's machine. When the actor's process or the node's daemon is killed, the host sees
the end of its input and ends together with all processes it started.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import os
import queue
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlpipes_cli.adapters.environments.store import EnvironmentStore, cache
from mlpipes_cli.child_process import guard, reaper
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.local_files import file_locks
from mlpipes_cli.ports.environments import of_lock
from mlpipes_cli.worker import protocol
from mlpipes_cli.worker.pool import CandidateJob, Pool, ResourceRequest

_PREFIX = "mlpipes-ray-"
_HELD = "held"
_UV = "uv>=0.13,<0.14"
_WAIT = 1.0  # seconds that a poll waits for a message


class Work:
    """One candidate on this node, in a thread; the caller polls for its messages.

    Args:
        folder: For all files of the job and for our code; removed at the end.
        content: The job, as ``job.json`` has it.
        data: The folder of the prepared data, packed.
        user: The user's own modules, packed: a folder ``0``, ``1`` ... for each folder of the job.
    """

    def __init__(self, folder: str, content: Mapping[str, Any], data: bytes, user: bytes) -> None:
        self._content, self._data, self._user = dict(content), data, user
        self._messages: queue.Queue[dict[str, Any]] = queue.Queue()
        self._output = b""
        self._folder = Path(folder)
        self._held = _hold(self._folder)
        _forget_the_dead()
        reaper.adopt()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def poll(self) -> list[dict[str, Any]]:
        """Return new messages: ``type`` and fields as in the protocol; ``ended`` is last."""
        messages = []
        with contextlib.suppress(queue.Empty):
            messages.append(self._messages.get(timeout=_WAIT))
            while True:
                messages.append(self._messages.get_nowait())
        return messages

    def fetch(self) -> bytes:
        """Wait for the end of the job and return its results, packed."""
        self._thread.join()
        return self._output

    def _run(self) -> None:
        job = self._folder / "job"
        ended: dict[str, Any] = {}
        try:
            job.mkdir()
            ended = self._train(job)
        except MlpipesError as error:
            ended = {"reason": f"on a node of the cluster: {error.lines()[0]}"}
        except Exception as error:  # noqa: BLE001 (a thread has no caller that could handle it)
            ended = {"reason": f"on a node of the cluster: {type(error).__name__}: {error}"}
        finally:
            with contextlib.suppress(OSError):
                self._output = self._output or _results(job)
            shutil.rmtree(self._folder, ignore_errors=True)
            self._tell("ended", **ended)

    def _train(self, job: Path) -> dict[str, Any]:
        self._tell("stage", stage="building its environment")
        provide_uv(cache(os.environ) / "uv")
        wanted = self._content["node"]
        with EnvironmentStore() as store:
            spec = of_lock(wanted["python"], wanted["requirements"], "a run of a Ray cluster")
            built = store.ensure(spec, job / protocol.LOG)
            unpack(self._data, self._folder / "data")
            unpack(self._user, self._folder / "user")
            folders = [str(self._folder / "user" / str(n)) for n in range(len(self._content["folders"]))]
            content = {**self._content, "data": str(self._folder / "data"), "folders": folders}
            protocol.write(job / protocol.JOB, content)
            os.environ[guard.REMOVE] = str(self._folder)
            return self._watch(
                CandidateJob("job", job, built.python, ResourceRequest(memory=self._content.get("memory")))
            )

    def _watch(self, job: CandidateJob) -> dict[str, Any]:
        pool = Pool(self._folder / "worker.log")
        try:
            pool.submit(job)
            while pool.busy:
                for event in pool.events():
                    if event.kind == "stage":
                        self._tell("stage", stage=event.stage)
                    elif event.kind == "ended":
                        self._output = _results(job.folder)  # the folder is removed with the host
                        fields = ("exit", "signal", "seconds", "max_rss", "reason")
                        return {name: getattr(event, name) for name in fields}
        finally:
            pool.close()
        raise MlpipesError("its worker process exited without a message")

    def _tell(self, kind: str, **fields: Any) -> None:
        self._messages.put({"type": kind, **fields})


def _results(job: Path) -> bytes:
    return pack({name: job / name for name in (protocol.RESULT, protocol.LOG, protocol.OUT)})


def pack(paths: Mapping[str, Path]) -> bytes:
    """Pack the existing ones of the named files and folders into one archive."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, path in paths.items():
            if path.exists():
                archive.add(path, name)
    return out.getvalue()


def unpack(content: bytes, folder: Path) -> None:
    """Unpack an archive of :func:`pack` into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        archive.extractall(folder, filter="data")


def provide_uv(folder: Path) -> None:
    """Make ``import uv`` work: as installed, as a program on PATH, or downloaded once into a folder.

    Raises:
        MlpipesError: uv cannot be installed.
    """
    if importlib.util.find_spec("uv") is not None:
        return
    if program := shutil.which("uv"):
        module = types.ModuleType("uv")
        module.find_uv_bin = lambda: program  # type: ignore[attr-defined]
        sys.modules["uv"] = module
        return
    sys.path.append(str(folder))
    importlib.invalidate_caches()
    if importlib.util.find_spec("uv") is None:
        _fetch_uv(folder)
        importlib.invalidate_caches()


def _fetch_uv(folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".uv-", dir=folder.parent))
    problem = "this Python has no pip"
    try:
        for python in dict.fromkeys([sys.executable, getattr(sys, "_base_executable", sys.executable)]):
            command = [
                python,
                "-m",
                "pip",
                "install",
                "--quiet",
                "--no-deps",
                "--target",
                str(temporary),
                _UV,
            ]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode == 0:
                with contextlib.suppress(OSError):  # another candidate installed it first
                    temporary.replace(folder)
                return
            problem = (done.stderr.strip().splitlines() or [problem])[-1]
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    raise MlpipesError(f"cannot install uv, which builds environments: {problem}", "install uv on the nodes")


def _hold(folder: Path) -> int | None:
    """Lock a folder as one in use; the lock ends with the process, however the process ends."""
    made = folder / f"{_HELD}.new"
    descriptor = file_locks.take(made)
    made.rename(folder / _HELD)  # the file has its final name only once it is locked
    return descriptor


def _forget_the_dead() -> None:
    """Remove folders of processes that were killed before a worker host could remove them.

    Process ids cannot show whether a process is alive: where Ray was started from outside a container
    (``docker exec``), and between containers that share a folder, they are not comparable.
    """
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        # an error: not yet locked, or another user's
        with contextlib.suppress(OSError), file_locks.held(folder / _HELD, create=False) as dead:
            if dead:
                shutil.rmtree(folder, ignore_errors=True)
