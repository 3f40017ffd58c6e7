from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from mlpipes_cli.config.experiment import load_experiment
from mlpipes_cli.errors import ConfigError
from mlpipes_cli.trainers.pycaret import settings as pycaret
from mlpipes_cli.trainers.pycaret.trainer import CLASSIFIERS, REGRESSORS
from mlpipes_cli.trainers.spark import settings as spark
from mlpipes_cli.trainers.spark.estimators import BY_NAME

HEAD = "experiment: x\ndata: {source: a.csv, target: y}\nruns:\n  - name: one\n"


def problems(folder: Path, run: str) -> list[str]:
    (folder / "experiment.yaml").write_text(HEAD + run)
    with pytest.raises(ConfigError) as error:
        load_experiment(folder / "experiment.yaml")
    return error.value.lines()


@pytest.mark.parametrize(
    ("run", "line"),
    [
        (
            "    trainer: pycaret\n    params: {n_best_model: 3}\n",
            "6: runs -> 0 -> params -> n_best_model: unknown key; did you mean 'n_best_models'?",
        ),
        ("    trainer: pycaret\n    params:\n      include: [lr, lightgmb]\n", "did you mean 'lightgbm'?"),
        ("    trainer: pycaret\n    params: {pca_components: 3}\n", "has no effect without `pca: true`"),
        (
            "    trainer: pycaret\n    params: {include: [lr], n_best_models: 2}\n",
            "more than `include` has (1)",
        ),
        (
            "    trainer: pycaret\n    params: {include: [lr], exclude: [rf]}\n",
            "either `include` or `exclude`",
        ),
        ("    trainer: spark\n    estimator: random_forst\n", "did you mean 'random_forest'?"),
        ("    trainer: spark\n    estimator: a-b\n", "is not a name, a class or a dotted path"),
        (
            "    trainer: spark\n    estimator: decision_tree\n    master: host:7077\n",
            "is not a valid master such as",
        ),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, run: str, line: str) -> None:
    (told,) = problems(tmp_path, run)
    assert "experiment.yaml:" in told
    assert line in told


def test_the_lists_of_the_file_are_those_of_the_trainers() -> None:
    assert set(get_args(pycaret.ModelId)) == {*CLASSIFIERS, *REGRESSORS}
    assert set(spark.NAMES) == set(BY_NAME)
