"""Predictions are checked when they are made, and survive a Parquet file unchanged."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import sklearn.metrics as sk

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.scoring.metrics import evaluate
from mlpipes_cli.scoring.predictions import Predictions


def binary(**changes):
    parts = {
        "task": "binary",
        "classes": (0, 1),
        "target": [0, 1, 1],
        "scores": [0.1, 0.9, 0.4],
        "prediction": [0, 1, 0],
        "ids": [7, 8, 9],
    }
    return Predictions(**(parts | changes))


CASES = {
    "int labels": binary(),
    "text labels and ids": binary(
        classes=("bad", "good"), target=["bad", "good", "bad"], prediction=["good"] * 3, ids=["x", "y", "ö"]
    ),
    "boolean labels": binary(classes=(False, True), target=[True, False, True], prediction=[True] * 3),
    "multiclass": Predictions(
        "multiclass", ("a", "b", "c"), ["a", "c"], [[0.1, 0.2, 0.7], [1 / 3] * 3], ["c", "b"], [1.5, 2.5]
    ),
    "multiclass of ints": Predictions("multiclass", (1, 2, 5), [5, 1], np.eye(3)[:2], [1, 2], [0, 1]),
    "regression": Predictions("regression", (), [0.1, 1e-17], None, [1 / 3, -2e300], [3, 4]),
    "no scores": binary(scores=None),
    "dates as ids": binary(ids=pd.to_datetime(["2020-01-01", "2020-01-02", "2021-01-01"]).to_numpy()),
    "mixed ids": binary(ids=[1, "a", None]),
}


@pytest.mark.parametrize("p", CASES.values(), ids=CASES)
def test_parquet_round_trip_is_exact(p, tmp_path):
    path = tmp_path / "holdout_predictions.parquet"
    p.to_frame().to_parquet(path)
    back = Predictions.from_frame(pd.read_parquet(path), p.task, p.classes)
    assert (back.task, back.classes) == (p.task, p.classes)
    for name in ("target", "prediction", "ids"):
        first, second = getattr(p, name), getattr(back, name)
        assert first.dtype.kind == second.dtype.kind
        assert first.tolist() == second.tolist()
    assert (p.scores is None) == (back.scores is None)
    assert p.scores is None or np.array_equal(p.scores, back.scores)
    assert evaluate(back) == evaluate(p)


def test_the_file_alone_gives_the_metrics_back(tmp_path):
    random = np.random.default_rng(5)
    truth = random.random(500) < 0.2
    score = np.round(np.clip(random.normal(0.3, 0.15, 500) + 0.2 * truth, 0, 1), 2)
    names = np.array(["no", "yes"])
    p = Predictions(
        "binary", ("no", "yes"), names[truth * 1], score, names[(score > 0.5) * 1], np.arange(500)
    )
    p.to_frame().to_parquet(tmp_path / "file.parquet")
    frame = pd.read_parquet(tmp_path / "file.parquet")
    target, label = frame["target"] == "yes", frame["prediction"] == "yes"
    expected = {
        "ks": scipy.stats.ks_2samp(frame["score"][target], frame["score"][~target]).statistic,
        "roc_auc": sk.roc_auc_score(target, frame["score"]),
        "pr_auc": sk.average_precision_score(target, frame["score"]),
        "log_loss": sk.log_loss(target, np.stack([1 - frame["score"], frame["score"]], axis=1)),
        "brier": sk.brier_score_loss(target, frame["score"]),
        "f1": sk.f1_score(target, label),
        "precision": sk.precision_score(target, label),
        "recall": sk.recall_score(target, label),
        "mcc": sk.matthews_corrcoef(target, label),
        "accuracy": sk.accuracy_score(target, label),
    }
    assert evaluate(p) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_labels_become_the_classes_themselves():
    p = binary(prediction=np.array([0.0, 1.0, 1.0]), target=np.array([True, False, True]))
    assert p.prediction.dtype == np.int64
    assert p.target.tolist() == [1, 0, 1]
    text = binary(classes=("n", "y"), target=np.array(["n", "y", "y"]), prediction=pd.Series(["y"] * 3))
    assert text.prediction.dtype == object and type(text.target[0]) is str


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prediction": [0, 1]}, "2 predictions for 3 rows"),
        ({"scores": [0.1, 0.2]}, "2 scores for 3 rows"),
        ({"ids": [1]}, "1 ids for 3 rows"),
        ({"scores": [0.1, float("nan"), 0.3]}, r"missing or infinite in 1 of 3 rows \(the first is row 1\)"),
        ({"scores": [0.1, 0.2, float("inf")]}, "missing or infinite"),
        ({"scores": ["a", "b", "c"]}, "the scores are not numbers"),
        ({"scores": np.ones((3, 2))}, r"shape \(3, 2\), expected \(3,\)"),
        ({"prediction": [0, 1, 2]}, "the prediction contains 2, which is not one of the classes 0, 1"),
        ({"prediction": ["0", "1", "1"]}, "the prediction contains '0'"),
        ({"prediction": [0, 1, None]}, "not one of the classes 0, 1"),
        ({"target": [0, 1, float("nan")]}, "the target contains nan"),
        ({"target": [], "scores": [], "prediction": [], "ids": []}, "no rows to score"),
        ({"classes": (0, 1, 2)}, "a binary target cannot have the classes"),
        ({"classes": (1, 1)}, "a binary target cannot have the classes"),
        ({"prediction": np.ones((3, 2))}, "expected one value for each row"),
        ({"task": "multiclass", "classes": (0, 1, 2)}, r"expected \(3, 3\)"),
        ({"task": "regression", "classes": ()}, "a regression model has no scores"),
        ({"task": "regression", "classes": (), "scores": None, "prediction": [1, 2, np.nan]}, "missing"),
        ({"task": "regression", "classes": (), "scores": None, "prediction": list("abc")}, "not numbers"),
    ],
)
def test_what_a_trainer_may_get_wrong_is_one_line(changes, message):
    with pytest.raises(MlpipesError, match=message) as caught:
        binary(**changes)
    assert len(caught.value.lines()) == 1


def test_a_frame_without_its_columns_is_named():
    frame = binary().to_frame().drop(columns=["id", "prediction"])
    with pytest.raises(MlpipesError, match="no column 'id', 'prediction'"):
        Predictions.from_frame(frame, "binary", (0, 1))


def test_take_keeps_rows_together():
    p = binary().take([2, 0])
    assert (p.ids.tolist(), p.target.tolist(), p.scores.tolist()) == ([9, 7], [1, 0], [0.4, 0.1])
