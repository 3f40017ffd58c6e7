"""``mlpipes retrain`` on a served model: rows with ground truth, gates, limits, kills, and the way back."""

from __future__ import annotations

import json
import re
import shlex
import signal
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psycopg2
import pytest
import stack_help
from conftest import Cli
from waiting import until

import mlpipes_cli as mlpipes

pytestmark = pytest.mark.slow
PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "monitoring" / "retrain.md"
SETTINGS = """
project: retrained
runtime: embedded
serving: {model: loans}
monitoring:
  retrain: {to: production, if: ['truth:300'], rollback_if: worse, cool_down: 7d, max_tries: 2, per: 30d}
  alerts: [{name: own, command: tee -a alerts.jsonl}]
"""
EXPERIMENT = """
experiment: loans
data: {source: loans.csv, target: default, id: ID, split: {test: 0.3, seed: 1}}
metric: roc_auc
runs:
  - {name: logistic, trainer: sklearn, estimator: sklearn.linear_model.LogisticRegression}
"""


def loans(rows: int, seed: int, debts: float = 1.0) -> pd.DataFrame:
    """Loans whose default depends on the income, and on the debts with this sign and strength."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "ID": [f"{seed}-{n}" for n in range(rows)],
            "income": random.normal(0.0, 1.0, rows).round(4),
            "debts": random.normal(0.0, 1.0, rows).round(4),
        }
    )
    odds = debts * 2 * frame["debts"] - frame["income"]
    frame["default"] = (random.random(rows) < 1 / (1 + np.exp(-odds))).astype(int)
    return frame


@dataclass
class Project:
    """A project whose model ``loans`` is served."""

    root: Path
    cli: Cli

    def send(self, frame: pd.DataFrame, name: str) -> None:
        """Have rows predicted, and report their ground truth."""
        frame.drop(columns="default").to_csv(self.root / f"{name}.csv", index=False)
        frame[["ID", "default"]].to_csv(self.root / f"{name}.truth.csv", index=False)
        self.cli("predict", f"{name}.csv", "--output", f"{name}.scored.csv").ok()
        self.cli("feedback", f"{name}.truth.csv").ok()

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        url = stack_help.environment(self.cli, self.root)["MLPIPES_DATABASE_URL"]
        with closing(psycopg2.connect(url)) as link, link, link.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []

    def outcomes(self) -> list[str | None]:
        return [one for (one,) in self.sql("select outcome from monitoring.retrainings order by started_at")]

    def version(self) -> int:
        """The version that holds ``production``."""
        versions = self.cli("models", "--json").ok().json
        return next(int(one["version"]) for one in versions if "production" in one["aliases"])

    def answers(self, version: int) -> None:
        """Wait until the API answers with this version."""
        url = next(
            one["url"] for one in self.cli("status", "--json").json["services"] if one["name"] == "api"
        )
        until(lambda: json.loads(stack_help.http(f"{url}/version"))["version"] == version)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    base = tmp_path_factory.mktemp("retrained")
    root = base / "project"
    root.mkdir()
    (root / "mlpipes.yaml").write_text(SETTINGS)
    (root / "experiment.yaml").write_text(EXPERIMENT)
    loans(600, 1).to_csv(root / "loans.csv", index=False)
    cli = Cli(base / "home", root)
    try:
        for words in (("up",), ("train",), ("promote",), ("serve", "--detach")):
            cli(*words).ok()
        yield Project(root, cli)
    finally:
        cli("down", "--volumes", "--yes")


def test_without_a_cause_there_is_nothing_to_do(project: Project) -> None:
    found = project.cli("retrain", "--if", "drift,truth:500", "--json").ok().json
    assert (found["retrained"], found["outcome"], found["model"]) == (False, "nothing", "loans")
    why = "no check shows drift: none with enough rows is stored; 0 of 500 new ground truths"
    assert found["why"] == f"nothing to do: {why}"
    assert project.cli("retrain", "--if", "drift,truth:500").ok().out.strip() == f"nothing to do: {why}"
    assert project.outcomes() == []


def test_a_wrong_condition_or_file_names_what_to_use(project: Project) -> None:
    wrong = project.cli("retrain", "--if", "drfit")
    assert wrong.code == 2
    assert "--if: unknown condition 'drfit'; did you mean 'drift'?" in wrong.err
    assert "--if: 'truth:0' needs a number of rows from 1" in project.cli("retrain", "--if", "truth:0").err
    assert project.cli("retrain", "other.yaml").code == 2


def test_a_dry_run_says_what_it_would_do_and_writes_nothing(project: Project) -> None:
    """900 rows of today, 20 of them from the source: 10 of its training rows, 10 of its holdout."""
    known = pd.read_csv(project.root / "loans.csv")
    today = loans(900, 2, debts=-0.3)
    project.send(pd.concat([known.iloc[:20], today], ignore_index=True), "today")
    before = project.sql("select count(*) from monitoring.retrainings")
    found = project.cli("retrain", "--if", "truth:300", "--dry-run", "--json").ok().json
    assert (found["retrained"], found["outcome"], found["cause"]) == (False, "would retrain", "truth")
    assert (found["alias"], found["why"]) == (
        "production", "would train 1 candidate (920 new ground truths) and move production if one is better",
    )  # fmt: skip
    rows = found["rows"]
    held = rows["kept_out"]
    assert 0 < held < 20
    assert rows == {
        "source_train": 420, "source_validation": 0, "source_holdout": 180, "served": 920,
        "served_train": 900 - rows["served_holdout"], "served_validation": 0,
        "served_holdout": round(0.3 * (900 + held)), "repeated": 20 - held, "replaced": 0, "kept_out": held,
        "unusable": 0, "judged_on": "served",
    }  # fmt: skip
    assert project.sql("select count(*) from monitoring.retrainings") == before == [(0,)]
    assert len(project.cli("history", "--json").ok().json) == 1


def test_two_at_once_are_one(project: Project) -> None:
    url = str(project.cli("env", "--json").ok().json["MLPIPES_DATABASE_URL"])
    with closing(psycopg2.connect(url)) as link, link.cursor() as cursor:
        cursor.execute("select pg_advisory_lock(hashtextextended('mlpipes retrain loans', 0))")
        second = project.cli("retrain")
    assert (second.code, project.outcomes()) == (1, [])
    assert "another retraining of model 'loans' runs" in second.err


def test_what_was_killed_counts_as_a_try_and_promotes_nothing(project: Project) -> None:
    process = project.cli.start("retrain")
    until(project.outcomes, what="a retraining that began")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert (project.outcomes(), project.version()) == ([None], 1)


def test_the_watcher_retrains_after_a_check_and_the_history_names_the_cause(project: Project) -> None:
    watched = project.cli("watch", "--once").ok()
    assert "was killed; it promoted nothing" in watched.err
    assert "retrain: promoted version 2 to production" in watched.err
    assert project.outcomes() == ["killed", "promoted"]
    ((id, cause, check),) = project.sql(
        "select id::text, cause, check_id from monitoring.retrainings where outcome = 'promoted'"
    )
    assert (cause, check) == ("truth", None)
    newest = project.cli("history", "--json").ok().json[0]
    assert (newest["kind"], newest["from_version"], newest["to_version"]) == ("promote", 1, 2)
    assert newest["reason"] == f"retraining {id}: 920 new ground truths"
    assert newest["challenger"] > newest["incumbent"] + 0.1
    assert newest["rows"] == round(0.3 * (900 + 180 / 600 * 20)) or newest["rows"] > 270
    listed = project.cli("monitor", "history", "--json").ok().json["retrainings"]
    assert [(one["outcome"], one["cause"], one["version"]) for one in listed] == [
        ("promoted", "truth", 2), ("killed", "manual", None),
    ]  # fmt: skip
    assert "promoted version 2" in project.cli("monitor", "history").ok().out.replace("\n", " ")


def test_the_cool_down_refuses_another_one(project: Project) -> None:
    second = project.cli("retrain", "--json")
    assert (second.code, second.json["outcome"], second.json["retrained"]) == (3, "refused", False)
    assert "the cool-down of 1w lasts until" in second.json["why"]
    dry = project.cli("retrain", "--dry-run", "--json")
    assert (dry.code, dry.json["outcome"]) == (3, "would refuse")
    assert project.outcomes() == ["killed", "promoted"]


def test_a_version_that_does_worse_than_the_one_before_is_taken_back(project: Project) -> None:
    project.answers(2)
    wrong = loans(120, 3, debts=-0.3)
    project.send(wrong.assign(default=1 - wrong["default"]), "wrong")
    found = project.cli("retrain", "--if", "truth:300", "--json").ok().json
    assert (found["outcome"], found["retrained"], project.version()) == ("rolled back", False, 1)
    assert found["why"].startswith("rollback_if: worse; roc_auc 0.")
    newest = project.cli("history", "--json").ok().json[0]
    assert (newest["kind"], newest["from_version"], newest["to_version"]) == ("rollback", 2, 1)
    assert newest["reason"] == found["why"]
    assert project.outcomes() == ["killed", "rolled back"]
    alerts = json.loads(f"[{(project.root / 'alerts.jsonl').read_text().replace('}{', '},{')}]")
    (told,) = [one for one in alerts if one["kind"] == "rollback"]
    assert (told["event"], told["version"], told["from_version"]) == (f"rollback:{newest['id']}", 1, 2)
    again = project.cli("retrain", "--if", "truth:300", "--json").ok().json  # it told so once
    assert (again["outcome"], project.version()) == ("nothing", 1)
    assert (project.root / "alerts.jsonl").read_text().count('"rollback"') == 1


def test_the_limit_on_tries_counts_what_was_killed_and_what_was_rolled_back(project: Project) -> None:
    project.sql("update monitoring.retrainings set started_at = started_at - interval '8 days'")
    third = project.cli("retrain", "--json")
    assert (third.code, third.json["outcome"]) == (3, "refused")
    assert "2 retrainings within 30d led to no promotion that stands (max_tries: 2)" in third.json["why"]


def test_a_version_that_was_rolled_back_is_not_promoted_again(project: Project) -> None:
    """On the same rows: the run is found in the cache, and skipped."""
    project.sql(
        "delete from serving.ground_truth g using serving.predictions p "
        "where p.prediction_id = g.prediction_id and p.model_version = 2"
    )
    found = project.cli("retrain", "--force", "--json")
    assert (found.code, found.json["outcome"], project.version()) == (3, "refused", 1)
    assert "was rolled back" in found.json["why"]
    assert project.outcomes() == ["killed", "rolled back", "refused"]


def blocks(language: str) -> list[str]:
    """The blocks of the page."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.M | re.S)


def test_the_commands_of_the_page(project: Project) -> None:
    (commands,) = blocks("bash")
    ends = []
    for line in commands.splitlines():
        program, *words = shlex.split(line)
        assert program == "mlpipes"
        ends.append(project.cli(*words).code)
    assert ends == [3, 3, 3, 0]  # there is a cause, the check of version 1; the cool-down lasts


def test_from_python(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project.root)
    (code,) = blocks("python")
    exec(compile(code, str(PAGE), "exec"), {})
    assert capsys.readouterr().out.startswith("nothing nothing to do: ")
    with pytest.raises(mlpipes.Refused, match="the cool-down of 1w lasts until"):
        mlpipes.Project().retrain().require()
