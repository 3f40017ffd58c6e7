"""The Compose file under `docker compose`, and the stack of `mlpipes up` as that sees it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from docker.errors import APIError
from docker_help import COMPOSE, of_project
from integration.docker.conftest import Stack
from reporter_help import Told
from stack_help import http
from waiting import free_port

import mlpipes_cli
from mlpipes_cli.adapters import wiring
from mlpipes_cli.adapters.processes.state import StateFiles
from mlpipes_cli.lifecycle.secrets import ensure_secrets
from mlpipes_cli.local_files import env_file
from mlpipes_cli.ports import ServiceSpec
from mlpipes_cli.project import find_project
from mlpipes_cli.stack_state import StackState

pytestmark = pytest.mark.slow
DOCUMENTED = (COMPOSE.parent / "docs" / "how-to" / "compose.md").read_text(encoding="utf-8")
PORTS = ("POSTGRES", "MINIO", "MINIO_CONSOLE", "MLFLOW", "API")
MINIMAL = "project: alone\nruntime: docker\n"
Compose = Callable[..., str]
Alone = tuple[str, tuple[str, ...]]  # the project's name, and the first words for the plugin


@pytest.fixture(scope="module")
def compose(docker_engine: Any) -> Compose:
    """`docker compose` of version 2, if it is installed."""

    def call(*words: str, timeout: float = 60) -> str:
        done = subprocess.run(["docker", "compose", *words], capture_output=True, text=True, timeout=timeout)
        assert done.returncode == 0, done.stderr
        return done.stdout

    found = subprocess.run(["docker", "compose", "version", "--short"], capture_output=True, text=True)
    if found.returncode or int(found.stdout.lstrip("v").split(".")[0]) < 2:
        pytest.skip("the plugin of Docker Compose is not installed; tests/images/build provides it")
    return call


def names(rows: str) -> list[str]:
    return sorted(json.loads(row)["Service"] for row in rows.splitlines())


def test_it_shows_a_stack_of_ours_as_one_project_and_can_end_it(compose: Compose, fresh: Stack) -> None:
    fresh.up()
    one = next(iter(fresh.containers().values()))
    id = one.labels["com.docker.compose.project"]
    found = {row["Name"]: row["Status"] for row in json.loads(compose("ls", "--format", "json"))}
    assert found[id] == "running(3)"
    assert names(compose("-p", id, "ps", "--format", "json")) == ["minio", "mlflow", "postgres"]
    assert "mlpipes: starting MLflow's server" in compose("-p", id, "logs", "mlflow")
    compose("-p", id, "down", timeout=180)
    assert fresh.containers() == {}
    assert len(fresh.volumes()) == 2
    assert {row["state"] for row in fresh.status().values()} == {"stopped"}
    fresh.up()  # its own data is there
    assert len(fresh.containers()) == 3


def anonymous(engine: Any) -> set[str]:
    """Volumes without a name that no container has."""
    found = engine.volumes.list(filters={"dangling": True})
    return {one.name for one in found if re.fullmatch("[0-9a-f]{64}", one.name)}


@pytest.fixture
def alone(docker_engine: Any, compose: Compose, make_project: Callable[..., Path]) -> Iterator[Alone]:
    """A project of `docker compose` alone, on this release's images."""
    before = anonymous(docker_engine)
    root = make_project(MINIMAL, "alone")
    ensure_secrets(root)
    project = find_project(root)
    api = ServiceSpec("api", (), preferred_port=8000, fixed_port=False, ready_path="/ready", container="api")
    project.state.mkdir()
    StateFiles(project.state).write_wanted({"api": api})
    made = wiring.make_runtime(project, StackState("docker")).release(Told())
    assert {"mlflow", "api"} < {*made}
    file, name = COMPOSE / "compose.yaml", f"alone-{os.getpid()}"
    described = yaml.safe_load(file.read_text())["services"]
    pinned = {name: one["image"].partition("@") for name, one in described.items()}
    here = {name: {"image": image} for name, (image, at, _) in pinned.items() if at}  # unchecked digests
    (root / "here.yaml").write_text(yaml.safe_dump({"services": here}))
    values = {"PROJECT_NAME": name, "MLFLOW_TAG": mlpipes_cli.__version__}
    values |= {f"{name}_PORT": str(free_port()) for name in PORTS}
    with (root / ".env").open("a") as env:
        env.writelines(f"MLPIPES_{name}={value}\n" for name, value in values.items())
    words = ("-f", str(file), "-f", str(root / "here.yaml"), "--env-file", str(root / ".env"))
    try:
        yield name, words
    finally:
        compose(*words, "--profile", "api", "down", "--volumes", timeout=180)
        for one in anonymous(docker_engine) - before:  # of containers that Compose made anew
            with contextlib.suppress(APIError):  # another test's, which takes or removes it right now
                docker_engine.volumes.get(one).remove()
        assert not of_project(docker_engine, name)


def passwords(words: tuple[str, ...]) -> dict[str, str]:
    values = env_file.read(Path(words[-1]))
    return {name: value for name, value in values.items() if not name.endswith(("_NAME", "_TAG", "_PORT"))}


def test_a_changed_password_is_taken_when_all_is_made_anew(
    compose: Compose, docker_engine: Any, alone: Alone
) -> None:
    project, words = alone
    compose(*words, "up", "--no-build", "--wait", timeout=300)
    file = Path(words[-1])
    old = passwords(words)["MLFLOW_DB_PASSWORD"]
    file.write_text(file.read_text().replace(old, "another-password"))
    command = "--env-file .env up --force-recreate --wait"
    assert f"docker compose -f compose/compose.yaml {command}\n" in DOCUMENTED
    compose(*words, *command.split()[2:], "--no-build", timeout=300)
    (mlflow,) = [one for one in of_project(docker_engine, project).containers if "-mlflow-" in one.name]
    held = mlflow.exec_run(["cat", "/etc/mlpipes/secrets/MLFLOW_BACKEND_STORE_URI"])[1].decode()
    assert held == "postgresql+psycopg2://mlflow:another-password@postgres:5432/mlflow"
    (port,) = {row["HostPort"] for row in mlflow.attrs["NetworkSettings"]["Ports"]["5000/tcp"]}
    found = http(f"http://127.0.0.1:{port}/api/2.0/mlflow/experiments/get?experiment_id=0")
    assert json.loads(found)["experiment"]["name"] == "Default"


def test_the_file_works_alone(compose: Compose, docker_engine: Any, alone: Alone) -> None:
    project, words = alone
    command = "--env-file .env --profile api up --build --wait"
    assert f"docker compose -f compose/compose.yaml {command}\n" in DOCUMENTED
    compose(*words, *command.split()[2:-2], "--no-build", "--wait", timeout=300)
    found = {
        one.labels["com.docker.compose.service"]: one for one in of_project(docker_engine, project).containers
    }
    shown = names(compose(*words, "--profile", "api", "ps", "--format", "json"))
    assert shown == ["api", "minio", "mlflow", "postgres"]
    for name, one in found.items():
        host = one.attrs["HostConfig"]
        assert host["CapDrop"] == ["ALL"], name
        assert 0 < host["PidsLimit"] <= 2048 and host["MemorySwap"] == host["Memory"] > 0, name
        assert "size=" in host["Tmpfs"]["/tmp"], name
        assert not [key for key, value in passwords(words).items() if value in json.dumps(one.attrs)], name
    assert "AWS_ACCESS_KEY_ID=mlflow" in found["mlflow"].attrs["Config"]["Env"]
    assert found["minio"].exec_run(["id", "-u"])[1] == b"10005\n"
    said = found["api"].logs().decode().splitlines()
    assert said == ["no model is registered yet; waiting for one (train, then `mlpipes promote`)"]
    (port,) = {row["HostPort"] for row in found["mlflow"].attrs["NetworkSettings"]["Ports"]["5000/tcp"]}
    file = f"http://127.0.0.1:{port}/api/2.0/mlflow-artifacts/artifacts/kept.txt"
    http(file, "PUT", b"kept")  # by MLflow's own user in the store
    assert http(file) == b"kept"
    compose(*words, "--profile", "api", "stop", "api")
    found["api"].reload()
    assert found["api"].attrs["State"]["ExitCode"] == 0
