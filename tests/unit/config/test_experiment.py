"""Every kind of mistake in an experiment file, each answered with file, line, path and a way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlpipes_cli.config.experiment import ExperimentConfig, load_experiment
from mlpipes_cli.config.yaml_source import dump_yaml, parse_yaml
from mlpipes_cli.errors import ConfigError, UsageError

GOOD = """\
experiment: credit-default
data:
  source: data/credit.csv
  target: Class
  positive: 1
  id: ID
  drop: [Time]
  split: {test: 0.2, seed: 42, stratify: true}
  preprocess: auto
metric: ks
runs:
  - {name: logistic, trainer: sklearn, estimator: sklearn.linear_model.LogisticRegression, params: {C: 0.1}}
  - {name: forest, trainer: sklearn, estimator: a.b.Forest, search: {max_depth: [4, null]}}
  - {name: mine, trainer: python, function: "my_module:train"}
"""


def load(tmp_path: Path, text: str) -> ExperimentConfig:
    path = tmp_path / "experiment.yaml"
    path.write_text(text, encoding="utf-8")
    return load_experiment(path, "experiment.yaml")[0]


def test_a_good_file_is_typed(tmp_path: Path) -> None:
    experiment = load(tmp_path, GOOD)
    assert experiment.model_name == "credit-default"
    assert experiment.data.drop == ("Time",)
    assert [run.trainer for run in experiment.runs] == ["sklearn", "sklearn", "python"]
    forest = experiment.runs[1]
    assert forest.trainer == "sklearn"
    assert forest.search is not None
    assert forest.search.space == {"max_depth": [4, None]}
    assert forest.search.method == "grid"
    assert forest.search.folds is None, "five, unless a data set has validation rows"


MISTAKES = {
    "unknown trainer": (
        GOOD.replace("trainer: python", "trainer: pythn"),
        "experiment.yaml:14: runs -> 2 -> trainer: unknown trainer 'pythn'; did you mean 'python'?",
    ),
    "unknown key of the file": (
        GOOD + "metrics: ks\n",
        "experiment.yaml:15: metrics: unknown key; did you mean 'metric'?",
    ),
    "unknown key of data": (
        GOOD.replace("  target: Class", "  target: Class\n  taget: Class"),
        "experiment.yaml:5: data -> taget: unknown key; did you mean 'target'?",
    ),
    "unknown key of a run": (
        GOOD.replace("params: {C: 0.1}", "parms: {C: 0.1}"),
        "experiment.yaml:12: runs -> 0 -> parms: unknown key; did you mean 'params'?",
    ),
    "missing target": (
        GOOD.replace("  target: Class\n", ""),
        "experiment.yaml:2: data: 'target' is missing",
    ),
    "missing experiment": (GOOD.replace("experiment: credit-default\n", ""), "'experiment' is missing"),
    "missing estimator": (
        GOOD.replace("estimator: a.b.Forest, ", ""),
        "experiment.yaml:13: runs -> 1: 'estimator' is missing",
    ),
    "no trainer": (
        GOOD.replace("trainer: python, ", ""),
        "experiment.yaml:14: runs -> 2: 'trainer' is missing",
    ),
    "environment of an old Python": (
        GOOD.replace("name: forest", 'environment: {python: "3.8"}, name: forest'),
        "experiment.yaml:13: runs -> 1 -> environment -> python: Python 3.8 is not supported; use "
        "3.10 to 3.13",
    ),
    "environment with an option of pip": (
        GOOD.replace("name: forest", 'environment: {requirements: ["-r more.txt"]}, name: forest'),
        "experiment.yaml:13: runs -> 1 -> environment -> requirements -> 0: '-r more.txt' is not a "
        "valid requirement",
    ),
    "no runs": (
        GOOD[: GOOD.index("runs:")] + "runs: []\n",
        "experiment.yaml:11: runs: `runs` is empty",
    ),
    "runs is null": (
        GOOD[: GOOD.index("runs:")] + "runs:\n",
        "experiment.yaml:11: runs: `runs` is empty",
    ),
    "duplicate run names": (GOOD.replace("name: mine", "name: forest"), "duplicate run names: forest"),
    "a name that the registry forbids": (
        GOOD.replace("name: mine", "name: a/b"),
        "experiment.yaml:14: runs -> 2 -> name: 'a/b' contains '/'",
    ),
    "unknown metric": (
        GOOD.replace("metric: ks", "metric: kss"),
        "experiment.yaml:10: metric: unknown metric 'kss'; did you mean 'ks'?",
    ),
    "test share of 1.2": (
        GOOD.replace("test: 0.2", "test: 1.2"),
        "experiment.yaml:8: data -> split -> test: input should be less than 1",
    ),
    "seed is a word": (
        GOOD.replace("seed: 42", "seed: lucky"),
        "experiment.yaml:8: data -> split -> seed: input should be a valid integer",
    ),
    "negative seed": (GOOD.replace("seed: 42", "seed: -1"), "data -> split -> seed: input should be greater"),
    "unknown preprocessing": (
        GOOD.replace("preprocess: auto", "preprocess: atuo"),
        "experiment.yaml:9: data -> preprocess: 'atuo' is not valid; did you mean 'auto'?",
    ),
    "estimator is not a dotted path": (
        GOOD.replace("a.b.Forest", "Forest"),
        "runs -> 1 -> estimator: 'Forest' is not a dotted path",
    ),
    "function is no path": (
        GOOD.replace('"my_module:train"', "my_module.train"),
        "runs -> 2 -> function: 'my_module.train' is not a function path",
    ),
    "params is a list": (
        GOOD.replace("params: {C: 0.1}", "params: [1]"),
        "experiment.yaml:12: runs -> 0 -> params: expected keys with values",
    ),
    "search value is no list": (
        GOOD.replace("[4, null]", "4"),
        "runs -> 1 -> search: max_depth: give a list of values to try, got 4",
    ),
    "distribution in a grid": (
        GOOD.replace("[4, null]", "{uniform: [0, 1]}"),
        "runs -> 1 -> search: max_depth: a grid search needs a list",
    ),
    "a search without a space": (
        GOOD.replace("{max_depth: [4, null]}", "{method: optuna, iterations: 3}"),
        "runs -> 1 -> search: 'method' needs a `space` next to it",
    ),
    "folds and a part put aside": (
        GOOD.replace("{max_depth: [4, null]}", "{space: {a: [1]}, folds: 3, validation: 0.2}"),
        "runs -> 1 -> search: give either `folds` or `validation`",
    ),
    "pruning without Optuna": (
        GOOD.replace("{max_depth: [4, null]}", "{space: {a: [1]}, method: random, pruning: median}"),
        "runs -> 1 -> search: `pruning: median` needs `method: optuna`",
    ),
    "integers between whole numbers": (
        GOOD.replace("{max_depth: [4, null]}", "{method: random, space: {a: {integers: [0.5, 2]}}}"),
        "a: `integers` needs whole numbers",
    ),
    "a param of the search that the trainer does not have": (
        GOOD.replace(
            "trainer: sklearn, estimator: a.b.Forest, search: {max_depth: [4, null]}",
            "trainer: h2o_automl, search: {max_modells: [4, 5]}",
        ),
        "search -> max_modells: h2o_automl has no parameter 'max_modells'; did you mean 'max_models'?",
    ),
    "bounds the wrong way": (
        GOOD.replace(
            "search: {max_depth: [4, null]}", "search: {method: random, space: {a: {uniform: [1, 0]}}}"
        ),
        "a: uniform needs low < high",
    ),
    "log-uniform from zero": (
        GOOD.replace(
            "search: {max_depth: [4, null]}", "search: {method: random, space: {a: {loguniform: [0, 1]}}}"
        ),
        "low > 0",
    ),
    "id is the target": (GOOD.replace("id: ID", "id: Class"), "`id` and `target` are both 'Class'"),
    "target is dropped": (GOOD.replace("[Time]", "[Class]"), "the target 'Class' is listed in `drop`"),
    "drop is a mapping": (GOOD.replace("[Time]", "{a: 1}"), "data -> drop: expected a list"),
    "source with table and query": (
        GOOD.replace("data/credit.csv", "{table: a, query: select 1}"),
        "give either `table` or `query`",
    ),
    "a key twice": (
        GOOD.replace("metric: ks", "metric: ks\nmetric: f1"),
        "experiment.yaml:11: metric: duplicate key, first on line 10",
    ),
    "YAML syntax": (GOOD.replace("{test: 0.2,", "{test: 0.2"), "experiment.yaml:8: YAML syntax, column"),
    "a tab": ("experiment:\n\tname: x\n", "experiment.yaml:2: YAML syntax"),
    "empty file": ("", "experiment.yaml:1: the file is empty"),
    "a list": ("- a\n- b\n", "experiment.yaml:1: expected `key: value` lines, found a sequence"),
    "a word": ("hello\n", "found a scalar"),
    "a Python object": (
        "experiment: !!python/object/apply:os.system [echo]\n",
        "experiment.yaml:1: YAML: could not determine a constructor",
    ),
}


@pytest.mark.parametrize("kind", MISTAKES)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, kind: str) -> None:
    text, expected = MISTAKES[kind]
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    lines = caught.value.lines()
    assert any(expected in line for line in lines), lines
    assert len(lines) == 1
    assert caught.value.exit_code == 2


def test_all_mistakes_are_named_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = GOOD.replace("trainer: python", "trainer: pythn").replace("test: 0.2", "test: 7")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text.replace("metric: ks", "metric: kss"))
    assert [line.split(":")[1] for line in caught.value.lines()] == ["8", "10", "14"]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        load_experiment(tmp_path / "missing.yaml")
    with pytest.raises(UsageError, match="is a folder"):
        load_experiment(tmp_path)
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"experiment: caf\xe9\n")
    with pytest.raises(UsageError, match="not UTF-8 at byte 15"):
        load_experiment(path)


def test_a_number_with_an_exponent_is_one_and_a_text_stays_a_text() -> None:
    read = parse_yaml("a: [1e-3, -1E+5, .5e1, 2.e0, 1e5x, e5, '1e5']\n", "x").data["a"]
    assert repr(read) == repr([0.001, -100000.0, 5.0, 2.0, "1e5x", "e5", "1e5"])
    values = {"texts": ["1e5", "-.5E-3", "1.0e+5", "7", "yes"], "numbers": [1e-5, 1e30, 0.1, 3]}
    assert repr(parse_yaml(dump_yaml(values), "x").data) == repr(values)
