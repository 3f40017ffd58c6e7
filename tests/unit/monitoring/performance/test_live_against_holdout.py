"""Live metrics against the holdout's: right values, the size of the test, and what counts once."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mlpipes_cli.monitoring.performance.assess import assess
from mlpipes_cli.monitoring.performance.permutation import shifts
from mlpipes_cli.monitoring.performance.skill import chance_level, lost
from mlpipes_cli.scoring.live import last_of_each, measure
from mlpipes_cli.scoring.metrics import evaluate
from mlpipes_cli.scoring.predictions import Predictions


def binary(rows: int, seed: int, *, share: float = 0.2, strength: float = 1.5) -> Predictions:
    random = np.random.default_rng(seed)
    target = (np.arange(rows) < share * rows) * 1
    odds = strength * (random.normal(size=rows) + strength * target) - strength**2 / 2 - np.log(1 / share - 1)
    score = 1 / (1 + np.exp(-odds))
    return Predictions("binary", (0, 1), target, score, (score > 0.3) * 1, np.arange(rows))


def regression(rows: int, seed: int, *, noise: float = 0.5) -> Predictions:
    random = np.random.default_rng(seed)
    target = random.normal(3.0, 1.0, size=rows)
    return Predictions(
        "regression", (), target, None, target + noise * random.normal(size=rows), np.arange(rows)
    )


def multiclass(rows: int, seed: int, *, strength: float = 1.5) -> Predictions:
    random = np.random.default_rng(seed)
    codes = np.arange(rows) % 3
    logits = random.normal(size=(rows, 3)) + strength * np.eye(3)[codes]
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.array(["a", "b", "c"])
    return Predictions(
        "multiclass", ("a", "b", "c"), labels[codes], scores, labels[scores.argmax(axis=1)], np.arange(rows)
    )


def test_exact_p_value_of_a_table_that_fits_on_a_page() -> None:
    """Accuracy of one class: 3 of 4 right on the holdout, 1 of 4 live; the rest of both is right.

    Of the C(8, 4) = 70 ways to choose the live rows among four right and four wrong ones, those with at most
    one right row are 16 + 1.
    """

    def side(right: int) -> Predictions:
        target = np.array([0] * 4 + [1] * 4)
        prediction = np.array([0] * right + [1] * (4 - right) + [1] * 4)
        return Predictions("binary", (0, 1), target, None, prediction, np.arange(8))

    found = shifts(side(1), side(3), ("accuracy", "recall"), seed=0)
    assert found["accuracy"].holdout == 7 / 8
    assert found["accuracy"].live == 5 / 8
    assert found["accuracy"].loss == pytest.approx(2 / 8, abs=0.02)
    assert found["accuracy"].p == pytest.approx(17 / 70, abs=0.04)
    assert found["recall"].p == 1.0


@pytest.mark.parametrize("make", [binary, multiclass, regression])
def test_a_decay_is_seen_in_every_metric_and_unchanged_rows_are_not(make) -> None:  # type: ignore[no-untyped-def]
    holdout, same = make(600, 1), make(600, 2)
    worse = make(600, 3, noise=1.0) if make is regression else make(600, 3, strength=0.5)
    decayed = assess(worse, None, holdout, metric=_first(worse))
    unchanged = assess(same, None, holdout, metric=_first(same))
    assert set(decayed.metrics) == set(evaluate(holdout))
    assert {name for name, one in decayed.metrics.items() if not one.worse} <= {"log_loss", "brier"}
    assert decayed.alarm and "is worse than" in decayed.verdict
    assert not unchanged.alarm and "not significantly worse" in unchanged.verdict
    assert not [name for name, one in unchanged.metrics.items() if one.worse]


def _first(p: Predictions) -> str:
    return {"binary": "ks", "multiclass": "f1_macro", "regression": "rmse"}[p.task]


def test_false_alarms_keep_to_alpha_with_few_rows_and_another_share_of_the_class() -> None:
    """One small simulation: 10 positive live rows of 40, at 2.5 times the holdout's prevalence."""
    alarms = dict.fromkeys(("ks", "pr_auc", "f1"), 0)
    for seed in range(60):
        holdout = binary(300, 2 * seed, share=0.1)
        score = binary(100, 2 * seed + 1, share=0.1)  # the model's scores of each class do not change
        live = score.take(np.concatenate([np.flatnonzero(score.target == 1), np.arange(10, 40)]))
        live = Predictions("binary", (0, 1), live.target, live.scores, live.prediction, np.arange(live.rows))
        for name, shift in shifts(live, holdout, tuple(alarms), seed).items():
            alarms[name] += shift.p <= 0.1
    assert all(count <= 13 for count in alarms.values()), alarms  # 6 expected; more with probability 0.004
    assert all(count >= 1 for count in alarms.values()), alarms


def test_a_prevalence_that_moved_alone_is_told_and_is_no_decay() -> None:
    holdout, live = binary(3000, 1, share=0.2), binary(3000, 2, share=0.2)
    keep = np.concatenate([np.flatnonzero(live.target == 1)[:120], np.flatnonzero(live.target == 0)])
    found = assess(live.take(keep), None, holdout, metric="pr_auc").metrics["pr_auc"]
    assert found.live is not None and found.holdout is not None and found.standardised is not None
    assert found.live < found.holdout - 0.15  # fewer positive rows: lower by itself
    assert abs(found.standardised - found.holdout) < 0.06
    assert not found.worse
    assert found.note == "compared at the holdout's share of 1, 20.0%; among the truths it is 4.8%"


def test_a_caller_that_is_scored_ten_times_counts_once() -> None:
    live, holdout = binary(300, 2, strength=1.0), binary(1000, 1)
    many = live.take(np.repeat(np.arange(300), 10))
    callers = np.repeat(np.arange(300), 10)
    once = assess(live, np.arange(300), holdout, metric="ks", seed=3)
    tenfold = assess(many, callers, holdout, metric="ks", seed=3)
    assert tenfold.ids == once.ids == 300
    assert tenfold.with_truth == 3000
    for name, one in once.metrics.items():
        assert tenfold.metrics[name].p == one.p
        assert tenfold.metrics[name].live == pytest.approx(one.live, abs=1e-12)


def test_the_last_row_of_a_caller_counts_once_for_each_truth() -> None:
    p = Predictions("binary", (0, 1), [0, 0, 1, 0, 1], None, [0, 1, 1, 0, 0], np.arange(5))
    assert last_of_each(p, np.array([0, 0, 0, 1, 0])).tolist() == [1, 3, 4]
    assert last_of_each(p, None).tolist() == [0, 1, 2, 3, 4]


def test_values_and_intervals_are_those_of_the_performance_command() -> None:
    live, callers = binary(400, 5), np.arange(400) // 2
    shown = measure(live, callers)
    checked = assess(live, callers, binary(500, 6), metric="ks")
    assert shown.metrics == evaluate(live)
    assert {name: one.live for name, one in checked.metrics.items()} == dict(shown.metrics)
    assert {name: one.interval for name, one in checked.metrics.items()} == shown.intervals


def test_the_same_seed_gives_the_same_check() -> None:
    live, holdout = multiclass(300, 1), multiclass(300, 2)
    assert assess(live, None, holdout, metric="mcc", seed=7) == assess(
        live, None, holdout, metric="mcc", seed=7
    )


@pytest.mark.parametrize(
    ("metric", "p", "chance"),
    [
        ("ks", binary(100, 1), 0.0),
        ("roc_auc", binary(100, 1), 0.5),
        ("pr_auc", binary(100, 1), 0.2),
        ("brier", binary(100, 1), 0.16),
        ("log_loss", binary(100, 1), -0.2 * np.log(0.2) - 0.8 * np.log(0.8)),
        ("pr_auc_weighted", multiclass(300, 1), 1 / 3),
        ("r2", regression(50, 1), 0.0),
        ("mcc", multiclass(300, 1), 0.0),
    ],
)
def test_chance_levels(metric: str, p: Predictions, chance: float) -> None:
    assert chance_level(metric, p) == pytest.approx(chance, abs=1e-12)


def test_chance_of_labels_is_that_of_labels_without_a_relation() -> None:
    p = Predictions("binary", (0, 1), [1, 1, 0, 0, 0], None, [1, 0, 0, 0, 1], np.arange(5))
    assert chance_level("precision", p) == pytest.approx(0.4)
    assert chance_level("recall", p) == pytest.approx(0.4)
    assert chance_level("accuracy", p) == pytest.approx(0.4 * 0.4 + 0.6 * 0.6)
    assert lost(0.1, "recall", p, 0.5) == pytest.approx(1.0)
    assert lost(0.06, "recall", p, 0.4) == pytest.approx(1.0)  # no skill: a tenth of the way to perfect


def test_too_few_one_class_and_nothing() -> None:
    holdout = binary(500, 1)
    few = assess(binary(90, 2), None, holdout, metric="ks")
    assert not few.alarm and few.metrics["ks"].live is None and few.metrics["ks"].p is None
    assert few.verdict == "ks: too few: 18 rows of the rarer class, at least 20 are needed"
    one = binary(200, 3)
    alone = assess(one.take(one.target == 0), None, holdout, metric="ks")
    assert not alone.alarm and alone.metrics["ks"].p is None and "too few" in alone.verdict
    nothing = assess(None, None, holdout, metric="ks", history=[])
    assert nothing.verdict == "ks: no ground truth yet" and nothing.with_truth == 0
    assert nothing.decay is not None and nothing.decay["window"] is None


def test_without_a_holdout_or_scores() -> None:
    live = binary(300, 1)
    unknown = assess(live, None, None, metric="ks")
    assert not unknown.alarm and unknown.metrics["ks"].live is not None
    assert "no stored holdout predictions" in unknown.verdict
    labels = Predictions("binary", (0, 1), live.target, None, live.prediction, live.ids)
    found = assess(labels, None, binary(300, 2), metric="ks")
    assert found.metrics["ks"].live is None and found.metrics["ks"].note == "not defined for these rows"
    assert found.metrics["f1"].p is not None
    with pytest.raises(ValueError, match="no metric 'rmse' of a binary target"):
        assess(live, None, None, metric="rmse")


def test_a_series_adds_up_what_its_checks_have_stored() -> None:
    """Windows that are too small for a statement of their own: nine rows of the rarer class a check."""
    holdout, stored, found = binary(2000, 1), [], None
    for day in range(14):
        live = binary(45, 100 + day, strength=0.6)
        found = assess(live, None, holdout, metric="roc_auc", history=stored)
        assert found.decay is not None and found.metrics["roc_auc"].p is None
        stored.append(found.decay["window"])
        if found.alarm:
            break
    assert found is not None and found.decay is not None and found.alarm and found.decay["windows"] > 1
    assert f"roc_auc: decay over {-found.decay['since']} checks, " in found.verdict
    other = assess(live, None, holdout, metric="ks", history=stored)
    assert other.decay is not None and other.decay["windows"] == 1  # another metric starts anew
    tiny = assess(binary(20, 1), None, holdout, metric="roc_auc", history=stored)
    assert tiny.decay is not None and tiny.decay["window"] is None  # waits: fewer than 5 positive rows
    assert tiny.decay["windows"] == len(stored)


def test_segments_are_compared_with_their_own_rows_of_the_holdout() -> None:
    holdout, good, bad = binary(2000, 1), binary(600, 2), binary(600, 3, strength=0.2)
    live = Predictions(
        "binary",
        (0, 1),
        *(
            np.concatenate([getattr(p, name) for p in (good, bad)])
            for name in ("target", "scores", "prediction")
        ),
        np.arange(1200),
    )
    columns = pd.DataFrame(
        {"channel": ["shop"] * 600 + ["web"] * 590 + [None] * 10, "age": np.arange(1200) % 50}
    )
    own = pd.DataFrame(
        {"channel": np.array(["shop", "web"])[np.arange(2000) // 2 % 2], "age": np.arange(2000) % 50}
    )
    found = assess(live, None, holdout, metric="roc_auc", segments=columns, holdout_segments=own).segments
    by = {(one.column, one.value): one for one in found}
    assert by["channel", "web"].check.worse and not by["channel", "shop"].check.worse
    assert by["channel", "web"].rows == 590
    assert by["channel", "(missing)"].check.note.startswith("too few")
    assert [value for column, value in by if column == "age"] == [
        "<= 12", "> 12 to 24.5", "> 24.5 to 37", "> 37",
    ]  # fmt: skip
    raw = {key: one.check.tested_p for key, one in by.items() if one.check.p is not None}
    smallest = min(raw, key=lambda key: raw[key])
    assert by[smallest].check.p == pytest.approx(min(1.0, raw[smallest] * len(raw)))
    with pytest.raises(ValueError, match="3 rows of segments for 1200 predictions"):
        assess(live, None, holdout, metric="roc_auc", segments=columns.head(3))
