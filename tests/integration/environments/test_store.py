"""Environments built by the real uv: found again, shared, stopped, killed, removed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from process_help import commands, ended
from waiting import until

from mlpipes_cli.adapters.environments import EnvironmentStore, environment_of
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports.environments import BuiltEnvironment, EnvironmentSpec

pytestmark = pytest.mark.slow
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
BACKEND = '''
import os, time, zipfile
from pathlib import Path

HERE = Path(__file__).parent
INFO = "slow-1.0.dist-info"
METADATA = "Metadata-Version: 2.1\\nName: slow\\nVersion: 1.0\\n"
WHEEL = "Wheel-Version: 1.0\\nGenerator: here\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"

def prepare_metadata_for_build_wheel(folder, config_settings=None):
    place = Path(folder, INFO)
    place.mkdir()
    (place / "METADATA").write_text(METADATA)
    return INFO

def build_wheel(folder, config_settings=None, metadata_directory=None):
    """Waits until the file `go` is there."""
    (HERE / "started").write_text(str(os.getpid()))
    while not (HERE / "go").exists():
        time.sleep(0.05)
    with zipfile.ZipFile(Path(folder, "slow-1.0-py3-none-any.whl"), "w") as wheel:
        wheel.writestr("slow.py", "")
        wheel.writestr(f"{INFO}/METADATA", METADATA)
        wheel.writestr(f"{INFO}/WHEEL", WHEEL)
        wheel.writestr(f"{INFO}/RECORD", "")
    return "slow-1.0-py3-none-any.whl"
'''
ENSURE = """
import sys
from pathlib import Path
from mlpipes_cli.adapters.environments import EnvironmentStore
from mlpipes_cli.ports.environments import EnvironmentSpec
with EnvironmentStore(folder=Path(sys.argv[1])) as store:
    print(store.ensure(EnvironmentSpec(sys.argv[2], (sys.argv[3],)), say=print).hash, flush=True)
"""


def ensure_elsewhere(folder: Path, requirement: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", ENSURE, str(folder), PYTHON, requirement]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache") / "environments"


@pytest.fixture(scope="module")
def built(folder: Path) -> BuiltEnvironment:
    """A tiny one, shared by the tests that leave it as it is."""
    with EnvironmentStore(folder=folder) as store:
        return store.ensure(SIX)


SIX = EnvironmentSpec(PYTHON, ("six>=1.16",), preferences=("six==1.16.0",), purpose="tests")


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """The source of a package whose build waits for the test."""
    source = tmp_path / "slow"
    source.mkdir()
    (source / "backend.py").write_text(BACKEND)
    (source / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "slow"\nversion = "1.0"\n'
    )
    return source


@pytest.fixture
def children() -> Iterator[list[subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.communicate(timeout=60)


def test_it_holds_what_was_asked_for(built: BuiltEnvironment) -> None:
    code = "import six, sys; print(six.__version__, sys.prefix)"
    said = subprocess.run([built.python, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["1.16.0", str(built.folder)]
    assert built.pins == ("six==1.16.0",)
    assert built.size > 10_000


def test_a_warm_one_needs_neither_uv_nor_a_network(built: BuiltEnvironment, folder: Path) -> None:
    unusable = {"PATH": "/nowhere", "UV_OFFLINE": "1", "UV_CACHE_DIR": "/dev/null", "HOME": "/nowhere"}
    with EnvironmentStore(unusable, folder) as store:
        found = store.ensure(SIX)
        assert found.hash == built.hash
        assert found.last_used >= built.last_used
        assert environment_of(store, built.pins, built.version).hash == built.hash
        with pytest.raises(MlpipesError):  # what was not built does need them
            store.ensure(EnvironmentSpec(PYTHON, ("six==1.17.0",)))


@pytest.mark.parametrize("variable", ["", "1"])
def test_it_is_compiled_where_no_process_would_keep_that(variable: str, tmp_path: Path) -> None:
    environ = dict(os.environ) | {"PYTHONDONTWRITEBYTECODE": variable}
    with EnvironmentStore(environ, tmp_path / "environments") as store:
        built = store.ensure(SIX)
    assert bool(list(built.folder.rglob("six.*.pyc"))) is bool(variable)


def test_what_cannot_be_resolved_is_told_in_the_resolvers_words(folder: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    with EnvironmentStore(folder=folder) as store, pytest.raises(MlpipesError) as caught:
        store.ensure(EnvironmentSpec(PYTHON, ("six==1.16.0", "six>=1.17")), log)
    line = caught.value.lines()[0]
    assert "six==1.16.0" in line
    assert "unsatisfiable" in line
    assert "unsatisfiable" in log.read_text()
    assert "$ uv pip compile" in log.read_text()


def test_no_such_python_says_what_to_install(folder: Path) -> None:
    environ = dict(os.environ) | {"UV_PYTHON_DOWNLOADS": "never"}
    with EnvironmentStore(environ, folder) as store, pytest.raises(MlpipesError) as caught:
        store.ensure(EnvironmentSpec("3.99", ("six",)))
    assert "there is no Python 3.99 on this machine" in caught.value.lines()[0]
    assert "python3.99-venv" in caught.value.lines()[0]


def test_a_place_that_cannot_be_written_to_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "environments"
    with EnvironmentStore(folder=folder) as store, pytest.raises(MlpipesError) as caught:
        store.ensure(SIX)
    assert "MLPIPES_CACHE" in caught.value.lines()[0]


def test_a_python_that_went_away_is_noticed(tmp_path: Path) -> None:
    with EnvironmentStore(folder=tmp_path) as store:
        first = store.ensure(SIX)
        first.python.unlink()
        first.python.symlink_to(tmp_path / "gone")
        assert store.find(SIX) is None
    with EnvironmentStore(folder=tmp_path) as store:
        assert store.ensure(SIX).hash == first.hash
        subprocess.run([first.python, "-c", "import six"], check=True)


def test_two_processes_build_it_once(
    slow: Path, tmp_path: Path, children: list[subprocess.Popen[str]]
) -> None:
    folder = tmp_path / "environments"
    children += [ensure_elsewhere(folder, f"slow @ {slow.as_uri()}") for _ in range(2)]
    until((slow / "started").exists)
    first = (slow / "started").read_text()
    with EnvironmentStore(folder=folder) as store:
        digest = until(lambda: [path.name for path in folder.glob("*") if (path / "pyvenv.cfg").exists()])[0]
        assert not store.remove(digest)  # which is being built
    (slow / "go").touch()
    said = [process.communicate(timeout=120)[0] for process in children]
    assert [process.returncode for process in children] == [0, 0]
    assert (slow / "started").read_text() == first
    assert sum("was built" in text for text in said) == 1
    assert {text.split()[-1] for text in said} == {digest}


def test_a_build_that_is_killed_leaves_nothing_that_counts(
    slow: Path, tmp_path: Path, children: list[subprocess.Popen[str]]
) -> None:
    folder, requirement = tmp_path / "environments", f"slow @ {slow.as_uri()}"
    children.append(ensure_elsewhere(folder, requirement))
    until((slow / "started").exists)
    running = commands(psutil.Process(children[0].pid).children())
    uv = [one for one, command in running if "uv" in Path(command[0]).name]
    assert uv
    children[0].send_signal(signal.SIGKILL)
    until(lambda: all(map(ended, uv)))
    (slow / "go").touch()  # for what uv itself had started
    with EnvironmentStore(folder=folder) as store:
        assert store.listing() == []
        assert store.find(EnvironmentSpec(PYTHON, (requirement,))) is None
        again = store.ensure(EnvironmentSpec(PYTHON, (requirement,)))
        subprocess.run([again.python, "-c", "import slow"], check=True)
        assert store.sweep() == 0


def test_the_end_of_the_store_stops_a_build_and_clears_it_away(slow: Path, tmp_path: Path) -> None:
    folder, caught = tmp_path / "environments", []
    store = EnvironmentStore(folder=folder)

    def build() -> None:
        try:
            store.ensure(EnvironmentSpec(PYTHON, (f"slow @ {slow.as_uri()}",)))
        except MlpipesError as error:
            caught.append(error)

    thread = threading.Thread(target=build)
    thread.start()
    until((slow / "started").exists)
    store.close()
    thread.join(60)
    assert [error.reason for error in caught] == ["stopped"]
    assert not any((path / "pyvenv.cfg").exists() for path in folder.iterdir())


def test_one_that_is_used_stays(tmp_path: Path, children: list[subprocess.Popen[str]]) -> None:
    with EnvironmentStore(folder=tmp_path) as store:
        built = store.ensure(SIX)
        with EnvironmentStore(folder=tmp_path) as other:
            assert not other.remove(built.hash)  # held by the first
    command = [built.python, "-c", "print(1, flush=True); input()"]
    children.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
    assert children[0].stdout is not None and children[0].stdout.readline()
    with EnvironmentStore(folder=tmp_path) as store:
        assert not store.remove(built.hash)  # a process runs with its interpreter
        children[0].kill()
        children[0].wait()
        assert store.remove(built.hash)
        assert store.listing() == []
        assert not built.folder.exists()
        assert store.find(SIX) is None
