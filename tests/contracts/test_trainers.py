from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import cloudpickle
import documented
import numpy as np
import pandas as pd
import pytest
from contracts.trainer_contract import TrainerContract, training_of
from threadpoolctl import threadpool_limits

from mlpipes_cli import trainer_registry
from mlpipes_cli.config.experiment import ExperimentConfig
from mlpipes_cli.config.schema import schema
from mlpipes_cli.trainers import catalog
from mlpipes_cli.trainers.base import Fitted, Trainer, Training, TrainingError
from mlpipes_cli.trainers.python.trainer import PythonTrainer
from mlpipes_cli.trainers.search.trials import measure
from mlpipes_cli.trainers.sklearn.trainer import SklearnTrainer

MODULE = """
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline

def train(X, y, strength=1.0, *, seed, task, preprocess):
    if task == "regression":
        return make_pipeline(preprocess, Ridge(alpha=0.1)).fit(X, y)
    model = LogisticRegression(C=strength, max_iter=500, random_state=seed)
    return make_pipeline(preprocess, model).fit(X, y)

def nothing(X, y):
    pass

def number(X, y):
    return 3

def drops_rows(X, y):
    X.drop(X.index[:5], inplace=True)
    y.iloc[:] = y.iloc[0]
    return train(X, y, seed=1, task="binary", preprocess="passthrough")

value = 3

def plain(X, y):
    model = LogisticRegression(max_iter=500).fit(X, y)
    model.saw_ = X
    return model

class Majority:
    def __init__(self, y):
        self.label = y.mode()[0]

    def predict(self, X):
        return [self.label] * len(X)

def no_estimator(X, y):
    return Majority(y)
"""


class TestSklearn(TrainerContract):
    @pytest.fixture
    def trainer(self) -> Trainer:
        return SklearnTrainer()

    @pytest.fixture
    def spec(self) -> Any:
        kinds = {"regression": "sklearn.ensemble.RandomForestRegressor"}
        return lambda task: {
            "estimator": kinds.get(task, "sklearn.ensemble.RandomForestClassifier"),
            "params": {"n_estimators": 20},
        }  # fmt: skip

    @pytest.fixture
    def wrong(self) -> Any:
        name = "sklearn.linear_model.LogisticRegression"
        return [
            ({"estimator": name, "params": {"Cc": 1}}, "Cc"),
            ({"estimator": "sklearn.linear_model.Nothing", "params": {}}, "Nothing"),
            ({"estimator": "math.sqrt", "params": {}}, "math.sqrt"),
        ]

    def test_names_of_a_search_are_held_against_the_estimator(self) -> None:
        spec = {"estimator": "sklearn.linear_model.LogisticRegression", "params": {}}
        told = SklearnTrainer().check({**spec, "search": {"space": {"nope__C": [1], "preprocess__x": [1]}}})
        assert [place for place, _ in told] == [("search", "nope__C")]

    def test_the_seed_reaches_whatever_is_random_and_the_users_own_stays(self) -> None:
        spec = {
            "estimator": "sklearn.ensemble.BaggingClassifier",
            "params": {
                "estimator": {"estimator": "sklearn.tree.DecisionTreeClassifier", "params": {"max_depth": 3}}
            },
        }
        model = SklearnTrainer().fit(training_of("binary", spec)).model
        assert model["model"].random_state == 7
        assert model["model"].estimator.random_state == 7
        assert model["model"].estimator.max_depth == 3
        kept = {"estimator": "sklearn.tree.DecisionTreeClassifier", "params": {"random_state": None}}
        assert SklearnTrainer().fit(training_of("binary", kept)).model["model"].random_state is None

    def test_a_regressor_for_classes_is_refused(self) -> None:
        spec = {"estimator": "sklearn.linear_model.LinearRegression", "params": {}}
        with pytest.raises(TrainingError, match="is a regressor"):
            SklearnTrainer().fit(training_of("multiclass", spec))

    def test_a_transformer_is_refused(self) -> None:
        spec = {"estimator": "sklearn.preprocessing.StandardScaler", "params": {}}
        with pytest.raises(TrainingError, match="no `predict`"):
            SklearnTrainer().fit(training_of("binary", spec))


class TestPython(TrainerContract):
    @pytest.fixture(autouse=True)
    def module(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "contract_module.py").write_text(MODULE)
        monkeypatch.syspath_prepend(tmp_path)

    @pytest.fixture
    def trainer(self) -> Trainer:
        return PythonTrainer()

    @pytest.fixture
    def spec(self) -> Any:
        return lambda task: {"function": "contract_module:train", "params": {"strength": 0.5}}

    @pytest.fixture
    def wrong(self) -> Any:
        return [
            ({"function": "contract_module:trian", "params": {}}, "did you mean 'train'?"),
            ({"function": "contract_module:train", "params": {"strenght": 1}}, "did you mean 'strength'?"),
            ({"function": "contract_module:value", "params": {}}, "not a function"),
            ({"function": "contract_nothing:train", "params": {}}, "no module named"),
        ]

    @pytest.mark.parametrize(("name", "text"), [("nothing", "returned nothing"), ("number", "no `predict`")])
    def test_what_it_returns_is_looked_at(self, name: str, text: str) -> None:
        with pytest.raises(TrainingError, match=text):
            PythonTrainer().fit(training_of("binary", {"function": f"contract_module:{name}", "params": {}}))

    def test_the_function_cannot_change_our_rows(self) -> None:
        training = training_of("binary", {"function": "contract_module:drops_rows", "params": {}})
        before = training.X.copy()
        with pytest.raises(ValueError, match=r"class|inconsistent"):
            PythonTrainer().fit(training)
        assert before.equals(training.X)
        assert training.y.nunique() == 2

    def test_a_function_without_the_parameter_gets_prepared_rows(self) -> None:
        training = messy()
        spec = {"function": "contract_module:plain", "params": {}}
        fitted = PythonTrainer().fit(replace(training, spec=spec))
        saw = fitted.model.steps[-1][1].saw_
        assert set(saw.columns) >= {"amount", "amount_missing", "city_Rome"}
        assert np.isfinite(saw.to_numpy()).all()
        found = PythonTrainer().answer(fitted, training.X, training.task, training.classes)
        assert (found.prediction == training.y.to_numpy()).mean() > 0.9

    def test_what_is_no_estimator_stands_behind_the_step_too(self) -> None:
        spec = {"function": "contract_module:no_estimator", "params": {}}
        training = replace(messy(), spec=spec)
        fitted = PythonTrainer().fit(training)
        carried = cloudpickle.loads(cloudpickle.dumps(fitted.model))
        assert set(carried.predict(training.X)) == {training.y.mode()[0]}
        assert not hasattr(carried, "predict_proba")

    def test_the_preprocessing_of_none_is_a_passthrough(self) -> None:
        spec = {"function": "contract_module:train", "params": {}}
        model = PythonTrainer().fit(training_of("multiclass", spec, preprocess="none")).model
        assert model.steps[0][1] == "passthrough"


@pytest.mark.parametrize(
    "estimator",
    [
        "sklearn.linear_model.LogisticRegression", "sklearn.neural_network.MLPClassifier",
        "sklearn.neighbors.KNeighborsClassifier", "sklearn.svm.SVC", "sklearn.tree.DecisionTreeClassifier",
        "sklearn.ensemble.RandomForestClassifier", "sklearn.ensemble.ExtraTreesClassifier",
        "sklearn.ensemble.GradientBoostingClassifier", "sklearn.ensemble.HistGradientBoostingClassifier",
    ],
)  # fmt: skip
def test_one_absurd_cell_blinds_no_estimator(estimator: str) -> None:
    """In the column that tells the classes apart, beside two that tell nothing."""
    spec = {"estimator": estimator, "params": {}}
    training = training_of("binary", spec)
    draw, size = np.random.default_rng(1), training.X["worst perimeter"]
    X = pd.DataFrame({"size": size, "a": draw.normal(size=len(size)), "b": draw.exponential(size=len(size))})
    X["at"] = pd.Timestamp("2026-01-01") + pd.to_timedelta(np.arange(len(X)) % 50, unit="D")
    rows, told = np.arange(len(X)), []
    for cell in (None, 1e12, -1e12):
        wrong = X.astype({"size": float})
        if cell is not None:
            wrong.loc[7, "size"], wrong.loc[10, "at"] = cell, pd.Timestamp("9999-12-31")
        part = replace(training, X=wrong[rows % 3 > 0], y=training.y[rows % 3 > 0])
        with threadpool_limits(1):
            fitted = SklearnTrainer().fit(part)
            answers = SklearnTrainer().answer(fitted, X[rows % 3 == 0], "binary", training.classes)
        told.append(measure(answers, training.y[rows % 3 == 0], training, "ks"))
    assert told[0] > 0.6
    assert min(told[1:]) > told[0] - 0.05, told


def test_trees_see_numbers_in_their_own_unit_unless_the_run_says_otherwise() -> None:
    spec: dict[str, Any] = {
        "estimator": "sklearn.ensemble.RandomForestClassifier",
        "params": {"max_depth": 2},
    }
    training = training_of("binary", spec)
    step = SklearnTrainer().fit(training).model["preprocess"]
    assert np.array_equal(step.transform(training.X), training.X)
    asked = {**spec, "params": {"max_depth": 2, "preprocess__scale": True}}
    step = SklearnTrainer().fit(replace(training, spec=asked)).model["preprocess"]
    assert step.transform(training.X).to_numpy().std(axis=0) == pytest.approx(1)


@pytest.mark.parametrize("trainer", ["sklearn", "python"])
def test_the_documented_runs(trainer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_module.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    for place, spec, _ in documented.runs(trainer):
        spec = documented.shortened(spec)
        training = training_of("binary", spec)
        with threadpool_limits(1):
            fitted = documented.fit(training, spec)
        assert isinstance(fitted, Fitted)
        found = catalog.make(trainer).answer(fitted, training.X, training.task, training.classes)
        assert (found.prediction == training.y.to_numpy()).mean() > 0.9, place


def messy() -> Training:
    """Strings, gaps and a target that both columns tell."""
    rows = 60
    city = np.array(["Rome", "Oslo"], dtype=object)[np.arange(rows) % 2]
    amount = np.where(np.arange(rows) % 7 == 0, np.nan, np.arange(rows) % 2 + np.arange(rows) / 1000)
    X = pd.DataFrame({"city": city, "amount": amount})
    y = pd.Series(np.arange(rows) % 2, name="target")
    return replace(training_of("binary", {}), X=X, y=y, classes=(0, 1))


@pytest.mark.parametrize("name", trainer_registry.built_in())
def test_every_trainer_can_be_made_without_its_framework(name: str) -> None:
    assert {"check", "fit", "answer"} <= set(dir(catalog.make(name)))


def test_the_folders_are_the_only_list_of_the_trainers() -> None:
    """They are what an experiment file takes; no metadata has to name them."""
    assert {"sklearn", "python"} < set(trainer_registry.built_in())
    taken = schema("experiment")["properties"]["runs"]["items"]["discriminator"]["mapping"]
    assert set(taken) == set(trainer_registry.built_in())
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert trainer_registry.GROUP not in tomllib.loads(text)["project"].get("entry-points", {})


def test_a_package_brings_a_trainer_by_an_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = tmp_path / "theirs-1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    points = "theirs = their_trainer:Theirs\nsklearn = their_trainer:Theirs\n"
    (described / "entry_points.txt").write_text(f"[{trainer_registry.GROUP}]\n{points}")
    (tmp_path / "their_trainer.py").write_text("class Theirs:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    trainer_registry.clear()
    try:
        assert type(catalog.make("theirs")).__module__ == "their_trainer"
        assert type(catalog.make("sklearn")) is SklearnTrainer  # ours cannot be replaced
        run = {"name": "x", "trainer": "theirs", "depth": 3}
        data = {"source": "a.csv", "target": "y"}
        config = ExperimentConfig.model_validate({"experiment": "e", "data": data, "runs": [run]})
        assert config.runs[0].model_dump()["depth"] == 3
        with pytest.raises(KeyError):
            catalog.make("nobodys")
    finally:
        trainer_registry.clear()
