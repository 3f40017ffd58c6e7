"""``promote --to-project`` on two real stacks: what arrives, who judges, who trusts, what a kill leaves."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import documented
import httpx
import numpy as np
import pandas as pd
import psycopg2
import pytest
import serving_help
from conftest import MINIMAL, Cli, RunningStack
from waiting import until, until_answered

from mlpipes_cli import mlflow_tags
from mlpipes_cli.adapters.mlflow.client import Connection
from mlpipes_cli.adapters.mlflow.registry import MlflowRegistry

pytestmark = pytest.mark.slow
EXPERIMENT = """
experiment: sent-loans
data: {source: loans.csv, target: label, id: row, split: {test: 0.4, seed: 1}}
metric: roc_auc
runs:
  - {name: weak, trainer: sklearn, estimator: sklearn.tree.DecisionTreeClassifier, params: {max_depth: 1}}
  - {name: good, trainer: sklearn, estimator: sklearn.linear_model.LogisticRegression}
"""
STAGING = "project: staging\nruntime: embedded\n"
PRODUCTION = "project: tests\nruntime: embedded\npromotion: {gates: [{metric: roc_auc, min: %s}]}\n"


@dataclass(frozen=True)
class Two:
    """A project with two trained candidates, and an empty one that gets versions of it."""

    cli: Cli
    staging: Path
    production: Path

    def __call__(self, *args: str, at: Path | None = None, code: int = 0, **env: str) -> Any:
        done = self.cli(*args, "--json", cwd=at or self.staging, env=env)
        assert done.code == code, f"exit {done.code}\n{done.out}\n{done.err}"
        return done.json if done.out else done.err

    def send(self, *args: str, code: int = 0, **env: str) -> Any:
        return self("promote", "--to-project", str(self.production), *args, code=code, **env)

    def registry(self, at: Path) -> MlflowRegistry:
        return MlflowRegistry(Connection(self("env", at=at)["MLFLOW_TRACKING_URI"]))

    def contents(self, at: Path) -> tuple[int, int, dict[str, int]]:
        """Count the candidates' runs and the versions, and say where the aliases point."""
        registry = self.registry(at)
        model = registry.model("sent-loans")
        versions, aliases = (model.versions, dict(model.aliases)) if model else ((), {})
        return len(registry.runs(["sent-loans"])), len(versions), aliases


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, running_stack: RunningStack) -> Iterator[Two]:
    base = tmp_path_factory.mktemp("two")
    made = Two(Cli(base / "home", base), base / "staging", running_stack.root)
    draw = np.random.default_rng(3)
    values = draw.normal(size=(1500, 4))
    label = (values.sum(axis=1) + draw.normal(size=1500) > 0).astype(int)
    table = pd.DataFrame(values, columns=list("abcd")).assign(label=label, row=np.arange(1500))
    made.staging.mkdir()
    (made.staging / "mlpipes.yaml").write_text(STAGING)
    table.to_csv(made.staging / "loans.csv", index=False)
    (made.staging / "experiment.yaml").write_text(EXPERIMENT)
    for command in (["init", "-q"], ["add", "experiment.yaml"], ["commit", "-q", "-m", "first"]):
        named = ("-c", "user.name=tests", "-c", "user.email=tests@example.com")
        subprocess.run(["git", *named, *command], cwd=made.staging, check=True)
    (made.production / "mlpipes.yaml").write_text(PRODUCTION % 0.5)
    try:
        made("up")
        made("train", "experiment.yaml")
        yield made
    finally:
        made.cli("down", "--volumes", "--yes", cwd=made.staging)
        (made.production / "mlpipes.yaml").write_text(MINIMAL)


def test_a_version_that_the_other_side_refuses_leaves_nothing_there(two: Two):
    assert "no model is registered yet" in two.send(code=1)
    two("promote", "--run", "weak", "--reason", "to be tried")
    (two.production / "mlpipes.yaml").write_text(PRODUCTION % 0.999)
    refused = two.send(code=3)
    assert refused["outcome"] == "refused"
    assert "is below the gate's min 0.999" in refused["reason"]  # of production: staging has no gates
    assert two.contents(two.production) == (0, 0, {})
    assert [one["kind"] for one in two("history")] == ["promote"]
    (two.production / "mlpipes.yaml").write_text(PRODUCTION % 0.5)
    assert two.send("--dry-run")["outcome"] == "would promote"
    assert two.contents(two.production) == (0, 0, {})


def test_a_killed_copy_is_no_candidate_and_the_next_call_finishes(two: Two, tmp_path: Path):
    client = two.registry(two.production)._connection
    process = two.cli.start(
        "promote", "--to-project", str(two.production), cwd=two.staging, env={"TMPDIR": str(tmp_path)}
    )

    def unfinished() -> list[Any]:
        with client.asked("runs") as asked:
            ids = [one.experiment_id for one in asked.search_experiments()]
            found = asked.search_runs(ids, f"tags.`{mlflow_tags.ORIGIN_RUN}` LIKE '%'")
            return [one for one in found if mlflow_tags.MODEL_URI not in one.data.tags]

    until(unfinished, 60)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert unfinished()
    assert two.contents(two.production) == (0, 0, {})

    done = two.send("--reason", "tried")
    assert (done["outcome"], done["from_project"], done["origin_version"]) == (
        "promoted",
        "staging",
        "sent-loans/1",
    )
    assert not unfinished()
    assert two.contents(two.production) == (1, 1, {"production": 1})


def test_all_of_the_run_arrives(two: Two):
    here, there = two.registry(two.staging), two.registry(two.production)
    sent = next(one for one in here.runs() if one.name == "weak")
    (copy,) = there.runs(["sent-loans"])
    assert (copy.name, copy.experiment, copy.started) == ("weak", "sent-loans", sent.started)
    assert copy.run_id != sent.run_id
    assert copy.metrics == sent.metrics and copy.params == sent.params and len(copy.metrics) > 10
    same = (mlflow_tags.HOLDOUT_FINGERPRINT, mlflow_tags.DATA_FINGERPRINT, mlflow_tags.TASK)
    assert all(copy.tags[name] == sent.tags[name] for name in same)
    assert copy.tags[mlflow_tags.ORIGIN_RUN] == sent.run_id
    assert set(there.artifacts(copy.run_id)) == {*here.artifacts(sent.run_id), mlflow_tags.ORIGIN}
    assert set(there.artifacts(copy.run_id, "plots")) == set(here.artifacts(sent.run_id, "plots")) != set()
    origin = two.production / "origin.json"
    assert there.artifact(copy.run_id, mlflow_tags.ORIGIN, origin)
    about = json.loads(origin.read_text())
    assert (about["project"], about["version"], about["run_id"]) == ("staging", 1, sent.run_id)
    assert [one["reason"] for one in about["history"]] == ["to be tried"]


def test_the_receiving_project_trusts_it_by_its_own_key(two: Two):
    """It scores rows there as here; the sender's key opens nothing there."""
    rows = two.staging / "loans.csv"
    said = []
    for folder in (two.staging, two.production):
        two("predict", str(rows), "--model", "sent-loans", "--offline", "--output", "said.csv", at=folder)
        said.append(pd.read_csv(folder / "said.csv"))
    pd.testing.assert_frame_equal(said[0], said[1])
    assert two("models", "trust", "1", "--model", "sent-loans", at=two.production)[0]["outcome"] == "signed"
    keys = [re.findall(r"^MLPIPES_MODEL_KEY=(.*)$", (f / ".env").read_text(), re.M)[0]
            for f in (two.staging, two.production)]  # fmt: skip
    assert keys[0] != keys[1]


def test_the_histories_of_both_sides_name_it_and_a_second_call_adds_nothing(two: Two):
    before = [two("history", "--model", "sent-loans", at=folder) for folder in (two.staging, two.production)]
    assert two.send()["outcome"] == "unchanged"
    assert [
        two("history", "--model", "sent-loans", at=folder) for folder in (two.staging, two.production)
    ] == before
    assert two.contents(two.production) == (1, 1, {"production": 1})
    sent, arrived = before[0][0], before[1][0]
    run = two.registry(two.staging).model("sent-loans").versions[0].run_id
    assert (arrived["kind"], arrived["from_version"], arrived["to_version"]) == ("promote", None, 1)
    assert (arrived["from_project"], arrived["origin_version"]) == ("staging", "sent-loans/1")
    assert (arrived["origin_run"], arrived["reason"]) == (run, "tried")
    assert (sent["kind"], sent["to_project"], sent["run_id"]) == ("sent", "tests", run)
    assert (sent["from_version"], sent["to_version"], sent["who"]) == (1, 1, arrived["who"])
    with_alias = two.registry(two.staging).model("sent-loans")
    assert with_alias.aliases == {"production": 1}  # what was sent moved no alias here


def test_a_better_version_is_compared_with_the_incumbent_there_on_the_same_holdout(two: Two):
    """By the commands of the page."""
    two("promote", "--run", "good")
    (two.staging.parent / "production").symlink_to(two.production)
    page = (documented.ROOT / "docs" / "how-to" / "automation" / "projects.md").read_text()
    (block,) = re.findall(r"^```bash\n(.*?)^```", page, re.M | re.S)
    tried, done, past = [two(*shlex.split(line)[1:]) for line in block.splitlines()]
    assert tried["outcome"] == "would promote"
    assert past[0]["kind"] == "sent" and past[0]["reason"] == "tried in staging"
    assert done["outcome"] == "promoted" and done["incumbent"]["version"] == 1
    found = done["comparison"]
    assert (found["rows"], found["candidates"]) == (600, 1)  # the incumbent is no candidate of its own
    metrics = {one.name: one.metrics["roc_auc"] for one in two.registry(two.staging).runs()}
    assert found["incumbent"] == pytest.approx(metrics["weak"])
    assert found["challenger"] == pytest.approx(metrics["good"])
    assert two.contents(two.production) == (2, 2, {"production": 2})
    refused = two.send("--run", "weak", code=3)
    assert refused["outcome"] == "refused" and refused["to_version"] == 1
    assert two.contents(two.production) == (2, 2, {"production": 2})


def test_what_was_rolled_back_there_is_not_sent_again(two: Two):
    two("rollback", "--model", "sent-loans", "--reason", "too slow", at=two.production)
    assert "was rolled back from production" in two.send(code=3)
    assert two.contents(two.production)[2] == {"production": 1}
    assert two.send("--run", "good")["outcome"] == "promoted"


def test_the_history_goes_from_the_commit_to_the_first_answered_request(two: Two):
    port = serving_help.free_port()
    options = ("--model", "sent-loans", "--port", str(port))
    process = two.cli.start("serve", *options, cwd=two.production)
    try:
        until_answered(process, f"http://127.0.0.1:{port}/ready", 120)
        row = dict.fromkeys("abcd", 0.5)
        for _ in range(2):
            said = httpx.post(f"http://127.0.0.1:{port}/predict", json=row, trust_env=False, timeout=60)
            assert said.json()["model"]["version"] == 2

        def last() -> Any:
            return two("history", "--model", "sent-loans", at=two.production)[0]

        until(lambda: last()["deployed_at"], 60)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    event, (copy, _) = last(), two.registry(two.production).runs(["sent-loans"])
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=two.staging, capture_output=True, text=True)
    url = two("env", at=two.production)["MLPIPES_DATABASE_URL"]
    with closing(psycopg2.connect(url)) as link, link.cursor() as cursor:
        cursor.execute("select min(made_at) from serving.predictions where model_name = 'sent-loans'")
        (answered,) = cursor.fetchone() or (None,)
    assert (event["to_version"], event["commit"]) == (2, head.stdout.strip())
    assert copy.name == "good"
    times = [
        datetime.fromisoformat(event[name])
        for name in ("trained_at", "when", "deployed_at", "first_answer_at")
    ]
    assert times == sorted(times)
    assert times[0].timestamp() * 1000 == copy.trained and times[3] == answered
    shown = two.cli("history", "--model", "sent-loans", cwd=two.production, env={"COLUMNS": "90"}).ok().out
    assert re.search(r"production +1 +2 +\+[\d.]+ (s|min) +\+[\d.]+ (s|min)", shown), shown


def test_on_another_holdout_the_rows_come_from_the_sender(two: Two):
    """The incumbent there is asked for the rows of the challenger's holdout that it was not trained on."""
    (two.staging / "experiment.yaml").write_text(EXPERIMENT.replace("seed: 1", "seed: 2"))
    trained = two("train", "experiment.yaml", "--only", "weak")["runs"][0]["run_id"]
    two("promote", "--run", trained, "--to", "next")
    verdict = two.send("--run", trained, code=3)
    assert verdict["incumbent"]["version"] == 2
    rows, left_out = verdict["comparison"]["rows"], verdict["rows_left_out"]
    assert rows + left_out == 600 and 300 < left_out < 420  # of 60 % of all rows
    assert verdict["comparison"]["incumbent"] > verdict["comparison"]["challenger"]


def test_wrong_projects_are_told_without_a_secret(two: Two):
    for given, told in (
        ("https://ann:s3cret@mlflow.example.com", "a https:// address names a server"),
        ("../nowhere", "there is no mlpipes.yaml in"),
        (".", "is this project itself"),
    ):
        done = two.cli("promote", "--to-project", given, cwd=two.staging)
        assert done.code == 2 and told in done.err and "s3cret" not in done.err
    env = (two.production / ".env").read_text()
    try:
        (two.production / ".env").write_text(re.sub(r"(?m)^MLPIPES_MODEL_KEY=.*\n", "", env))
        own = re.findall(r"^MLPIPES_MODEL_KEY=(.*)$", (two.staging / ".env").read_text(), re.M)[0]
        told = two.send(code=1, MLPIPES_MODEL_KEY=own)
        assert "project 'tests' has no MLPIPES_MODEL_KEY in" in told and own not in told
    finally:
        (two.production / ".env").write_text(env)
