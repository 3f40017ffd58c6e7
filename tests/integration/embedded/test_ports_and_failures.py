"""Ports that are taken, services that do not come up, and the services that `start` adds."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from conftest import Cli
from process_help import ended
from stack_help import http, process, processes_of, services, stranger
from waiting import until

from mlpipes_cli.adapters.wiring import make_runtime
from mlpipes_cli.cli.console import Console
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports import ServiceSpec
from mlpipes_cli.project import find_project

if TYPE_CHECKING:
    from integration.embedded.conftest import Stack

pytestmark = pytest.mark.slow

MakeProject = Callable[..., Path]


def test_a_fixed_port_that_is_taken_names_its_holder(cli: Cli, make_project: MakeProject) -> None:
    with stranger() as port:
        root = make_project(
            f"project: p\nruntime: embedded\nstack: {{postgres: {{port: {port}}}}}\n", "fixed"
        )
        failed = cli("up", cwd=root)
        assert failed.code == 1
        assert len(failed.err.strip().splitlines()) == 1
        assert (
            f"port {port} of postgres is taken by {psutil.Process().name()} (pid {os.getpid()})" in failed.err
        )
        assert processes_of(root) == []
        found = cli("doctor", "--json", cwd=root)
        assert found.code == 1
        fault = next(one for one in found.json["checks"] if one["level"] == "fault")
        assert fault["name"] == "postgres port"
        assert str(os.getpid()) in fault["found"]


def test_a_remembered_port_that_is_taken_is_left_to_its_holder(stack: Stack) -> None:
    ports = {name: row["port"] for name, row in services(stack.cli, stack.root).items()}
    stack.cli("down", cwd=stack.root).ok()
    with stranger(ports["postgres"]), stranger(ports["mlflow"]):
        up = stack.up()
        moved = {row["name"]: row["port"] for row in up.json["services"]}
        assert not set(moved.values()) & set(ports.values())
        for name, port in ports.items():
            assert f"port {port} of {name} is taken by" in up.err
    stack.cli("down", cwd=stack.root).ok()
    again = stack.up()
    for row in again.json["services"]:  # unless another took it while the stack was down
        port = moved[row["name"]]
        assert row["port"] == port or f"port {port} of {row['name']} is taken by" in again.err


def test_only_what_differs_is_started_again(stack: Stack) -> None:
    before = stack.pids()
    with stranger() as port:
        pass
    file = stack.root / "mlpipes.yaml"
    text = file.read_text()
    file.write_text(f"{text}stack: {{mlflow: {{port: {port}}}}}\n")
    try:
        stack.up()
        after = services(stack.cli, stack.root)
        assert after["mlflow"]["port"] == port
        assert after["mlflow"]["pid"] != before["mlflow"]
        assert after["postgres"]["pid"] == before["postgres"]
    finally:
        file.write_text(text)


def test_a_database_that_does_not_start_says_why(stack: Stack) -> None:
    stack.cli("down", cwd=stack.root).ok()
    settings = stack.state / "postgres" / "postgresql.auto.conf"
    good = settings.read_text()
    settings.write_text("shared_buffers = nonsense\n")
    try:
        failed = stack.cli("up", cwd=stack.root)
        assert failed.code == 1
        assert len(failed.err.strip().splitlines()) == 1
        assert "invalid value for parameter" in failed.err
        assert "mlpipes logs postgres" in failed.err
        assert processes_of(stack.root) == []
    finally:
        settings.write_text(good)


def test_mlflow_that_does_not_start_leaves_the_database_as_it_was(stack: Stack) -> None:
    before = stack.pids()
    main = process(stack.cli, stack.root, "mlflow")
    main.kill()
    until(lambda: ended(main))
    runtime = make_runtime(find_project(stack.root))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONHASHSEED", "nonsense")  # Python itself refuses to start with that
        with pytest.raises(MlpipesError, match=r"mlflow exited while starting.*PYTHONHASHSEED"):
            runtime.up(Console())
    rows = services(stack.cli, stack.root)
    assert rows["postgres"]["pid"] == before["postgres"]
    assert rows["mlflow"]["state"] in ("failed", "stopped")


@pytest.mark.parametrize("victim", [".mlpipes", ".env"])
def test_what_cannot_be_written_is_one_line(fresh: Stack, victim: str) -> None:
    """A file where a folder has to be, and a folder where a file has to be: even root cannot write those."""
    path = fresh.root / victim
    path.touch() if victim == ".mlpipes" else path.mkdir()
    failed = fresh.cli("up", cwd=fresh.root)
    assert failed.code == 1
    assert len(failed.err.strip().splitlines()) == 1
    assert victim in failed.err
    path.unlink() if victim == ".mlpipes" else path.rmdir()


def spec(folder: Path, name: str = "api", *, path: str = "/") -> ServiceSpec:
    command = (
        sys.executable,
        "-m",
        "http.server",
        "{port}",
        "--bind",
        "127.0.0.1",
        "--directory",
        str(folder),
    )
    return ServiceSpec(name, command, preferred_port=8000, fixed_port=False, ready_path=path, timeout=20.0)


def test_an_added_service_lives_with_the_stack(stack: Stack, tmp_path: Path) -> None:
    runtime = make_runtime(find_project(stack.root))
    (tmp_path / "index.html").write_text("hello")
    started = runtime.start(spec(tmp_path), Console())
    assert started.state == "running"
    url = stack.cli("env", "--json", cwd=stack.root).ok().json["MLPIPES_API_URL"]
    assert url == started.url
    assert http(url) == b"hello"
    assert runtime.start(spec(tmp_path), Console()).pid == started.pid
    assert stack.up().json["changes"] == []

    process(stack.cli, stack.root, "api").kill()
    assert stack.up().json["changes"] == [f"api: started on port {started.port}"]
    stack.cli("down", cwd=stack.root).ok()
    assert processes_of(stack.root) == []
    stack.up()
    assert services(stack.cli, stack.root)["api"]["state"] == "running"

    assert runtime.stop("api", Console())
    assert not runtime.stop("api", Console())
    assert "api" not in services(stack.cli, stack.root)
    assert "MLPIPES_API_URL" not in stack.cli("env", "--json", cwd=stack.root).json
    assert len(until(lambda: processes_of(stack.root))) > 2


def test_an_added_service_that_fails_is_not_remembered(stack: Stack, tmp_path: Path) -> None:
    runtime = make_runtime(find_project(stack.root))
    broken = ServiceSpec(
        "api", (sys.executable, "-c", "raise SystemExit('no model')"), 8000, False, "/", 20.0
    )
    with pytest.raises(MlpipesError, match="api exited while starting; its last log lines: no model"):
        runtime.start(broken, Console())
    assert stack.up().json["changes"] == []
    assert "api" not in stack.pids()


def test_a_service_nobody_wants_any_more_is_ended(stack: Stack, tmp_path: Path) -> None:
    runtime = make_runtime(find_project(stack.root))
    runtime.start(spec(tmp_path), Console())
    stray = process(stack.cli, stack.root, "api")
    (stack.state / "services.json").unlink()
    found = stack.cli("doctor", "--json", cwd=stack.root)
    assert found.code == 1
    assert str(stray.pid) in next(c["found"] for c in found.json["checks"] if c["name"] == "stray processes")
    stack.up()
    until(lambda: ended(stray))


def test_doctor_finds_nothing_on_a_whole_stack_and_names_a_loose_env_file(stack: Stack) -> None:
    whole = stack.cli("doctor", "--json", cwd=stack.root).ok().json["checks"]
    assert {check["level"] for check in whole} <= {"ok", "warning"}
    env = stack.root / ".env"
    env.chmod(0o644)
    try:
        found = stack.cli("doctor", cwd=stack.root)
        assert found.code == 1
        assert "chmod 600" in found.out
    finally:
        env.chmod(0o600)


def test_logs_are_followed_until_stopped(stack: Stack) -> None:
    reader = stack.cli.start("logs", "mlflow", "-f", "--tail", "0", cwd=stack.root)
    try:
        assert reader.stdout is not None
        tracking = stack.cli("env", "--json", cwd=stack.root).json["MLFLOW_TRACKING_URI"]
        descriptor = reader.stdout.fileno()
        os.set_blocking(descriptor, False)
        until(lambda: http(f"{tracking}/health?marker") and b"marker" in _available(descriptor))
        reader.send_signal(signal.SIGINT)
        assert reader.wait(30) == 130
    finally:
        reader.kill()
        reader.communicate()


def _available(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except BlockingIOError:
        return b""


@pytest.mark.parametrize(("answer", "removed"), [("n", False), ("", False), ("y", True)])
def test_volumes_are_removed_after_a_yes(fresh: Stack, answer: str, removed: bool) -> None:
    (fresh.state / "artifacts").mkdir(parents=True)
    ours, theirs = pty.openpty()
    try:
        os.write(ours, f"{answer}\n".encode())
        asked = subprocess.run(
            fresh.cli.command("down", "--volumes"), cwd=fresh.root, env=fresh.cli.environment,
            stdin=theirs, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
    finally:
        os.close(ours)
        os.close(theirs)
    assert "[y/N]" in asked.stderr
    assert asked.returncode == (0 if removed else 1)
    assert fresh.state.exists() is not removed
