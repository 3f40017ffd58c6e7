"""Runs on a Ray cluster of three nodes on this machine, of which one is lost."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from process_help import ended

from mlpipes_cli.adapters.environments.store import EnvironmentStore
from mlpipes_cli.ports.environments import EnvironmentSpec

pytestmark = pytest.mark.slow
MODULE = """
import os, subprocess, time
from pathlib import Path
from sklearn.linear_model import LogisticRegression

HERE = Path({folder!r})

def slow(X, y):
    subprocess.Popen(["setsid", "sleep", "600"])
    subprocess.Popen(["setsid", "sh", "-c", "echo > {folder}/pid-$$; exec sleep 600"])
    (HERE / f"pid-{{os.getpid()}}").touch()
    (HERE / f"node-{{os.environ['RAY_RAYLET_PID']}}").touch()
    while not (HERE / "go").exists():
        time.sleep(0.05)
    return LogisticRegression(max_iter=5000).fit(X, y)
"""
SKLEARN = {
    "logistic": "sklearn.linear_model.LogisticRegression",
    "forest": "sklearn.ensemble.RandomForestClassifier",
    "boosting": "sklearn.ensemble.HistGradientBoostingClassifier",
}
RUNS = [{"name": name, "trainer": "sklearn", "estimator": path} for name, path in SKLEARN.items()]
BIG = {"memory": "2G"}  # more than the first node, which the driver is connected to, has to give
SLOW = {"name": "slow", "trainer": "python", "function": "ray_lab:slow", "resources": BIG}


@dataclass(frozen=True)
class RayCluster:
    """Three nodes of one core each.

    Attributes:
        address: Of the first.
        environment: What the command line needs to share downloads and environments with the nodes.
    """

    address: str
    environment: dict[str, str]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayCluster]:
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    kept = {
        "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR") or str(home / "uv"),
        "MLPIPES_CACHE": str(tmp_path_factory.mktemp("cache")),
    }
    with EnvironmentStore(os.environ | kept) as store:
        built = store.ensure(EnvironmentSpec("3.11", ("ray==2.60.0",), purpose="Ray 2.60.0"))
        mark = uuid.uuid4().hex
        patience = {"RAY_health_check_failure_threshold": "30"}  # a busy machine may stand still
        patience |= {"RAY_worker_niceness": "0"}  # with 15, Ray's own, the other tests leave it nothing
        told = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_TESTS": mark, **patience}
        folder = Path(tempfile.mkdtemp(prefix="r-"))  # short: it becomes a part of sockets' names
        port = free_port()

        def start(*words: str) -> None:
            common = ["--num-cpus", "1", "--object-store-memory", "80000000", "--disable-usage-stats"]
            command = [str(built.python), "-m", "ray.scripts.scripts", "start", *words, *common]
            for _ in range(3):  # Ray gives a node 30 seconds, which a busy machine may not keep
                done = subprocess.run(command, env=os.environ | kept | told, capture_output=True, text=True)
                if done.returncode == 0:
                    return
            raise AssertionError(done.stderr[-2000:])

        try:
            first = ["--head", "--port", str(port), "--temp-dir", str(folder), "--memory", "1000000000"]
            start(*first, "--node-ip-address", "127.0.0.1", "--include-dashboard", "false")
            address = f"{address_of(built.python, port, folder)}:{port}"
            for _ in range(2):
                start("--address", address, "--memory", "4000000000")
            yield RayCluster(address, kept)
        finally:
            for process in marked(mark):
                with contextlib.suppress(psutil.Error):
                    process.kill()
            for left in (folder, *folder.parent.glob("mlpipes-ray-*")):  # of a run that a kill came upon,
                shutil.rmtree(left, ignore_errors=True)  # which the node's next run would have removed


def marked(mark: str) -> list[psutil.Process]:
    """The cluster's processes, children first: those that gave themselves a title show no environment."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("RAY_TESTS") == mark:
                found += [*process.children(recursive=True), process]
    return found


def address_of(python: Path, port: int, folder: Path) -> str:
    """What the first node calls itself, which may be another address of this machine."""
    for name in ("127.0.0.1", socket.gethostbyname(socket.gethostname())):
        with contextlib.suppress(OSError):
            socket.create_connection((name, port), timeout=5).close()
            return name
    raise AssertionError("nobody listens")


def alive(folder: Path) -> list[int]:
    found = [int(path.name.partition("-")[2]) for path in folder.glob("pid-*")]
    return [pid for pid in found if not ended(pid)]


def nodes(folder: Path) -> list[int]:
    return [int(path.name.partition("-")[2]) for path in folder.glob("node-*")]


def await_or_tell(true: Callable[[], Any], process: subprocess.Popen[str], seconds: float = 400) -> None:
    """Wait for it; fail with what the command said, at once where it ended before."""
    deadline = time.monotonic() + seconds
    while not true():
        if process.poll() is not None or time.monotonic() > deadline:
            ended = process.poll()
            process.kill()
            raise AssertionError((ended, *process.communicate()))
        time.sleep(0.05)


@pytest.fixture
def ray_lab(lab: Any, cluster: RayCluster, monkeypatch: pytest.MonkeyPatch) -> Any:
    (lab.folder / "ray_lab.py").write_text(MODULE.format(folder=str(lab.folder)))
    monkeypatch.setattr(lab.stack.cli, "environment", lab.stack.cli.environment | cluster.environment)
    return lab


def test_a_lost_node_changes_nothing_and_the_numbers_are_those_of_local_training(
    ray_lab: Any, cluster: RayCluster, until: Callable[..., Any]
) -> None:
    ray_lab.write([*RUNS, SLOW], executor={"ray": cluster.address})
    process = ray_lab.start("--json", "--force")
    await_or_tell(lambda: nodes(ray_lab.folder), process)
    os.kill(nodes(ray_lab.folder)[0], signal.SIGKILL)
    await_or_tell(lambda: len(nodes(ray_lab.folder)) == 2, process, 300)
    (ray_lab.folder / "go").touch()
    out, err = process.communicate(timeout=400)
    assert process.returncode == 0, err
    until(lambda: alive(ray_lab.folder) == [])
    there = ray_lab.by_name()
    assert {run.status for run in there.values()} == {"FINISHED"}

    ray_lab.write(RUNS)
    here = ray_lab.train("--json", "--force").ok().json["runs"]
    far = {run["name"]: run for run in json.loads(out)["runs"]}
    for run in here:
        assert run["metrics"] == far[run["name"]]["metrics"]
        assert run["intervals"] == far[run["name"]]["intervals"]


def test_a_killed_training_leaves_nothing_on_the_nodes(
    ray_lab: Any, cluster: RayCluster, until: Callable[..., Any]
) -> None:
    ray_lab.write([SLOW], executor={"ray": cluster.address})
    process = ray_lab.start("--force")
    await_or_tell(lambda: len(alive(ray_lab.folder)) == 2, process)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=100)
    until(lambda: alive(ray_lab.folder) == [], 100)


def test_what_no_node_has_and_a_cluster_that_is_not_there(ray_lab: Any, cluster: RayCluster) -> None:
    ray_lab.write([{**SLOW, "resources": {"cpu": 64}}], executor={"ray": cluster.address})
    done = ray_lab.train("--json")
    assert "no node of the Ray cluster has the requested resources (CPU 64" in done.json["runs"][0]["error"]
    ray_lab.write(RUNS, executor={"ray": f"127.0.0.1:{free_port()}"})
    done = ray_lab.train()
    assert done.code == 1
    assert "no Ray cluster answers at 127.0.0.1" in done.err.strip().splitlines()[-1]
