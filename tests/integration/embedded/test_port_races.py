"""A port that somebody takes between our choice and the service's listening on it."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import MINIMAL
from stack_help import processes_of, services, stranger
from waiting import until

from mlpipes_cli.adapters.processes import ports
from mlpipes_cli.adapters.wiring import make_runtime
from mlpipes_cli.cli.console import Console
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.lifecycle.secrets import ensure_secrets
from mlpipes_cli.ports import ServiceSpec
from mlpipes_cli.project import find_project

if TYPE_CHECKING:
    from integration.embedded.conftest import Stack

pytestmark = pytest.mark.slow


@contextlib.contextmanager
def after_choice(act: Callable[[str, int], Any]) -> Iterator[None]:
    """Call ``act(service, port)`` right after each choice of a port, in the gap before the service starts."""
    choose = ports.choose

    def chosen(service: str, *args: Any, **options: Any) -> int:
        port = choose(service, *args, **options)
        return act(service, port) or port

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ports, "choose", chosen)
        yield


@contextlib.contextmanager
def grabber(victim: str) -> Iterator[list[int]]:
    """Takes the first port that is chosen for a service; gives the ports that it took."""
    taken: list[int] = []
    with contextlib.ExitStack() as held:

        def grab(service: str, port: int) -> None:
            if service == victim and not taken:
                taken.append(held.enter_context(stranger(port)))

        with after_choice(grab):
            yield taken


def up(stack: Stack) -> None:
    ensure_secrets(stack.root)
    make_runtime(find_project(stack.root)).up(Console())


@pytest.mark.parametrize("victim", ["postgres", "mlflow"])
def test_a_port_that_is_grabbed_in_the_gap_is_replaced(
    stack: Stack, victim: str, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.cli("down", cwd=stack.root).ok()
    with grabber(victim) as taken:
        up(stack)
        rows = services(stack.cli, stack.root)
        assert {row["state"] for row in rows.values()} == {"running"}
        assert len(taken) == 1 and rows[victim]["port"] != taken[0]
        told = [line for line in capsys.readouterr().err.splitlines() if f"port {taken[0]}" in line]
        assert len(told) == 1 and victim in told[0] and "another" in told[0]


def test_a_port_that_was_grabbed_for_a_moment_only_is_replaced_too(stack: Stack) -> None:
    """Whoever took it has left again by the time that we look."""
    stack.cli("down", cwd=stack.root).ok()
    log = stack.state / "logs" / "postgres.log"

    def grab(service: str, port: int) -> None:
        if service == "postgres" and not seen:
            seen.append(port)
            server = socket.create_server(("127.0.0.1", port))
            start = log.stat().st_size

            def leave() -> None:
                until(lambda: b"in use" in log.read_bytes()[start:])
                server.close()

            threading.Thread(target=leave).start()

    seen: list[int] = []
    with after_choice(grab):
        up(stack)
    assert {row["state"] for row in services(stack.cli, stack.root).values()} == {"running"}


def test_an_added_service_gets_another_port(stack: Stack, tmp_path: Path) -> None:
    command = (sys.executable, "-m", "http.server", "{port}", "--bind", "127.0.0.1", "-d", str(tmp_path))
    runtime = make_runtime(find_project(stack.root))
    with grabber("api") as taken:
        started = runtime.start(ServiceSpec("api", command, 8000, False, "/", 20.0), Console())
        assert started.state == "running"
        assert started.port != taken[0]
    runtime.stop("api", Console())


def test_a_fixed_port_that_is_grabbed_in_the_gap_names_its_holder(fresh: Stack) -> None:
    with stranger() as port:
        pass
    (fresh.root / "mlpipes.yaml").write_text(MINIMAL + f"stack: {{postgres: {{port: {port}}}}}\n")
    with (
        grabber("postgres"),
        pytest.raises(MlpipesError, match=rf"port {port} of postgres is taken by .*pid"),
    ):
        up(fresh)
    assert processes_of(fresh.root) == []


def test_the_services_of_another_project_are_never_taken_for_ours(stack: Stack, fresh: Stack) -> None:
    """Both ports go to another stack in the gap, whose services answer as ours would."""
    others = services(stack.cli, stack.root)
    given: set[str] = set()

    def mislead(service: str, port: int) -> int | None:
        if service in given:
            return None
        given.add(service)
        return int(others[service]["port"])

    before = stack.pids()
    with after_choice(mislead):
        up(fresh)
    ours = services(fresh.cli, fresh.root)
    assert {row["state"] for row in ours.values()} == {"running"}
    assert not {row["port"] for row in ours.values()} & {row["port"] for row in others.values()}
    assert stack.pids() == before


def test_projects_that_come_up_at_once(stack: Stack, tmp_path: Path) -> None:
    twins = [type(stack)(tmp_path / name, stack.cli) for name in ("one", "two")]
    for twin in twins:
        twin.root.mkdir()
        (twin.root / "mlpipes.yaml").write_text(MINIMAL)
    try:
        started = [stack.cli.start("up", "--json", cwd=twin.root) for twin in twins]
        told = [process.communicate(timeout=300) for process in started]
        assert [process.returncode for process in started] == [0, 0], told
        used = [row["port"] for out, _ in told for row in json.loads(out)["services"]]
        assert len(set(used)) == 4
    finally:
        for twin in twins:
            twin.remove()
