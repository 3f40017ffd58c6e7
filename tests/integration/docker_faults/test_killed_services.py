"""``docker kill`` of each service during ``train`` and under the prediction API: nothing answered is lost."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import serving_help
import yaml
from integration.docker.conftest import MINIMAL, SERVICES
from load_help import Clients
from stack_help import query
from waiting import until

if TYPE_CHECKING:
    from integration.docker.conftest import Stack

pytestmark = pytest.mark.slow
MODULE = """
import time
from pathlib import Path

HERE = Path(__file__).parent

def fitted(X, y, seed):
    from sklearn.tree import DecisionTreeClassifier
    return DecisionTreeClassifier(max_depth=3, random_state=seed).fit(X, y)

def first(X, y, *, seed):
    return fitted(X, y, seed)

def waits(X, y, *, seed):
    (HERE / "waiting").touch()
    while not (HERE / "go").exists():
        time.sleep(0.02)
    return fitted(X, y, seed)

def last(X, y, *, seed):
    return fitted(X, y, seed)
"""
NAMES = ("first", "waits", "last")


@pytest.fixture
def stack(shared: Stack) -> Stack:
    shared.rewrite(MINIMAL)
    shared.up()
    return shared


def kill(stack: Stack, service: str) -> None:
    stack.containers()[service].kill()
    until(lambda: stack.containers()[service].status == "exited", 90)


def experiment(folder: Path, name: str) -> Path:
    (folder / "faults_module.py").write_text(MODULE)
    runs = [{"name": one, "trainer": "python", "function": f"faults_module:{one}"} for one in NAMES]
    data = {"source": "sklearn:iris", "target": "target", "split": {"seed": 3}}
    file = folder / "experiment.yaml"
    file.write_text(yaml.safe_dump({"experiment": name, "data": data, "runs": runs}, sort_keys=False))
    return file


def finished(stack: Stack, name: str) -> dict[str, str]:
    """The runs of an experiment that are done: their ids by name."""
    from mlpipes_cli.adapters.mlflow.client import Connection
    from mlpipes_cli.adapters.mlflow.registry import MlflowRegistry

    uri = stack.cli("env", "--json", cwd=stack.root).ok().json["MLFLOW_TRACKING_URI"]
    runs = MlflowRegistry(Connection(uri)).runs([name])
    return {run.name: run.run_id for run in runs if run.status == "FINISHED"}


@pytest.mark.parametrize(("service", "back"), [("postgres", True), ("mlflow", True), ("minio", False)])
def test_a_training_that_loses_a_service_keeps_what_was_done_and_goes_on(
    stack: Stack, service: str, back: bool, tmp_path: Path
) -> None:
    """It waits for a while, so that `up` meanwhile is enough; else it ends, and is resumed later."""
    file, name = experiment(tmp_path, f"loses-{service}"), f"loses-{service}"
    training = stack.cli.start("train", file, "--parallel", "1", cwd=stack.root)
    try:
        until(lambda: (tmp_path / "waiting").exists() or training.poll() is not None, 120)
        before = until(lambda: finished(stack, name))  # it is stored while the next one fits
        assert set(before) == {"first"}
        kill(stack, service)
        (tmp_path / "go").touch()
        if back:
            stack.up()
        _, err = training.communicate(timeout=150)
    finally:
        training.kill()
        training.communicate(timeout=60)
    assert "Traceback" not in err
    assert training.returncode == (0 if back else 1), err
    if not back:
        said = err.strip().splitlines()[-1]
        assert "keeps failing on its artifacts; 1 of 3 candidates are finished and stored" in said, err
        assert "mlpipes status" in said and "--resume` trains the rest" in said
        stack.up()
    report = stack.cli("train", file, "--resume", "--json", cwd=stack.root).ok().json
    ids = {run["name"]: run["run_id"] for run in report["runs"]}
    assert set(ids) == set(NAMES)
    assert {run["status"] for run in report["runs"]} == {"FINISHED"}
    assert ids["first"] == before["first"]
    assert finished(stack, name).keys() == set(NAMES)


@contextmanager
def serving(stack: Stack) -> Iterator[tuple[subprocess.Popen[str], str]]:
    port = serving_help.free_port()
    server = stack.cli.start("serve", "--model", "people", "--port", str(port), cwd=stack.root)
    url = f"http://127.0.0.1:{port}"

    def ready() -> bool:
        assert server.poll() is None, server.communicate()
        try:
            return httpx.get(f"{url}/ready", trust_env=False, timeout=10).status_code == 200
        except httpx.TransportError:
            return False

    try:
        until(ready, 120)
        yield server, url
    finally:
        if server.poll() is None:
            server.send_signal(signal.SIGINT)
        server.communicate(timeout=60)


def test_every_answer_under_load_is_in_the_table_whatever_is_killed(stack: Stack) -> None:
    uri = stack.cli("env", "--json", cwd=stack.root).ok().json["MLFLOW_TRACKING_URI"]
    serving_help.registered(uri, "people")
    with serving(stack) as (server, url):
        clients = Clients(url)
        try:
            for service in (*SERVICES, "postgres"):
                clients.after(60)
                kill(stack, service)
                if service != "postgres":
                    clients.after(60)  # the API needs neither of the others to answer
                stack.up()
            clients.after(60)
        finally:
            clients.stop()
        assert server.poll() is None
    told: list[tuple[str, str, Any]] = clients.told
    rows = query(
        stack.cli, stack.root, "select prediction_id::text, caller_id, prediction from serving.predictions"
    )
    by_id = {identifier: (caller, prediction) for identifier, caller, prediction in rows}
    assert len(by_id) == len(rows)
    assert [one for one in told if by_id.get(one[0]) != (one[1], one[2])] == []
    assert clients.statuses <= {200, 503}
