"""The Python API: its methods return what the commands print with ``--json``, on a real stack."""

from __future__ import annotations

import dataclasses
import getpass
import json
import logging
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import Cli

import mlpipes_cli as mlpipes
from mlpipes_cli.cli.console import jsonable

pytestmark = pytest.mark.slow
PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "python.md"


@dataclass
class Made:
    """A project with two trained candidates, the better one served.

    Attributes:
        project: As a program has it.
        cli: The command line in its folder.
        training: What ``train`` returned.
        events: What was heard while it trained.
    """

    project: mlpipes.Project
    cli: Cli
    training: Any
    events: list[mlpipes.Event]

    def printed(self, *command: str) -> Any:
        return self.cli(*command, "--json").ok().json

    @property
    def new_rows(self) -> Path:
        return self.project.root / "data" / "new_rows.csv"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    base = tmp_path_factory.mktemp("api")
    events: list[mlpipes.Event] = []
    project = mlpipes.init(base / "tumours", example="breast-cancer", on_event=events.append)
    try:
        assert project.up(runtime="embedded").running("mlflow")
        events.clear()
        training = project.train(only=["logistic", "forest"])
        heard = list(events)
        assert project.promote(metric="ks", reason="first").outcome == "promoted"
        assert project.serve().version == 1
        assert project.predict("data/new_rows.csv").rows == 10
        yield Made(project, Cli(base / "home", project.root), training, heard)
    finally:
        project.down(volumes=True, yes=True)


def test_training(made: Made) -> None:
    found = made.training
    assert (found.experiment, found.data.rows, len(found.runs)) == ("breast-cancer", 569, 2)
    assert found.best == found.runs[0].name
    assert {run.status for run in found.runs} == {"FINISHED"}
    found.raise_for_status()
    frame = found.frame()
    assert list(frame["metrics.ks"]) == [run.metrics["ks"] for run in found.runs]
    assert frame["intervals.ks"][0] == found.runs[0].intervals["ks"]
    again = made.printed("train", "--only", "logistic", "--only", "forest")
    assert jsonable(dataclasses.replace(found, runs=[])) == {**again, "runs": []}
    assert [run["name"] for run in again["runs"]] == [run.name for run in found.runs]
    assert set(again["runs"][0]) == {field.name for field in dataclasses.fields(found.runs[0])}


def test_events_tell_of_each_candidate(made: Made) -> None:
    ended = [one.text for one in made.events if one.kind == "candidate" and "finished" in one.text]
    values = {run.name: run.metrics["ks"] for run in made.training.runs}
    assert sorted(ended) == sorted(f"{name}: finished, ks {value:.4f}" for name, value in values.items())


@pytest.mark.parametrize(
    ("method", "command"),
    [
        ("leaderboard", "leaderboard"),
        ("models", "models"),
        ("history", "history"),
        ("keys", "keys list"),
        ("env", "env"),
        ("plan", "train --dry-run"),
        ("predictions", "predictions list"),
        ("performance", "performance"),
    ],
)
def test_a_method_returns_what_the_command_prints(made: Made, method: str, command: str) -> None:
    assert jsonable(getattr(made.project, method)()) == made.printed(*command.split())


def test_the_status(made: Made) -> None:
    def steady(status: Any) -> list[dict[str, Any]]:
        return [{**row, "uptime": 0, "memory": 0} for row in status["services"]]

    found = made.project.status()
    assert steady(jsonable(found)) == steady(made.printed("status"))
    assert list(found.frame()["name"]) == ["postgres", "mlflow", "api"]
    checks = made.project.doctor()
    assert [one.name for one in checks] == [one["name"] for one in made.printed("doctor")["checks"]]


def test_rows_are_scored_as_their_file_is(made: Made) -> None:
    """Through the API and in this process, a DataFrame and a file."""
    wanted = pd.DataFrame(made.printed("predict", str(made.new_rows), "--offline")["predictions"])
    rows = pd.read_csv(made.new_rows)
    for found in (
        made.project.predict(made.new_rows, offline=True),
        made.project.predict("data/new_rows.csv"),
        made.project.predict(rows),
    ):
        frame = found.frame()
        assert list(frame["prediction"]) == list(wanted["prediction"])
        assert list(frame["score"]) == pytest.approx(list(wanted["score"]), abs=1e-12)
    stored = made.project.predictions(limit=len(rows)).frame()
    assert set(stored["prediction_id"]) == set(frame["prediction_id"])


def test_the_truth_comes_back(made: Made) -> None:
    scored = made.project.predict(pd.read_csv(made.new_rows)).frame()
    truth = scored.rename(columns={"prediction": "truth"})[["prediction_id", "truth"]]
    assert made.project.feedback(truth).stored == len(truth)
    with pytest.raises(mlpipes.MlpipesError, match="no row matches a stored prediction"):
        made.project.feedback(truth.assign(prediction_id="01a2273a-a399-7527-a8f5-7dc6c9bf7af0"))
    live = made.project.performance(period="all").frame()
    assert live["with_truth"][0] == len(truth)


def test_a_refusal_carries_the_verdict(made: Made) -> None:
    path = made.project.root / "mlpipes.yaml"
    text = path.read_text()
    path.write_text(re.sub(r"(metric: ks, min:) [0-9.]+", r"\1 0.999", text))
    try:
        with pytest.raises(mlpipes.Refused) as caught:
            made.project.promote(metric="ks", to="staging")
        wanted = made.cli("promote", "--metric", "ks", "--to", "staging", "--json")
    finally:
        path.write_text(text)
    assert wanted.code == 3
    assert jsonable(caught.value.result) == wanted.json
    assert wanted.err.splitlines()[-1] == f"error: {caught.value.lines()[0]}"


def test_mistakes_are_errors_with_a_hint(made: Made) -> None:
    with pytest.raises(mlpipes.UsageError) as caught:
        made.project.leaderboard(metric="kss")
    assert caught.value.hint
    (made.project.root / "wrong.yaml").write_text("experiment: x\nruns: 3\n")
    with pytest.raises(mlpipes.ConfigError, match=r"wrong\.yaml:2: runs"):
        made.project.train("wrong.yaml")
    with pytest.raises(mlpipes.UsageError, match="replace"):
        made.project.restore(str(made.project.backup(made.project.root / "b.tar").file))


def test_it_works_in_a_thread(made: Made, caplog: pytest.LogCaptureFixture) -> None:
    """As in a notebook's background task or a web server; what is said goes to the logger."""
    found: list[Any] = []
    project = mlpipes.Project(made.project.root / "data")
    assert project.root == made.project.root

    def work() -> None:
        found.append(project.train(only=["logistic"], force=True))

    with caplog.at_level(logging.DEBUG, "mlpipes"):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert [run.status for run in found[0].runs] == ["FINISHED"]
    assert any(record.getMessage().startswith("logistic: finished") for record in caplog.records)


NOTEBOOK = """
import json, sys
shown = []
names = {"display": shown.append}
for cell in json.load(open("explore.ipynb", encoding="utf-8"))["cells"]:
    if cell["cell_type"] == "code":
        exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
board, holdout, table = shown[:3]
counts = {"rows": len(names["holdout"]), "counted": int(table.to_numpy().sum())}
print(json.dumps({"candidates": sorted(board["name"]), "head": len(holdout), **counts}))
"""


def test_the_notebook_of_a_project_runs(made: Made, tmp_path: Path) -> None:
    """The cells of ``explore.ipynb``, one after the other, in a process of their own as in Jupyter."""
    environ = made.cli.environment | {"TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", NOTEBOOK]
    done = subprocess.run(
        command, cwd=made.project.root, env=environ, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    [line] = done.stdout.splitlines()  # nothing else is printed: neither an error, nor "no predictions yet"
    found = json.loads(line)
    assert (found["candidates"], found["head"]) == (["forest", "logistic"], 5)
    assert found["rows"] == found["counted"] == 142  # a quarter of 569


def test_a_report_of_the_best_run(made: Made, tmp_path: Path) -> None:
    """The numbers are those of the training; the plots are the run's own; nothing is changed by it."""
    before = made.printed("history")
    best, other = made.training.runs
    card = made.printed("report")
    assert (card["candidate"], card["run_id"], card["version"]) == (best.name, best.run_id, 1)
    assert card["verdict"]["outcome"] == "unchanged" and card["aliases"] == ["production"]
    assert {one["name"]: one["value"] for one in card["metrics"]} == best.metrics
    assert card["metrics"][0]["interval"] == list(best.intervals["ks"])
    assert card["data"]["fingerprint"] == made.training.data.fingerprint
    assert card["data"]["training_rows"] + card["data"]["holdout_rows"] == made.training.data.rows == 569
    assert (card["data"]["source"], card["data"]["target"]) == ("sklearn:breast_cancer", "target")
    assert (card["trained_by"], card["trainer"]) == (getpass.getuser(), "sklearn")

    challenger = made.project.report(other.name, output=tmp_path / "card.md")
    assert (challenger.verdict.outcome, challenger.version) == ("refused", None)
    assert {one.name: one.champion for one in challenger.metrics} == best.metrics
    text = (tmp_path / "card.md").read_text()
    pictures = re.findall(r"\(<(card_files/[\w.]+)>\)", text)
    assert [Path(one).name for one in pictures] == list(challenger.plots)
    assert challenger.plots[:5] == ("ks.png", "roc.png", "pr.png", "calibration.png", "confusion.png")
    for one in pictures:
        assert (tmp_path / one).read_bytes().startswith(b"\x89PNG")
    made.cli("report", other.name, "--output", str(tmp_path / "card.html")).ok()
    page = (tmp_path / "card.html").read_text()
    assert page.count("data:image/png;base64,") == len(challenger.plots)
    printed = made.cli("report", "--experiment", "breast-cancer").ok().out
    assert f"| **{best.name}** | **{best.metrics['ks']:.4f}** |" in printed and "```mermaid" in printed
    assert made.cli("report", "nobody").code == 2
    assert made.printed("history") == before


def test_the_page_is_true(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """The code blocks of docs/how-to/python.md, one after the other, in a project that is up."""
    monkeypatch.chdir(made.project.root)
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    assert len(blocks) >= 4
    assert names["verdict"].outcome in {"promoted", "unchanged"}
