from __future__ import annotations

import subprocess
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import waiting
import yaml
from conftest import Result, RunningStack

from mlpipes_cli.adapters.mlflow.client import Connection
from mlpipes_cli.adapters.mlflow.registry import MlflowRegistry
from mlpipes_cli.ports import RunRecord

MODULE = '''
import os, signal, sys, time
from pathlib import Path

HERE = Path(__file__).parent

def fitted(X, y, seed):
    from sklearn.linear_model import LogisticRegression
    return LogisticRegression(max_iter=5000, random_state=seed).fit(X, y)

def good(X, y, *, seed):
    return fitted(X, y, seed)

class Labels:
    def __init__(self, model):
        self.model = model

    def predict(self, X):
        return self.model.predict(X)

def labels(X, y, *, seed):
    return Labels(fitted(X, y, seed))

def raises(X, y):
    raise RuntimeError("no such luck\\nsecond line")

def exits(X, y):
    os._exit(7)

def leaves(X, y):
    sys.exit("bye")

def crashes(X, y):
    os.kill(os.getpid(), signal.SIGSEGV)

def killed(X, y):
    os.kill(os.getpid(), signal.SIGKILL)

def no_memory(X, y):
    raise MemoryError

def unpicklable(X, y, *, seed):
    model = fitted(X, y, seed)
    model.lock = __import__("threading").Lock()
    return model

def hangs(X, y, *, seed):
    """Until the test makes the file `go`."""
    (HERE / f"pid-{os.getpid()}").touch()
    if os.fork() == 0:
        (HERE / f"grandchild-{os.getpid()}").touch()
        time.sleep(600)
    while not (HERE / "go").exists():
        time.sleep(0.02)
    return fitted(X, y, seed)
'''


@dataclass
class Lab:
    """An experiment of a test in a folder of its own, trained on the shared stack."""

    stack: RunningStack
    folder: Path
    name: str
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def file(self) -> Path:
        return self.folder / "experiment.yaml"

    def write(self, runs: list[dict[str, Any]], **changes: Any) -> Path:
        data = {"source": "sklearn:breast_cancer", "target": "target", "split": {"seed": 3}}
        document = {"experiment": self.name, "data": data | changes.pop("data", {}), "runs": runs, **changes}
        self.file.write_text(yaml.safe_dump(document, sort_keys=False))
        return self.file

    def functions(self, *names: str, **changes: Any) -> Path:
        runs = [{"name": name, "trainer": "python", "function": f"lab_module:{name}"} for name in names]
        return self.write(runs, **changes)

    def start(self, *args: str, **env: str) -> subprocess.Popen[str]:
        """A training that the test goes on beside; killed at the test's end if it still runs."""
        process = self.stack.cli.start("train", self.file, *args, env=env)
        self.started.append(process)
        return process

    def train(self, *args: str, **env: str) -> Result:
        return self.stack.cli("train", self.file, *args, env=env)

    @property
    def registry(self) -> MlflowRegistry:
        return MlflowRegistry(Connection(self.uri))

    @property
    def uri(self) -> str:
        return self.stack.environment["MLFLOW_TRACKING_URI"]

    def runs(self) -> list[RunRecord]:
        return list(self.registry.runs([self.name]))

    def by_name(self) -> dict[str, RunRecord]:
        return {run.name: run for run in reversed(self.runs())}  # the newest of each


@pytest.fixture
def lab(running_stack: RunningStack, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Lab]:
    (tmp_path / "lab_module.py").write_text(MODULE)
    lab = Lab(running_stack, tmp_path, request.node.name.replace("[", "-").replace("]", "")[:80])
    yield lab
    for process in lab.started:
        process.kill()
        process.communicate(timeout=60)


@pytest.fixture(scope="module")
def shared_lab(running_stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """An experiment for the tests of a file that only read what a training left."""
    folder = tmp_path_factory.mktemp("lab")
    (folder / "lab_module.py").write_text(MODULE)
    return Lab(running_stack, folder, f"shared-{uuid.uuid4().hex[:8]}")


@pytest.fixture
def until() -> Callable[..., Any]:
    """Polls a condition until it holds."""
    return waiting.until
