"""The engine itself is stopped, killed and started again under a stack; what was kept is kept."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from integration.docker.conftest import MINIMAL, SERVICES, Stack
from private_engine import InsideCli, PrivateEngine
from waiting import until

pytestmark = pytest.mark.slow
_PUT = "import sys, urllib.request as u; u.urlopen(u.Request(sys.argv[1], b'stored', method='PUT'))"
_GET = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1]).read().decode())"


@pytest.fixture(scope="module")
def boxes(engine: PrivateEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack on the private engine."""
    base = tmp_path_factory.mktemp("boxes")
    root = base / "project"
    root.mkdir()
    with engine.client() as client:
        stack = Stack(root, InsideCli(engine, base / "home", root), client)
        stack.rewrite(MINIMAL)
        yield stack
        stack.remove()


def sql(stack: Stack, statement: str) -> str:
    """What psql says in the database's container, since its port is in the engine's own network."""
    done = stack.containers()["postgres"].exec_run(
        [
            "sh",
            "-c",
            'PGPASSWORD=$(cat $POSTGRES_PASSWORD_FILE) psql -h 127.0.0.1 -U postgres -qtAd mlpipes -c "$0"',
            statement,
        ]
    )
    assert done.exit_code == 0, done.output
    return str(done.output.decode().strip())


def artifact(engine: PrivateEngine, stack: Stack, code: str) -> str:
    uri = stack.cli("env", "--json", cwd=stack.root).ok().json["MLFLOW_TRACKING_URI"]
    url = f"{uri}/api/2.0/mlflow-artifacts/artifacts/0/kept"
    command = engine.inside(sys.executable, "-c", code, url)
    return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout.strip()


def assert_kept(engine: PrivateEngine, stack: Stack) -> None:
    """What was stored before is there; a store may answer a moment before it has found its files again."""
    assert sql(stack, "select n from raw_data.kept") == "7"
    until(lambda: artifact(engine, stack, _GET) == "stored", 90)


def states(stack: Stack) -> set[str]:
    return {row["state"] for row in stack.status().values()}


def kept_files(root: Path) -> dict[str, bytes]:
    names = (".env", ".mlpipes/docker.json", ".mlpipes/choices.json", "mlpipes.yaml")
    return {name: (root / name).read_bytes() for name in names if (root / name).exists()}


def test_images_that_were_loaded_are_taken_and_that_is_said_once(boxes: Stack) -> None:
    said = boxes.up().err
    assert said.count("was not pulled from a registry (not verified)") == 2
    assert boxes.up().json["changes"] == []
    assert "was not pulled from a registry" not in boxes.up().err


@pytest.mark.parametrize("command", [("status",), ("status", "--json"), ("up",), ("env",), ("down",)])
def test_while_the_engine_is_away_each_command_says_so_in_one_line(
    engine: PrivateEngine, boxes: Stack, command: tuple[str, ...], away: dict[str, bytes]
) -> None:
    told = boxes.cli(*command, cwd=boxes.root)
    assert (told.code, told.out) == (1, "")
    (line,) = told.err.strip().splitlines()
    assert f"DOCKER_HOST={engine.host}: " in line
    assert "start" in line and "engine" in line
    assert kept_files(boxes.root) == away


@pytest.fixture(scope="module")
def away(engine: PrivateEngine, boxes: Stack) -> dict[str, bytes]:
    """The engine is stopped, with something in each store; gives the project's own files."""
    boxes.up()
    sql(boxes, "create table raw_data.kept as select 7 as n")
    artifact(engine, boxes, _PUT)
    assert_kept(engine, boxes)
    engine.stop()
    return kept_files(boxes.root)


def test_with_the_engine_the_services_come_back_by_themselves(
    engine: PrivateEngine, boxes: Stack, away: dict[str, bytes]
) -> None:
    engine.start()
    until(lambda: states(boxes) == {"running"}, 120)
    assert set(boxes.ids()) == set(SERVICES)
    assert_kept(engine, boxes)
    assert boxes.up().json["changes"] == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_an_up_right_after_the_start_repairs_what_is_not_back_yet(
    engine: PrivateEngine, boxes: Stack, number: int
) -> None:
    boxes.up()
    before = boxes.ids()
    engine.stop(number)
    engine.start()
    boxes.up()
    assert states(boxes) == {"running"}
    assert boxes.ids() == before
    assert_kept(engine, boxes)


def test_an_engine_killed_during_up_is_one_line_and_the_next_up_goes_on(
    engine: PrivateEngine, boxes: Stack
) -> None:
    boxes.cli("down", cwd=boxes.root).ok()
    going = boxes.cli.start("up", cwd=boxes.root)
    said: list[Any] = []
    reader = threading.Thread(target=lambda: said.append(going.communicate(timeout=120)))

    def started() -> bool:
        found = boxes.containers()
        return "postgres" in found and found["postgres"].status == "running"

    until(started, 60)
    reader.start()
    engine.stop(signal.SIGKILL)
    reader.join(120)
    ((_, err),) = said
    assert going.returncode == 1, err
    assert "the Docker engine stopped responding; start Docker" in err.strip().splitlines()[-1]
    assert "Traceback" not in err
    engine.start()
    boxes.up()
    assert states(boxes) == {"running"}
    assert_kept(engine, boxes)
