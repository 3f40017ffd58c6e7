"""`up` after every kind of accident: whatever was committed is there, and nothing strays."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import psycopg2
import pytest
from process_help import commands, ended
from stack_help import http, processes_of, query, services
from waiting import until

if TYPE_CHECKING:
    from integration.embedded.conftest import Stack

pytestmark = pytest.mark.slow


def works(stack: Stack) -> None:
    """All answer, and there is exactly one of each."""
    rows = services(stack.cli, stack.root)
    assert {name: row["state"] for name, row in rows.items()} == {"postgres": "running", "mlflow": "running"}
    tracking = stack.cli("env", "--json", cwd=stack.root).ok().json["MLFLOW_TRACKING_URI"]
    for _ in range(12):  # more than its pool has connections
        http(f"{tracking}/api/2.0/mlflow/experiments/search", "POST", b'{"max_results": 1}')
    lines = [command for _, command in commands(processes_of(stack.root))]
    assert sum("-D" in line for line in lines) == 1
    assert sum("server" in line for line in lines) == 1


def kill(process: psutil.Process) -> None:
    process.kill()
    until(lambda: ended(process))


def test_the_database_is_killed(stack: Stack) -> None:
    before = stack.pids()
    query(stack.cli, stack.root, "create table if not exists raw_data.kept (n int)")
    query(stack.cli, stack.root, "insert into raw_data.kept values (1)")
    kill(psutil.Process(before["postgres"]))
    assert services(stack.cli, stack.root)["postgres"]["state"] == "failed"
    assert stack.cli("env", cwd=stack.root).code == 1
    stack.up()
    works(stack)
    assert query(stack.cli, stack.root, "select count(*) > 0 from raw_data.kept") == [(True,)]
    after = stack.pids()
    assert after["postgres"] != before["postgres"]
    assert after["mlflow"] == before["mlflow"]


def test_the_database_is_killed_and_a_child_of_it_hangs_on(stack: Stack) -> None:
    main = psutil.Process(stack.pids()["postgres"])
    child = next(one for one, command in commands(main.children()) if "checkpointer" in command[0])
    child.suspend()
    kill(main)
    stack.up()
    works(stack)
    until(lambda: ended(child))


def test_a_database_with_all_connections_in_use_works(stack: Stack) -> None:
    """It answers, if only that it has none left: it needs no repair, and `status` does not call it failed."""
    url = stack.cli("env", "--json", cwd=stack.root).ok().json["MLPIPES_DATABASE_URL"]
    with contextlib.ExitStack() as links:
        with pytest.raises(psycopg2.OperationalError):
            while True:
                links.enter_context(contextlib.closing(psycopg2.connect(url)))
        row = services(stack.cli, stack.root)["postgres"]
        assert (row["state"], row["health"]) == ("running", "healthy")
    works(stack)


def test_mlflow_is_killed(stack: Stack) -> None:
    before = stack.pids()
    main = psutil.Process(before["mlflow"])
    assert main.children() == []  # the command serves by itself
    kill(main)
    stack.up()
    works(stack)
    assert stack.pids()["postgres"] == before["postgres"]
    assert stack.pids()["mlflow"] != before["mlflow"]


def test_mlflow_hangs_for_ever_and_down_still_ends_it(stack: Stack) -> None:
    psutil.Process(stack.pids()["mlflow"]).suspend()
    stack.cli("down", cwd=stack.root).ok()
    assert processes_of(stack.root) == []


def test_everything_is_killed(stack: Stack) -> None:
    query(stack.cli, stack.root, "create table if not exists raw_data.all_killed as select 1 as n")
    for process in processes_of(stack.root):
        with contextlib.suppress(psutil.NoSuchProcess):  # a child went with its parent
            process.kill()
    until(lambda: not processes_of(stack.root))
    stack.up()
    works(stack)
    assert query(stack.cli, stack.root, "select n from raw_data.all_killed") == [(1,)]


@pytest.mark.parametrize(
    "text",
    [None, "{", '{"services": {"mlflow": {"pid": "x"}}}'],  # others: test_embedded_state.py
)
def test_a_lost_or_damaged_state_file_adopts_what_runs(stack: Stack, text: str | None) -> None:
    before = stack.pids()
    path = stack.state / "state.json"
    path.unlink() if text is None else path.write_text(text)
    assert stack.up().json["changes"] == []
    assert stack.pids() == before
    works(stack)


def test_a_state_file_that_names_a_stranger_never_hurts_it(stack: Stack) -> None:
    """The number was given to somebody else, whose time of creation even matches."""
    me = psutil.Process()
    path = stack.state / "state.json"
    state = json.loads(path.read_text())
    for row in state["services"].values():
        row |= {"pid": me.pid, "created": me.create_time()}
    before = stack.pids()
    path.write_text(json.dumps(state))
    assert stack.up().json["changes"] == []
    assert stack.pids() == before
    path.write_text(json.dumps(state))
    stack.cli("down", cwd=stack.root).ok()
    assert processes_of(stack.root) == []  # and this test still runs


def test_after_a_reboot_the_number_of_the_database_belongs_to_a_stranger(stack: Stack) -> None:
    for process in processes_of(stack.root):
        with contextlib.suppress(psutil.NoSuchProcess):  # a child went with its parent
            process.kill()
    until(lambda: not processes_of(stack.root))
    lock = stack.state / "postgres" / "postmaster.pid"
    lines = lock.read_text().split("\n")
    owner = lock.stat()
    lock.write_text("\n".join([str(os.getpid()), *lines[1:]]))
    os.chown(lock, owner.st_uid, owner.st_gid)
    stack.up()
    works(stack)


def test_the_state_folder_is_removed_under_a_running_stack(stack: Stack) -> None:
    old = processes_of(stack.root)
    shutil.rmtree(stack.state)
    stack.up()
    works(stack)
    assert all(map(ended, old))


def test_down_after_the_state_folder_was_removed(stack: Stack) -> None:
    shutil.rmtree(stack.state)
    stack.cli("down", cwd=stack.root).ok()
    assert processes_of(stack.root) == []
    assert not stack.state.exists()


def test_a_half_made_database_folder_is_made_anew(fresh: Stack) -> None:
    half = fresh.state / "postgres.new-1"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    (fresh.state / "postgres.new-1.password").write_text("secret\n")
    fresh.up()
    works(fresh)
    assert [path.name for path in fresh.state.glob("postgres*")] == ["postgres"]


def test_a_damaged_database_folder_is_kept_aside(fresh: Stack) -> None:
    (fresh.state / "postgres" / "base").mkdir(parents=True)
    (fresh.state / "postgres" / "base" / "precious").write_text("x")
    told = fresh.up().err
    works(fresh)
    aside = next(fresh.state.glob("postgres.broken-*"))
    assert (aside / "base" / "precious").read_text() == "x"
    assert aside.name in told


def test_databases_that_an_interrupted_up_did_not_make_are_made(stack: Stack) -> None:
    query(stack.cli, stack.root, "drop schema serving")
    stack.up()
    assert query(stack.cli, stack.root, "select to_regnamespace('serving') is not null") == [(True,)]


def test_the_secrets_are_lost(stack: Stack) -> None:
    query(stack.cli, stack.root, "create table if not exists raw_data.kept_key as select 1 as n")
    (stack.root / ".env").unlink()
    told = stack.up().err
    assert "password" in told
    works(stack)
    assert query(stack.cli, stack.root, "select n from raw_data.kept_key") == [(1,)]


def test_a_password_is_changed_by_hand(stack: Stack) -> None:
    env = stack.root / ".env"
    lines = [line.partition("=") for line in env.read_text().splitlines()]
    env.write_text("".join(f"{name}='p@ss/wörd %41#? {value}'\n" for name, _, value in lines))
    stack.up()
    works(stack)


def _moved(stack: Stack, folder: Path) -> Path:
    return stack.root.rename(folder)


def _copied(stack: Stack, folder: Path) -> Path:
    return shutil.copytree(stack.root, folder, symlinks=True)


@pytest.mark.parametrize("running", [False, True])
def test_the_project_is_moved(fresh: Stack, running: bool, tmp_path: Path) -> None:
    fresh.up()
    query(fresh.cli, fresh.root, "create table raw_data.moved as select 1 as n")
    if not running:
        fresh.cli("down", cwd=fresh.root).ok()
    old = fresh.root
    fresh.root = _moved(fresh, tmp_path / "a folder with späces & 100%")
    fresh.up()
    works(fresh)
    assert processes_of(old) == []
    assert query(fresh.cli, fresh.root, "select n from raw_data.moved") == [(1,)]
    tracking = fresh.cli("env", "--json", cwd=fresh.root).json["MLFLOW_TRACKING_URI"]
    artifact = f"{tracking}/api/2.0/mlflow-artifacts/artifacts/0/file.txt"
    http(artifact, "PUT", b"there")
    assert http(artifact) == b"there"
    assert (fresh.state / "artifacts" / "0" / "file.txt").read_bytes() == b"there"


def test_a_copy_of_a_running_project_leaves_the_original_alone(
    stack: Stack, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    before = stack.pids()
    twin = type(stack)(_copied(stack, tmp_path / "twin"), stack.cli)
    if os.geteuid() == 0:  # a copy made by root belongs to root
        assert (twin.state / "postgres").stat().st_uid == 0
    request.addfinalizer(twin.remove)
    twin.up()
    works(twin)
    assert stack.pids() == before
    works(stack)
    assert not set(twin.pids().values()) & set(before.values())


# in the order in which they come; each call of `up` is ended at the next one
STAGES: dict[str, Callable[[Path], bool]] = {
    "at once": lambda state: True,
    "mlflow was started": lambda state: (state / "logs" / "mlflow.log").exists(),
    "the database folder is being made": lambda state: any(state.glob("postgres.new-*")),
    "the database folder is whole": lambda state: (state / "postgres" / "PG_VERSION").exists(),
    "the database starts": lambda state: (state / "postgres" / "postmaster.pid").exists(),
    "mlflow loads": lambda state: "mlflow" in _text(state / "state.json"),
    "mlflow made its tables": lambda state: "Uvicorn" in _text(state / "logs" / "mlflow.log"),
}


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill -9"])
def test_up_is_interrupted_at_each_stage_in_turn_and_then_completed(
    fresh: Stack, number: signal.Signals
) -> None:
    ended_at = []
    for stage, reached in STAGES.items():
        if ended_at and reached(fresh.state):
            continue  # the one before got that far before it ended
        ended_at.append(stage)
        going = fresh.cli.start("up", cwd=fresh.root)
        until(lambda reached=reached, going=going: going.poll() is not None or reached(fresh.state), 120)
        going.send_signal(number)
        _, told = going.communicate(timeout=120)
        assert "Traceback" not in told or stage == "at once", (stage, told)
    assert len(ended_at) >= 4, ended_at
    fresh.up()
    works(fresh)
    assert sorted(path.name for path in fresh.state.glob("postgres*")) == ["postgres"]
    assert not (fresh.state / "lock").exists()


@pytest.mark.parametrize("stage", ["the database folder is being made", "the database starts"])
def test_up_is_killed_once(fresh: Stack, stage: str) -> None:
    going = fresh.cli.start("up", cwd=fresh.root)
    until(lambda: going.poll() is not None or STAGES[stage](fresh.state), 120)
    going.kill()
    going.communicate(timeout=120)
    fresh.up()
    works(fresh)
    assert sorted(path.name for path in fresh.state.glob("postgres*")) == ["postgres"]
    assert not (fresh.state / "lock").exists()


def test_services_have_no_terminal_and_lead_their_sessions(stack: Stack) -> None:
    for pid in stack.pids().values():
        assert os.getsid(pid) == pid
        assert psutil.Process(pid).terminal() is None
