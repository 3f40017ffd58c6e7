"""What a run of the tests tells where it is killed, and where a test hangs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HELPERS = Path(__file__).parents[1] / "helpers"
FAILS = "def test_first():\n    assert 6 * 7 == 41\n"
KILLS = """
import os, signal, time
from pathlib import Path

def test_second():
    deadline = time.monotonic() + 60
    while "WORD" not in Path("told.txt").read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(os.getppid(), signal.SIGKILL)
"""
DEEP = "import subprocess\ndef test_deep():\n    subprocess.run(['/not/there'])\n"
HANGS = "import time\ndef test_hangs():\n    time.sleep(600)\ndef test_after():\n    pass\n"


def kills(word: str) -> str:
    """A test that ends the run as soon as that was told."""
    return KILLS.replace("WORD", word)


def run(folder: Path, tests: dict[str, str], ini: str = "") -> subprocess.CompletedProcess[str]:
    (folder / "conftest.py").write_text('pytest_plugins = ["report_at_once"]\n')
    (folder / "pytest.ini").write_text(f"[pytest]\n{ini}")
    for name, text in tests.items():
        (folder / name).write_text(text)
    options = ["-p", "no:cacheprovider", "-n", "1", "--dist", "loadfile", "--max-worker-restart=0"]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    with (folder / "told.txt").open("w") as told:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *options],
            cwd=folder, env=environ | {"PYTHONPATH": str(HELPERS)},
            stdout=told, stderr=subprocess.PIPE, text=True, timeout=300,
        )  # fmt: skip
    done.stdout = (folder / "told.txt").read_text()
    return done


def test_a_failure_is_told_before_the_end(tmp_path: Path) -> None:
    done = run(tmp_path, {"test_a.py": FAILS, "test_b.py": kills("assert (6 * 7) == 41")})
    assert done.returncode < 0
    assert "failed just now, call: test_a.py::test_first" in done.stdout
    assert "assert (6 * 7) == 41" in done.stdout
    assert "short test summary" not in done.stdout


def test_a_failure_inside_of_a_library_names_the_tests_line(tmp_path: Path) -> None:
    done = run(tmp_path, {"test_a.py": DEEP, "test_b.py": kills("FileNotFoundError: [")})
    told = done.stdout.partition("failed just now")[2]
    assert "test_a.py:3:" in told and "FileNotFoundError" in told


def test_a_test_that_hangs_ends_the_run_with_its_name_and_its_threads(tmp_path: Path) -> None:
    ini = "faulthandler_timeout = 2\nfaulthandler_exit_on_timeout = true\n"
    done = run(tmp_path, {"test_a.py": HANGS}, ini)
    assert done.returncode == 1, done.stdout
    assert "crashed while running 'test_a.py::test_hangs'" in done.stdout
    assert "in test_hangs" in done.stderr
