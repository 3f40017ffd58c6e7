"""Compiled predictors of models behind a threshold: the same labels, from the same scores."""

from __future__ import annotations

from typing import Any

import cloudpickle
import compiled_help
import numpy as np
import pytest
from sklearn import ensemble, linear_model, neighbors, svm
from sklearn.pipeline import Pipeline

from mlpipes_cli.server.compiled import Sample, check, compile_model
from mlpipes_cli.trainers.models import threshold_model
from mlpipes_cli.trainers.search.thresholds import thresholded

ESTIMATORS = [
    linear_model.LogisticRegression(),
    svm.LinearSVC(random_state=0),
    ensemble.RandomForestClassifier(10, random_state=0),
    ensemble.GradientBoostingClassifier(n_estimators=10),
    ensemble.HistGradientBoostingClassifier(max_iter=10),
    neighbors.KNeighborsClassifier(),  # asked as it is
]
pytestmark = pytest.mark.filterwarnings("ignore")


def carried(model: Any) -> Any:
    """The model as it comes out of a logged one, with the code of its threshold."""
    cloudpickle.register_pickle_by_value(threshold_model)
    try:
        found = compiled_help.loaded(model)
    finally:
        cloudpickle.unregister_pickle_by_value(threshold_model)
    last = found[-1] if isinstance(found, Pipeline) else found
    assert type(last) is not threshold_model.Thresholded
    return found


@pytest.mark.parametrize("positive", [-1, 0])
@pytest.mark.parametrize("kind", ["int", "text"])
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda estimator: type(estimator).__name__)
def test_a_row_with_the_very_threshold_is_positive_on_both_ways(
    estimator: Any, kind: str, positive: int
) -> None:
    notes = compiled_help.details(kind, positive)
    data, columns = compiled_help.frame(), compiled_help.columns(compiled_help.frame())
    model = compiled_help.trained(estimator, kind)
    scores = compiled_help.plain(model, data, notes).scores
    assert scores is not None
    yes = notes["positive"]
    labels = (next(label for label in notes["classes"] if label != yes), yes)
    # that of a row; a linear model's last bit depends on how many rows are asked, so it gets one in between
    linear = isinstance(estimator, svm.LinearSVC | linear_model.LogisticRegression)
    threshold = float(np.quantile(scores, 0.7, method="midpoint" if linear else "nearest"))
    cut = carried(thresholded(model, threshold, labels))
    made = compile_model(cut, columns, notes)
    assert made is not None
    assert check(made, cut, Sample(data), columns, notes) is None
    found = made(compiled_help.rows(data))
    assert found.scores is not None
    assert [label == yes for label in found.predictions] == [score >= threshold for score in found.scores]
    assert found.predictions == cut.predict(data).tolist()
    assert linear or threshold in found.scores
    assert set(found.predictions) == set(labels)


def test_an_estimator_alone_and_one_that_answers_elsewhere() -> None:
    model = compiled_help.bare(linear_model.LogisticRegression(), "int")
    notes, data = compiled_help.details("int"), compiled_help.numbers()
    columns = compiled_help.columns(data)
    cut = carried(thresholded(model, 0.3, (0, 1)))
    made = compile_model(cut, columns, notes)
    assert made is not None and check(made, cut, Sample(data), columns, notes) is None
    assert compile_model(cut, columns, {**notes, "positive": 0}) is None  # its score is another
