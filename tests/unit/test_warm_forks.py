"""A fork in a process's place is what a new process would be, as far as it and the system can tell."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import warm_cli
from conftest import sealed_environment

from mlpipes_cli import __version__

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="a new process is started elsewhere"),
]
TOLD = """
import json, os, sys
from pathlib import Path
def parts(name):
    return Path("/proc/self", name).read_bytes().rstrip(b"\\0").decode().split("\\0")
print(json.dumps({
    "name": __name__, "is main": vars(sys.modules["__main__"]) is globals(), "argv": sys.argv,
    "path": sys.path[0], "cwd": os.getcwd(), "umask": os.umask(0), "environ": dict(os.environ),
    "variables": sorted(parts("environ")), "words": parts("cmdline"), "stdin": sys.stdin.read(),
    "leads": os.getsid(0) == os.getpgid(0) == os.getpid(), "open": len(os.listdir("/proc/self/fd")),
}))
sys.stderr.write("to the other")
sys.exit(3)
"""
STARTS = """
import json, os, subprocess, sys
sys.path.insert(0, sys.argv[1])
import warm_children, warm_process
spare = warm_children.Spare(warm_process._leave, os.environ)
waits = spare.pid
warm_children._give([spare])
for _ in range(2):
    process = subprocess.Popen(
        [sys.executable, "-m", "mlpipes_cli", "--version"], env=dict(os.environ), start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )
    print(json.dumps([process.pid == waits, process.communicate()[0].strip(), process.returncode]))
"""


@pytest.fixture
def around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Variables with which a fork fits."""
    monkeypatch.chdir(tmp_path)
    environment = sealed_environment(tmp_path / "home") | {"MLPIPES_WORD": "größer = ok"}
    assert warm_cli.fits(environment)
    return environment


@pytest.mark.parametrize("kind", ["text", "script"])
def test_a_fork_is_what_a_new_process_is(tmp_path: Path, around: dict[str, str], kind: str) -> None:
    (tmp_path / "told.py").write_text(TOLD)
    command = [sys.executable, *(["-c", TOLD] if kind == "text" else [tmp_path / "told.py"]), "a", "b c"]
    command = list(map(str, command))
    new = subprocess.run(
        command, env=around, stdin=subprocess.DEVNULL, capture_output=True, text=True, start_new_session=True
    )
    fork = warm_cli.program(command, around)
    assert (fork.returncode, fork.stderr) == (new.returncode, new.stderr) == (3, "to the other")
    assert json.loads(fork.stdout) == json.loads(new.stdout)


def test_the_first_process_that_a_fork_starts_is_the_fork_that_waited(around: dict[str, str]) -> None:
    done = warm_cli.program([sys.executable, "-c", STARTS, str(Path(warm_cli.__file__).parent)], around)
    assert done.returncode == 0, done.stderr
    first, second = map(json.loads, done.stdout.splitlines())
    assert first == [True, f"mlpipes {__version__}", 0]
    assert second == [False, f"mlpipes {__version__}", 0]


def test_a_child_is_waited_for_and_ended_as_a_process_is(tmp_path: Path, around: dict[str, str]) -> None:
    code = "import time; print('there', flush=True); time.sleep(600)"
    with (tmp_path / "out").open("w") as output:
        child = warm_cli.start([sys.executable, "-c", code], tmp_path, around, output)
    assert isinstance(child, warm_cli.Child)
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(0.01)
    assert child.poll() is None
    child.terminate()
    assert (child.wait(60), child.poll()) == (-15, -15)
    child.kill()  # of one that has ended: nothing happens
    assert not os.path.exists(f"/proc/{child.pid}")  # noqa: PTH110


def test_what_finds_no_room_in_a_fork_gets_a_process_of_its_own(
    tmp_path: Path, around: dict[str, str]
) -> None:
    command = [sys.executable, "-c", "import os; print(len(os.environ['LONG']))"]
    environment = around | {"LONG": "x" * 30_000}
    assert warm_cli.program(command, environment).stdout == "30000\n"
    with (tmp_path / "out").open("w") as output:
        process = warm_cli.start(command, tmp_path, environment, output)
    assert isinstance(process, subprocess.Popen)
    assert process.wait(60) == 0
