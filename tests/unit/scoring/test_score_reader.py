from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import LinearSVC

from mlpipes_cli.scoring.score_reader import ScoreReader

X = np.arange(20.0).reshape(-1, 1)


def test_the_positive_class_decides_which_score() -> None:
    model = LogisticRegression().fit(X, ["good"] * 10 + ["worse"] * 10)
    details = {"task": "binary", "classes": ["worse", "good"], "positive": "good"}
    reader = ScoreReader.of(model, details)
    assert reader is not None
    assert reader.read(X) == model.predict_proba(X)[:, 0].tolist()


def test_labels_that_went_through_json_are_found() -> None:
    model = LogisticRegression().fit(X, np.array([0] * 10 + [1] * 10, dtype="int32"))
    reader = ScoreReader.of(model, {"classes": ["0", "1"], "positive": "1"})
    assert reader is not None
    assert reader.read(X) == model.predict_proba(X)[:, 1].tolist()


def test_a_decision_function_counts_where_there_are_no_probabilities() -> None:
    model = LinearSVC().fit(X, [0] * 10 + [1] * 10)
    reader = ScoreReader.of(model, {"classes": [0, 1], "positive": 0})
    assert reader is not None
    assert reader.read(X) == (-model.decision_function(X)).tolist()


def test_more_classes_give_a_list_in_the_order_of_training() -> None:
    model = LogisticRegression().fit(X, [0] * 7 + [1] * 7 + [2] * 6)
    reader = ScoreReader.of(model, {"classes": [2, 0, 1]})
    assert reader is not None
    assert reader.read(X) == model.predict_proba(X)[:, [2, 0, 1]].tolist()


def test_without_notes_the_estimators_own_order_holds() -> None:
    model = LogisticRegression().fit(X, [0] * 10 + [1] * 10)
    reader = ScoreReader.of(model, {})
    assert reader is not None
    assert reader.read(X) == model.predict_proba(X)[:, 1].tolist()


@pytest.mark.parametrize("details", [{"task": "regression"}, {}])
def test_regression_has_none(details: dict[str, str]) -> None:
    assert ScoreReader.of(LinearRegression().fit(X, X[:, 0]), details) is None
