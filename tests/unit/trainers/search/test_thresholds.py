"""Thresholds on scores of rows that the model did not see, and the models that keep them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pandas as pd
import pytest
from sklearn.base import is_classifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import f1_score, precision_recall_curve
from sklearn.model_selection import FixedThresholdClassifier, StratifiedKFold, cross_val_predict
from sklearn.pipeline import Pipeline
from sklearn.svm import LinearSVC

from mlpipes_cli.preprocess import auto
from mlpipes_cli.preprocess.preprocessed_model import PreprocessedModel
from mlpipes_cli.scoring.score_reader import ScoreReader
from mlpipes_cli.trainers import catalog
from mlpipes_cli.trainers.base import Fitted, Training, TrainingError
from mlpipes_cli.trainers.models.threshold_model import Thresholded
from mlpipes_cli.trainers.search import search, thresholds

SEED = 11
LOGISTIC = {
    "trainer": "sklearn",
    "estimator": "sklearn.linear_model.LogisticRegression",
    "params": {"C": 0.5},
}
MODULE = """
class OnlyLabels:
    def predict(self, X): return [0] * len(X)

class OneColumn:
    '''The second class's probability alone, and no list of classes.'''
    def __init__(self, model): self.model = model
    def predict(self, X): return self.model.predict(X)
    def predict_proba(self, X): return self.model.predict_proba(X)[:, 1]

def labels(X, y): return OnlyLabels()

def column(X, y):
    from sklearn.linear_model import LogisticRegression
    return OneColumn(LogisticRegression(C=0.5, random_state=11).fit(X, y))
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "cut_module.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield


def rare(spec: dict[str, Any], tmp_path: Path, **changes: Any) -> Training:
    """1,500 rows, one in twenty positive, none of which has a probability of a half."""
    random = np.random.default_rng(3)
    X = pd.DataFrame(random.normal(size=(1500, 3)), columns=["a", "b", "c"])
    X.loc[::17, "b"] = np.nan
    chance = 1 / (1 + np.exp(-(X["a"] * 0.8 - 3.4)))
    y = pd.Series((random.random(1500) < chance).astype(np.int64))
    given = {
        "X": X, "y": y, "task": "binary", "classes": (0, 1), "metric": "f1", "seed": SEED, "threads": 1,
        "preprocess": "auto", "spec": {"threshold": "f1", **spec}, "scratch": tmp_path,
    }  # fmt: skip
    return Training(**{**given, **changes})


def settled(training: Training) -> tuple[Fitted, thresholds.ChosenThreshold]:
    trainer = catalog.make(training.spec["trainer"])
    fitted = trainer.fit(training)
    return fitted, thresholds.choose_threshold(trainer, fitted, training)


def by_hand(training: Training, estimator: Any) -> np.ndarray:
    """Out-of-fold scores of the same pipeline by scikit-learn alone."""
    pipeline = Pipeline([("preprocess", auto.build(training.X, "binary")), ("model", estimator)])
    cuts = StratifiedKFold(5, shuffle=True, random_state=SEED)
    found = cross_val_predict(pipeline, training.X, training.y, cv=cuts, method="predict_proba")
    return np.asarray(found[:, 1])


def test_rare_rows_that_0_5_never_calls_are_called_from_the_best_f1_out_of_fold(tmp_path: Path) -> None:
    training = rare(LOGISTIC, tmp_path)
    fitted, found = settled(training)
    y = training.y.to_numpy()
    assert f1_score(y, fitted.model.predict(training.X), zero_division=0) == 0.0
    scores = by_hand(training, LogisticRegression(C=0.5, random_state=SEED))
    assert found.scores is not None and np.allclose(found.scores, scores, atol=1e-12)
    precision, recall, _ = precision_recall_curve(y, scores)
    best = (2 * precision * recall / (precision + recall).clip(1e-12)).max()
    assert best > 0.12
    assert f1_score(y, scores >= found.threshold) == pytest.approx(best)
    answers = catalog.make("sklearn").answer(found.fitted, training.X, "binary", (0, 1))
    before = catalog.make("sklearn").answer(fitted, training.X, "binary", (0, 1))
    assert np.array_equal(answers.scores, before.scores)
    assert np.array_equal(answers.prediction == 1, answers.scores >= found.threshold)
    assert not list(tmp_path.glob("fold-*"))


def test_the_model_itself_is_left_as_it_was(tmp_path: Path) -> None:
    training = rare(LOGISTIC, tmp_path)
    trainer = catalog.make("sklearn")
    alone, (fitted, found) = trainer.fit(training), settled(training)
    assert cloudpickle.dumps(fitted.model) == cloudpickle.dumps(alone.model)
    assert [type(step).__name__ for _, step in found.fitted.model.steps] == [
        "AutoPreprocessor",
        "Thresholded",
    ]
    assert found.fitted.model[:-1].steps == fitted.model[:-1].steps
    assert is_classifier(found.fitted.model)


@pytest.mark.parametrize("estimator", [LogisticRegression(), LinearSVC(), RidgeClassifier()])
@pytest.mark.parametrize("labels", [("no", "yes"), ("yes", "no"), (0, 1), (1, 0), (False, True)])
def test_it_is_scikit_learns_own_fixed_threshold_at_the_very_threshold(estimator: Any, labels: Any) -> None:
    random = np.random.default_rng(0)
    X = random.normal(size=(200, 2))
    y = np.array(labels)[(X[:, 0] + random.normal(size=200) > 1).astype(int)]
    model = estimator.fit(X, y)
    reader = ScoreReader.of(model, {"classes": list(labels), "positive": labels[1]})
    assert reader is not None
    scores = np.array(reader.read(X))
    for threshold in np.quantile(scores, [0.1, 0.5, 0.9], method="nearest"):  # the score of a row
        ours = Thresholded(model, float(threshold), labels)
        theirs = FixedThresholdClassifier(model, threshold=threshold, pos_label=labels[1])
        assert ours.predict(X).tolist() == theirs.predict(X).tolist()
        assert ours.predict(X).dtype == model.predict(X).dtype
        assert ((ours.predict(X) == labels[1]) == (scores >= threshold)).all()
        assert (scores == threshold).sum() == 1
        assert (
            ScoreReader.of(ours, {"classes": list(labels), "positive": labels[1]}).read(X) == scores.tolist()
        )  # type: ignore[union-attr]


@pytest.mark.parametrize("function", ["column", "labels"])
def test_models_of_the_users_own_kind(function: str, tmp_path: Path) -> None:
    training = rare({"trainer": "python", "function": f"cut_module:{function}", "params": {}}, tmp_path)
    if function == "labels":
        with pytest.raises(TrainingError, match=r"has no scores.*set `threshold: none` for this run"):
            settled(training)
        return
    fitted, found = settled(training)
    assert isinstance(fitted.model, PreprocessedModel)
    same = settled(rare(LOGISTIC, tmp_path))[1]
    assert found.threshold == pytest.approx(same.threshold, abs=1e-12)
    answers = catalog.make("python").answer(found.fitted, training.X, "binary", (0, 1))
    again = cloudpickle.loads(cloudpickle.dumps(found.fitted.model))
    assert again.predict(training.X).tolist() == answers.prediction.tolist()
    assert np.array_equal(answers.prediction == 1, answers.scores >= found.threshold)
    other = replace(training, classes=(1, 0))  # the other class is the positive one
    turned = thresholds.thresholded(fitted.model, 0.9, other.classes)
    given = catalog.make("python").answer(Fitted(turned), training.X, "binary", other.classes)
    assert np.array_equal(given.prediction == 0, given.scores >= 0.9)


def test_the_folds_are_fitted_with_what_a_search_found(tmp_path: Path) -> None:
    spec = {**LOGISTIC, "params": {}, "search": {"space": {"C": [1e-4, 0.5]}, "folds": 5}}
    training = rare(spec, tmp_path)
    told: list[Any] = []
    trainer = catalog.make("sklearn")
    made = search.search(trainer, training, lambda trial, _: told.append(trial), side_by_side=False)
    assert isinstance(made, Fitted)
    best = made.params["best_C"]
    found = thresholds.choose_threshold(trainer, made, training)
    assert found.scores is not None
    assert np.allclose(
        found.scores, by_hand(training, LogisticRegression(C=best, random_state=SEED)), atol=1e-12
    )
    # a trial is judged at the threshold that is best on its fold: at 0.5 each would have an F1 of 0
    assert [min(trial.folds) > 0.08 for trial in told] == [True, True]
    fixed = rare({**spec, "threshold": 0.5}, tmp_path)
    at_half: list[Any] = []
    search.search(trainer, fixed, lambda trial, _: at_half.append(trial), side_by_side=False)
    assert all(trial.folds == [0.0] * 5 for trial in at_half)


def test_where_time_orders_the_rows_only_later_ones_are_scored(tmp_path: Path) -> None:
    training = rare(LOGISTIC, tmp_path, order_by="c")
    _, found = settled(training)
    assert found.scores is not None
    order = np.argsort(training.X["c"].to_numpy(), kind="stable")
    scored = np.isfinite(found.scores[order])
    assert scored.tolist() == [False] * 250 + [True] * 1250


def test_a_number_costs_no_fit(tmp_path: Path) -> None:
    _, found = settled(rare({**LOGISTIC, "threshold": 0.07}, tmp_path))
    assert (found.threshold, found.scores) == (0.07, None)


def test_scores_of_the_librarys_own_are_taken(tmp_path: Path) -> None:
    training = rare(LOGISTIC, tmp_path)
    trainer = catalog.make("sklearn")
    fitted = trainer.fit(training)
    fitted.out_of_fold = training.y.to_numpy() * 0.2 + 0.1
    assert thresholds.choose_threshold(trainer, fitted, training).threshold == pytest.approx(0.2)


def test_what_cannot_be_cut(tmp_path: Path) -> None:
    few = rare(LOGISTIC, tmp_path)
    positive = np.flatnonzero(few.y)
    one = few.y.copy()
    one.iloc[positive[1:]] = 0
    with pytest.raises(TrainingError, match="1 training row of a class is too few"):
        settled(replace(few, y=one))
    two = few.y.copy()
    two.iloc[positive[2:]] = 0
    assert settled(replace(few, y=two))[1].scores is not None  # on two folds
    with pytest.raises(TrainingError, match="scores are probabilities, but 30 is not one"):
        settled(rare({**LOGISTIC, "threshold": 30.0}, tmp_path))
