"""XGBoost, LightGBM and CatBoost, in an environment that has them, as a run that names them gets it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import mlpipes_cli
from mlpipes_cli.adapters.environments import EnvironmentStore
from mlpipes_cli.config.runs import Environment, SklearnRun
from mlpipes_cli.lifecycle.training.environments import of_run

REQUIREMENTS = ("xgboost-cpu==3.*", "lightgbm==4.*", "catboost==1.*", "pytest")
HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    run = SklearnRun(
        name="boosted",
        trainer="sklearn",
        estimator="xgboost.XGBClassifier",
        environment=Environment(requirements=REQUIREMENTS),
    )
    spec = of_run(run)
    assert spec is not None
    with EnvironmentStore(folder=tmp_path_factory.mktemp("cache") / "environments") as store:
        yield store.ensure(spec, say=print).python


@pytest.mark.slow
def test_the_contract_labels_names_seeds_threads_and_early_stopping(python: Path, tmp_path: Path) -> None:
    package = Path(mlpipes_cli.__file__).parent
    command = [python, HERE / "boosting_program.py", HERE.parent, package, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout) == []
