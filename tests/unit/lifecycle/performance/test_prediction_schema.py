from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from mlpipes_cli.lifecycle.performance.collect import CollectedRows, Collector
from mlpipes_cli.lifecycle.performance.prediction_schema import PredictionSchema, inferred, of_details
from mlpipes_cli.ports.prediction_records import Judged


def gathered(rows: list[tuple[Any, Any, Any]]) -> tuple[list[CollectedRows], list[Any]]:
    """(prediction, scores, truth) rows of one version."""
    gatherer = Collector()
    texts = [
        Judged(1, None, json.dumps(p), None if s is None else json.dumps(s), json.dumps(t))
        for p, s, t in rows
    ]
    gatherer.take([texts[:3], texts[3:]])
    return list(gatherer.groups.values()), gatherer.values()


def test_the_registry_tells_which_class_is_positive() -> None:
    assert of_details({"task": "binary", "classes": [0, 1], "positive": 1}) == PredictionSchema(
        "binary", (0, 1), known=True
    )
    turned = of_details({"task": "binary", "classes": ["bad", "good"], "positive": "bad"})
    assert turned is not None and (turned.classes, turned.positive) == (("good", "bad"), "bad")
    assert of_details({"task": "regression", "classes": []}) == PredictionSchema("regression", known=True)
    several = of_details({"task": "multiclass", "classes": ["a", "b", "c"]})
    assert several is not None and several.columns == (0, 1, 2)
    assert of_details({}) is None
    assert of_details({"task": "binary", "classes": [1]}) is None


@pytest.mark.parametrize("positive", ["no", "yes"])
def test_without_the_registry_the_scores_tell(positive: str) -> None:
    rows = [
        (label, (0.9 if label == positive else 0.2), truth)
        for label, truth in [("yes", "yes"), ("no", "yes"), ("no", "no"), ("yes", "no")]
    ]
    nature = inferred(*gathered(rows))
    assert nature is not None and (nature.task, nature.positive, nature.known) == ("binary", positive, False)


def test_one_predicted_class_is_positive_where_the_scores_are_large() -> None:
    high = inferred(*gathered([(1, 0.9, 0), (1, 0.8, 1)]))
    low = inferred(*gathered([(1, 0.1, 0), (1, 0.2, 1)]))
    assert high is not None and low is not None
    assert (high.positive, low.positive) == (1, 0)


def test_columns_of_several_classes_are_found_by_what_is_predicted() -> None:
    # the model's order is b, c, a; c is never predicted
    rows = [("a", [0.1, 0.2, 0.7], "a"), ("b", [0.8, 0.1, 0.1], "c"), ("b", [0.6, 0.3, 0.1], "b")] * 2
    nature = inferred(*gathered(rows))
    assert nature is not None
    assert dict(zip(nature.classes, nature.columns or (), strict=True)) == {"a": 2, "b": 0, "c": 1}


def test_columns_that_cannot_be_told_are_not_guessed() -> None:
    rows = [("a", [0.6, 0.2, 0.2], "b"), ("a", [0.7, 0.2, 0.1], "c"), ("a", [0.5, 0.3, 0.2], "a")]
    nature = inferred(*gathered(rows))
    assert nature is not None and (nature.task, nature.columns) == ("multiclass", None)


def test_numbers_without_scores_are_a_regression_or_labels() -> None:
    fractions = inferred(*gathered([(1.5, None, 2), (2.0, None, 1)]))
    assert fractions == PredictionSchema("regression")
    whole = inferred(*gathered([(n, None, n + 1) for n in range(30)]))
    assert whole == PredictionSchema("regression")
    labels = inferred(*gathered([(1, None, 0), (0, None, 0), (1, None, 1)]))
    assert labels is not None and (labels.task, labels.classes) == ("binary", (0, 1))


def test_less_than_two_classes_tell_nothing() -> None:
    assert inferred(*gathered([(1, 0.9, 1), (1, 0.8, 1)])) is None
    assert inferred(*gathered([({"a": 1}, None, {"a": 1})])) is None


def test_scores_are_kept_whatever_their_shape() -> None:
    (group,), _ = gathered([(1, 0.9, 1), (0, 0.1, 0), (1, 0.8, 1), (1, 0.7, 1)])
    assert group.joined_scores() is not None
    assert np.allclose(group.joined_scores(), [0.9, 0.1, 0.8, 0.7])
    for odd in (None, [0.1, 0.2], "x", [0.1, "x"]):
        (group,), _ = gathered([(1, 0.9, 1), (1, odd, 1), (0, 0.2, 0), (0, 0.3, 0)])
        assert group.joined_scores() is None


def test_a_label_is_the_same_value_or_else_the_same_text() -> None:
    nature = PredictionSchema("binary", (0, 1))
    assert [nature.label(value) for value in (1, 1.0, True, "1", "0", 2, "x", None, [1])] == [
        1, 1, 1, 1, 0, None, None, None, None,
    ]  # fmt: skip
    assert PredictionSchema("binary", ("0", "1")).label(1) == "1"
