"""The environments that trainers carry, for tests.

They are built by what builds them for users, and kept where they are kept for users, so that only the
first run of the tests on a machine waits for it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlpipes_cli.adapters.environments.store import EnvironmentStore, cache
from mlpipes_cli.ports.environments import EnvironmentSpec
from mlpipes_cli.trainers.pinned_environments import base, carried
from mlpipes_cli.worker import protocol
from mlpipes_cli.worker.pool import CandidateJob, Pool

FOLDER = cache(os.environ) / "environments"  # before a test seals the process
TESTS = Path(__file__).parents[1]
_FOR_PYTEST = ("pytest", "_pytest", "pluggy", "iniconfig", "pygments", "py")


@contextlib.contextmanager
def environment(trainer: str) -> Iterator[Path]:
    """The interpreter of a trainer's own environment, held as long as the context lasts."""
    own = carried(trainer)
    assert own is not None
    wanted = EnvironmentSpec(own.python, (*base(), *own.requirements), constraints=own.lock, purpose=trainer)
    with EnvironmentStore(folder=FOLDER) as store:
        yield store.ensure(wanted).python


def run_tests(python: Path, file: Path, folder: Path) -> str:
    """Run a file of tests in an environment that has no pytest: it gets ours, and this package's source.

    Args:
        python: Its interpreter.
        file: Not collected by its name; a ``conftest.py`` beside it counts, those above do not.
        folder: An empty one.
    """
    links = folder / "pytest"
    links.mkdir(parents=True)
    for name in _FOR_PYTEST:
        found = importlib.util.find_spec(name)
        assert found is not None and found.origin is not None
        origin = Path(found.origin)
        (links / (origin.parent.name if origin.name == "__init__.py" else origin.name)).symlink_to(
            origin.parent if origin.name == "__init__.py" else origin
        )
    (folder / "pytest.ini").write_text("[pytest]\n")
    given = ["-q", "-c", folder / "pytest.ini", "--rootdir", file.parent, "--confcutdir", file.parent]
    given += ["--basetemp", folder / "tmp", "-p", "no:cacheprovider", "--import-mode=importlib", file]
    modules = os.pathsep.join(map(str, (links, TESTS, TESTS / "helpers", TESTS.parent)))
    done = subprocess.run(
        [python, "-m", "pytest", *given],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": modules},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]
    return done.stdout


def run_jobs(python: Path, folder: Path, contents: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Do jobs in an environment as training does them, one after another; their results.

    Args:
        python: Its interpreter.
        folder: Gets a folder for each job.
        contents: What each is to do, by name.
    """
    with Pool(folder / "host.log") as pool:
        for name, content in contents.items():
            (folder / name).mkdir(parents=True)
            protocol.write(folder / name / protocol.JOB, content)
            pool.submit(CandidateJob(name, folder / name, python))
        while pool.busy:
            list(pool.events())
    results = []
    for name in contents:
        log, result = folder / name / protocol.LOG, protocol.read(folder / name / protocol.RESULT)
        told = log.read_text() if log.exists() else ""
        assert result is not None and result["status"] == "ok", (name, result, told)
        results.append(result)
    return results


def run_program(python: Path, program: str, *arguments: str | Path, cwd: Path) -> str:
    """What a program prints that an interpreter runs without anything of ours."""
    left_out = ("PYTHONPATH", "PYTHONHOME")
    done = subprocess.run(
        [python, "-c", program, *map(str, arguments)],
        cwd=cwd,
        env={name: value for name, value in os.environ.items() if name not in left_out},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-5_000:]
    return done.stdout
