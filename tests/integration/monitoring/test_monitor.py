"""``mlpipes monitor`` on a served model: unchanged rows, shifted rows, what is stored, what goes wrong."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import log_help
import numpy as np
import pandas as pd
import psycopg2
import pytest
import stack_help
from conftest import Cli, Result
from log_help import Row

import mlpipes_cli as mlpipes
from mlpipes_cli.json_values import jsonable
from mlpipes_cli.lifecycle.monitoring import reference as monitoring_reference

pytestmark = pytest.mark.slow
PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "monitoring" / "index.md"
CONTRACT = {
    "model", "version", "window", "rows", "alarm", "columns", "predictions", "performance", "report",
}  # fmt: skip
EXPERIMENT = """
experiment: loans
data: {source: loans.csv, target: default, id: ID, split: {test: 0.3, seed: 1}}
metric: roc_auc
runs:
  - {name: logistic, trainer: sklearn, estimator: sklearn.linear_model.LogisticRegression}
"""


def loans(rows: int, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "ID": [f"{seed}-{n}" for n in range(rows)],
            "income": random.lognormal(10, 0.5, rows).round(2),
            "age": random.integers(18, 80, rows),
            "city": random.choice(["Köln", "Paris", "Roma"], rows, p=[0.5, 0.3, 0.2]),
            "member": random.random(rows) < 0.3,
            "since": pd.to_datetime("2020-01-01") + pd.to_timedelta(random.integers(0, 900, rows), "D"),
            "debts": random.poisson(1.0, rows),
        }
    )
    odds = frame["debts"] - (np.log(frame["income"]) - 10) * 2 - 0.5
    frame["default"] = (random.random(rows) < 1 / (1 + np.exp(-odds))).astype(int)
    return frame


def shifted(rows: int, seed: int) -> pd.DataFrame:
    """Two columns that moved, and one that is gone."""
    frame = loans(rows, seed).drop(columns="default")
    return frame.assign(income=frame["income"] * 3, age=frame["age"] + 20, city=None)


@dataclass
class Served:
    """A project whose model ``loans`` is served; each test adds the rows that it needs."""

    root: Path
    cli: Cli

    def predict(self, frame: pd.DataFrame, name: str) -> Path:
        path = self.root / f"{name}.csv"
        frame.to_csv(path, index=False)
        self.cli("predict", path, "--output", self.root / f"{name}.scored.csv").ok()
        return path

    def monitor(self, *words: str) -> Result:
        return self.cli("monitor", *words)

    @property
    def url(self) -> str:
        return stack_help.environment(self.cli, self.root)["MLPIPES_DATABASE_URL"]

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        with closing(psycopg2.connect(self.url)) as link, link, link.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []

    def stored(self) -> dict[str, Any]:
        """The newest check's result."""
        ((found,),) = self.sql("select result from monitoring.checks order by checked_at desc limit 1")
        return dict(found)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    base = tmp_path_factory.mktemp("monitored")
    root = base / "project"
    root.mkdir()
    (root / "mlpipes.yaml").write_text(
        "project: monitored\nruntime: embedded\n"
        "monitoring: {columns: {debts: {min_effect: 0.3}, dept: {ignore: true}}, segments: [city],\n"
        "  alerts: [{name: own, command: tee -a alerts.jsonl}, {name: gone, command: no-such-program}]}\n"
    )
    (root / "experiment.yaml").write_text(EXPERIMENT)
    loans(2000, 1).to_csv(root / "loans.csv", index=False)
    cli = Cli(base / "home", root)
    try:
        for words in (("up",), ("train",), ("promote", "--metric", "roc_auc"), ("serve", "--detach")):
            cli(*words).ok()
        yield Served(root, cli)
    finally:
        cli("down", "--volumes", "--yes")


def test_without_predictions_there_are_too_few_rows(served: Served) -> None:
    found = served.monitor("--json").ok().json
    assert set(found) >= CONTRACT
    assert (found["model"], found["version"], found["alias"]) == ("loans", 1, "production")
    assert (found["rows"], found["alarm"], found["enough"], found["columns"]) == (0, False, False, [])
    assert found["verdict"].startswith("too few rows for a statement: 0 current rows")
    warned = served.monitor().err
    assert "mlpipes.yaml: monitoring -> columns: the model has no column 'dept'" in warned
    served.predict(loans(20, 2).drop(columns="default"), "few")
    few = served.monitor("--json").ok().json
    assert (few["rows"], few["alarm"], few["enough"]) == (20, False, False)


def test_unchanged_rows_raise_no_alarm(served: Served) -> None:
    served.predict(loans(300, 3).drop(columns="default"), "unchanged")
    found = served.monitor("--rows", "300", "--json").ok().json
    assert (found["rows"], found["reference_rows"], found["alarm"]) == (300, 601, False)
    kinds = {column["name"]: column["kind"] for column in found["columns"]}
    assert kinds == {
        "income": "number", "age": "number", "city": "category", "member": "boolean", "since": "date",
        "debts": "number",
    }  # fmt: skip
    assert {name: one["kind"] for name, one in found["predictions"].items()} == {
        "prediction": "prediction", "score": "score",
    }  # fmt: skip
    assert all(one["quality"] == [] for one in found["columns"])
    assert found == served.stored()


def test_shifted_rows_raise_an_alarm_that_names_their_columns_first(served: Served) -> None:
    file = served.predict(shifted(300, 4), "shifted")
    done = served.monitor("--rows", "300", "--json")
    found = done.json
    assert done.code == 3 and found["alarm"] and found["verdict"] in done.err
    names = [column["name"] for column in found["columns"]]
    assert set(names[:3]) == {"income", "age", "city"}
    assert [column["alarm"] for column in found["columns"]] == [True] * 3 + [False] * 3
    (city,) = [column for column in found["columns"] if column["name"] == "city"]
    assert city["quality"][0]["fault"] == "missing" and city["change"] == "missing"
    assert found == served.stored()

    project = mlpipes.Project(served.root)
    again = project.monitor(rows=300)
    with pytest.raises(mlpipes.Refused):
        again.require()
    own = {"id", "checked_at", "seconds", "window"}
    said = jsonable(again)
    assert {key: said[key] for key in said.keys() - own} == {key: found[key] for key in found.keys() - own}
    assert said == served.stored()

    holdout = served.root / "holdout.csv"
    rows = pd.read_csv(served.root / "loans.csv")
    known = pd.read_parquet(next((served.root / ".mlpipes").rglob("holdout_predictions.parquet")))
    rows[rows["ID"].isin(known["id"])].drop(columns="default").to_csv(holdout, index=False)
    compared = served.monitor("--reference", str(holdout), "--current", str(file), "--ignore", "ID", "--json")
    assert compared.code == 3
    of_files = {column["name"]: column for column in compared.json["columns"]}
    for column in found["columns"]:
        same = of_files[column["name"]]
        for key in ("effect", "effects", "alarm", "rows", "reference_rows", "quality", "change", "shape"):
            if column["name"] != "debts" or key != "alarm":
                assert same[key] == column[key], (column["name"], key)


def test_an_alarm_is_sent_once_and_a_failing_channel_is_a_warning(served: Served) -> None:
    """Two checks of the same alarm were made before."""
    file = served.root / "alerts.jsonl"
    assert file.read_text().count('"alarm:0') == 1 and "Roma" not in file.read_text()
    found = served.cli("monitor", "alerts", "--json").ok().json
    assert jsonable(mlpipes.Project(served.root).monitor_alerts()) == found
    assert {one["channel"]: (one["state"], one["attempts"]) for one in found["alerts"]} == {
        "own": ("sent", 1), "gone": ("waiting", 1),
    }  # fmt: skip
    assert "cannot be started" in served.cli("monitor", "alerts").ok().out
    served.sql("update monitoring.deliveries set next_try = clock_timestamp() where state = 'waiting'")
    done = served.monitor("--rows", "300")
    assert done.code == 3 and file.read_text().count('"alarm:0') == 1
    assert "warning: alert to 'gone' failed: the command cannot be started (No such file" in done.err
    assert (
        served.cli("monitor", "alerts", "--test", "own").ok().out == "alert 'own' accepted the test message\n"
    )
    assert '"kind": "test"' in file.read_text()
    assert served.cli("monitor", "alerts", "--test", "gone").code == 1
    assert served.cli("monitor", "alerts", "--test", "team").code == 2


def test_the_text_begins_with_the_verdict(served: Served) -> None:
    done = served.cli("monitor", "--rows", "300", env={"COLUMNS": "80"})
    first, second, third = done.out.splitlines()[:3]
    assert first.startswith("3 of 8 columns changed") or "columns changed:" in first
    assert second == "version 1 of model 'loans': 300 rows, compared with 601 of the reference"
    assert third.startswith("predictions from ")
    assert "data quality:" in done.out and "missing in 300 rows" in done.out


def test_a_person_scored_twice_counts_once(served: Served) -> None:
    frame = loans(120, 5).drop(columns="default")
    served.predict(pd.concat([frame, frame]), "twice")
    window = served.monitor("--rows", "240", "--json").json["window"]
    assert (window["predictions"], window["repeated"]) == (240, 120)


def test_the_history_tells_how_long_an_alarm_lasts(served: Served) -> None:
    found = served.cli("monitor", "history", "--limit", "100", "--json").ok().json
    stored = served.sql("select alarm, enough from monitoring.checks order by checked_at desc")
    assert [(check["alarm"], check["enough"]) for check in found["checks"]] == stored
    (alarmed,) = [c for c in found["checks"] if c["alarm"] and c["alarm_checks"] == 2]
    assert alarmed["columns"][:3] != [] and alarmed["actor"] and alarmed["cause"] == "manual"
    same = jsonable(mlpipes.Project(served.root).monitor_history(limit=100))
    assert same == found
    assert "ALARM" in served.cli("monitor", "history").ok().out
    assert served.cli("monitor", "history", "--model", "lones").code == 2


def test_the_performance_is_judged_on_the_truths_that_arrived(served: Served) -> None:
    """Half of alpha each: the rows, and the metric that decided in training."""
    good, bad = loans(300, 3)[["ID", "default"]], loans(300, 4)[["ID", "default"]]
    good.to_csv(served.root / "good.csv", index=False)
    served.cli("feedback", served.root / "good.csv").ok()
    found = served.monitor("--json").json
    kept = found["performance"]
    assert (kept["metric"], kept["with_truth"], kept["alarm"]) == ("roc_auc", 300, False)
    assert kept["metrics"]["roc_auc"]["holdout"] is not None
    assert kept["verdict"] in found["verdict"] and found["alpha"] == 0.05
    assert found == served.stored()

    bad.assign(default=1 - bad["default"]).to_csv(served.root / "bad.csv", index=False)
    served.cli("feedback", served.root / "bad.csv").ok()
    done = served.monitor("--rows", "1000", "--json")
    worse = done.json["performance"]
    assert (done.code, worse["with_truth"], worse["alarm"], done.json["alarm"]) == (3, 600, True, True)
    assert done.json["verdict"].startswith(worse["verdict"])
    page = served.root / "report.html"
    text = served.monitor("--rows", "1000", "--output", str(page)).out
    written = page.read_text(encoding="utf-8")
    assert "Over time" in written and "roc_auc" in written
    assert served.stored()["report"] == str(page)
    assert "roc_auc (decides)" in text and "WORSE" in text


def test_the_python_of_the_page(
    served: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (block,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    monkeypatch.chdir(served.root)
    loans(200, 7).to_parquet("reference.parquet")
    shifted(200, 8).to_csv("current.csv", index=False)
    exec(block, {})
    out = capsys.readouterr().out
    assert "columns changed" in out and out.rstrip().endswith("True")


def test_a_scheduled_check_spends_the_budget_of_the_year(served: Served) -> None:
    served.sql("delete from monitoring.checks")
    first = served.monitor("--rows", "200", "--scheduled", "--json").json
    assert (first["cause"], first["alpha"]) == ("scheduled", pytest.approx(1 / 365))
    second = served.monitor("--rows", "200", "--scheduled", "--json").json
    assert 0 < second["alpha"] < 600 / 86_400 / 365


def test_a_mirrored_challenger_is_checked_by_its_own_predictions(served: Served) -> None:
    served.cli("train", "--force").ok()
    served.cli("promote", "--metric", "roc_auc", "--to", "staging").ok()
    frame = loans(150, 6).drop(columns=["default", "ID"]).assign(since=lambda f: f["since"].astype(str))
    rows = json.loads(frame.to_json(orient="records"))
    answered = log_help.identifier(log_help.Row().made_at)
    log_help.add(
        served.url,
        [
            Row(model="loans", version=2, alias="staging", inputs=row, prediction=0, scores=0.1,
                shadow_of=answered)
            for row in rows
        ],
    )  # fmt: skip
    page = served.root / "staging.html"
    found = served.monitor("--alias", "staging", "--json", "--output", str(page)).json
    assert "version 2 took staging" in page.read_text(encoding="utf-8")
    assert (found["version"], found["rows"], found["window"]["mirrored"]) == (2, 150, 150)
    assert found["predictions"]["score"]["alarm"] and not any(c["alarm"] for c in found["columns"])
    assert found["window"]["others"] > 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--version", "9"), 1, "version 9 of model 'loans' is not in the registry, or was deleted"),
        (("--alias", "nowhere"), 1, "model 'loans' has no 'nowhere' version; `mlpipes promote --to nowhere`"),
        (("--model", "lones"), 2, "there is no model 'lones'"),
        (("--since", "yesterday"), 2, "--since: 'yesterday' is not a valid time"),
        (("--since", "1h", "--until", "2h"), 2, "--since is not before --until"),
        (("--rows", "10", "--since", "1d"), 2, "--rows and --since are given"),
        (("--rows", "0"), 2, "--rows: 0 is not from 1 to 100000"),
        (("--alpha", "0.1"), 2, "--alpha is for two files; set it under `monitoring:` in mlpipes.yaml"),
        (("--version", "1", "--alias", "staging"), 2, "--version and --alias are given"),
    ],
)
def test_a_mistake_is_one_line(served: Served, words: tuple[str, ...], code: int, said: str) -> None:
    done = served.monitor(*words)
    assert (done.code, done.out) == (code, "")
    assert said in done.err.splitlines()[-1]


def test_a_model_without_reference_rows_says_what_to_do(served: Served) -> None:
    text = (served.root / "experiment.yaml").read_text()
    (served.root / "bare.yaml").write_text(
        text.replace("experiment: loans", "experiment: bare").replace("id: ID,", "id: ID, sample_rows: 0,")
    )
    served.cli("train", "bare.yaml").ok()
    served.cli("promote", "--experiment", "bare", "--metric", "roc_auc").ok()
    done = served.monitor("--model", "bare")
    assert done.code == 1
    assert "version 1 of model 'bare' has no reference rows; train with `data: {sample_rows" in done.err


def test_a_version_that_is_deleted_while_it_is_checked_is_one_line(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody deletes it after the check chose it, and before its files are read."""
    from mlflow import MlflowClient

    client = MlflowClient(served.cli("env", "--json").ok().json["MLFLOW_TRACKING_URI"])
    first = client.get_model_version("loans", "1")
    model_id = first.source.rsplit("/", 1)[1]
    version = client.create_model_version("loans", first.source, first.run_id, model_id=model_id).version
    read = monitoring_reference.read

    def deleted(*given: Any) -> Any:
        client.delete_model_version("loans", str(version))
        return read(*given)

    monkeypatch.setattr(monitoring_reference, "read", deleted)
    before = served.stored()
    with pytest.raises(mlpipes.MlpipesError, match=f"^model 'loans' has no version {version}$") as caught:
        mlpipes.Project(served.root).monitor(model="loans", version=int(version))
    assert len(str(caught.value).splitlines()) == 1
    assert served.stored() == before


ARRAYS = """
import mlflow, numpy
from sklearn.linear_model import LogisticRegression
rows = numpy.random.default_rng(1).normal(size=(50, 3))
model = LogisticRegression().fit(rows, rows[:, 0] > 0)
signature = mlflow.models.infer_signature(rows, model.predict(rows))
with mlflow.start_run():
    mlflow.sklearn.log_model(model, name="model", signature=signature, registered_model_name="arrays")
"""


def test_a_model_of_arrays_without_names_says_that_it_cannot_be_compared(served: Served) -> None:
    environ = os.environ | served.cli("env", "--json").ok().json
    subprocess.run([sys.executable, "-c", ARRAYS], env=environ, check=True, capture_output=True)
    served.cli("models", "trust", "1", "--model", "arrays").ok()
    done = served.monitor("--model", "arrays", "--version", "1")
    assert (done.code, done.out) == (1, "")
    assert done.err.splitlines()[-1] == (
        "error: version 1 of model 'arrays' takes arrays without column names, which cannot be compared; "
        "train it on a table with column names"
    )


def test_a_changed_reference_is_refused(served: Served) -> None:
    (sample,) = [
        path
        for path in (served.root / ".mlpipes" / "artifacts").rglob("mlpipes_sample.arrow")
        if path.stat().st_mtime == min(
            p.stat().st_mtime for p in (served.root / ".mlpipes" / "artifacts").rglob("mlpipes_sample.arrow")
        )
    ]  # fmt: skip
    before = sample.read_bytes()
    sample.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
    try:
        done = served.monitor("--model", "loans", "--version", "1")
    finally:
        sample.write_bytes(before)
    assert done.code == 1
    assert "has changed since it was signed: mlpipes_sample.arrow was changed" in done.err


def test_a_stack_that_is_down_is_one_line(cli: Cli) -> None:
    done = cli("monitor")
    assert done.code == 1 and len(done.err.splitlines()) == 1
