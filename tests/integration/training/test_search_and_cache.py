"""Searches, their trials and what is not trained again, on a real tracking server."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer

from mlpipes_cli import mlflow_tags
from mlpipes_cli.adapters.mlflow.client import Connection

pytestmark = pytest.mark.slow
TREE = {"name": "tree", "trainer": "sklearn", "estimator": "sklearn.tree.DecisionTreeClassifier"}
GRID = {"space": {"max_depth": [1, 3], "criterion": ["gini", "nonsense"]}, "folds": 3}
MINE = """
import time
from pathlib import Path
from sklearn.tree import DecisionTreeClassifier

def train(X, y, depth=1, *, seed):
    while depth > 2 and not (Path(__file__).parent / "go").exists():
        time.sleep(0.02)
    return DecisionTreeClassifier(max_depth=depth, random_state=seed).fit(X, y)
"""

LATE = """
import sys
import time
from importlib.abc import MetaPathFinder
from pathlib import Path

class Late(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "matplotlib" and "train" in sys.argv:
            Path(__file__).with_name("importing").touch()
            while not Path(__file__).with_name("imported").exists():
                time.sleep(0.02)

sys.meta_path.insert(0, Late())
"""


def trials(lab: Any, run_id: str) -> list[Any]:
    with Connection(lab.uri).asked("the trials") as client:
        experiment = client.get_run(run_id).info.experiment_id
        found = client.search_runs([experiment], f"tags.`{mlflow_tags.PARENT}` = '{run_id}'")
    return sorted(found, key=lambda run: int(run.data.tags[mlflow_tags.TRIAL]))


def results(lab: Any, run_id: str) -> pd.DataFrame:
    target = lab.folder / "fetched" / f"{run_id}.csv"
    assert lab.registry.artifact(run_id, mlflow_tags.SEARCH_RESULTS, target)
    return pd.read_csv(target)


def test_every_trial_is_a_run_below_its_candidates(lab: Any) -> None:
    lab.write([TREE | {"search": GRID}, TREE | {"name": "twice", "threads": 2, "search": GRID}], metric="ks")
    report = {run["name"]: run for run in lab.train("--json").ok().json["runs"]}
    table, beside = (results(lab, report[name]["run_id"]) for name in ("tree", "twice"))
    pd.testing.assert_frame_equal(table.drop(columns="error"), beside.drop(columns="error"))
    found = trials(lab, report["tree"]["run_id"])
    assert [run.info.status for run in found] == ["FINISHED", "FINISHED", "FAILED", "FAILED"]
    for run, (_, line) in zip(found, table.iterrows(), strict=True):
        assert run.info.run_name == f"tree-trial-{line['trial']}"
        assert run.data.params == {
            "criterion": line["param_criterion"], "max_depth": str(line["param_max_depth"])
        }  # fmt: skip
        assert run.info.start_time <= run.info.end_time
        if line["status"] == "finished":
            assert run.data.metrics["ks"] == pytest.approx(line["mean_ks"], abs=1e-12)
        else:
            assert "nonsense" in run.data.tags[mlflow_tags.ERROR]
    board = lab.stack.cli("leaderboard", "--experiment", lab.name, "--json").ok().json
    assert {run["name"] for run in board["runs"]} == {"tree", "twice"}
    assert {run.name for run in lab.runs()} == {"tree", "twice"}


def test_a_search_sees_nothing_of_the_holdout(lab: Any) -> None:
    """The rows that are held out are poisoned; every trial and the model stay as they were."""
    data = load_breast_cancer(as_frame=True)
    frame = data.frame.assign(row=np.arange(len(data.frame)))
    search = {
        "space": {"ccp_alpha": {"uniform": [0.0, 0.05]}},
        "method": "optuna",
        "iterations": 4,
        "folds": 3,
    }
    runs = [TREE | {"search": search}]
    split = {"by": "row", "test": 0.25, "seed": 3}  # the last rows, whatever stands in them
    frame.to_csv(lab.folder / "clean.csv", index=False)
    poisoned = frame.copy()
    held = poisoned.index >= len(frame) - round(0.25 * len(frame)) + 2
    poisoned.loc[held, data.feature_names] *= -1000.0
    poisoned.loc[held, "target"] = 1 - poisoned.loc[held, "target"]
    poisoned.to_csv(lab.folder / "poisoned.csv", index=False)
    found = []
    for source in ("clean.csv", "poisoned.csv"):
        lab.write(runs, data={"source": source, "split": split}, metric="ks")
        (run,) = lab.train("--json").ok().json["runs"]
        assert not run["cached"], "other data"
        logged = [(trial.data.params, trial.data.metrics) for trial in trials(lab, run["run_id"])]
        found.append((run["metrics"]["ks"], results(lab, run["run_id"]), logged))
    (clean, table, logged), (bad, same_table, same_logged) = found
    assert clean != bad, "the poison did not reach the holdout"
    pd.testing.assert_frame_equal(table, same_table)
    assert logged == same_logged and len(logged) == 4


def test_what_a_store_has_lost_is_trained_again_and_promoted(lab: Any) -> None:
    """The database names runs, models and an alias whose files are gone; training and promoting helps."""
    lab.functions("good")
    first = lab.train("--json").ok().json["runs"][0]
    promote = ("promote", "--experiment", lab.name, "--json")
    assert lab.stack.cli(*promote).ok().json["to_version"] == 1
    experiment = next((lab.stack.root / ".mlpipes" / "artifacts").glob(f"*/{first['run_id']}")).parent
    shutil.rmtree(experiment)
    shutil.rmtree(lab.stack.root / ".mlpipes" / "cache" / "runs", ignore_errors=True)
    lost = lab.stack.cli(*promote)
    assert (lost.code, "the files of its model no longer exist; train it again" in lost.err) == (1, True)
    again = lab.train("--json").ok()
    assert (
        f"good: the run {first['run_id'][:8]} is not reused, since some of its files no longer exist"
        in again.err
    )
    (run,) = again.json["runs"]
    assert (run["cached"], run["metrics"]) == (False, first["metrics"])
    done = lab.stack.cli(*promote).ok().json
    assert (done["outcome"], done["run_id"], done["from_version"]) == ("promoted", run["run_id"], 1)
    assert lab.train("--json").ok().json["runs"][0]["cached"]


def test_what_is_trained_is_not_trained_again_unless_it_is_forced(lab: Any) -> None:
    def board() -> Any:
        return lab.stack.cli("leaderboard", "--experiment", lab.name, "--json").ok().json

    lab.functions("good")
    first = lab.train("--json").ok().json["runs"][0]
    assert first["cached"] is False
    lab.functions("good", data={"split": {"seed": 4}})  # another holdout is newer now
    assert lab.train("--json").ok().json["runs"][0]["cached"] is False
    lab.functions("good", "raises")
    again = {run["name"]: run for run in lab.train("--json").json["runs"]}
    assert (again["good"]["cached"], again["good"]["run_id"]) == (True, first["run_id"])
    assert (again["good"]["status"], again["good"]["metrics"]) == ("FINISHED", first["metrics"])
    assert (again["raises"]["cached"], again["raises"]["status"]) == (False, "FAILED")
    assert {run["run_id"] for run in board()["runs"]} == {run["run_id"] for run in again.values()}
    lab.functions("good", "raises", metric="mcc")
    table = lab.train()
    assert (table.code, "good: cached, mcc" in table.err, "cached" in table.out) == (1, True, True)
    assert "raises: failed" in table.err, "what failed is never taken"
    assert board()["metric"] == "mcc"
    assert len(lab.runs()) == 4
    forced = lab.train("--json", "--force", "--only", "good").ok().json["runs"][0]
    assert (forced["cached"], forced["metrics"]) == (False, first["metrics"])
    assert forced["run_id"] != first["run_id"]
    both = lab.train("--force", "--resume")
    assert (both.code, "--force" in both.err) == (2, True)


@pytest.mark.parametrize("late", [False, True], ids=["while-it-fits", "before-all-is-imported"])
def test_what_a_stopped_search_had_tried_is_kept_and_nothing_is_taken_from_it(
    lab: Any, until: Callable[..., Any], late: bool
) -> None:
    (lab.folder / "search_lab.py").write_text(MINE)
    run = {"name": "mine", "trainer": "python", "function": "search_lab:train"}
    lab.write([run | {"search": {"space": {"depth": [1, 2, 3]}, "folds": 2}}])
    hook = lab.folder / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(LATE)
    process = lab.start(**{"PYTHONPATH": str(hook)} if late else {})
    jobs = Path(lab.stack.root) / ".mlpipes" / "cache" / "jobs"

    def tried() -> bool:
        kept = [path.read_text() for path in jobs.glob("*/*/out/trials.jsonl")]
        return any(
            sum(json.loads(line)["status"] == "finished" for line in text.splitlines()) == 2 for text in kept
        )

    until(tried)
    if late:
        until((hook / "importing").exists)
        assert not lab.runs()
    else:
        until(lab.runs)
    process.terminate()
    (hook / "imported").touch()
    _, err = process.communicate(timeout=60)
    assert (process.returncode, "Traceback" in err) == (130, False)
    (stopped,) = lab.runs()
    assert stopped.status == "KILLED"
    assert [trial.data.params["depth"] for trial in trials(lab, stopped.run_id)] == ["1", "2"]
    (lab.folder / "go").touch()
    (done,) = lab.train("--json").ok().json["runs"]
    assert done["run_id"] != stopped.run_id and not done["cached"]
    assert len(trials(lab, done["run_id"])) == 3
