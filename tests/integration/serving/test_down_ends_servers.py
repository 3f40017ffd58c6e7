"""`down` ends every server of the project, and a killed `serve` leaves none; on a stack of its own."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from typing import Any

import httpx
import psutil
import pytest
import serving_help
import signing_help
from conftest import MINIMAL, Cli, RunningStack
from stack_help import processes_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    base = tmp_path_factory.mktemp("down")
    root = base / "project"
    root.mkdir()
    (root / "mlpipes.yaml").write_text(MINIMAL)
    signing_help.give(root)
    stack = RunningStack(root, Cli(base / "home", root))
    stack.cli.environment["TMPDIR"] = str(base)  # what is killed cannot remove its temporary files
    stack.cli("up").ok()
    try:
        serving_help.registered(stack.environment["MLFLOW_TRACKING_URI"], "people")
        yield stack
    finally:
        stack.cli("down", "--volumes", "--yes").ok()


@contextlib.contextmanager
def serving(
    stack: RunningStack, *options: str
) -> Iterator[tuple[subprocess.Popen[str], list[psutil.Process]]]:
    """A server in the foreground that answers, and all its processes."""
    stack.cli("up").ok()
    port = serving_help.free_port()
    process = stack.cli.start("serve", "--port", str(port), *options)

    def answers() -> bool:
        assert process.poll() is None, process.communicate()
        try:
            return httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    try:
        serving_help.until(answers, 120, "the server")
        own = psutil.Process(process.pid)
        yield process, [own, *own.children(recursive=True)]
    finally:
        process.kill()
        with process:  # its pipes are closed, not read: whoever is left may hold them
            pass


ENGINES = [("--engine", "mlflow"), ("--workers", "2"), ()]


@pytest.mark.parametrize("options", ENGINES, ids=["mlflow", "workers", "api"])
def test_down_ends_a_server_in_the_foreground(own: RunningStack, options: tuple[str, ...]) -> None:
    with serving(own, *options) as (process, processes):
        done = own.cli("down", "--json").ok()
        assert done.json["stopped"] == ["api", "mlflow", "postgres"]
        assert process.wait(60) == 0
        assert psutil.wait_procs(processes, timeout=60)[1] == []
        assert processes_of(own.root) == []


def test_a_killed_server_of_mlflow_takes_its_children_along(own: RunningStack) -> None:
    with serving(own, "--engine", "mlflow") as (process, processes):
        assert len(processes) >= 3
        process.kill()
        process.wait(60)
        assert psutil.wait_procs(processes, timeout=30)[1] == []


@pytest.mark.parametrize("options", ENGINES[:2], ids=["mlflow", "workers"])
def test_down_ends_children_that_hang_on(own: RunningStack, options: tuple[str, ...]) -> None:
    """Frozen children do not notice that their parent was killed."""
    with serving(own, *options) as (process, processes):
        for child in processes[1:]:
            child.suspend()
        process.kill()
        process.wait(60)
        checks = own.cli("doctor", "--json").json["checks"]
        found = next(check["found"] for check in checks if check["name"] == "stray processes")
        assert all(str(child.pid) in found for child in processes[1:])
        own.cli("down").ok()
        assert psutil.wait_procs(processes, timeout=60)[1] == []


def api_row(stack: RunningStack) -> dict[str, Any] | None:
    rows = stack.cli("status", "--json").ok().json["services"]
    return next((row for row in rows if row["name"] == "api"), None)


def test_one_in_the_foreground_is_seen_by_status_and_env(own: RunningStack) -> None:
    def address() -> str | None:
        return own.cli("env", "--json").ok().json.get("MLPIPES_API_URL")  # type: ignore[no-any-return]

    with serving(own) as (process, _):
        row = serving_help.until(lambda: (row := api_row(own)) and row["state"] == "running" and row)
        assert row["pid"] == process.pid
        assert httpx.get(f"{row['url']}/ready", trust_env=False).status_code == 200
        assert row["uptime"] > 0 and row["memory"] > 2**20
        assert row["detail"] == "in the foreground; prediction API: people version 1 (production)"
        assert "in the foreground" in own.cli("status").ok().out
        serving_help.until(lambda: address() == row["url"])
        assert own.cli("up", "--json").ok().json["changes"] == []
        assert process.poll() is None
    assert api_row(own) is None
    assert address() is None
