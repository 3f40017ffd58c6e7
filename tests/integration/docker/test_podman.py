"""The stack on a real Podman, through its Docker interface: what it answers differently than Docker."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import Cli
from reporter_help import Told
from stack_help import services
from waiting import until

from mlpipes_cli.adapters import wiring
from mlpipes_cli.lifecycle.secrets import ensure_secrets
from mlpipes_cli.local_files import env_file
from mlpipes_cli.project import find_project
from mlpipes_cli.stack_state import StackState

pytestmark = pytest.mark.slow
MINIMAL = "project: pods\nruntime: docker\n"
CORE = {"postgres", "minio", "mlflow"}
HOLDER = "mlpipes-tests-holder"
# Podman asks for more open files for each container than a sandbox may allow.
SETTINGS = '[containers]\ndefault_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]\n'
# crun, its default, refuses a machine with both versions of cgroups where version 2 holds a controller.
BESIDE = Path("/sys/fs/cgroup/unified/cgroup.controllers")
OLDER = '[engine]\nruntime = "runc"\n'


@dataclass(frozen=True)
class Podman:
    """A Podman service on a socket of the tests' own; its images are the machine's."""

    socket: Path
    environment: dict[str, str]

    def __call__(self, *words: str) -> str:
        done = subprocess.run(["podman", *words], env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def has(self, image: str) -> bool:
        return not subprocess.run(["podman", "image", "exists", image], env=self.environment).returncode

    def left(self, id: str) -> str:
        """What there is of a stack: containers, volumes, networks."""
        mark = f"label=com.docker.compose.project={id}"
        containers = self("ps", "--all", "--quiet", "--filter", mark)
        return (
            containers
            + self("volume", "ls", "--quiet", "--filter", mark)
            + self("network", "ls", "--quiet", "--filter", mark)
        )


@pytest.fixture(scope="module")
def podman(docker_engine: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    if shutil.which("podman") is None or os.geteuid() != 0:
        pytest.skip("Podman is not installed, or we are not root; `apt-get install podman` brings it")
    folder = tmp_path_factory.mktemp("podman")
    mixed = BESIDE.exists() and BESIDE.read_text().strip() and shutil.which("runc")
    (folder / "containers.conf").write_text(SETTINGS + (OLDER if mixed else ""))
    made = Podman(folder / "sock", os.environ | {"CONTAINERS_CONF": str(folder / "containers.conf")})
    made("rm", "--force", "--ignore", "--time", "0", HOLDER)  # of a stopped run
    bring_images(docker_engine, made, tmp_path_factory.mktemp("images"))
    command = ["podman", "system", "service", "--time=0", f"unix://{made.socket}"]
    with (folder / "log").open("wb") as log:
        service = subprocess.Popen(command, env=made.environment, stdout=log, stderr=log)
    try:
        until(made.socket.exists)
        yield made
    finally:
        service.terminate()
        service.wait(60)


def bring_images(docker: Any, podman: Podman, folder: Path) -> None:
    """The images of this release's stack, which Docker has, by `docker save` and `podman load`."""
    (folder / "mlpipes.yaml").write_text(MINIMAL)
    ensure_secrets(folder)
    runtime = wiring.make_runtime(find_project(folder), StackState(runtime="docker"))
    ids = runtime.release(Told())
    for id in ids.values():
        if not podman.has(id.removeprefix("sha256:")):
            name = docker.images.get(id).tags[0]
            with subprocess.Popen(["docker", "save", name], stdout=subprocess.PIPE) as save:
                subprocess.run(
                    ["podman", "load", "--quiet"], stdin=save.stdout, env=podman.environment, check=True,
                    stdout=subprocess.DEVNULL,
                )  # fmt: skip
            assert save.returncode == 0


@pytest.fixture
def pods(cli: Cli, make_project: Callable[..., Path], podman: Podman) -> Iterator[Path]:
    root = make_project(MINIMAL, "pods")
    cli.environment["DOCKER_HOST"] = f"unix://{podman.socket}"
    yield root
    cli("down", "--volumes", "--yes", cwd=root).ok()


def test_a_stack_comes_up_changes_and_goes(cli: Cli, pods: Path, podman: Podman) -> None:
    first = cli("up", cwd=pods).ok()
    assert "docker.io cannot be reached; using the local image (not verified)" in first.err
    found = services(cli, pods)
    assert {name for name, row in found.items() if row["state"] == "running"} == CORE
    assert len(found["minio"]["ports"]) == 2, found["minio"]
    assert "postgres:17.10-bookworm" in podman("ps", "--format", "{{.Image}}")
    again = cli("up", "--json", cwd=pods).ok()
    assert again.json["changes"] == []
    assert "pulling" not in again.err

    id = next(row["id"] for row in cli("projects", "--json", cwd=pods).ok().json if row["root"] == str(pods))
    levels = {row["name"]: row["level"] for row in cli("doctor", "--json", cwd=pods).ok().json["checks"]}
    assert "fault" not in levels.values()
    assert levels["postgres image"] == "warning"  # its digest is not checked

    secrets = env_file.read(pods / ".env")
    names = podman("ps", "--quiet", "--filter", f"label=com.docker.compose.project={id}").split()
    shown = podman("inspect", *names)
    assert len(names) == 3 and [key for key, value in secrets.items() if value in shown] == []
    read = ("sh", "-c", "cd /etc/mlpipes/secrets && stat -c '%a %u' * && cat *")
    said = podman("exec", f"{id}-minio-1", *read).splitlines()
    assert said[:2] == ["400 10005", "400 10005"] and secrets["MINIO_ROOT_PASSWORD"] in said[2]
    podman("restart", *names)
    until(lambda: {row["state"] for row in services(cli, pods).values()} == {"running"}, 90)

    cli("up", "--auth", cwd=pods).ok()
    found = services(cli, pods)
    assert {name for name, row in found.items() if row["state"] == "running"} == CORE

    cli("down", "--volumes", "--yes", cwd=pods).ok()
    assert podman.left(id) == ""


def test_a_port_that_a_container_has_is_told_with_its_name(cli: Cli, pods: Path, podman: Podman) -> None:
    name = HOLDER
    image = "postgres:17.10-bookworm"
    try:
        podman("run", "--detach", "--name", name, "--publish", "127.0.0.1:17321:80", image, "sleep", "300")
        (pods / "mlpipes.yaml").write_text(MINIMAL + "stack: {mlflow: {port: 17321}}\n")
        refused = cli("up", cwd=pods)
        assert refused.code == 1
        assert f"port 17321 of mlflow is taken by the container {name}" in refused.err
    finally:
        podman("rm", "--force", "--volumes", "--time", "0", name)
