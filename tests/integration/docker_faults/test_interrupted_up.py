"""``up`` is ended at every stage, by Ctrl-C and by kill -9; the next one goes on from what is there."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Callable
from typing import TYPE_CHECKING

import psutil
import pytest
from integration.docker.conftest import SERVICES
from stack_help import query
from waiting import until

if TYPE_CHECKING:
    from integration.docker.conftest import Stack

pytestmark = pytest.mark.slow
Stage = Callable[["Stack"], bool]


def _status(stack: Stack, service: str) -> str:
    """What the engine lists: to inspect a container waits until the engine has done with it."""
    wanted = {"label": f"io.mlpipes.root={os.path.realpath(stack.root)}"}
    found = stack.client.api.containers(all=True, filters=wanted)
    states = {row["Labels"]["com.docker.compose.service"]: row["State"] for row in found}
    return states.get(service, "")


def at_work(stack: Stack, going: subprocess.Popen[str]) -> bool:
    """Whether that call holds the stack's lock; what the engine did late for the one before is past."""
    assert going.poll() is None, going.communicate()
    with contextlib.suppress(FileNotFoundError):
        return (stack.root / ".mlpipes" / "lock").read_text() == f"{going.pid}\n"
    return False


def frozen(going: subprocess.Popen[str]) -> str:
    """Stop the call where it is; what it has said so far, which nobody else gets to read."""
    os.killpg(going.pid, signal.SIGSTOP)
    until(lambda: psutil.Process(going.pid).status() in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE))
    assert going.stderr is not None
    os.set_blocking(going.stderr.fileno(), False)
    try:
        return os.read(going.stderr.fileno(), 1 << 16).decode()
    except BlockingIOError:
        return ""
    finally:
        os.set_blocking(going.stderr.fileno(), True)


def _network(stack: Stack) -> bool:
    wanted = {"label": f"io.mlpipes.root={os.path.realpath(stack.root)}"}
    return bool(stack.client.networks.list(filters=wanted))


# in the order in which they come; each call of `up` is ended at the next one
STAGES: dict[str, Stage] = {
    "ports and images are looked at": lambda stack: (stack.root / ".mlpipes" / "docker.json").exists(),
    "a volume is made": lambda stack: bool(stack.volumes()),
    "the network is made": _network,
    "postgres is started": lambda stack: _status(stack, "postgres") == "running",
    "minio is started": lambda stack: _status(stack, "minio") == "running",
    "mlflow is made": lambda stack: _status(stack, "mlflow") != "",
    "mlflow is waited for": lambda stack: _status(stack, "mlflow") == "running",
}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_ended_at_each_stage_in_turn_and_then_completed(fresh: Stack, number: int) -> None:
    identities, ended_at = set(), []
    for name, reached in STAGES.items():
        if reached(fresh):
            continue  # the one before got that far before it ended
        ended_at.append(name)
        going = fresh.cli.start("up", cwd=fresh.root)
        until(lambda going=going: at_work(fresh, going), 60)
        until(lambda reached=reached, going=going: reached(fresh) or going.poll() is not None, 120)
        assert going.poll() is None, (name, going.communicate())
        before = frozen(going)
        os.killpg(going.pid, number)
        os.killpg(going.pid, signal.SIGCONT)
        err = before + going.communicate(timeout=60)[1]
        came_late = "mlflow: started" in err and going.returncode in (0, 130)
        ended = going.returncode == (130 if number == signal.SIGINT else -signal.SIGKILL)
        assert ended or came_late, (name, going.returncode, before, err)
        assert "Traceback" not in err, name
        file = fresh.root / ".mlpipes" / "docker.json"
        identities |= {json.loads(file.read_text())["id"]} if file.exists() else set()
    said = fresh.up()
    assert "removed outside mlpipes" not in said.err
    assert len(identities) == 1
    assert len(ended_at) >= 4, ended_at
    assert {row["state"] for row in fresh.status().values()} == {"running"}
    assert sorted(fresh.ids()) == sorted(SERVICES)
    assert len(fresh.volumes()) == 2
    assert fresh.up().json["changes"] == []


def test_one_ends_while_another_waits_and_the_other_completes(fresh: Stack) -> None:
    first = fresh.cli.start("up", cwd=fresh.root)
    until(lambda: _status(fresh, "postgres") == "running", 120)
    second = fresh.cli.start("up", "--json", cwd=fresh.root)
    assert second.stderr is not None
    until(lambda: "waiting for it" in second.stderr.readline(), 60)
    before = fresh.ids()["postgres"]
    first.kill()
    first.communicate(timeout=60)
    out, err = second.communicate(timeout=180)
    assert second.returncode == 0, err
    assert {row["state"] for row in json.loads(out)["services"]} == {"running"}
    assert fresh.ids()["postgres"] == before
    assert sorted(fresh.ids()) == sorted(SERVICES)


def test_a_service_that_dies_while_up_waits_for_another_is_brought_back(fresh: Stack) -> None:
    fresh.up()
    query(fresh.cli, fresh.root, "create table raw_data.kept as select 7 as n")
    before = fresh.ids()
    fresh.containers()["minio"].kill()
    fresh.containers()["mlflow"].pause()  # `up` wakes it, and then waits for minio before it looks at it
    going = fresh.cli.start("up", "--json", cwd=fresh.root)
    until(lambda: _status(fresh, "mlflow") == "running", 60)
    fresh.containers()["mlflow"].kill()
    out, err = going.communicate(timeout=180)
    assert going.returncode == 0, err
    assert {row["state"] for row in json.loads(out)["services"]} == {"running"}
    assert fresh.ids() == before
    assert query(fresh.cli, fresh.root, "select n from raw_data.kept") == [(7,)]
