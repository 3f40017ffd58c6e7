"""What happens on a node of a Ray cluster: build the candidate's environment, train, hand back what came out.

It is our own code that travelled with the job; nothing of it is installed on the node, and it is run by the
cluster's Python with the standard library alone. The candidate itself is a child of a worker host in the
environment that was built, as on the machine of the core: when the actor's process is killed, or its node's
daemon, the host sees the end of its input and ends with all that it started.
"""

from __future__ import annotations

import contextlib
import fcntl
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
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports.environments import of_lock
from mlpipes_cli.worker import protocol, reaper
from mlpipes_cli.worker.pool import CandidateJob, Pool, ResourceRequest

_PREFIX = "mlpipes-ray-"
_HELD = "held"
_UV = "uv>=0.13,<0.14"
_WAIT = 1.0  # seconds that a poll waits for something to tell


class Work:
    """One candidate on this node, in a thread; what it has to tell is polled.

    Args:
        folder: For all files of it, and for our code; it is removed at the end.
        content: The job, as ``job.json`` has it.
        data: The prepared data's folder, packed.
        user: The user's own modules, packed: a folder ``0``, ``1`` ... for each of the job's.
    """

    def __init__(self, folder: str, content: Mapping[str, Any], data: bytes, user: bytes) -> None:
        self._content, self._data, self._user = dict(content), data, user
        self._told: queue.Queue[dict[str, Any]] = queue.Queue()
        self._output = b""
        self._folder = Path(folder)
        self._held = _hold(self._folder)
        _forget_the_dead()
        reaper.adopt()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def poll(self) -> list[dict[str, Any]]:
        """What happened since the last call: ``type`` and fields as in the protocol; ``ended`` is last."""
        told = []
        with contextlib.suppress(queue.Empty):
            told.append(self._told.get(timeout=_WAIT))
            while True:
                told.append(self._told.get_nowait())
        return told

    def fetch(self) -> bytes:
        """The job's results, packed; there once it has ended."""
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
        except Exception as error:  # noqa: BLE001 (a thread has nobody above it)
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
            os.environ[protocol.REMOVE] = str(self._folder)
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
                        self._output = _results(job.folder)  # the folder goes with the host
                        fields = ("exit", "signal", "seconds", "max_rss", "reason")
                        return {name: getattr(event, name) for name in fields}
        finally:
            pool.close()
        raise MlpipesError("its worker process exited without a message")

    def _tell(self, kind: str, **fields: Any) -> None:
        self._told.put({"type": kind, **fields})


def _results(job: Path) -> bytes:
    return pack({name: job / name for name in (protocol.RESULT, protocol.LOG, protocol.OUT)})


def pack(paths: Mapping[str, Path]) -> bytes:
    """Files and folders by name, those that are there, as one."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, path in paths.items():
            if path.exists():
                archive.add(path, name)
    return out.getvalue()


def unpack(content: bytes, folder: Path) -> None:
    """The way back from :func:`pack`."""
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        archive.extractall(folder, filter="data")


def provide_uv(folder: Path) -> None:
    """Have ``import uv`` work: as installed, as a program on PATH, or fetched once into a folder.

    Raises:
        MlpipesError: There is none to be had.
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
    beside = Path(tempfile.mkdtemp(prefix=".uv-", dir=folder.parent))
    said = "this Python has no pip"
    try:
        for python in dict.fromkeys([sys.executable, getattr(sys, "_base_executable", sys.executable)]):
            command = [python, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(beside), _UV]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode == 0:
                with contextlib.suppress(OSError):  # another candidate was faster
                    beside.replace(folder)
                return
            said = (done.stderr.strip().splitlines() or [said])[-1]
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    raise MlpipesError(f"cannot install uv, which builds environments: {said}", "install uv on the nodes")


def _hold(folder: Path) -> int:
    """Mark a folder as one of a living process: a lock goes with its process, however that ends."""
    made = folder / f"{_HELD}.new"
    descriptor = os.open(made, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    made.rename(folder / _HELD)  # whoever sees it by its name finds it locked
    return descriptor


def _forget_the_dead() -> None:
    """Folders of processes that were killed before a worker host could see to it.

    Whether a process lives is not asked of its number: where Ray was started from outside of a container
    (``docker exec``), and between containers that share a folder, numbers of processes say nothing.
    """
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # nobody's yet, another user's, or held
            descriptor = os.open(folder / _HELD, os.O_RDWR)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(descriptor)
