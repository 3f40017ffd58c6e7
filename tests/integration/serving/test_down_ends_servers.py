"""`down` ends every server of the project, and a killed `serve` leaves none; on a stack of its own."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Iterator

import httpx
import psutil
import pytest
import serving_help
from conftest import MINIMAL, Cli, RunningStack
from stack_help import processes_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    base = tmp_path_factory.mktemp("down")
    root = base / "project"
    root.mkdir()
    (root / "mlpipes.yaml").write_text(MINIMAL)
    stack = RunningStack(root, Cli(base / "home", root))
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
        process.communicate()


ENGINES = [("--engine", "mlflow"), ("--workers", "2"), ()]


@pytest.mark.parametrize("options", ENGINES, ids=["mlflow", "workers", "api"])
def test_down_ends_a_server_in_the_foreground(own: RunningStack, options: tuple[str, ...]) -> None:
    with serving(own, *options) as (process, processes):
        done = own.cli("down", "--json").ok()
        assert done.json["stopped"] == ["api", "mlflow", "postgres"]
        assert process.wait(10) == 0
        assert psutil.wait_procs(processes, timeout=5)[1] == []
        assert processes_of(own.root) == []


def test_a_killed_server_of_mlflow_takes_its_children_along(own: RunningStack) -> None:
    with serving(own, "--engine", "mlflow") as (process, processes):
        assert len(processes) >= 3
        process.kill()
        process.communicate()
        assert psutil.wait_procs(processes, timeout=30)[1] == []


@pytest.mark.parametrize("options", ENGINES[:2], ids=["mlflow", "workers"])
def test_down_ends_children_that_hang_on(own: RunningStack, options: tuple[str, ...]) -> None:
    """Frozen children do not notice that their parent was killed."""
    with serving(own, *options) as (process, processes):
        for child in processes[1:]:
            child.suspend()
        process.send_signal(signal.SIGKILL)
        process.communicate()
        checks = own.cli("doctor", "--json").json["checks"]
        found = next(check["found"] for check in checks if check["name"] == "stray processes")
        assert all(str(child.pid) in found for child in processes[1:])
        own.cli("down").ok()
        assert psutil.wait_procs(processes, timeout=5)[1] == []
