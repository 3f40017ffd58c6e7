"""A service is added by the files that CONTRIBUTING names, here and in another package."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from docker_help import ADDED, need_images
from waiting import free_port

from mlpipes_cli.local_files import env_file

if TYPE_CHECKING:
    from conftest import Result
    from integration.docker.conftest import Stack

pytestmark = pytest.mark.slow
REPOSITORY = Path(__file__).parents[3]
ENTRY = (  # what is written into compose.yaml, each before a line that is there
    ("  secrets: # writes the passwords", ADDED.joinpath("redis.yaml").read_text(encoding="utf-8")),
    ("      - postgres-secrets:/secrets/postgres\n", "      - redis-secrets:/secrets/redis\n"),
    (
        "      999 postgres/POSTGRES_PASSWORD=",
        "      999 redis/redis.conf=requirepass ${REDIS_PASSWORD:?is missing in .env}\n",
    ),
    ("  postgres-secrets:\n", "  redis:\n  redis-secrets:\n"),
)


class Added:
    """The command line with a service added, called in the folder of a stack."""

    def __init__(self, stack: Stack, path: Path) -> None:
        self.stack = stack
        self.variables = {"PYTHONPATH": str(path)}

    def __call__(self, *words: str) -> Result:
        return self.stack.cli(*words, cwd=self.stack.root, env=self.variables)

    def status(self, name: str) -> dict[str, Any]:
        rows = self("status", "--json").ok().json["services"]
        return dict(next(row for row in rows if row["name"] == name))

    def secret(self, name: str) -> str:
        return env_file.read(self.stack.root / ".env")[name]


@pytest.fixture
def engine(docker_engine: Any) -> Any:
    need_images(docker_engine, "redis")
    return docker_engine


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A copy of the sources in which Redis is a service."""
    copy = tmp_path / "sources"
    for name in ("mlpipes_cli", "compose", "templates"):
        shutil.copytree(REPOSITORY / name, copy / name)
    shutil.copy(ADDED / "redis.py", copy / "mlpipes_cli" / "services")
    file = copy / "compose" / "compose.yaml"
    text = file.read_text(encoding="utf-8")
    for before, lines in ENTRY:
        assert text.count(before) == 1
        text = text.replace(before, lines + before)
    file.write_text(text)
    return copy


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """An installed package that adds the service ``cache``."""
    site = tmp_path / "site"
    site.mkdir()
    for name in ("cache.py", "cache.yaml"):
        shutil.copy(ADDED / name, site)
    about = site / "cache_of_others-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: cache-of-others\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[mlpipes.services]\ncache = cache:SERVICE\n")
    return site


@pytest.fixture
def project(shared: Stack, engine: Any) -> Iterator[Stack]:
    yield shared
    shared.rewrite("project: boxes\nruntime: docker\n")


def talk(port: int, *lines: str) -> list[str]:
    """What Redis answers to commands, a line each."""
    with (
        socket.create_connection(("127.0.0.1", port), 10) as link,
        link.makefile("rw", newline="\r\n") as file,
    ):
        found = []
        for line in lines:
            file.write(f"{line}\n")
            file.flush()
            found.append(file.readline().strip())
        return found


def test_by_another_package(project: Stack, package: Path) -> None:
    cli = Added(project, package)
    port = next(
        int(change.rpartition(" ")[2])
        for change in cli("up", "--with", "cache", "--json").ok().json["changes"]
        if change.startswith("cache: started on port ")
    )
    row, password = cli.status("cache"), cli.secret("CACHE_PASSWORD")
    assert (row["state"], row["port"], row["url"]) == ("running", port, f"redis://127.0.0.1:{port}/0")
    assert talk(port, f"AUTH {password}", "PING") == ["+OK", "+PONG"]
    assert cli("env", "--json").ok().json["CACHE_URL"] == f"redis://:{password}@127.0.0.1:{port}/0"
    refused = project.cli("up", cwd=project.root)  # by an installation that lacks the package
    assert (refused.code, "there is no service 'cache'" in refused.err) == (2, True)
    removed = project.cli("up", "--with", "none", "--json", cwd=project.root).ok().json["changes"]
    assert removed == ["cache: removed, since it is no longer configured"]


def test_by_compose_yaml_and_a_module(project: Stack, sources: Path) -> None:
    cli = Added(project, sources)
    changes = cli("up", "--with", "redis", "--json").ok().json["changes"]
    row = cli.status("redis")
    port, password = row["port"], cli.secret("REDIS_PASSWORD")
    assert f"redis: started on port {port}" in changes
    assert (row["state"], row["health"], row["url"]) == ("running", "healthy", f"redis://127.0.0.1:{port}/0")
    assert row["ports"] == [f"127.0.0.1:{port}->6379/tcp"]
    login = f"AUTH {password}"
    assert talk(port, "PING", login, "PING", "SET a kept") == [
        "-NOAUTH Authentication required.", "+OK", "+PONG", "+OK",
    ]  # fmt: skip
    assert cli("env", "--json").ok().json["REDIS_URL"] == f"redis://:{password}@127.0.0.1:{port}/0"
    shown = cli("status", "--show-secrets", "--json").ok().json["secrets"]
    assert shown["REDIS_PASSWORD"] == password
    assert password not in str(project.containers()["redis"].attrs)
    checks = {one["name"]: one["level"] for one in cli("doctor", "--json").json["checks"]}
    assert [checks[name] for name in ("redis", "redis port", "redis data")] == ["ok"] * 3

    assert talk(port, login, "CONFIG SET requirepass another") == ["+OK", "+OK"]
    assert cli.status("redis")["state"] == "starting"  # it runs and does not answer who has the password
    assert talk(port, "AUTH another", f"CONFIG SET requirepass {password}") == ["+OK", "+OK"]

    wanted = free_port()
    project.rewrite(f"project: boxes\nruntime: docker\nstack:\n  redis: {{port: {wanted}, memory: 300m}}\n")
    (change,) = cli("up", "--json").ok().json["changes"]
    assert change.startswith("redis: recreated (") and change.endswith(f" on port {wanted}")
    host = project.containers()["redis"].attrs["HostConfig"]
    assert (host["Memory"], host["NanoCpus"], host["ReadonlyRootfs"]) == (300 * 1024**2, 500_000_000, True)
    assert talk(wanted, login, "EXISTS a") == ["+OK", ":1"]

    stopped = cli("down", "--volumes", "--yes", "--json").ok().json["stopped"]
    assert "redis" in stopped
    assert project.containers() == {} and project.volumes(secrets=True) == []


def test_the_checks_of_the_compose_file_need_no_change(sources: Path) -> None:
    checks = Path("tests", "unit", "test_compose_file.py")
    (sources / checks.parent).mkdir(parents=True)
    shutil.copy(REPOSITORY / checks, sources / checks.parent)
    options = ["-q", "-p", "no:cacheprovider", "-c", "/dev/null", "--noconftest", "-k", "not digest"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(checks)],
        cwd=sources,
        env={"PYTHONPATH": str(sources)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
