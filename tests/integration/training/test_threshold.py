"""The page on thresholds is run as it stands, and its model says the same at every door."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import mlflow
import numpy as np
import pandas as pd
import pytest
from conftest import RunningStack
from e2e import test_readme as readme
from sklearn.metrics import f1_score, precision_score, recall_score
from waiting import free_port, until_answered

from mlpipes_cli.trainers.models.threshold_model import Thresholded

pytestmark = pytest.mark.slow
PAGE = (readme.ROOT / "docs" / "how-to" / "training" / "threshold.md").read_text(encoding="utf-8")
FEATURES = ["amount", "hour", "trips"]


@dataclass
class Payments:
    """What the page left."""

    stack: RunningStack
    folder: Path
    runs: dict[str, Any]
    rows: pd.DataFrame

    def artifact(self, run: str, name: str) -> pd.DataFrame:
        uri = f"runs:/{self.runs[run]['run_id']}/{name}"
        return pd.read_parquet(mlflow.artifacts.download_artifacts(uri, dst_path=str(self.folder)))


@pytest.fixture(scope="module")
def payments(running_stack: RunningStack) -> Iterator[Payments]:
    folder = running_stack.root / "threshold"
    folder.mkdir()
    environ = running_stack.cli.environment
    environ = dict(environ) | {"PATH": f"{Path(sys.executable).parent}:{environ['PATH']}"}
    command = ["bash", "-c", readme.script(PAGE)]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    mlflow.set_tracking_uri(running_stack.environment["MLFLOW_TRACKING_URI"])
    report = json.loads((folder / "trained.json").read_text())
    runs = {run["name"]: run for run in report["runs"]}
    yield Payments(running_stack, folder, runs, pd.read_csv(folder / "payments.csv").set_index("id"))


@contextmanager
def serving(stack: RunningStack, *options: str, path: str = "/ready") -> Iterator[str]:
    port = free_port()
    process = stack.cli.start("serve", "--model", "payments", "--port", str(port), *options)
    try:
        until_answered(process, f"http://127.0.0.1:{port}{path}")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


def said(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_marks_of_the_page_belong_to_blocks() -> None:
    assert len(readme.blocks(PAGE)) == PAGE.count("<!-- run") + PAGE.count("<!-- file: ") == 5


WRONG = """\
experiment: wrong
data: {source: payments.csv, target: fraud}
threshold: f1
runs:
  - {name: good, trainer: sklearn, estimator: sklearn.dummy.DummyClassifier}
  - name: codes
    trainer: sklearn
    estimator: sklearn.multiclass.OutputCodeClassifier
    params: {estimator: {estimator: sklearn.linear_model.LogisticRegression}}
    threshold: {rate: 0.1}
"""


def test_what_has_no_scores_is_told_by_its_line_before_anything_is_trained(payments: Payments) -> None:
    file = payments.folder / "wrong.yaml"
    file.write_text(WRONG)
    done = payments.stack.cli("train", file, "--dry-run")
    assert done.code == 2
    assert "wrong.yaml:10: runs -> 1 -> threshold: OutputCodeClassifier returns no scores" in done.err
    file.write_text(WRONG.replace("{rate: 0.1}", "none"))
    assert payments.stack.cli("train", file, "--dry-run").code == 0
    file.write_text(WRONG.replace("target: fraud", "target: amount").replace("{rate: 0.1}", "none"))
    done = payments.stack.cli("train", file, "--dry-run")
    assert done.code == 2
    assert "wrong.yaml:3: threshold: a threshold needs a binary target, and this one is" in done.err


def test_each_run_is_judged_at_its_own_threshold(payments: Payments) -> None:
    assert payments.runs["as-it-is"]["threshold"] is None
    assert payments.runs["as-it-is"]["metrics"]["f1"] == 0.0
    assert payments.runs["from-a-fifth"]["threshold"] == 0.2
    scores = []
    for name, run in payments.runs.items():
        held = payments.artifact(name, "holdout_predictions.parquet")
        cut = 0.5 if run["threshold"] is None else run["threshold"]
        assert held["prediction"].tolist() == (held["score"] >= cut).astype(int).tolist(), name
        for metric, value in (("f1", f1_score), ("precision", precision_score), ("recall", recall_score)):
            wanted = value(held["target"], held["prediction"], zero_division=0)
            assert run["metrics"][metric] == pytest.approx(wanted, abs=1e-12)
        scores.append(held["score"].to_numpy())
    assert all(np.array_equal(scores[0], other) for other in scores), "only the labels differ"
    best = payments.artifact("cheapest", "out_of_fold.parquet")
    assert list(best) == ["id", "target", "score", "prediction"]
    cuts = np.append(best["score"], payments.runs["cheapest"]["threshold"])
    said = best["score"].to_numpy()[:, None] >= cuts
    truth = best["target"].to_numpy()[:, None] == 1
    costs = (said & ~truth).sum(axis=0) + 20 * (~said & truth).sum(axis=0)
    assert costs[-1] == costs.min()
    called = payments.artifact("two-in-a-hundred", "out_of_fold.parquet")["prediction"]
    assert called.mean() == pytest.approx(0.02, abs=0.5 / len(called))


def test_it_is_shown_and_kept(payments: Payments, tmp_path: Path) -> None:
    cli, run = payments.stack.cli, payments.runs["at-best-f1"]
    board = cli("leaderboard", "--experiment", "payments", "--json").ok().json
    assert {one["name"]: one["threshold"] for one in board["runs"]} == {
        name: one["threshold"] for name, one in payments.runs.items()
    }
    logged = mlflow.get_run(run["run_id"]).data
    assert (logged.params["threshold"], logged.metrics["threshold"]) == ("f1", run["threshold"])
    plain = mlflow.get_run(payments.runs["as-it-is"]["run_id"]).data
    assert "threshold" not in plain.params and "threshold" not in plain.metrics
    for one, wanted, kind in ((logged, run["threshold"], "Thresholded"), (plain, None, "LogisticRegression")):
        (tmp_path / kind).mkdir()
        uri = one.tags["mlpipes.model_uri"]
        folder = mlflow.artifacts.download_artifacts(uri, dst_path=str(tmp_path / kind))
        assert mlflow.models.Model.load(folder).metadata["mlpipes"].get("threshold") == wanted
        assert type(mlflow.sklearn.load_model(folder)[-1]).__name__ == kind
    plan = cli("train", payments.folder / "payments.yaml", "--dry-run", "--json").ok().json
    rules = {one["name"]: one["threshold"] for one in plan["candidates"]}
    assert (rules["at-best-f1"], rules["as-it-is"]) == ("f1", None)
    again = cli("train", payments.folder / "payments.yaml", "--json").ok().json["runs"]
    assert [(one["cached"], one["threshold"]) for one in again] == [
        (True, payments.runs[one["name"]]["threshold"]) for one in again
    ]
    text = cli("leaderboard", "--experiment", "payments").ok().out
    assert "threshold" in text


def test_every_door_gives_the_label_that_the_holdout_file_has(payments: Payments, tmp_path: Path) -> None:
    cli, threshold = payments.stack.cli, payments.runs["at-best-f1"]["threshold"]
    run = payments.runs["at-best-f1"]["run_id"]
    cli("promote", "--experiment", "payments", "--run", run, "--metric", "f1").ok()
    version = next(one for one in cli("models", "--json").ok().json if one["model"] == "payments")
    assert version["threshold"] == threshold
    held = payments.artifact("at-best-f1", "holdout_predictions.parquet")
    wanted, scores = held["prediction"].tolist(), held["score"].tolist()
    assert 0 < sum(wanted) < len(wanted)
    rows = payments.rows.loc[held["id"], FEATURES]
    table = tmp_path / "rows.csv"
    rows.rename_axis("id").reset_index().to_csv(table, index=False)
    found: dict[str, list[Any]] = {}
    with serving(payments.stack) as url, httpx.Client(base_url=url, trust_env=False, timeout=60) as api:
        told = said(api.get("/version"))
        assert (told["threshold"], told["compiled"]) == (threshold, True)
        assert api.get("/page/model").json()["threshold"] == threshold
        answer = said(api.post("/predict", json=rows.to_dict("list")))
        assert answer["scores"] == pytest.approx(scores, abs=1e-9)
        assert answer["predictions"] == [int(score >= threshold) for score in answer["scores"]]
        found["predict"] = answer["predictions"]
        found["one by one"] = [
            said(api.post("/predict", json=row))["predictions"][0] for row in rows.head(30).to_dict("records")
        ]
        split = {"dataframe_split": {"columns": FEATURES, "data": rows.to_numpy().tolist()}}
        found["invocations"] = said(api.post("/invocations", json=split))["predictions"]
        csv = {"content-type": "text/csv"}
        body = rows.to_csv(index=False)
        found["csv"] = said(api.post("/invocations", content=body, headers=csv))["predictions"]
        tensors = [
            {
                "name": name,
                "datatype": "FP64",
                "shape": [len(rows)],
                "data": rows[name].astype(float).tolist(),
            }
            for name in FEATURES
        ]
        v2 = said(api.post("/v2/models/payments/infer", json={"inputs": tensors}))
        found["v2"] = v2["outputs"][0]["data"]
        cli("predict", table, "--model", "payments", "-o", tmp_path / "api.csv").ok()
    cli("predict", table, "--offline", "--model", "payments", "-o", tmp_path / "offline.csv").ok()
    for name in ("api", "offline"):
        found[name] = pd.read_csv(tmp_path / f"{name}.csv")["prediction"].tolist()
    with serving(payments.stack, "--engine", "mlflow", path="/health") as url:
        answer = httpx.post(f"{url}/invocations", json=split, trust_env=False, timeout=60)
        found["mlflow engine"] = said(answer)["predictions"]
    model = mlflow.sklearn.load_model("models:/payments@production", dst_path=str(tmp_path))
    assert (
        type(model[-1]).__name__ == "Thresholded" and type(model[-1]) is not Thresholded
    )  # its code came along
    found["notebook"] = model.predict(rows).tolist()
    for door, labels in found.items():
        assert labels == wanted[: len(labels)], door
