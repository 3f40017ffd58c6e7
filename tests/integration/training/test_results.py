"""What a training leaves on a real tracking server."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import stats
from sklearn import metrics as skm

from mlpipes_cli import metric_catalog, mlflow_tags
from mlpipes_cli.data.rows import read_hashes

pytestmark = pytest.mark.slow
FOUR = [
    {"name": "logistic", "trainer": "sklearn", "estimator": "sklearn.linear_model.LogisticRegression"},
    {"name": "forest", "trainer": "sklearn", "estimator": "sklearn.ensemble.RandomForestClassifier",
     "params": {"n_estimators": 30, "class_weight": {0: 1, 1: 2}}, "search": {"max_depth": [2, None]}},
    {"name": "svm", "trainer": "sklearn", "estimator": "sklearn.svm.SVC"},
    {"name": "mine", "trainer": "python", "function": "lab_module:good"},
]  # fmt: skip


def artifact(lab: Any, run_id: str, name: str) -> Path:
    target = lab.folder / "fetched" / run_id / name
    assert lab.registry.artifact(run_id, name, target), name
    return target


def ks(target: np.ndarray, score: np.ndarray) -> float:
    return float(stats.ks_2samp(score[target == 1], score[target == 0]).statistic)


BINARY = {
    "ks": lambda f: ks(f["target"], f["score"]),
    "roc_auc": lambda f: skm.roc_auc_score(f["target"], f["score"]),
    "pr_auc": lambda f: skm.average_precision_score(f["target"], f["score"]),
    "log_loss": lambda f: skm.log_loss(f["target"], f["score"]),
    "brier": lambda f: skm.brier_score_loss(f["target"], f["score"]),
    "f1": lambda f: skm.f1_score(f["target"], f["prediction"]),
    "precision": lambda f: skm.precision_score(f["target"], f["prediction"]),
    "recall": lambda f: skm.recall_score(f["target"], f["prediction"]),
    "mcc": lambda f: skm.matthews_corrcoef(f["target"], f["prediction"]),
    "accuracy": lambda f: skm.accuracy_score(f["target"], f["prediction"]),
}


@pytest.fixture(scope="module")
def trained(shared_lab: Any) -> Any:
    """Four candidates, trained once; what a test adds leaves the runs of the first three the newest."""
    shared_lab.write(FOUR, metric="ks")
    return shared_lab, shared_lab.train("--json").ok().json


def test_everything_of_a_run_is_there_and_can_be_recomputed(trained: Any) -> None:
    lab, report = trained
    assert [sorted(run) for run in report["runs"]] == [
        sorted(
            [
                *("name", "run_id", "status", "metrics", "intervals", "seconds", "error"),
                *("threshold", "cached", "cross_validated"),
            ]
        )
    ] * 4
    values = [run["metrics"]["ks"] for run in report["runs"]]
    assert values == sorted(values, reverse=True)
    assert report["best"] == report["runs"][0]["name"]
    assert report["data"]["rows"] == 569
    for run in report["runs"]:
        frame = pd.read_parquet(artifact(lab, run["run_id"], mlflow_tags.HOLDOUT_PREDICTIONS))
        assert list(frame) == ["id", "target", "score", "prediction"]
        for name, value in run["metrics"].items():
            assert BINARY[name](frame) == pytest.approx(value, abs=1e-9), (run["name"], name)
            low, high = run["intervals"][name]
            assert low <= value <= high
    holdouts = [
        tuple(pd.read_parquet(artifact(lab, r["run_id"], "holdout_predictions.parquet"))["id"])
        for r in report["runs"]
    ]
    assert len(set(holdouts)) == 1


def test_the_run_says_how_it_was_made(trained: Any) -> None:
    lab, report = trained
    run = lab.by_name()["forest"]
    assert run.status == "FINISHED"
    assert run.tags[mlflow_tags.TRAINER] == "sklearn"
    assert run.tags[mlflow_tags.DATA_FINGERPRINT] == report["data"]["fingerprint"]
    assert run.params["estimator"] == "sklearn.ensemble.RandomForestClassifier"
    assert run.params["n_estimators"] == "30"
    assert "best_max_depth" in run.params
    assert run.metrics["ks_lower"] <= run.metrics["ks"] <= run.metrics["ks_upper"]
    pins = artifact(lab, run.run_id, mlflow_tags.REQUIREMENTS).read_text().split()
    assert all("==" in pin for pin in pins)
    assert {"mlflow", "scikit-learn", "pandas", "numpy", "cloudpickle"} <= {
        pin.partition("==")[0] for pin in pins
    }
    hashes, columns = read_hashes(artifact(lab, run.run_id, mlflow_tags.TRAINING_ROWS))
    assert len(hashes) + len(pd.read_parquet(artifact(lab, run.run_id, "holdout_predictions.parquet"))) == 569
    assert "target" in columns
    classes = json.loads(artifact(lab, run.run_id, mlflow_tags.CLASSES).read_text())
    assert classes == {"task": "binary", "classes": [0, 1], "positive": 1}
    for name in ("plots/roc.png", "plots/ks.png", "plots/feature_importance.png", mlflow_tags.SEARCH_RESULTS,
                 mlflow_tags.FEATURE_IMPORTANCE, mlflow_tags.INTERVALS):  # fmt: skip
        assert artifact(lab, run.run_id, name).stat().st_size > 0


def test_the_resolved_file_makes_the_same_candidate_again(trained: Any) -> None:
    lab, _ = trained
    first = lab.by_name()["forest"]
    resolved = artifact(lab, first.run_id, mlflow_tags.RESOLVED_EXPERIMENT)
    lab.file.write_text(resolved.read_text())
    again = lab.train("--json").ok().json
    lab.write(FOUR, metric="ks")
    assert again["runs"][0]["run_id"] == first.run_id, "its spec hash differs"
    assert yaml.safe_load(resolved.read_text())["runs"][0]["params"]["class_weight"] == {0: 1, 1: 2}


def test_the_same_file_gives_the_same_numbers_one_at_a_time_or_together(trained: Any, lab: Any) -> None:
    _, report = trained
    lab.write(FOUR, metric="ks")
    second = lab.train("--json", "--parallel", "1").ok().json
    third = lab.train("--json", "--force", "--parallel", "4").ok().json
    expected = {run["name"]: (run["metrics"], run["intervals"]) for run in report["runs"]}
    for other in (second, third):
        assert {run["name"]: (run["metrics"], run["intervals"]) for run in other["runs"]} == expected
        assert other["data"] == report["data"]


LOAD = """
import json, sys
import mlflow, mlflow.sklearn, pandas as pd
from sklearn.datasets import load_breast_cancer
assert not any(name.startswith("mlpipes_cli") for name in sys.modules)
class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("mlpipes_cli", "lab_module"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Wall())
uri = sys.argv[1]
model = mlflow.pyfunc.load_model(uri)
X = load_breast_cancer(as_frame=True).data
info = mlflow.models.get_model_info(uri)
assert info.signature.inputs.input_names() == list(X.columns)
print(json.dumps({
    "labels": [int(v) for v in model.predict(X)],
    "scores": mlflow.sklearn.load_model(uri).predict_proba(X)[:, 1].tolist(),
    "metadata": info.metadata["mlpipes"],
    "example": len(info.saved_input_example_info or {}) > 0,
}))
"""


@pytest.mark.parametrize("name", ["logistic", "mine"])
def test_the_model_loads_where_neither_mlpipes_nor_the_users_module_is(
    trained: Any, name: str, tmp_path: Path
) -> None:
    lab, _ = trained
    run = lab.by_name()[name]
    done = subprocess.run(
        [sys.executable, "-c", LOAD, run.tags[mlflow_tags.MODEL_URI]],
        env=lab.stack.cli.environment | {"MLFLOW_TRACKING_URI": lab.uri, "TMPDIR": str(tmp_path)},
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout.strip().splitlines()[-1])
    frame = pd.read_parquet(artifact(lab, run.run_id, mlflow_tags.HOLDOUT_PREDICTIONS))
    rows = frame["id"].to_numpy()
    assert np.array_equal(np.array(told["labels"])[rows], frame["prediction"])
    assert np.allclose(np.array(told["scores"])[rows], frame["score"], atol=1e-12)
    assert told["metadata"]["classes"] == [0, 1]
    assert told["example"]


def test_several_classes_as_strings(lab: Any) -> None:
    from sklearn.datasets import load_wine

    data = load_wine(as_frame=True)
    frame = data.data.assign(
        kind=np.array(["barolo", "grignolino", "barbera"])[data.target], maker=data.target % 2 == 0
    )
    frame.loc[::7, "alcohol"] = None
    frame.to_csv(lab.folder / "wine.csv", index=False)
    runs = [
        {"name": "logistic", "trainer": "sklearn", "estimator": "sklearn.linear_model.LogisticRegression"},
        {
            "name": "trees",
            "trainer": "sklearn",
            "estimator": "sklearn.ensemble.HistGradientBoostingClassifier",
        },
    ]
    lab.write(runs, data={"source": "wine.csv", "target": "kind"})
    report = lab.train("--json").ok().json
    for run in report["runs"]:
        frame = pd.read_parquet(artifact(lab, run["run_id"], mlflow_tags.HOLDOUT_PREDICTIONS))
        assert list(frame)[2:5] == ["score_barbera", "score_barolo", "score_grignolino"]
        f1 = skm.f1_score(frame["target"], frame["prediction"], average="macro")
        assert run["metrics"]["f1_macro"] == pytest.approx(f1, abs=1e-9)
        auc = skm.roc_auc_score(frame["target"], frame[list(frame)[2:5]], multi_class="ovr", average="macro")
        assert run["metrics"]["roc_auc_macro"] == pytest.approx(auc, abs=1e-9)


def test_a_quantity(lab: Any) -> None:
    runs = [
        {"name": "ridge", "trainer": "sklearn", "estimator": "sklearn.linear_model.Ridge"},
        {
            "name": "trees",
            "trainer": "sklearn",
            "estimator": "sklearn.ensemble.HistGradientBoostingRegressor",
        },
    ]
    lab.write(runs, data={"source": "sklearn:diabetes"}, metric="mae")
    report = lab.train("--json").ok().json
    values = [run["metrics"]["mae"] for run in report["runs"]]
    assert values == sorted(values)
    frame = pd.read_parquet(artifact(lab, report["runs"][0]["run_id"], mlflow_tags.HOLDOUT_PREDICTIONS))
    assert skm.mean_absolute_error(frame["target"], frame["prediction"]) == pytest.approx(values[0], abs=1e-9)
    assert skm.r2_score(frame["target"], frame["prediction"]) == pytest.approx(
        report["runs"][0]["metrics"]["r2"], abs=1e-9
    )


def test_the_leaderboard_shows_the_newest_of_each_and_sorts_by_what_is_asked(trained: Any) -> None:
    lab, report = trained
    again = lab.train("--json", "--force", "--only", "svm").ok().json
    board = lab.stack.cli("leaderboard", "--experiment", lab.name, "--json").ok().json
    ids = {run["name"]: run["run_id"] for run in report["runs"]} | {"svm": again["runs"][0]["run_id"]}
    assert {run["name"]: run["run_id"] for run in board["runs"]} == ids
    assert board["best"] == report["best"]
    by_auc = (
        lab.stack.cli("leaderboard", "--experiment", str(lab.file), "--metric", "roc_auc", "--json").ok().json
    )
    values = [run["metrics"]["roc_auc"] for run in by_auc["runs"]]
    assert values == sorted(values, reverse=True)
    wrong = lab.stack.cli("leaderboard", "--experiment", lab.name, "--metric", "rmse")
    assert (wrong.code, "not apply to a binary target" in wrong.err) == (2, True)
    unknown = lab.stack.cli("leaderboard", "--experiment", lab.name + "x")
    assert (unknown.code, "has no runs" in unknown.err) == (2, True)


def _strangers_run(lab: Any) -> None:
    """As a notebook writes one that copied our tag: the newest, with metrics that beat all."""
    from mlflow import MlflowClient

    client = MlflowClient(lab.uri)
    experiment = client.get_experiment_by_name(lab.name).experiment_id
    run = client.create_run(experiment, tags={mlflow_tags.CANDIDATE: "best", "mlflow.runName": "best"})
    client.log_metric(run.info.run_id, "ks", 1.0)
    client.set_terminated(run.info.run_id)


def test_a_leaderboard_of_a_file_tells_of_other_holdouts(lab: Any) -> None:
    lab.write(FOUR, metric="ks")
    lab.train("--json").ok()
    alone = lab.stack.cli("leaderboard", lab.file, "--json").ok()
    assert (alone.json["other_holdouts"], "other holdouts" in alone.err) == ([], False)
    first = alone.json["holdout_fingerprint"]
    lab.write(FOUR[:1], metric="ks", data={"split": {"seed": 4}})
    lab.train("--json").ok()
    board = lab.stack.cli("leaderboard", lab.file, "--json").ok()
    assert [run["name"] for run in board.json["runs"]] == ["logistic"]
    assert board.json["other_holdouts"] == [{"holdout_fingerprint": first, "runs": 4}]
    assert f"4 runs of {lab.name} used other holdouts" in board.err and first[:12] in board.err
    before = lab.stack.cli("leaderboard", lab.file, "--holdout", first[:12], "--json").ok().json
    assert before["runs"] == alone.json["runs"]
    _strangers_run(lab)
    assert "not ranked" not in board.err
    with_it = lab.stack.cli("leaderboard", lab.file, "--json").ok()
    assert with_it.json == board.json | {"other_runs": 1}
    assert f"1 run of {lab.name} is not ranked: `mlpipes train` did not make it" in with_it.err
    unknown = lab.stack.cli("leaderboard", lab.file, "--holdout", "zz")
    assert (unknown.code, first[:12] in unknown.err) == (2, True)
    twice = lab.stack.cli("leaderboard", lab.file, "--experiment", lab.name)
    assert (twice.code, "given twice" in twice.err) == (2, True)


def test_a_model_of_labels_alone_has_no_metric_of_scores(lab: Any) -> None:
    lab.functions("good", "labels", metric="log_loss")
    done = lab.train().ok()
    assert "labels: no log_loss: its model returns labels, not scores" in done.out
    assert "s, no log_loss" in done.err
    runs = lab.by_name()
    known = {name for name in runs["labels"].metrics if name in metric_catalog.NAMES}
    assert known == {"f1", "precision", "recall", "mcc", "accuracy"}
    assert set(BINARY) <= set(runs["good"].metrics)

    promoted = lab.stack.cli("promote", "--experiment", lab.name, "--dry-run", "--json").ok()
    assert promoted.json["candidate"] == "good"
    assert "labels has no log_loss: its model returns labels, not scores" in promoted.err
    named = lab.stack.cli("promote", "--experiment", lab.name, "--run", "labels")
    assert (named.code, "labels has no log_loss" in named.err) == (1, True)
    by_label = lab.stack.cli(
        "promote", "--experiment", lab.name, "--run", "labels", "--metric", "mcc", "--dry-run", "--json"
    )
    assert by_label.ok().json["outcome"] == "would promote"


def test_a_handful_of_rows_is_warned_of_and_has_no_intervals(lab: Any, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rows = pd.DataFrame({"x": random.normal(size=200), "y": np.repeat([1, 0], [20, 180])})
    rows.assign(x=rows["x"] + rows["y"]).to_csv(lab.folder / "few.csv", index=False)
    lab.write(FOUR[:1], metric="ks", data={"source": str(lab.folder / "few.csv"), "target": "y"})
    done = lab.train("--json").ok()
    warning = "the holdout has 4 rows of the rarest class: too few for an interval of ks"
    (run,) = done.json["runs"]
    assert 0.0 < run["metrics"]["ks"] <= 1.0 and run["intervals"] == dict.fromkeys(run["metrics"])
    assert warning in done.err
    board = lab.stack.cli("leaderboard", lab.file).ok()
    assert warning in board.err and "too few rows" in " ".join(board.out.split())
    assert warning in lab.stack.cli("promote", "--experiment", lab.name, "--dry-run").ok().err
