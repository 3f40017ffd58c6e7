"""Somebody else on the machine registers a model that runs code and moves the alias: nothing runs it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import serving_help
from conftest import RunningStack
from waiting import until, until_answered

pytestmark = pytest.mark.slow
_ATTACK = """
import json, sys, tempfile
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import mlflow, mlflow.sklearn
import serving_help
from mlflow import MlflowClient

name, mark, kind = sys.argv[2:]

class Model:
    '''Answers like any other, and does something where it is loaded.'''
    classes_ = [0, 1]
    def predict(self, X): return [0] * len(X)
    def predict_proba(self, X): return [[1.0, 0.0]] * len(X)
    def __reduce__(self):
        return (exec, (f"open({mark!r}, 'a').write('loaded')",))

arguments = serving_help.arguments() | {"sk_model": Model()}
if kind == "environment":  # built by whoever prepares to serve it
    arguments["metadata"]["mlpipes"]["environment"] = {
        "python": "3.11", "requirements": ["iniconfig==2.0.0"], "hash": "0" * 16}
mlflow.set_experiment("strangers")
with mlflow.start_run() as run, tempfile.TemporaryDirectory() as place:
    folder = Path(place) / "model"
    mlflow.sklearn.save_model(path=str(folder), **arguments)
    mlflow.log_artifacts(str(folder), "model")
client = MlflowClient()
made = client.create_model_version(name, f"{run.info.artifact_uri}/model", run.info.run_id)
client.set_registered_model_alias(name, "production", made.version)
print("version", made.version)
"""


@dataclass(frozen=True)
class Scene:
    """A stack in which version 1 of a model is the project's own, and 2 a stranger's.

    Attributes:
        stack: The stack.
        name: The model's.
        mark: A file that is there once the stranger's model was loaded.
        rows: A table to be scored.
    """

    stack: RunningStack
    name: str
    mark: Path
    rows: Path

    @property
    def client(self) -> Any:
        from mlflow import MlflowClient

        return MlflowClient(self.stack.environment["MLFLOW_TRACKING_URI"])

    def alias(self, version: int) -> None:
        self.client.set_registered_model_alias(self.name, "production", str(version))

    def trust(self, *args: str) -> list[dict[str, Any]]:
        done = self.stack.cli("models", "trust", *args, "--model", self.name, "--json")
        return list(done.ok().json)


@pytest.fixture(scope="module")
def shared(running_stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    name, base = "strangers", tmp_path_factory.mktemp("strangers")
    uri = running_stack.environment["MLFLOW_TRACKING_URI"]
    assert serving_help.registered(uri, name) == 1
    rows = base / "rows.csv"
    serving_help.people(5).to_csv(rows, index=False)
    found = Scene(running_stack, name, base / "mark", rows)
    assert attack(found) == 2
    return found


@pytest.fixture
def scene(shared: Scene) -> Iterator[Scene]:
    """As it is before anybody trusts the stranger, whose version is in production."""
    shared.alias(2)
    yield shared
    shared.mark.unlink(missing_ok=True)
    with contextlib.suppress(Exception):  # it may not have come so far
        shared.client.delete_model_version_tag(shared.name, "2", "mlpipes.trust")


def attack(scene: Scene, kind: str = "") -> int:
    environment = os.environ | {
        "MLFLOW_TRACKING_URI": scene.stack.environment["MLFLOW_TRACKING_URI"],
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    here = str(Path(serving_help.__file__).parent)
    command = [sys.executable, "-c", _ATTACK, here, scene.name, str(scene.mark), kind]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split("version ")[-1])


@contextlib.contextmanager
def serving(scene: Scene, *options: str) -> Iterator[str]:
    port = serving_help.free_port()
    process = scene.stack.cli.start("serve", "--model", scene.name, "--port", str(port), *options)
    url = f"http://127.0.0.1:{port}"
    try:
        until_answered(process, f"{url}/health", 120)
        yield url
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


def ask(url: str) -> Any:
    return httpx.get(url, trust_env=False, timeout=30).json()


def served(url: str) -> int:
    body = {"amount": 1.0, "age": 2.0, "city": "Paris", "member": True, "since": "2020-01-01"}
    answer = httpx.post(f"{url}/predict", json=body, trust_env=False, timeout=30)
    return int(answer.json()["model"]["version"])


def refused(done: Any, scene: Scene, told: str, code: int = 1) -> None:
    """One line that names the model, its version, and what to do."""
    assert done.code == code, f"exit {done.code}\n{done.out}\n{done.err}"
    (line,) = [one for one in done.err.splitlines() if one.startswith("error: ")]
    assert f"version 2 of model {scene.name!r} {told}" in line
    assert f"`mlpipes models trust 2 --model {scene.name}`" in line
    assert "Traceback" not in done.err


def test_no_door_runs_a_stranger_s_code(scene: Scene) -> None:
    cli = scene.stack.cli
    for command in (
        ("predict", scene.rows, "--offline", "--model", scene.name),
        ("serve", "--model", scene.name),
        ("serve", "--model", scene.name, "--detach"),
        ("serve", "--model", scene.name, "--engine", "mlflow"),
        ("build", "--model", scene.name),
    ):
        refused(cli(*command), scene, "is not signed by this project")
        assert not scene.mark.exists(), command
    assert attack(scene, "environment") == 3
    done = cli("serve", "--model", scene.name)
    assert done.code == 1
    assert "version 3" in done.err and "is not signed" in done.err, "no environment is built for it either"
    assert "building" not in done.err
    assert not scene.mark.exists()


def test_a_running_api_keeps_its_version_until_the_other_is_trusted(scene: Scene) -> None:
    scene.alias(1)
    with serving(scene) as url:
        assert served(url) == 1
        scene.alias(2)
        ready = until(lambda: (said := ask(f"{url}/ready"))["problems"] and said)
        assert ready["ready"] is True
        told = ready["problems"]["production"]
        assert told.startswith(f"version 2 of model {scene.name!r} is not signed by this project")
        assert told.endswith("version 1 still answers")
        (row,) = [
            row for row in scene.stack.cli("status", "--json").ok().json["services"] if row["url"] == url
        ]
        assert told in row["detail"]
        assert served(url) == 1
        assert not scene.mark.exists()
        (row,) = scene.trust("2", "--reason", "a test")
        assert (row["outcome"], row["reason"]) == (
            "trusted",
            f"version 2 of model {scene.name!r} is not signed by this project",
        )
        until(scene.mark.exists, 60)  # it is theirs, and does what it does: that is what trust means
        tag = json.loads(scene.client.get_model_version(scene.name, "2").tags["mlpipes.trust"])
        assert (tag["why"], tag["version"], tag["model"]) == ("a test", 2, scene.name)
        assert tag["who"] and tag["when"].startswith("20")


def test_what_was_signed_and_changed_in_the_store_is_refused(scene: Scene, tmp_path: Path) -> None:
    scene.alias(1)
    source = scene.client.get_model_version(scene.name, "1").source
    model_id = source.removeprefix("models:/")
    evil = tmp_path / "evil.py"
    evil.write_text("x = 1\n")
    scene.client.log_model_artifact(model_id, str(evil), "code")
    done = scene.stack.cli("predict", scene.rows, "--offline", "--model", scene.name)
    assert done.code == 1
    told = f"version 1 of model {scene.name!r} has changed since it was signed: code/evil.py was added"
    assert told in done.err
    dry = scene.trust("--all", "--dry-run")
    assert [(row["version"], row["outcome"]) for row in dry][-2:] == [
        (2, "would trust"),
        (1, "would trust"),
    ]
    (row,) = scene.trust("1")
    assert row["outcome"] == "trusted"
    assert scene.trust("1")[0]["outcome"] == "trusted before"
    out = scene.stack.cli("predict", scene.rows, "--offline", "--model", scene.name, "--json").ok().json
    assert (out["version"], out["rows"]) == (1, 5)

    evil.write_text("x = 2\n")
    scene.client.log_model_artifact(model_id, str(evil), "code")
    done = scene.stack.cli("predict", scene.rows, "--offline", "--model", scene.name)
    assert done.code == 1
    assert "has changed since" in done.err and "its files were changed" in done.err
    assert not scene.mark.exists()


def test_wrong_usage_is_one_line(running_stack: RunningStack) -> None:
    for args, told in (
        ((), "needs version numbers or --all"),
        (("1", "--all"), "needs version numbers or --all"),
        (("x",), "should be a valid integer"),
        (("1", "--model", "nobody"), "there is no model 'nobody'"),
    ):
        done = running_stack.cli("models", "trust", *args)
        assert done.code == 2, done.err
        (line,) = done.err.strip().splitlines()
        assert told in line
