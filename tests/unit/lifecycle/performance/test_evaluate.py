from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from scipy.stats import ks_2samp

from mlpipes_cli.lifecycle.performance.collect import CollectedRows, Collector
from mlpipes_cli.lifecycle.performance.evaluate import MetricValue, judge
from mlpipes_cli.lifecycle.performance.prediction_schema import PredictionSchema
from mlpipes_cli.ports.prediction_records import Judged

BINARY = PredictionSchema("binary", ("bad", "good"))


def judged(
    rows: list[tuple[Any, Any, Any]], nature: PredictionSchema, callers: Sequence[str | None] | None = None
) -> MetricValue:
    gatherer = Collector()
    gatherer.take(
        [
            [
                Judged(1, None, json.dumps(p), None if s is None else json.dumps(s), json.dumps(t), caller)
                for (p, s, t), caller in zip(rows, callers or [None] * len(rows), strict=True)
            ]
        ]
    )
    group = next(iter(gatherer.groups.values()), CollectedRows())
    return judge(group, nature, gatherer.values())


def customers(rows: int, share: float = 0.3, seed: int = 0) -> list[tuple[Any, Any, Any]]:
    random = np.random.default_rng(seed)
    good = random.random(rows) < share
    scores = np.clip(random.normal(np.where(good, 0.6, 0.4), 0.2), 0.001, 0.999)
    return [
        ("good" if s > 0.5 else "bad", float(s), "good" if g else "bad")
        for s, g in zip(scores, good, strict=True)
    ]


def test_live_metrics_are_those_of_scoring() -> None:
    rows = customers(400)
    worth = judged(rows, BINARY)
    good, bad = ([s for _, s, t in rows if t == label] for label in ("good", "bad"))
    assert abs(worth.metrics["ks"] - ks_2samp(good, bad).statistic) < 1e-12
    low, high = worth.intervals["ks"]
    assert low < worth.metrics["ks"] < high
    assert set(worth.metrics) == set(worth.intervals) >= {"roc_auc", "f1", "brier", "accuracy"}
    assert worth.prevalence == len(good) / 400
    assert (worth.note, worth.unusable) == ("", 0)


def test_the_other_positive_class_turns_the_ranking_around() -> None:
    worth = judged(customers(400), PredictionSchema("binary", ("good", "bad")))
    assert worth.metrics["roc_auc"] < 0.5


def test_too_few_rows_give_no_number() -> None:
    worth = judged(customers(30), BINARY)
    assert (worth.metrics, worth.intervals) == ({}, {})
    assert worth.note.startswith("too few: ") and worth.prevalence is not None
    one_class = judged([("good", 0.9, "good")] * 100, BINARY)
    assert one_class.note == "too few: 0 rows of the rarer class, at least 20 are needed"


def test_rows_that_the_model_does_not_know_are_left_out_and_counted() -> None:
    worth = judged([*customers(400), ("good", 0.9, "ugly"), ("odd", 0.5, "bad")], BINARY)
    assert worth.unusable == 2 and worth.metrics == judged(customers(400), BINARY).metrics
    nothing = judged([("x", 0.5, "y")] * 50, BINARY)
    assert (nothing.metrics, nothing.unusable) == ({}, 50)


def test_without_scores_there_are_metrics_of_labels() -> None:
    worth = judged([(p, None, t) for p, _, t in customers(400)], BINARY)
    assert "ks" not in worth.metrics and "f1" in worth.metrics
    assert worth.note == "no scores: labels only"


def test_regression() -> None:
    random = np.random.default_rng(0)
    truth = random.normal(10, 3, 200)
    rows = [(float(t + e), None, float(t)) for t, e in zip(truth, random.normal(0, 1, 200), strict=True)]
    worth = judged(rows, PredictionSchema("regression"))
    assert 0.7 < worth.metrics["rmse"] < 1.3 and worth.prevalence is None
    assert (
        judged(rows[:10], PredictionSchema("regression")).note == "too few: 10 rows, at least 20 are needed"
    )


def test_several_classes_with_their_columns() -> None:
    random = np.random.default_rng(0)
    rows = []
    for _ in range(300):
        truth = int(random.integers(3))
        scores = random.dirichlet(np.ones(3) + 4 * np.eye(3)[truth])
        rows.append(("abc"[int(scores.argmax())], scores.tolist(), "abc"[truth]))
    right = judged(rows, PredictionSchema("multiclass", ("a", "b", "c"), (0, 1, 2)))
    wrong = judged(rows, PredictionSchema("multiclass", ("a", "b", "c"), (1, 2, 0)))
    unknown = judged(rows, PredictionSchema("multiclass", ("a", "b", "c"), None))
    assert right.metrics["roc_auc_macro"] > 0.9 > 0.6 > wrong.metrics["roc_auc_macro"]
    assert right.metrics["f1_macro"] == wrong.metrics["f1_macro"] == unknown.metrics["f1_macro"]
    assert "roc_auc_macro" not in unknown.metrics


def test_a_caller_that_is_scored_ten_times_counts_once() -> None:
    once = customers(120)
    callers = [f"c{number}" for number in range(120)]
    single = judged(once, BINARY, callers)
    ten = judged(once * 10, BINARY, callers * 10)
    nobody = judged(once * 10, BINARY)
    assert (single.ids, ten.ids, nobody.ids) == (120, 120, 1200)
    for name, (low, high) in single.intervals.items():
        assert ten.metrics[name] == pytest.approx(single.metrics[name])
        of_labels = name in ("f1", "precision", "recall", "mcc", "accuracy")  # another method for single rows
        assert ten.intervals[name] == pytest.approx((low, high), abs=0.02 if of_labels else 0.01), name
        assert nobody.intervals[name][1] - nobody.intervals[name][0] < 0.6 * (high - low)
    few = judged(once[:40] * 10, BINARY, callers[:40] * 10)
    assert few.metrics == {} and few.note.endswith("caller ids of the rarer class, at least 20 are needed")
