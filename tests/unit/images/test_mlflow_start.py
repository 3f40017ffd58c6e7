"""compose/mlflow/start.py, as far as it needs no container."""

from __future__ import annotations

import configparser
import importlib.util
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from waiting import until

START = Path(__file__).parents[3] / "compose" / "mlflow" / "start.py"
ADDRESS = "postgresql+psycopg2://mlflow:hidden%2Fsecret@database:5432/mlflow"


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("mlflow_start", START)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "AUTH_FILE", tmp_path / "basic_auth.ini")
    monkeypatch.setattr(module, "REVISIONS", tmp_path / "revisions.json")
    monkeypatch.setattr(os, "environ", dict(os.environ))
    return module


def test_the_needed_revision_is_noted_with_the_image(start: ModuleType) -> None:
    assert start.main(["--note-revision"]) == 0
    noted = start.known_revisions()
    assert noted["head"] == noted["known"][0]
    assert len(noted["known"]) > 30


def test_a_database_that_is_up_to_date_or_empty_is_left_alone(start: ModuleType) -> None:
    start.REVISIONS.write_text('{"head": "b", "known": ["b", "a"]}')
    start.migrate(ADDRESS, "b")
    start.migrate(ADDRESS, None)


def test_passwords_may_be_in_files(
    start: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "uri"
    for name in ("MLFLOW_BACKEND_STORE_URI", "AWS_SECRET_ACCESS_KEY"):
        os.environ.pop(name, None)
    os.environ["MLFLOW_BACKEND_STORE_URI_FILE"] = str(file)
    assert start.main([]) == 1
    said = capfd.readouterr().err
    assert f"cannot start: MLFLOW_BACKEND_STORE_URI_FILE: {file} cannot be read (No such file" in said

    file.write_text(f"{ADDRESS}\n")
    os.environ["MLFLOW_BACKEND_STORE_URI_FILE"] = str(file)
    start.read_passwords()
    assert os.environ["MLFLOW_BACKEND_STORE_URI"] == ADDRESS
    assert "MLFLOW_BACKEND_STORE_URI_FILE" not in os.environ

    os.environ["AWS_SECRET_ACCESS_KEY"] = "x"
    os.environ["AWS_SECRET_ACCESS_KEY_FILE"] = str(file)
    with pytest.raises(start.CannotStart, match="both AWS_SECRET_ACCESS_KEY and AWS_SECRET_ACCESS_KEY_FILE"):
        start.read_passwords()


def test_a_database_of_a_newer_mlflow_is_refused(start: ModuleType) -> None:
    start.REVISIONS.write_text('{"head": "b", "known": ["b", "a"]}')
    with pytest.raises(start.CannotStart, match=r"database:5432/mlflow is of a newer MLflow \(revision c\)"):
        start.migrate(ADDRESS, "c")


def test_no_secret_in_what_is_said(start: ModuleType) -> None:
    assert start.place(ADDRESS) == "the database at database:5432/mlflow"


def test_a_database_that_is_away(
    start: ModuleType, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    os.environ["MLFLOW_BACKEND_STORE_URI"] = ADDRESS.replace("database:5432", "127.0.0.1:1")
    assert start.main([]) == 1
    last = capfd.readouterr().err.splitlines()[-1]
    assert last.startswith("mlpipes: cannot start: no connection to the database at 127.0.0.1:1/mlflow: ")
    assert "hidden" not in last


@pytest.mark.parametrize(
    "address", ["", "sqlite:///mlflow.db", "postgresql+psycopg://mlflow@database/mlflow"]
)
def test_another_kind_of_database(start: ModuleType, address: str, capfd: pytest.CaptureFixture[str]) -> None:
    os.environ["MLFLOW_BACKEND_STORE_URI"] = address
    assert start.main([]) == 1
    assert "MLFLOW_BACKEND_STORE_URI has to be" in capfd.readouterr().err


def test_without_a_password_there_is_no_authentication(start: ModuleType) -> None:
    os.environ.update(MLFLOW_AUTH_ADMIN_PASSWORD="", MLFLOW_FLASK_SERVER_SECRET_KEY="")
    assert start.authentication(ADDRESS, None) == []
    assert not start.AUTH_FILE.exists()
    assert "MLFLOW_FLASK_SERVER_SECRET_KEY" not in os.environ


def test_with_one_the_settings_are_for_nobody_else_to_read(start: ModuleType) -> None:
    os.environ.update(MLFLOW_AUTH_ADMIN_PASSWORD="long-enough-it-is", MLFLOW_FLASK_SERVER_SECRET_KEY="key")
    start.AUTH_FILE.write_text("of an earlier start")
    assert start.authentication(ADDRESS, None) == ["--app-name", "basic-auth"]
    assert stat.S_IMODE(start.AUTH_FILE.stat().st_mode) == 0o600
    written = configparser.ConfigParser()
    written.read(start.AUTH_FILE)
    assert written["mlflow"]["database_uri"] == ADDRESS
    assert "long-enough-it-is" not in start.AUTH_FILE.read_text()
    assert os.environ["MLFLOW_AUTH_CONFIG_PATH"] == str(start.AUTH_FILE)


def test_authentication_needs_a_key_for_its_cookies(start: ModuleType) -> None:
    os.environ.update(MLFLOW_AUTH_ADMIN_PASSWORD="long-enough-it-is", MLFLOW_FLASK_SERVER_SECRET_KEY="")
    with pytest.raises(start.CannotStart, match="MLFLOW_FLASK_SERVER_SECRET_KEY"):
        start.authentication(ADDRESS, None)


def test_the_password_is_compared_before_it_is_changed(start: ModuleType) -> None:
    from werkzeug.security import generate_password_hash

    known = generate_password_hash("the-one-that-is")
    assert start.matches(known, "the-one-that-is")
    assert not start.matches(known, "another")


SUPERVISED = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("start", {start!r})
start = importlib.util.module_from_spec(spec)
spec.loader.exec_module(start)
sys.exit(start.supervise([sys.executable, "-c", {child!r}]))
"""


def supervised(child: str) -> subprocess.Popen[str]:
    script = SUPERVISED.format(start=str(START), child=child)
    return subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_a_request_to_stop_reaches_the_servers_children(tmp_path: Path) -> None:
    ended = tmp_path / "ended"
    grandchild = f"""
import pathlib, signal, sys
def end(*_):
    pathlib.Path({str(ended)!r}).touch()
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("up", flush=True)
signal.pause()
"""
    process = supervised(f"import subprocess, sys; subprocess.run([sys.executable, '-c', {grandchild!r}])")
    assert process.stdout and process.stdout.readline() == "up\n"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=120)
    assert process.returncode == 0
    until(ended.exists, 60)


@pytest.mark.parametrize(("code", "expected"), [(3, 3), (0, 1)])
def test_a_server_that_ends_by_itself_is_a_failure(code: int, expected: int) -> None:
    process = supervised(f"raise SystemExit({code})")
    _, said = process.communicate(timeout=120)
    assert process.returncode == expected
    assert said.splitlines()[-1] == f"mlpipes: the server ended by itself with code {code}"
