from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from mlpipes_cli.config.executor import RayExecutor
from mlpipes_cli.config.experiment import ExperimentConfig, load_experiment
from mlpipes_cli.errors import ConfigError


def load(folder: Path, executor: Any) -> ExperimentConfig:
    document = {
        "experiment": "e",
        "executor": executor,
        "data": {"source": "sklearn:iris", "target": "target"},
        "runs": [{"name": "a", "trainer": "sklearn", "estimator": "sklearn.dummy.DummyClassifier"}],
    }
    path = folder / "experiment.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return load_experiment(path, "experiment.yaml")[0]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("local", None),
        ("ray", RayExecutor()),
        ({"ray": "10.0.0.5:6379"}, RayExecutor(ray="10.0.0.5:6379")),
        (
            {"ray": "ray://head.example:10001", "version": "2.60.0"},
            RayExecutor(ray="ray://head.example:10001", version="2.60.0"),
        ),
    ],
)
def test_where_runs_are_trained(given: Any, expected: RayExecutor | None, tmp_path: Path) -> None:
    assert load(tmp_path, given).executor == expected


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("rya", "experiment.yaml:2: executor: unknown executor 'rya'; did you mean 'ray'?"),
        ({"dask": "x"}, "experiment.yaml:2: executor: unknown executor 'dask'; write local, ray, or"),
        ({"ray": "nowhere"}, "experiment.yaml:3: executor -> ray: "),
        ({"ray": "a:1", "versoin": "2"}, "experiment.yaml:4: executor -> versoin: unknown key"),
    ],
)
def test_mistakes(given: Any, text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, given)
    assert caught.value.problems[0].startswith(text), caught.value.problems[0]
