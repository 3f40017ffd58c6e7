from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlpipes_cli.trainers.base import TrainingError
from mlpipes_cli.trainers.model_answers import answers

ROWS = pd.DataFrame({"x": [1.0, 2.0, 3.0]})


def model(**methods: Any) -> SimpleNamespace:
    given = {name: (lambda X, v=value: np.array(v)) for name, value in methods.items() if name != "classes_"}
    return SimpleNamespace(**given, **({"classes_": methods["classes_"]} if "classes_" in methods else {}))


def test_probabilities_are_those_of_the_positive_class_wherever_the_model_has_it() -> None:
    fitted = model(
        predict=["bad", "good", "bad"],
        predict_proba=[[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]],
        classes_=np.array(["bad", "good"]),
    )
    assert answers(fitted, ROWS, "binary", ("bad", "good")).scores.tolist() == [0.1, 0.8, 0.4]
    assert answers(fitted, ROWS, "binary", ("good", "bad")).scores.tolist() == [0.9, 0.2, 0.6]


def test_a_decision_function_is_turned_round_where_the_positive_class_is_the_models_first() -> None:
    fitted = model(predict=[0, 1, 0], decision_function=[-1.5, 2.0, -0.5], classes_=np.array([0, 1]))
    assert answers(fitted, ROWS, "binary", (0, 1)).scores.tolist() == [-1.5, 2.0, -0.5]
    assert answers(fitted, ROWS, "binary", (1, 0)).scores.tolist() == [1.5, -2.0, 0.5]


def test_labels_alone_are_no_scores() -> None:
    found = answers(model(predict=[True, False, True]), ROWS, "binary", (False, True))
    assert found.scores is None
    assert found.prediction.tolist() == [True, False, True]


def test_columns_of_several_classes_are_put_in_order_and_an_unseen_class_scores_nothing() -> None:
    fitted = model(
        predict=["b", "c", "b"], predict_proba=[[0.7, 0.3], [0.4, 0.6], [1, 0]], classes_=["b", "c"]
    )
    found = answers(fitted, ROWS, "multiclass", ("a", "b", "c"))
    assert found.scores.tolist() == [[0, 0.7, 0.3], [0, 0.4, 0.6], [0, 1, 0]]


def test_labels_keep_the_experiments_own_types() -> None:
    found = answers(model(predict=[0.0, 1.0, 1.0]), ROWS, "binary", (0, 1))
    assert found.prediction.dtype.kind == "i"
    regression = answers(model(predict=[[1], [2], [3]]), ROWS, "regression", ())
    assert (regression.prediction.tolist(), regression.scores) == ([1.0, 2.0, 3.0], None)


@pytest.mark.parametrize(
    ("fitted", "task", "text"),
    [
        (model(predict=[0, 1]), "binary", "predict returned the shape (2,) for 3 rows"),
        (model(predict=[0.3, 1, 0]), "binary", "0.3, which is not a label"),
        (model(predict=["1", "0", "1"]), "binary", "'1', which is not a label"),
        (model(predict=[[0, 1], [1, 0], [0, 1]]), "binary", "shape (3, 2)"),
        (model(predict=[1.0, np.nan, 0.0]), "regression", "NaN"),
        (model(predict=["x", "y", "z"]), "regression", "not numbers"),
        (
            model(predict=[0, 1, 0], predict_proba=[[np.nan, 1], [0, 1], [1, 0]], classes_=[0, 1]),
            "binary",
            "NaN",
        ),
        (
            model(predict=[0, 1, 0], predict_proba=[[1, 0], [0, 1], [1, 0]], classes_=[0, 7]),
            "binary",
            "class 7",
        ),
        (model(predict=[0, 1, 0], predict_proba=[[1, 0, 0]] * 3, classes_=[0, 1]), "binary", "for 2 classes"),
    ],
)
def test_answers_that_do_not_fit_are_refused(fitted: Any, task: Any, text: str) -> None:
    with pytest.raises(TrainingError, match=text.replace("(", r"\(").replace(")", r"\)")):
        answers(fitted, ROWS, task, () if task == "regression" else (0, 1))
