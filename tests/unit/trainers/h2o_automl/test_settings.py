from __future__ import annotations

from pathlib import Path

import pytest

from mlpipes_cli.config.experiment import load_experiment
from mlpipes_cli.errors import ConfigError
from mlpipes_cli.trainers.h2o_automl.settings import H2OAutoMLRun

FILE = """\
experiment: cards
data: {{source: cards.csv, target: Class}}
runs:
  - name: automl
    trainer: h2o_automl
    {more}
    params:
      {params}
"""


def problems(tmp_path: Path, params: str, more: str = "threads: 1") -> list[str]:
    (tmp_path / "experiment.yaml").write_text(FILE.format(params=params, more=more))
    with pytest.raises(ConfigError) as caught:
        load_experiment(tmp_path / "experiment.yaml")
    return [str(line) for line in caught.value.lines()]


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ("max_modles: 3", "experiment.yaml:8: runs -> 0 -> params -> max_modles: unknown key; did you mean"),
        ("sort_metric: AUX", "did you mean 'AUC'?"),
        ("exclude_algos: [XGBost]", "params -> exclude_algos -> 0: 'XGBost' is not valid; did you mean"),
        ("max_models: 0", "greater than or equal to 1, got 0"),
        ("nfolds: 1", "not valid; use 0 for no folds"),
        ("max_mem_size: lots", "expected a size such as 512m or 2g, got 'lots'"),
        (
            "{include_algos: [GLM], exclude_algos: [GBM]}",
            "give either `include_algos` or `exclude_algos`, not both",
        ),
    ],
)
def test_a_mistake_is_told_where_it_is(tmp_path: Path, params: str, told: str) -> None:
    [line] = problems(tmp_path, params)
    assert told in line


def test_java_has_to_fit_into_the_run(tmp_path: Path) -> None:
    [line] = problems(tmp_path, "max_mem_size: 2G", "resources: {memory: 1G}")
    assert "max_mem_size: 2G must be less than the run's memory, 1G" in line
    [line] = problems(tmp_path, "max_mem_size: 2G", "cluster: http://127.0.0.1:54321")
    assert "the cluster has its own memory" in line


def test_words_are_spelt_as_h2o_spells_them_and_what_is_not_given_stays_away() -> None:
    params = {"sort_metric": "auc", "include_algos": ["xgboost", "glm"], "max_runtime_secs": 60}
    run = H2OAutoMLRun.model_validate({"name": "one", "trainer": "h2o_automl", "params": params})
    assert run.model_dump()["params"] == {
        "sort_metric": "AUC",
        "include_algos": ("XGBoost", "GLM"),
        "max_runtime_secs": 60,
    }
    assert isinstance(run.params["max_runtime_secs"], int)  # H2O refuses 60.0


def test_values_of_a_search_are_what_the_params_make_of_them(tmp_path: Path) -> None:
    search = (
        "{method: random, space: {max_models: [2.0, '3'], sort_metric: [auc], stopping_tolerance: [1e-3]}}"
    )
    (tmp_path / "experiment.yaml").write_text(FILE.format(params="{}", more=f"search: {search}"))
    (run,) = load_experiment(tmp_path / "experiment.yaml")[0].runs
    assert run.search is not None
    assert repr(run.search.space) == repr(
        {"max_models": [2, 3], "sort_metric": ["AUC"], "stopping_tolerance": [0.001]}
    )
    search = "search: {method: random, space: {max_models: {uniform: [1, 4]}}}"
    [line] = problems(tmp_path, "{}", search)
    assert "search -> max_models: expected whole numbers; `{integers: [low, high]}` samples them" in line
    [line] = problems(tmp_path, "{}", "search: {max_models: [1, 2.5]}")
    assert "search -> max_models: expected whole numbers" in line
