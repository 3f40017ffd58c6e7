"""Validation rows, weights, groups and cross-validation: what reaches a fit, by scikit-learn alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier

from mlpipes_cli.preprocess import auto
from mlpipes_cli.trainers import catalog
from mlpipes_cli.trainers.base import Fitted, Training, TrainingError, ValidationRows
from mlpipes_cli.trainers.models.boosting_model import Boosted
from mlpipes_cli.trainers.networks.rows import rows as network_rows
from mlpipes_cli.trainers.networks.settings import Settings
from mlpipes_cli.trainers.search import search, thresholds
from mlpipes_cli.trainers.search.cross_validation import cross_validated
from mlpipes_cli.trainers.search.folds import folds
from mlpipes_cli.trainers.sklearn.boosting import held_out

SEED, ROWS, HELD = 5, 900, 300
LOGISTIC = {"trainer": "sklearn", "estimator": "sklearn.linear_model.LogisticRegression", "params": {}}
TREE = {"trainer": "sklearn", "estimator": "sklearn.tree.DecisionTreeClassifier", "params": {}}
HIST = "sklearn.ensemble.HistGradientBoostingClassifier"
MODULE = """
from sklearn.linear_model import LogisticRegression

def weighing(X, y, sample_weight=None, validation_rows=None):
    model = LogisticRegression().fit(X, y, sample_weight=sample_weight)
    model.told = validation_rows
    return model

def plain(X, y):
    return LogisticRegression().fit(X, y)
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "fit_module.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield


def some(count: int, seed: int) -> tuple[pd.DataFrame, pd.Series]:
    random = np.random.default_rng(seed)
    X = pd.DataFrame(random.normal(size=(count, 3)), columns=["a", "b", "c"])
    y = (X["a"] + X["a"] * X["b"] + random.normal(size=count) > 0.8).astype(np.int64)
    X.loc[::13, "c"] = np.nan
    return X, y


def made(spec: dict[str, Any], tmp_path: Path, **changes: Any) -> Training:
    X, y = some(ROWS, 1)
    given = {
        "X": X, "y": y, "task": "binary", "classes": (0, 1), "metric": "roc_auc", "seed": SEED, "threads": 1,
        "preprocess": "auto", "spec": spec, "scratch": tmp_path,
    }  # fmt: skip
    return Training(**{**given, **changes})


def held() -> ValidationRows:
    return ValidationRows(*some(HELD, 2))


def fitted(training: Training) -> Fitted:
    found = catalog.make(training.spec["trainer"]).fit(training)
    assert isinstance(found, Fitted)
    return found


def by_hand(training: Training, estimator: Any, **more: Any) -> Pipeline:
    """Fit scikit-learn's estimator behind the same preprocessing."""
    made = Pipeline([("preprocess", auto.build(training.X, "binary")), ("model", estimator)])
    return made.fit(training.X, training.y, **{f"model__{name}": value for name, value in more.items()})


def test_a_search_is_judged_on_the_validation_rows(tmp_path: Path) -> None:
    wanted = {"method": "grid", "space": {"max_depth": [1, 3, 12]}, "folds": None, "validation": None}
    training = made({**TREE, "search": wanted}, tmp_path, validation=held())
    found = search.search(catalog.make("sklearn"), training, lambda *_: None, side_by_side=False)
    assert isinstance(found, Fitted)
    values = {}
    for depth in (1, 3, 12):
        tree = by_hand(training, DecisionTreeClassifier(max_depth=depth, random_state=SEED))
        values[depth] = roc_auc_score(held().y, tree.predict_proba(held().X)[:, 1])
    assert found.params["search_cv_roc_auc"] == pytest.approx(max(values.values()))
    assert found.params["best_max_depth"] == max(values, key=lambda depth: values[depth])
    best = DecisionTreeClassifier(max_depth=found.params["best_max_depth"], random_state=SEED)
    alone = by_hand(training, best)
    assert np.array_equal(found.model.predict_proba(held().X), alone.predict_proba(held().X)), "on train"


def test_a_search_that_asks_for_folds_cuts_the_training_rows(tmp_path: Path) -> None:
    wanted = {"method": "grid", "space": {"max_depth": [3]}, "folds": 4, "validation": None}
    training = made({**TREE, "search": wanted}, tmp_path, validation=held())
    found = search.search(catalog.make("sklearn"), training, lambda *_: None, side_by_side=False)
    assert isinstance(found, Fitted)
    pipeline = Pipeline(
        [
            ("preprocess", auto.build(training.X, "binary", scale=False)),
            ("model", DecisionTreeClassifier(max_depth=3, random_state=SEED)),
        ]
    )
    cuts = StratifiedKFold(4, shuffle=True, random_state=SEED)
    scores = cross_val_score(pipeline, training.X, training.y, cv=cuts, scoring="roc_auc")
    assert found.params["search_cv_roc_auc"] == pytest.approx(scores.mean())


def test_a_threshold_is_chosen_on_the_validation_rows(tmp_path: Path) -> None:
    training = made({**LOGISTIC, "threshold": "f1"}, tmp_path, validation=held())
    trainer = catalog.make("sklearn")
    found = thresholds.choose_threshold(trainer, trainer.fit(training), training)
    scores = by_hand(training, LogisticRegression(random_state=SEED)).predict_proba(held().X)[:, 1]
    assert found.scores == pytest.approx(scores)
    best = max(f1_score(held().y, scores >= cut) for cut in scores)
    assert f1_score(held().y, scores >= found.threshold) == pytest.approx(best)


def test_scikit_learns_boosting_stops_early_by_the_validation_rows(tmp_path: Path) -> None:
    params = {"max_iter": 300, "early_stopping": True, "learning_rate": 0.2, "n_iter_no_change": 3}
    training = made({"trainer": "sklearn", "estimator": HIST, "params": params}, tmp_path, validation=held())
    found = fitted(training).model
    step = auto.build(training.X, "binary", False)
    rows = step.fit_transform(training.X, training.y)
    alone = HistGradientBoostingClassifier(**params, random_state=SEED)
    alone.fit(rows, training.y, X_val=step.transform(held().X), y_val=held().y)
    assert found.steps[-1][1].n_iter_ == alone.n_iter_ < 300
    assert np.array_equal(found.predict_proba(held().X), alone.predict_proba(step.transform(held().X)))
    other = fitted(replace(training, validation=None)).model
    assert not np.array_equal(other.predict_proba(held().X), found.predict_proba(held().X))


class Booster(LogisticRegression):  # type: ignore[misc]
    """Has the arguments of a boosting library's ``fit`` that scikit-learn's estimators lack."""

    def fit(self, X: Any, y: Any, eval_set: Any = None, sample_weight: Any = None) -> Booster:
        self.eval_set_, self.weights_ = eval_set, sample_weight
        super().fit(X, y, sample_weight)
        return self


def test_a_boosting_model_gets_validation_rows_with_the_codes_of_its_labels() -> None:
    X, y = some(60, 1)
    words = pd.Series(np.array(["no", "yes"], dtype=object)[y.to_numpy()])
    other, labels = some(20, 2)
    model = Boosted(Booster()).fit(
        X.fillna(0),
        words,
        (other.fillna(0), pd.Series(np.array(["no", "yes"], dtype=object)[labels.to_numpy()])),
        np.arange(60.0) + 1,
    )
    ((rows, codes),) = model.estimator.eval_set_
    assert list(rows.columns) == ["f0", "f1", "f2"]
    assert codes.tolist() == labels.tolist()
    assert model.estimator.weights_.tolist() == list(range(1, 61))
    mask = np.arange(60) % 5 == 0
    model = Boosted(Booster()).fit(X.fillna(0), words, mask, np.arange(60.0) + 1)
    assert model.estimator.weights_.tolist() == [n + 1 for n in range(60) if n % 5]


def test_weights_reach_the_fit(tmp_path: Path) -> None:
    weights = np.random.default_rng(4).uniform(0.1, 9.0, ROWS)
    training = made(LOGISTIC, tmp_path, weights=weights)
    alone = by_hand(training, LogisticRegression(random_state=SEED), sample_weight=weights)
    assert fitted(training).model.predict_proba(held().X) == pytest.approx(alone.predict_proba(held().X))
    plain = fitted(made(LOGISTIC, tmp_path)).model
    assert np.abs(plain.predict_proba(held().X) - alone.predict_proba(held().X)).max() > 0.01


@pytest.mark.parametrize(
    "spec",
    [
        {**LOGISTIC, "params": {"tol": 1e-10, "max_iter": 1000}},
        {**TREE, "params": {"max_depth": 4}},
        {"trainer": "python", "function": "fit_module:weighing", "params": {}},
    ],
    ids=["linear", "tree", "function"],
)
def test_a_weight_of_two_is_a_row_twice(tmp_path: Path, spec: dict[str, Any]) -> None:
    weights = np.where(np.arange(ROWS) % 3 == 0, 2.0, 1.0)
    training = made(spec, tmp_path, preprocess="none")
    training = replace(training, X=training.X.fillna(0.0))
    rows = np.repeat(np.arange(ROWS), weights.astype(int))
    part = {
        "X": training.X.iloc[rows].reset_index(drop=True),
        "y": training.y.iloc[rows].reset_index(drop=True),
    }
    weighed, twice, once = (
        fitted(one).model.predict_proba(held().X.fillna(0.0))[:, 1]
        for one in (replace(training, weights=weights), replace(training, **part), training)
    )
    assert weighed == pytest.approx(twice, abs=1e-5)
    assert np.abs(weighed - once).max() > 1e-3


def test_weights_of_a_fold_are_those_of_its_rows(tmp_path: Path) -> None:
    weights = np.where(np.arange(ROWS) % 2 == 0, 1e-9, 1.0)
    wanted = {"method": "grid", "space": {"C": [0.5]}, "folds": 3, "validation": None}
    training = made({**LOGISTIC, "search": wanted}, tmp_path, weights=weights)
    found = search.search(catalog.make("sklearn"), training, lambda *_: None, side_by_side=False)
    assert isinstance(found, Fitted)
    scores = []
    for fold in folds(wanted, training):
        rows = fold.fit
        part = replace(training, X=training.X.iloc[rows], y=training.y.iloc[rows])
        model = by_hand(part, LogisticRegression(C=0.5, random_state=SEED), sample_weight=weights[rows])
        told = model.predict_proba(training.X.iloc[fold.judge])[:, 1]
        scores.append(roc_auc_score(training.y.iloc[fold.judge], told))
    assert found.params["search_cv_roc_auc"] == pytest.approx(np.mean(scores))


def test_an_estimator_without_weights_is_named(tmp_path: Path) -> None:
    spec = {"trainer": "sklearn", "estimator": "sklearn.neighbors.KNeighborsClassifier", "params": {}}
    with pytest.raises(TrainingError) as caught:
        fitted(made(spec, tmp_path, weights=np.ones(ROWS)))
    assert str(caught.value) == (
        "KNeighborsClassifier does not support weights (`fit` has no sample_weight); leave the run out, or"
        " set `weights: false` under `data:`"
    )


def test_a_function_gets_weights_and_validation_rows_by_name(tmp_path: Path) -> None:
    spec = {"trainer": "python", "function": "fit_module:weighing", "params": {}}
    weights = np.random.default_rng(4).uniform(0.1, 9.0, ROWS)
    training = made(spec, tmp_path, weights=weights, validation=held())
    alone = by_hand(training, LogisticRegression(), sample_weight=weights)
    found = fitted(training).model
    assert found.predict_proba(held().X) == pytest.approx(alone.predict_proba(held().X))
    X, y = found.steps[-1][1].told
    assert X.to_numpy() == pytest.approx(alone[:-1].transform(held().X).to_numpy())
    assert y.tolist() == held().y.tolist()
    with pytest.raises(TrainingError, match="fit_module:plain has no parameter `sample_weight`"):
        fitted(made({**spec, "function": "fit_module:plain"}, tmp_path, weights=weights))


def test_no_fold_divides_a_group(tmp_path: Path) -> None:
    groups = np.random.default_rng(6).integers(0, 40, ROWS)
    training = made(LOGISTIC, tmp_path, groups=groups)
    cuts = folds({"folds": 4}, training)
    assert sorted(np.concatenate([cut.judge for cut in cuts]).tolist()) == list(range(ROWS))
    for cut in [*cuts, *folds({"validation": 0.25}, training)]:
        assert not set(groups[cut.fit]) & set(groups[cut.judge])
    mask = held_out(training)
    assert 0 < mask.sum() < ROWS / 2
    assert not set(groups[mask]) & set(groups[~mask])
    network = network_rows(training, Settings(validation_split=0.25))
    assert not set(groups[network.kept]) & set(groups[network.held])
    quantity = replace(training, task="regression", classes=(), y=training.X["a"])
    for cut in folds({"folds": 4}, quantity):
        assert not set(groups[cut.fit]) & set(groups[cut.judge])


@pytest.mark.parametrize("kind", ["plain", "grouped", "weighted"])
def test_cross_validation_is_scikit_learns(tmp_path: Path, kind: str) -> None:
    random = np.random.default_rng(6)
    groups = random.integers(0, 40, ROWS) if kind == "grouped" else None
    weights = random.uniform(0.01, 20.0, ROWS) if kind == "weighted" else None
    training = made({**LOGISTIC, "cross_validate": 4}, tmp_path, groups=groups, weights=weights)
    trainer = catalog.make("sklearn")
    found = cross_validated(trainer, fitted(training), training, None)
    pipeline = by_hand(training, LogisticRegression(random_state=SEED))
    divided = StratifiedKFold if groups is None else StratifiedGroupKFold
    cuts = divided(4, shuffle=True, random_state=SEED)
    fit = None if weights is None else {"model__sample_weight": weights}
    values = {}
    for name, scoring in (("roc_auc", "roc_auc"), ("f1", "f1"), ("log_loss", "neg_log_loss")):
        scores = cross_val_score(
            pipeline, training.X, training.y, cv=cuts, scoring=scoring, groups=groups, params=fit
        )
        values[name] = abs(scores.mean())
        assert found[name] == pytest.approx(values[name])
    assert found["recall"] != cross_validated(trainer, fitted(training), training, 0.2)["recall"]
    if weights is not None:  # which scores the fits without them do not have
        plain = cross_val_score(pipeline, training.X, training.y, cv=cuts, scoring="neg_log_loss")
        assert abs(plain.mean()) != pytest.approx(values["log_loss"], rel=1e-4)


def test_a_network_holds_back_the_validation_rows_and_weighs(tmp_path: Path) -> None:
    weights = np.random.default_rng(4).uniform(0.1, 9.0, ROWS)
    training = made({}, tmp_path, validation=held(), weights=weights)
    found = network_rows(training, Settings(patience=3, class_weight={1: 2.0}))
    assert found.kept.tolist() == list(range(ROWS))
    assert found.held.tolist() == list(range(ROWS, ROWS + HELD))
    assert found.target[found.held].tolist() == held().y.tolist()
    step = auto.build(training.X, "binary")
    step.fit(training.X, training.y)
    assert found.parts["table"][found.held] == pytest.approx(step.transform(held().X).to_numpy(), abs=1e-6)
    assert found.weights is not None
    assert found.weights[:ROWS] == pytest.approx(weights * np.where(training.y == 1, 2.0, 1.0), rel=1e-6)
    assert len(network_rows(training, Settings()).held) == 0, "nothing is watched"
