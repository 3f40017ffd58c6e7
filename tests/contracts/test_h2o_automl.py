from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cloudpickle
import documented
import h2o
import numpy as np
import pandas as pd
import pytest
from contracts.trainer_contract import TrainerContract, training_of
from sklearn.metrics import roc_auc_score

from mlpipes_cli.preprocess import portable
from mlpipes_cli.scoring.thresholds import choose
from mlpipes_cli.trainers.base import Fitted, Trainer, Training, TrainingError, ValidationRows
from mlpipes_cli.trainers.h2o_automl import server as h2o_server
from mlpipes_cli.trainers.h2o_automl import trainer as h2o_automl
from mlpipes_cli.trainers.h2o_automl.settings import H2OAutoMLParams
from mlpipes_cli.trainers.h2o_automl.trainer import H2OAutoMLTrainer
from mlpipes_cli.trainers.java import find_java
from mlpipes_cli.trainers.models import h2o_model, java_home, jvm
from mlpipes_cli.trainers.search import thresholds

Fit = tuple[Training, Fitted]
THREE_KINDS = {"include_algos": ["GLM", "GBM", "StackedEnsemble"], "max_models": 2, "nfolds": 2}
EVERY_PARAM: tuple[dict[str, Any], ...] = (  # on a cluster
    {
        "max_models": 2, "max_runtime_secs": 600, "max_runtime_secs_per_model": 300, "nfolds": 2, "seed": 3,
        "sort_metric": "logloss", "include_algos": ["gbm", "GLM"], "balance_classes": True,
        "stopping_rounds": 1, "stopping_metric": "auc", "stopping_tolerance": 0.01,
    },
    {"max_runtime_secs": 1e2, "max_models": "1", "exclude_algos": ["DRF", "XGBoost", "GBM", "StackedEnsemble",
     "DeepLearning"], "nfolds": 0},
)  # fmt: skip
OWN_JAVA = {"max_mem_size": "600M"}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that is there already; most tests share it, for a start takes long."""
    folder = tmp_path_factory.mktemp("h2o")
    java = find_java(h2o_automl.OLDEST_JAVA, h2o_automl.NEWEST_JAVA)

    def connect(address: str) -> None:
        h2o.connect(url=address, verbose=False)

    with h2o_server.server(java, folder, threads=2, heap=2**30, connect=connect) as address:
        yield address


@pytest.fixture(scope="module")
def fit(cluster: str, tmp_path_factory: pytest.TempPathFactory) -> Fit:
    """Three kinds of models on rows as they are."""
    training = replace(awkward(cluster), scratch=tmp_path_factory.mktemp("awkward"))
    return training, H2OAutoMLTrainer().fit(training)


class TestH2OAutoML(TrainerContract):
    @pytest.fixture
    def trainer(self) -> Trainer:
        return H2OAutoMLTrainer()

    @pytest.fixture
    def spec(self, cluster: str) -> Any:
        params = {"include_algos": ["GLM"], "max_models": 1, "nfolds": 0}
        return lambda task: {"trainer": "h2o_automl", "params": params, "cluster": cluster}

    @pytest.fixture
    def wrong(self) -> Any:
        return [({"trainer": "h2o_automl", "params": {"max_models": 0}}, "max_models")]

    def test_rows_as_they_are_with_whatever_stands_in_them(self, fit: Fit) -> None:
        training, fitted = fit
        assert (fitted.model.predict(training.X) == training.y.to_numpy()).mean() > 0.9
        unseen = training.X.iloc[[0, 0, 0]].assign(**{'a "city", or not': ["Nowhere", "", None]})
        scores = fitted.model.predict_proba(unseen)
        assert np.isfinite(scores).all()
        assert (scores == scores[0]).all()  # never seen is as missing
        table = fitted.tables["variable_importance.csv"]
        assert {'a "city", or not', "größe", "when"} & {str(v).partition(".")[0] for v in table["variable"]}

    def test_it_answers_as_h2o_does_whatever_the_model_is(self, fit: Fit, cluster: str) -> None:
        training, fitted = fit
        board = fitted.tables["leaderboard.csv"]
        assert {name.partition("_")[0] for name in board["model_id"]} == {"GLM", "GBM", "StackedEnsemble"}
        assert fitted.params["leader"] == board["model_id"][0]
        assert fitted.files["h2o/mojo.zip"].read_bytes() == fitted.model.mojo
        h2o.connect(url=cluster, verbose=False)
        frame = h2o_automl.h2o_frame.upload(
            training.X, training.y, "binary", training.classes, fitted.model.columns, training.scratch
        )
        model = h2o.upload_model(str(fitted.files["h2o/model.bin"]))
        theirs = model.predict(frame).as_data_frame(use_pandas=False)[1:]
        expected = np.array([float(row[2]) for row in theirs])
        assert np.abs(fitted.model.predict_proba(training.X)[:, 1] - expected).max() < 1e-12
        labels = [training.classes[int(row[0][1:])] for row in theirs]
        assert fitted.model.predict(training.X).tolist() == labels

    def test_a_threshold_takes_the_scores_of_its_own_cross_validation(
        self, cluster: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: dict[str, Any] = {}
        of_leader, held = h2o_automl._unseen, "cv_holdout_prediction_"

        def of_each(leader: Any, training: Training) -> Any:
            keys = [str(key) for key in h2o.ls()["key"] if str(key).startswith(held)]
            for name in (key.removeprefix(held).removeprefix("metalearner_AUTO_") for key in keys):
                seen[name.partition("_")[0]] = of_leader(h2o.get_model(name), training)
            return of_leader(leader, training)

        monkeypatch.setattr(h2o_automl, "_unseen", of_each)
        spec = {"trainer": "h2o_automl", "params": THREE_KINDS, "cluster": cluster, "threshold": "f1"}
        training, trainer = training_of("binary", spec), H2OAutoMLTrainer()
        fitted = trainer.fit(training)
        assert set(seen) == {"GLM", "GBM", "StackedEnsemble"}
        leader = seen[fitted.params["leader"].partition("_")[0]]
        assert fitted.out_of_fold is not None and np.array_equal(fitted.out_of_fold, leader)
        positive = training.y == training.classes[1]
        for scores in seen.values():
            assert 0.95 < roc_auc_score(positive, scores) < 1.0
        given = trainer.answer(fitted, training.X, "binary", training.classes)
        assert not np.allclose(given.scores, leader)
        settled = thresholds.choose_threshold(trainer, fitted, training)
        assert settled.threshold == choose("f1", positive.to_numpy(), leader)
        h2o.connect(url=cluster, verbose=False)
        assert not [key for key in h2o.ls()["key"] if "prediction_" in str(key)]  # nothing is left there

    def test_a_weight_of_two_is_a_row_twice(self, cluster: str) -> None:
        params = {"include_algos": ["GLM"], "max_models": 1}
        spec = {"trainer": "h2o_automl", "params": params, "cluster": cluster}
        whole = training_of("binary", spec, preprocess="none")
        X, y = whole.X.iloc[:, :4], whole.y
        fitted, held = np.arange(len(y)) % 3 != 0, np.arange(len(y)) % 3 == 0
        judge = ValidationRows(X[held].reset_index(drop=True), y[held].reset_index(drop=True))
        rows = np.flatnonzero(fitted)
        weights = np.where(np.arange(len(rows)) % 2, 2.0, 1.0)

        def scores(rows: Any, weights: Any) -> Any:
            part = {"X": X.iloc[rows].reset_index(drop=True), "y": y.iloc[rows].reset_index(drop=True)}
            made = H2OAutoMLTrainer().fit(replace(whole, **part, weights=weights, validation=judge))
            return made.model.predict_proba(judge.X)[:, 1]

        weighed = scores(rows, weights)
        assert weighed == pytest.approx(scores(np.repeat(rows, weights.astype(int)), None), abs=2e-4)
        assert np.abs(weighed - scores(rows, None)).max() > 2e-3

    def test_the_validation_rows_stop_the_models_and_rank_them(self, cluster: str) -> None:
        params = {"include_algos": ["GBM"], "max_models": 2, "stopping_rounds": 2}
        spec = {"trainer": "h2o_automl", "params": params, "cluster": cluster}
        whole = training_of("binary", spec)
        held = np.arange(len(whole.y)) % 3 == 0
        X, y = whole.X[held].reset_index(drop=True), whole.y[held].reset_index(drop=True)
        fit_on = {
            "X": whole.X[~held].reset_index(drop=True),
            "y": whole.y[~held].reset_index(drop=True),
        }
        swapped = y.map(dict(zip(whole.classes, whole.classes[::-1], strict=True)))
        made = {}
        for name, labels in (("right", y), ("wrong", swapped)):
            training = replace(whole, **fit_on, validation=ValidationRows(X, labels))
            made[name] = H2OAutoMLTrainer().fit(training)
        assert made["right"].params["nfolds"] == 0
        area = roc_auc_score(y == whole.classes[1], made["right"].model.predict_proba(X)[:, 1])
        board = made["right"].tables["leaderboard.csv"]
        assert board["auc"].max() == pytest.approx(area, abs=1e-6), "ranked by the validation rows"
        sure = [np.ptp(one.model.predict_proba(X)[:, 1]) for one in made.values()]
        assert sure[1] < sure[0], "rows that contradict stop the fit at once"
        folded = replace(training, spec={**spec, "params": {**params, "nfolds": 2}})
        assert H2OAutoMLTrainer().fit(folded).tables["leaderboard.csv"]["auc"].max() > 0.9, "as asked"

    def test_no_fold_of_its_own_divides_a_group(self, cluster: str) -> None:
        draw = np.random.default_rng(3)
        groups = np.repeat(np.arange(40), 20)
        X = pd.DataFrame({"name": groups * 1.0, "noise": draw.normal(size=800)})
        y = pd.Series(draw.integers(0, 2, 40)[groups])
        params = {"include_algos": ["DRF"], "max_models": 1, "nfolds": 3}
        spec = {"trainer": "h2o_automl", "params": params, "cluster": cluster}
        training = training_of("binary", spec, X=X, y=y, classes=(0, 1))
        areas = [
            H2OAutoMLTrainer().fit(replace(training, groups=its)).tables["leaderboard.csv"]["auc"][0]
            for its in (None, groups)
        ]
        assert areas[0] > 0.8, "a group's other rows give its label away"
        assert areas[1] < areas[0] - 0.15

    def test_many_threads_many_models_one_java(self, fit: Fit) -> None:
        training, fitted = fit
        expected = fitted.model.predict_proba(training.X)
        copies = [pickle.loads(cloudpickle.dumps(fitted.model)) for _ in range(2)]
        found: list[Any] = []

        def ask(model: Any) -> None:
            found.extend(model.predict_proba(training.X.iloc[[at]])[0] for at in range(len(training.X)))

        for model in (copies[0], copies[0], copies[1]):
            found.clear()
            ask(model)
            assert np.array_equal(found, expected)
        threads = [threading.Thread(target=found.append, args=(m.predict_proba(training.X),)) for m in copies]
        found.clear()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all(np.array_equal(each, expected) for each in found)

    def test_a_metric_that_is_not_for_the_target_is_refused_before_java_starts(self) -> None:
        spec = {"trainer": "h2o_automl", "params": {"sort_metric": "AUC"}}
        with pytest.raises(TrainingError, match="AUC does not apply to a regression target"):
            H2OAutoMLTrainer().fit(training_of("regression", spec))

    def test_a_cluster_that_is_not_there(self) -> None:
        spec = {"trainer": "h2o_automl", "params": {}, "cluster": "http://127.0.0.1:9"}
        with pytest.raises(TrainingError, match=r"the H2O cluster http://127\.0\.0\.1:9"):
            H2OAutoMLTrainer().fit(training_of("regression", spec))

    def test_every_param_is_taken_as_the_file_has_it(self, cluster: str) -> None:
        assert documented.without_a_case(H2OAutoMLParams, *EVERY_PARAM, OWN_JAVA) == []
        boards = []
        for params in EVERY_PARAM:
            spec = documented.spec_of(trainer="h2o_automl", params=params, cluster=cluster)
            fitted = documented.fit(training_of("binary", spec), spec)
            assert isinstance(fitted, Fitted)
            boards.append(fitted.tables["leaderboard.csv"])
        kinds = [sorted(name.partition("_")[0] for name in board["model_id"]) for board in boards]
        assert kinds == [["GBM", "GLM"], ["GLM"]]
        assert boards[0]["logloss"].is_monotonic_increasing

    def test_the_documented_runs(self, cluster: str) -> None:
        """The first in a Java of its own, with the memory that it may be given."""
        for position, (place, spec, _) in enumerate(documented.runs("h2o_automl")):
            spec = documented.shortened(spec) | {"cluster": cluster if position else None}
            spec["params"] |= {} if position else OWN_JAVA
            training = training_of("binary", spec)
            fitted = documented.fit(training, spec)
            assert isinstance(fitted, Fitted)
            right = fitted.model.predict(training.X) == training.y.to_numpy()
            assert right.mean() > 0.9, place


def test_the_defaults_can_be_repeated() -> None:
    given = h2o_automl.settings(training_of("binary", {"params": {}}))
    assert given == {"max_models": 10, "nfolds": 5, "seed": 7, "exclude_algos": ["DeepLearning"]}
    timed = h2o_automl.settings(training_of("binary", {"params": {"max_runtime_secs": 5, "seed": 3}}))
    assert "max_models" not in timed
    assert timed["seed"] == 3


def test_a_machine_without_a_java_that_fits_is_told_by_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(h2o_automl, "OLDEST_JAVA", 98)
    monkeypatch.setattr(h2o_automl, "NEWEST_JAVA", 99)
    [(place, text)] = H2OAutoMLTrainer().check({"trainer": "h2o_automl", "params": {}})
    assert place == ("trainer",)
    assert text.startswith("Java 98 to 99 is required")


def test_the_heap_is_the_runs_word_or_a_share_of_its_memory() -> None:
    training = replace(training_of("binary", {"params": {"max_mem_size": "1.5 GB"}}), memory=2**30)
    assert h2o_automl.heap(training) == 3 * 2**29
    assert h2o_automl.heap(replace(training, spec={"params": {}})) == int(0.6 * 2**30)


PROGRAM = """
import os, sys
from pathlib import Path
from mlpipes_cli.scoring.thresholds import choose
from mlpipes_cli.trainers.h2o_automl import trainer as h2o_automl, server as h2o_server
from mlpipes_cli.trainers.search import thresholds
from mlpipes_cli.trainers.java import find_java
import h2o
java = find_java(h2o_automl.OLDEST_JAVA, h2o_automl.NEWEST_JAVA)
launch = h2o_server._launch
def told(*a):
    process = launch(*a)
    print(process.pid, flush=True)
    return process
h2o_server._launch = told
with h2o_server.server(java, Path(sys.argv[1]), 1, 2**28, lambda address: None):
    os.kill(os.getpid(), 9)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="by a signal of the Linux kernel")
def test_java_goes_with_a_process_that_is_killed(tmp_path: Path) -> None:
    died = subprocess.run([sys.executable, "-c", PROGRAM, tmp_path], capture_output=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    for pid in died.stdout.split():
        with pytest.raises(ProcessLookupError):
            while True:
                os.kill(int(pid), 0)


def test_java_that_cannot_start_says_why(tmp_path: Path) -> None:
    java = find_java(h2o_automl.OLDEST_JAVA, h2o_automl.NEWEST_JAVA)
    server = h2o_server.server(java, tmp_path, 1, 2**60, lambda address: None)
    with pytest.raises(TrainingError, match=r"H2O cannot be started: .*heap"):
        server.__enter__()


MODEL_PROGRAM = """
import pickle, sys
import pandas as pd
assert not any(name.startswith("mlpipes") for name in sys.modules)
model = pickle.load(open(sys.argv[1], "rb"))
print(model.predict_proba(pd.read_parquet(sys.argv[2])).tobytes().hex())
assert not any(name.startswith("mlpipes") for name in sys.modules)
"""


def test_a_model_is_loaded_where_mlpipes_is_not(fit: Fit, tmp_path: Path) -> None:
    training, model = fit[0], fit[1].model
    modules = [*portable.modules(), h2o_model, java_home, jvm]
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        (tmp_path / "model.pkl").write_bytes(cloudpickle.dumps(model))
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)
    training.X.to_parquet(tmp_path / "X.parquet")
    command = [sys.executable, "-c", MODEL_PROGRAM, tmp_path / "model.pkl", tmp_path / "X.parquet"]
    found = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert bytes.fromhex(found.stdout) == model.predict_proba(training.X).tobytes()


def awkward(cluster: str) -> Training:
    """Names and texts with quotes, commas, line ends, words that H2O reads as missing; dates, gaps, flags."""
    rows = 500
    at = np.arange(rows)
    cities = np.array(["Rome", 'the "new", York', "NA", "line\nend", "münchen", None], dtype=object)
    X = pd.DataFrame(
        {
            'a "city", or not': pd.Series(cities[at % 6], dtype="str"),
            "größe": np.where(at % 11 == 0, np.nan, (at % 7) / 3 + at * 1e-9),
            "when": pd.Timestamp("2026-01-01") + pd.to_timedelta(at * 3 % 100, unit="D"),
            "flag": at % 4 == 0,
            "target": np.random.default_rng(0).normal(size=rows),
        }
    )
    y = pd.Series(np.where((at % 6 < 2) ^ (at % 29 == 0), "yes", "no"), name="target")
    spec = {"trainer": "h2o_automl", "params": THREE_KINDS, "cluster": cluster}
    training = training_of("binary", spec, preprocess="none")
    return replace(training, X=X, y=y, classes=("no", "yes"))
