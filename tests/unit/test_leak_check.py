"""The leak check names what a test leaves, and is silent when nothing is left."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import psutil
import pytest

HELPERS = Path(__file__).parents[1] / "helpers"


def run(folder: Path, test: str) -> tuple[int, str]:
    (folder / "conftest.py").write_text('pytest_plugins = ["leak_check"]\n')
    (folder / "test_inner.py").write_text(test)
    (folder / "pytest.ini").write_text("[pytest]\n")
    environ = os.environ | {"PYTHONPATH": str(HELPERS), "MLPIPES_LEAK_PATIENCE": "0.5"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_inner.py"]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr


def test_nothing_left(tmp_path: Path) -> None:
    code, said = run(tmp_path, "import subprocess\ndef test_a():\n    subprocess.run(['true'], check=True)\n")
    assert (code, "left behind" in said) == (0, False), said


def test_a_process_that_listens_is_named_with_its_port(tmp_path: Path) -> None:
    server = """
import socket, time
listener = socket.create_server(("127.0.0.1", 0))
print("up", flush=True)
time.sleep(600)
"""
    test = f"""
import subprocess, sys
def test_a():
    command = [sys.executable, "-c", {server!r}]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout.readline()
"""
    code, said = run(tmp_path, test)
    found = re.search(r"^process (\d+): .*listening on \d+$", said, re.MULTILINE)
    assert found, said
    psutil.Process(int(found.group(1))).kill()
    assert code == 1


def test_a_temporary_folder_is_named(tmp_path: Path) -> None:
    test = "import tempfile\ndef test_a():\n    tempfile.mkdtemp(prefix='forgotten-')\n"
    code, said = run(tmp_path, test)
    assert code == 1
    assert "temporary folder: forgotten-" in said


@pytest.mark.parametrize("reason", ["no such engine here"])
def test_what_was_skipped_is_told_with_its_reason(tmp_path: Path, reason: str) -> None:
    code, said = run(
        tmp_path, f"import pytest\n@pytest.mark.skip(reason={reason!r})\ndef test_a():\n    assert False\n"
    )
    assert code == 0
    assert f"test_inner.py::test_a: {reason}" in said


def test_what_is_left_in_docker_is_named(tmp_path: Path, docker_engine: Any) -> None:
    name = f"leak-check-{uuid.uuid4().hex[:8]}"
    test = f"""
import docker
def test_a(tmp_path):
    client = docker.from_env()
    client.volumes.create({name!r}, labels={{"io.mlpipes.root": str(tmp_path / "project")}})
    client.close()
"""
    try:
        code, said = run(tmp_path, test)
    finally:
        docker_engine.volumes.get(name).remove()
    assert code == 1
    assert f"volume {name} of project " in said


def test_what_is_somebody_elses_in_docker_is_not_ours(tmp_path: Path, docker_engine: Any) -> None:
    name = f"leak-check-{uuid.uuid4().hex[:8]}"
    volume = docker_engine.volumes.create(name, labels={"io.mlpipes.root": f"{tmp_path}-other/project"})
    try:
        code, said = run(tmp_path, "def test_a():\n    pass\n")
    finally:
        volume.remove()
    assert (code, name in said) == (0, False), said


def test_docker_is_not_even_imported_where_nobody_listens(tmp_path: Path) -> None:
    look = "import sys, pathlib, leak_check; assert leak_check.left_in_docker(pathlib.Path('/')) == []"
    command = [sys.executable, "-c", f"{look}; assert 'docker' not in sys.modules"]
    environ = os.environ | {"PYTHONPATH": str(HELPERS), "DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    assert subprocess.run(command, env=environ).returncode == 0
