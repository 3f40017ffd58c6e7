"""Fixtures for all tests: a project in a temporary folder, the real binary, a running stack."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import signing_help
import warm_cli

pytest_plugins = [
    "cluster_tools",
    "leak_check",
    "docker_help",
    "longest_first",
    "one_tls_context",
    "quiet_collector",
    "report_at_once",
]
hypothesis.settings.register_profile("untimed", deadline=None)  # a slow machine is no failure
hypothesis.settings.load_profile("untimed")
# Whoever runs the tests in the background of a shell has them ignore Ctrl-C, and all that they start.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# Each worker of pytest-xdist looks for ports elsewhere: where a test takes its stack down and up again, the
# stack of another worker would else take its ports in between. Read by whatever the tests call, too.
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
PORTS = {"MLPIPES_PORT_OFFSET": str(WORKER % 8 * 2100)}
os.environ |= PORTS
MINIMAL = "project: tests\nruntime: embedded\n"


@dataclass(frozen=True)
class Result:
    """What a run of the binary left."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    def ok(self) -> Result:
        assert self.code == 0, f"exit {self.code}\n{self.out}\n{self.err}"
        return self


def sealed_environment(home: Path) -> dict[str, str]:
    """The surroundings of a run: nothing of the user's, fixed width, no colour."""
    home.mkdir(parents=True, exist_ok=True)
    dropped = ("MLFLOW_", "MLPIPES_", "PG", "XDG_", "PYTHONDONTWRITEBYTECODE", "COV_", "FORCE_COLOR")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    folders = {f"XDG_{kind}_HOME": str(home / kind.lower()) for kind in ("CONFIG", "DATA", "CACHE", "STATE")}
    return kept | folders | PORTS | {"HOME": str(home), "NO_COLOR": "1", "COLUMNS": "120", "TERM": "dumb"}


class Cli:
    """Runs the command line as another process would.

    A call is a fork of a process that has imported all libraries (see ``warm_cli``), unless ``warm`` is
    False or its variables are some that Python reads; what is started beside the test is always the binary.
    """

    warm = True

    def __init__(self, home: Path, cwd: Path) -> None:
        self.environment = sealed_environment(home)
        self.cwd = cwd

    def command(self, *args: str | Path) -> list[str]:
        return [sys.executable, "-m", "mlpipes_cli", *map(str, args)]

    def __call__(
        self, *args: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None,
        stdin: str | None = None, timeout: float = 300,
    ) -> Result:  # fmt: skip
        environment = {**self.environment, **(env or {})}
        if self.warm and warm_cli.fits(environment):
            given = list(map(str, args))
            return Result(*warm_cli.run(given, cwd or self.cwd, environment, stdin or "", timeout))
        done = subprocess.run(
            self.command(*args),
            cwd=cwd or self.cwd,
            env=environment,
            input=stdin or "",
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def start(
        self, *args: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """The same without waiting, in a session of its own."""
        return subprocess.Popen(
            self.command(*args),
            cwd=cwd or self.cwd,
            env=self.environment | (env or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )


@pytest.fixture(scope="session", autouse=True)
def _no_warm_process_is_left() -> Iterator[None]:
    yield
    warm_cli.end()


@pytest.fixture(autouse=True)
def _sealed_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs inside the tests' own process sees no settings of the user's either."""
    for name in list(os.environ):
        if name.startswith(("MLPIPES_", "PG")) and name not in PORTS:
            monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.fixture(scope="module", autouse=True)
def _mlflow_of_a_module() -> Iterator[None]:
    """The tracking server that one module's tests gave to MLflow's own client is not the next module's.

    ``mlflow.set_tracking_uri`` keeps it in the process, before any ``MLFLOW_TRACKING_URI`` that is set later.
    """
    names = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "MLFLOW_EXPERIMENT_ID", "MLFLOW_RUN_ID")
    before = {name: os.environ.get(name) for name in names}
    yield
    mlflow = sys.modules.get("mlflow")
    if mlflow is not None and hasattr(mlflow, "set_tracking_uri"):
        mlflow.set_tracking_uri(None)
        mlflow.set_registry_uri(None)
    for name, value in before.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value


@pytest.fixture
def make_project(tmp_path: Path) -> Callable[..., Path]:
    """Makes a project's folder; the text of mlpipes.yaml and the folder's name may be given."""

    def make(text: str = MINIMAL, name: str = "project") -> Path:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "mlpipes.yaml").write_text(text)
        return folder

    return make


@pytest.fixture
def project_dir(make_project: Callable[..., Path]) -> Path:
    """A folder with a minimal mlpipes.yaml and nothing running."""
    return make_project()


@pytest.fixture
def cli(tmp_path: Path, project_dir: Path) -> Cli:
    """The binary, called in ``project_dir`` unless ``cwd`` says otherwise."""
    return Cli(tmp_path / "home", project_dir)


class _Shared(dict[str, str]):
    """Variables that one test cannot change for the next."""

    def __setitem__(self, name: str, value: str) -> None:
        raise TypeError(f"{name} would stay set for all later tests: give it to the call, as env")


@dataclass(frozen=True)
class RunningStack:
    """A project whose stack is up, shared by the tests of a session: leave it running."""

    root: Path
    cli: Cli

    @property
    def environment(self) -> dict[str, str]:
        """What ``mlpipes env`` gives to clients."""
        import stack_help

        return stack_help.environment(self.cli, self.root)


@pytest.fixture(scope="session")
def running_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    base = tmp_path_factory.mktemp("stack")
    root = base / "project"
    root.mkdir()
    (root / "mlpipes.yaml").write_text(MINIMAL)
    signing_help.give(root)
    stack = RunningStack(root, Cli(base / "home", root))
    stack.cli.environment = _Shared(stack.cli.environment)
    try:
        stack.cli("up").ok()
        yield stack
    finally:
        stack.cli("down", "--volumes", "--yes").ok()
