"""Worker host whose jobs run on a Ray cluster: ``python entry.py mlpipes_cli.clusters.ray_host ADDRESS``.

The host speaks the protocol of :mod:`mlpipes_cli.worker.protocol` with the core, in an environment that has
Ray at the cluster's version. Each job is an actor that Ray places according to the job's resource request.
The host polls the actor for messages, so only Ray's own connections are needed. An actor whose node or
process is lost is started again, at most three attempts in all. When the core exits, the host kills the
actors; when the host itself is killed, Ray kills them.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlpipes_cli.worker import protocol

_ATTEMPTS = 3
_LOOK = 0.1  # seconds to wait for actors before commands are read
_UNREACHABLE = 120.0  # seconds after which a node that does not answer counts as lost


class RayCandidate:
    """Runs a candidate on a node. The class is sent by value: it must not refer to names of this module."""

    def __init__(self, code: bytes, content: dict[str, Any], data: bytes, user: bytes) -> None:
        import importlib
        import io
        import sys
        import tarfile
        import tempfile

        folder = tempfile.mkdtemp(prefix="mlpipes-ray-")  # removed with the job's files
        with tarfile.open(fileobj=io.BytesIO(code)) as archive:
            archive.extractall(folder, filter="data")
        sys.path.insert(0, folder)
        node = importlib.import_module("mlpipes_cli.clusters.ray_node")
        self._work: Any = node.Work(folder, content, data, user)

    def poll(self) -> list[dict[str, Any]]:
        """Return new messages, see :meth:`ray_node.Work.poll`."""
        return list(self._work.poll())

    def fetch(self) -> bytes:
        """Return the packed results, see :meth:`ray_node.Work.fetch`."""
        return bytes(self._work.fetch())


@dataclass
class RayJob:
    """A job on the cluster."""

    job: str
    folder: Path
    wants: dict[str, Any]
    actor: Any = None
    answer: Any = None
    attempt: int = 0
    began: bool = False
    silent_since: float | None = None
    started: float = field(default_factory=time.monotonic)


class RayHost:
    """Read commands until the input ends, then kill the jobs that still run.

    Args:
        ray: The module, connected.
        commands: File descriptor to read from.
        events: File descriptor to write to.
    """

    def __init__(self, ray: Any, commands: int, events: int) -> None:
        self._ray, self._commands, self._events = ray, commands, events
        self._running: dict[str, RayJob] = {}
        self._objects: dict[str, Any] = {}
        self._class = ray.remote(RayCandidate)

    def serve(self) -> None:
        """Run the loop of commands and jobs."""
        self._tell("ready", python=sys.version.split()[0])
        pending = b""
        while True:
            if select.select([self._commands], [], [], 0 if self._running else None)[0]:
                chunk = os.read(self._commands, 65536)
                if not chunk:
                    return
                *lines, pending = (pending + chunk).split(b"\n")
                for text in lines:
                    self._obey(protocol.parse(text))
            self._look()

    def stop_all(self) -> None:
        """Kill every actor."""
        for running in self._running.values():
            self._kill(running)
        self._running.clear()

    def _obey(self, message: dict[str, Any]) -> None:
        job = str(message["job"])
        if message["type"] == "run":
            running = RayJob(job, Path(message["folder"]), message["wants"])
            self._running[job] = running
            if problem := self._misfit(running.wants):
                self._end(running, reason=problem)
            else:
                self._start(running)
        elif message["type"] == "stop" and job in self._running:
            self._end(self._running[job], signal=int(signal.SIGKILL))

    def _misfit(self, wants: dict[str, Any]) -> str:
        """Return the requested resources that no node of the cluster has, as a message, or an empty text."""
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        options = _options(wants)
        asked = {"CPU": options["num_cpus"], "GPU": options["num_gpus"], "memory": options.get("memory", 0)}
        if any(all(node.get(name, 0) >= number for name, number in asked.items()) for node in nodes):
            return ""
        resources = ", ".join(f"{name} {number:g}" for name, number in asked.items() if number)
        return f"no node of the Ray cluster has the requested resources ({resources}; resources)"

    def _start(self, running: RayJob) -> None:
        from mlpipes_cli.clusters.ray_node import pack

        running.attempt += 1
        content = protocol.read(running.folder / protocol.JOB) or {}
        data, folders = Path(content["data"]), [Path(folder) for folder in content["folders"]]
        code = self._object("code", lambda: pack(_code()))
        table = self._object(str(data), lambda: pack({path.name: path for path in data.iterdir()}))
        user = self._object("user", lambda: pack(_modules(folders)))
        options = _options(running.wants)
        running.actor = self._class.options(max_restarts=0, **options).remote(code, content, table, user)
        running.answer = running.actor.poll.remote()

    def _object(self, name: str, make: Any) -> Any:
        """Return a reference to bytes in the object store: put there once, fetched once by each node."""
        if name not in self._objects:
            self._objects[name] = self._ray.put(make())
        return self._objects[name]

    def _look(self) -> None:
        answers = {running.answer: running for running in self._running.values()}
        if not answers:
            return
        ready, _ = self._ray.wait(list(answers), num_returns=1, timeout=_LOOK)
        for answer in ready:
            running = answers[answer]
            try:
                messages = self._ray.get(answer)
                ended = self._hear(running, messages)
                results = self._ray.get(running.actor.fetch.remote()) if ended is not None else b""
            except self._ray.exceptions.ActorUnavailableError:
                self._wait_for(running)
            except (self._ray.exceptions.RayActorError, self._ray.exceptions.ObjectLostError):
                self._lost(running)
            except self._ray.exceptions.RayError as error:
                self._end(running, reason=f"Ray: {str(error).strip().splitlines()[-1]}")
            else:
                if ended is None:
                    running.answer = running.actor.poll.remote()
                else:
                    self._finish(running, ended, results)

    def _hear(self, running: RayJob, messages: list[dict[str, Any]]) -> dict[str, Any] | None:
        running.silent_since = None
        if not running.began:
            running.began = True
            self._tell("started", job=running.job, pid=0)
        for message in messages:
            if message["type"] == "stage":
                self._tell("stage", job=running.job, stage=message["stage"])
            else:
                return message
        return None

    def _finish(self, running: RayJob, ended: dict[str, Any], results: bytes) -> None:
        from mlpipes_cli.clusters.ray_node import unpack

        unpack(results, running.folder)
        fields = {name: value for name, value in ended.items() if name != "type"}
        self._end(running, **fields)

    def _wait_for(self, running: RayJob) -> None:
        """Wait for a job that does not answer until Ray reports whether its node or the network was lost."""
        now = time.monotonic()
        running.silent_since = running.silent_since or now
        if now - running.silent_since > _UNREACHABLE:
            self._lost(running)
            return
        time.sleep(_LOOK)
        running.answer = running.actor.poll.remote()

    def _lost(self, running: RayJob) -> None:
        self._kill(running)
        running.silent_since = None
        if running.attempt >= _ATTEMPTS:
            self._end(running, reason=f"the Ray cluster lost its node {_ATTEMPTS} times")
            return
        if running.began:
            again = f"restarted after its node was lost ({running.attempt + 1} of {_ATTEMPTS})"
            self._tell("stage", job=running.job, stage=again)
        self._start(running)

    def _end(self, running: RayJob, **fields: Any) -> None:
        self._kill(running)
        self._running.pop(running.job, None)
        seconds = time.monotonic() - running.started
        self._tell("ended", **{"job": running.job, "seconds": seconds, **fields})

    def _kill(self, running: RayJob) -> None:
        if running.actor is not None:
            self._ray.kill(running.actor, no_restart=True)

    def _tell(self, kind: str, **fields: Any) -> None:
        try:
            os.write(self._events, protocol.line(kind, **fields))
        except BrokenPipeError:  # the core has exited: the input ends next
            pass


def _options(wants: dict[str, Any]) -> dict[str, Any]:
    memory = {"memory": wants["memory"]} if wants.get("memory") else {}
    return {"num_cpus": wants.get("cpu") or 1, "num_gpus": wants.get("gpu") or 0, **memory}


def _code() -> dict[str, Path]:
    """Return the package's modules and the definitions of its trainers' environments."""
    package = Path(protocol.__file__).parent.parent
    kinds = ("*.py", "trainers/*.in", "trainers/*/environment.*")
    kept = [path for kind in kinds for path in package.rglob(kind) if "_bundled" not in path.parts]
    return {str(Path(package.name) / path.relative_to(package)): path for path in sorted(kept)}


def _modules(folders: list[Path]) -> dict[str, Path]:
    """Return the user's own Python files, without hidden folders and Python environments."""
    found: dict[str, Path] = {}
    for number, folder in enumerate(folders):
        found[str(number)] = Path(os.devnull)
        for root, names, files in os.walk(folder):
            here = Path(root)
            names[:] = [n for n in names if not n.startswith(".") and not (here / n / "pyvenv.cfg").exists()]
            names[:] = [n for n in names if n not in {"__pycache__", "node_modules", "site-packages"}]
            for name in files:
                if name.endswith(".py"):
                    found[f"{number}/{(here / name).relative_to(folder)}"] = here / name
    return {name: path for name, path in found.items() if path != Path(os.devnull)}


def connect(address: str) -> Any:
    """Connect to a cluster and return the module ``ray``.

    Raises:
        Exception: Ray's own, if there is no cluster or it has another version.
    """
    os.environ.setdefault("RAY_DEFAULT_PYTHON_VERSION_MATCH_LEVEL", "minor")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    ray.init(address=address, namespace="mlpipes", log_to_driver=False, logging_level="error")
    return ray


def main() -> None:
    """Connect to the cluster, then serve commands."""
    commands, events = os.dup(0), os.dup(1)  # libraries that read or print must not use descriptors 0 and 1
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        ray = connect(sys.argv[1])
    except Exception as error:  # noqa: BLE001 (the core reports every exception of Ray)
        text = next((part.strip() for part in str(error).splitlines() if part.strip()), type(error).__name__)
        os.write(events, protocol.line("failed", reason=f"the Ray cluster at {sys.argv[1]}: {text[:500]}"))
        sys.exit(1)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    host = RayHost(ray, commands, events)
    try:
        host.serve()
    finally:
        host.stop_all()
        ray.shutdown()


if __name__ == "__main__":
    main()
