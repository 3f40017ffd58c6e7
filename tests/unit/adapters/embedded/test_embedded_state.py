from __future__ import annotations

import base64
import hashlib
import hmac
import os
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest
from waiting import until

from mlpipes_cli.adapters.postgres import roles
from mlpipes_cli.adapters.processes import log_files, process
from mlpipes_cli.adapters.processes.json_files import locked, read_json, write_json
from mlpipes_cli.adapters.processes.process import ProcessIdentity
from mlpipes_cli.adapters.processes.state import RunningProcess, StateFiles
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports import ServiceSpec


def test_what_is_written_is_read(tmp_path: Path) -> None:
    files = StateFiles(tmp_path)
    running = {"mlflow": RunningProcess(ProcessIdentity(12, 34.5), 5000, "abc")}
    spec = ServiceSpec("api", ("python", "{port}"), 8000, False, "/ready", 12.0)
    files.write_running(Path("/some/where"), running)
    files.write_wanted({"api": spec})
    files.write_ports({"api": 8000})
    assert files.running() == running
    assert files.root() == Path("/some/where")
    assert files.wanted() == {"api": spec}
    assert files.ports() == {"api": 8000}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ports.json", "services.json", "state.json"]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"services": "x"}', '{"services": {"a": {"pid": "x"}}}', "\x00"]
)
def test_damaged_files_count_as_empty(tmp_path: Path, text: str) -> None:
    files = StateFiles(tmp_path)
    for name in ("state.json", "services.json", "ports.json"):
        (tmp_path / name).write_text(text)
    assert (files.running(), files.wanted(), files.ports(), files.root()) == ({}, {}, {}, None)


def test_a_file_that_cannot_be_replaced_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.mkdir()
    with pytest.raises(MlpipesError, match=r"state\.json: cannot be written"):
        write_json(path, {"a": 1})
    assert [one.name for one in tmp_path.iterdir()] == ["state.json"]
    assert read_json(path) == {}


def test_an_identity_is_one_process_and_no_other() -> None:
    me = psutil.Process()
    found = process.identify(me.pid)
    assert found is not None
    assert found.process() == me
    assert ProcessIdentity(me.pid, me.create_time() - 60).process() is None
    child = subprocess.Popen([sys.executable, "-c", ""])
    identity = process.identify(child.pid)
    until(lambda: psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE)
    assert identity is not None
    assert identity.process() is None  # it only waits to be reaped
    child.wait()
    assert identity.process() is None


def test_processes_are_found_by_their_marks_and_ended(tmp_path: Path) -> None:
    marks = {process.PROJECT_MARK: str(tmp_path), process.SERVICE_MARK: "api"}
    shell = ["/bin/sh", "-c", f"{sys.executable} -c 'import time; time.sleep(600)' & wait"]
    child = process.spawn(shell, environment={**os.environ, **marks}, folder=tmp_path, log=tmp_path / "log")
    try:
        found = until(lambda: (rows := process.marked(tmp_path, "api")) and len(rows) == 2 and rows)
        lead = process.leader(found)
        assert lead is not None
        assert lead.pid == child.pid
        assert process.services(tmp_path) == {"api"}
        assert process.marked(tmp_path, "mlflow") == []
        assert process.marked(tmp_path.parent, "api") == []
        assert process.end(lambda: process.marked(tmp_path, "api")) == 2
        assert process.marked(tmp_path, "api") == []
    finally:
        child.wait(60)


def test_a_process_that_ignores_the_request_is_ended_all_the_same(tmp_path: Path) -> None:
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print('on', flush=True); time.sleep(600)"
    marks = {process.PROJECT_MARK: str(tmp_path), process.SERVICE_MARK: "deaf"}
    log = tmp_path / "log"
    child = process.spawn(
        [sys.executable, "-c", code], environment={**os.environ, **marks}, folder=tmp_path, log=log
    )
    until(lambda: log.read_text())
    assert process.end(lambda: process.marked(tmp_path, "deaf"), patience=0.1) == 1
    assert child.wait(60) < 0


def test_the_lock_makes_others_wait_tells_them_and_leaves_no_file(tmp_path: Path) -> None:
    path, told, order = tmp_path / "folder" / "lock", [], []

    def second() -> None:
        with locked(path, told.append):
            order.append("second")

    with locked(path, told.append):
        other = threading.Thread(target=second)
        other.start()
        until(lambda: told)
        order.append("first")
    other.join(60)
    assert order == ["first", "second"]
    assert told == [f"pid {os.getpid()}"]
    assert not path.exists()


def test_the_password_verifier_is_that_of_the_protocol() -> None:
    kind, coded, keys = roles.scram("secret").split("$")
    rounds, _, salt = coded.partition(":")
    stored, _, server = keys.partition(":")
    salted = hashlib.pbkdf2_hmac("sha256", b"secret", base64.b64decode(salt), int(rounds))
    client = hmac.digest(salted, b"Client Key", "sha256")
    assert (kind, rounds) == ("SCRAM-SHA-256", "4096")
    assert base64.b64decode(stored) == hashlib.sha256(client).digest()
    assert base64.b64decode(server) == hmac.digest(salted, b"Server Key", "sha256")
    assert roles.scram("secret") != roles.scram("secret")


def test_the_last_lines_and_the_evidence_since(tmp_path: Path) -> None:
    path = tmp_path / "log"
    assert log_files.tail(path, 2) == []
    assert log_files.evidence(path, 0) == ""
    path.write_text("one\ntwo\n")
    before = log_files.size(path)
    with path.open("a") as file:
        file.write("  three   \n\nfour\n")
    assert log_files.evidence(path, before) == "three | four"
    assert list(log_files.read(path, lines=2, follow=False)) == ["", "four"]
    assert next(log_files.read(path, lines=None, follow=False)) == "one"


def test_following_goes_on_in_a_new_file(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("old\n")
    lines = log_files.read(path, lines=0, follow=True)
    with path.open("a") as file:
        file.write("")
    timer = threading.Timer(0.05, lambda: path.open("a").write("added\n"))
    timer.start()
    assert next(lines) == "added"
    timer.join()
    path.rename(tmp_path / "log.1")
    path.write_text("new\n")
    assert next(lines) == "new"
    lines.close()
