"""Pipelines on one stack: the pages' blocks, the same by cron, kill -9, a lost database, two runs at once."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import psutil
import pytest
import stack_help
import yaml
from ci_runner import GitHub, GitLab
from conftest import Cli
from e2e import test_readme as readme
from integration.monitoring.test_monitor import loans
from process_help import ended
from waiting import until

import mlpipes_cli as mlpipes
from mlpipes_cli.config.pipeline.config import PipelineConfig

pytestmark = pytest.mark.slow
FOLDER = readme.ROOT / "docs" / "how-to" / "automation"
RUN = (FOLDER / "run.md").read_text(encoding="utf-8")
CRON = (FOLDER / "cron.md").read_text(encoding="utf-8")
DATASET = """
dataset: loans
source: loans.csv
key: ID
checks: [{rows: {min: 100}}]
split: {test: 0.3, validation: 0.1, seed: 1, stratify: default}
"""
EXPERIMENT = """
experiment: loans
data: {source: "dataset:loans", target: default, id: ID, drop: [since]}
metric: roc_auc
runs: [{name: logistic, trainer: sklearn, estimator: sklearn.linear_model.LogisticRegression}]
"""
RUN_STEPS = ("load", "prepare", "train", "card", "staging", "check", "production")
MARK = 'echo "$MLPIPES_PIPELINE_STEP" >> order.txt'


@dataclass
class Project:
    root: Path
    cli: Cli

    def shell(self, script: str) -> str:
        path = f"{Path(sys.executable).parent}:{self.cli.environment['PATH']}"
        done = subprocess.run(
            ["bash", "-c", script], cwd=self.root, env=self.cli.environment | {"PATH": path},
            capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
        return done.stdout

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        return stack_help.query(self.cli, self.root, statement)

    def write(self, name: str, steps: list[dict[str, Any]], **more: Any) -> str:
        """Write a pipeline; the order of its steps is in order.txt, which begins anew."""
        named = [step if "data" in step else {"run": MARK, **step} for step in steps]
        (self.root / f"{name}.yaml").write_text(yaml.safe_dump({"pipeline": name, "steps": named, **more}))
        for file in ("order.txt", "pid", "go"):
            (self.root / file).unlink(missing_ok=True)
        return f"{name}.yaml"

    def order(self) -> list[str]:
        return (self.root / "order.txt").read_text().split()

    def pid(self) -> int:
        path = self.root / "pid"
        until(lambda: path.exists() and path.read_text().strip(), 60, "the step starts")
        return int(path.read_text())


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    base = tmp_path_factory.mktemp("pipelines")
    root = base / "project"
    root.mkdir()
    (root / "mlpipes.yaml").write_text("project: loans\nruntime: embedded\nserving: {model: loans}\n")
    (root / "dataset.yaml").write_text(DATASET)
    (root / "experiment.yaml").write_text(EXPERIMENT)
    loans(600, 1).to_csv(root / "loans.csv", index=False)
    cli = Cli(base / "home", root)
    try:
        cli("up").ok()
        yield Project(root, cli)
    finally:
        cli("down", "--volumes", "--yes")


@pytest.fixture(scope="module")
def first(project: Project) -> dict[str, Any]:
    """The pages' blocks, then the runs that they left: the first one, whole."""
    told = project.shell(readme.script(RUN))
    assert "/bin/sh -c" in told and "data load dataset.yaml" in told  # of the dry run
    *_, run = project.cli("runs", "--json").ok().json
    return dict(project.cli("runs", run["run"], "--json").ok().json)


def results(run: dict[str, Any]) -> dict[str, Any]:
    return {step["name"]: step["result"] for step in run["steps"]}


def test_the_page_runs_the_whole_pipeline(project: Project, first: dict[str, Any]) -> None:
    assert first["status"] == "done"
    found = {step["name"]: (step["status"], step["exit"], step["tries"]) for step in first["steps"]}
    assert found == {
        **dict.fromkeys(
            ("load", "prepare", "train", "card", "staging", "check", "production"), ("done", 0, 1)
        ),
        "note": ("skipped", None, 0),
    }
    told = results(first)
    assert (told["load"]["rows"], told["prepare"]["version"]) == (600, 1)
    assert told["prepare"]["splits"] == {"train": 360, "validation": 60, "test": 180}
    assert (told["staging"]["outcome"], told["production"]["outcome"]) == ("promoted", "promoted")
    assert told["check"]["enough"] is False
    card = (project.root / "card.html").read_text()
    assert told["card"]["verdict"]["outcome"] == "would promote"
    assert told["card"]["run_id"][:8] in card and card.count("data:image/png;base64,") >= 5
    ((version, aliases),) = [(m["version"], m["aliases"]) for m in project.cli("models", "--json").ok().json]
    assert (version, sorted(aliases)) == (1, ["production", "staging"])
    *_, after, only, _ = project.cli("runs", "--json").ok().json
    done = [{name for name, status in run["steps"].items() if status == "done"} for run in (only, after)]
    assert done == [{"load"}, {"production"}]


def test_the_database_has_what_the_files_have(project: Project, first: dict[str, Any]) -> None:
    rows = project.sql(
        "select s.name, s.status, s.exit, s.tries, s.result from pipelines.steps s join pipelines.runs r"
        f" on r.id = s.run_id where r.id = '{first['run']}' order by s.position"
    )
    expected = [(s["name"], s["status"], s["exit"], s["tries"], s["result"]) for s in first["steps"]]
    assert rows == expected
    state = json.loads((project.root / ".mlpipes" / "pipelines" / first["run"] / "run.json").read_text())
    assert [(s["name"], s["status"], s["exit"], s["tries"], s["result"]) for s in state["steps"]] == expected


def test_cron_runs_the_same(project: Project, first: dict[str, Any]) -> None:
    """The line of the page, as cron starts it; nothing is done twice, and the numbers are the same."""
    project.shell(readme.script(CRON))
    line = (project.root / "loans.crontab").read_text().splitlines()[-1]
    done = subprocess.run(
        ["/bin/sh", "-c", line.split(None, 5)[5].replace("\\%", "%")],
        env={"HOME": str(project.root.parent), "SHELL": "/bin/sh", "PATH": "/usr/bin:/bin"},
        cwd="/", capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    log = (project.root / ".mlpipes" / "logs" / "pipeline-loans.log").read_text()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), log
    newest = project.cli("runs", "--json").ok().json[0]
    assert newest["run"] in log
    told, before = results(project.cli("runs", newest["run"], "--json").ok().json), results(first)
    assert told["prepare"]["fingerprint"] == before["prepare"]["fingerprint"]
    assert told["train"]["runs"][0]["metrics"] == before["train"]["runs"][0]["metrics"]
    assert project.sql("select count(*) from clean_data._versions") == [(1,)]
    assert [model["version"] for model in project.cli("models", "--json").ok().json] == [1]
    if (unit := project.root / "units" / "mlpipes-loans-loans.timer").exists():
        assert "OnCalendar=*-*-* 03:00:00\n" in unit.read_text()


CI = """
pipeline: ci
steps:
  - {name: load, data: load, file: dataset.yaml, retries: 1}
  - {name: train, train: experiment.yaml, needs: [load]}
  - {name: live, promote: {metric: roc_auc, to: live}, needs: [train]}
"""


def test_the_workflows_of_github_do_the_same(project: Project, first: dict[str, Any]) -> None:
    """A pull request changes no alias and is compared; main promotes the same version; the check passes."""
    (project.root / "ci.yaml").write_text(CI)
    written = [
        project.cli(*one, "ci.yaml", "--json").ok().json
        for one in (("export", "github"), ("export", "gitlab"))
    ]
    assert [len(one["files"]) for one in written] == [3, 2]
    runner, (model, *_) = GitHub(project.root, project.cli), project.cli("models", "--json").ok().json
    steps = runner.run("pull-request")
    assert steps == ["Connect to the services", "Step load", "Step train", "Compare", "Summary", "Comment",
                     "Link the results"]  # fmt: skip
    folder = project.root / "ci-results"
    verdict = json.loads((folder / "verdict.json").read_text())
    assert (verdict["outcome"], verdict["alias"], verdict["run_id"]) == (
        "would promote",
        "live",
        model["run_id"],
    )
    summary = runner.summary.read_text()
    report = (folder / "report.md").read_text()
    assert summary == f"{report}[All results, with reports and plots](https://github.test/kept)\n"
    assert report == (project.root / "comment.txt").read_text()
    assert "## Leaderboard" in summary and "would promote" in summary
    assert f"**{model['value']:.4f}**" in summary
    assert (folder / "report.html").read_text().count("data:image/png;base64,") >= 5
    asked = (project.root / "gh.txt").read_text().splitlines()
    assert [line.split()[:3] for line in asked] == [["pr", "comment", "7"]] * 2
    assert "live" not in project.cli("models", "--json").ok().json[0]["aliases"]

    runner.run("main")
    (after, *_) = project.cli("models", "--json").ok().json
    assert (after["version"], "live" in after["aliases"]) == (model["version"], True)
    assert after["value"] == model["value"]
    assert runner.outputs["promoted"] == "false"  # not of the alias that is served
    runner.run("monitor")
    verdict = json.loads((folder / "monitor.json").read_text())["verdict"]
    assert runner.summary.read_text().splitlines()[0] == verdict


class Notes(BaseHTTPRequestHandler):
    """GitLab's API, as far as a job uses it."""

    heard: ClassVar[list[tuple[str, str | None, str]]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.heard.append((self.path, self.headers["PRIVATE-TOKEN"], body["body"]))
        self.send_response(201)
        self.end_headers()

    def log_message(self, *_: Any) -> None: ...


def test_the_jobs_of_gitlab_do_the_same(project: Project, first: dict[str, Any]) -> None:
    """In the order of a merge request, its merge and the next night."""
    (project.root / "ci.yaml").write_text(CI.replace("live", "lab"))
    project.cli("export", "gitlab", "ci.yaml").ok()
    folder, (before, *_) = project.root / "ci-results", project.cli("models", "--json").ok().json
    shutil.rmtree(folder, ignore_errors=True)
    with ThreadingHTTPServer(("127.0.0.1", 0), Notes) as api:
        threading.Thread(target=api.serve_forever, daemon=True).start()
        runner = GitLab(project.root, project.cli, {"MLPIPES_GITLAB_TOKEN": "token"})
        address = {"CI_API_V4_URL": f"http://127.0.0.1:{api.server_address[1]}"}
        runner.run("mlpipes:compare", **address, CI_PROJECT_ID="3", CI_MERGE_REQUEST_IID="9")
        api.shutdown()
    report = (folder / "report.md").read_text()
    assert Notes.heard == [("/projects/3/merge_requests/9/notes", "token", report)]
    assert json.loads((folder / "verdict.json").read_text())["outcome"] == "would promote"
    assert "lab" not in project.cli("models", "--json").ok().json[0]["aliases"]
    runner.run("mlpipes:promote")
    (after, *_) = project.cli("models", "--json").ok().json
    assert (after["version"], after["value"]) == (before["version"], before["value"])
    assert "lab" in after["aliases"] and (folder / "promoted").read_text() == "false"
    runner.run("mlpipes:monitor")
    assert json.loads((folder / "monitor.json").read_text())["model"] == "loans"


def test_a_killed_run_is_resumed_and_what_it_left_is_ended(project: Project) -> None:
    slow = f"{MARK}; echo $$ > pid; test -e go || sleep 1004"
    file = project.write(
        "killed", [{"name": "a"}, {"name": "b", "run": slow, "needs": ["a"]}, {"name": "c", "needs": ["b"]}]
    )
    running = project.cli.start("run", file)
    left = project.pid()
    until(lambda: project.order() == ["a", "b"])
    assert project.cli("runs", "--json").ok().json[0]["status"] == "running"
    refused = project.cli("run", file)
    assert (
        refused.code == 1
        and "another run of pipeline 'killed' is in progress; see `mlpipes runs`" in refused.err
    )
    running.kill()
    running.communicate()
    assert not ended(left)
    (project.root / "go").touch()
    assert project.cli("runs", "--json").ok().json[0]["status"] == "stopped"
    found = project.cli("run", file, "--resume", "--json").ok()
    assert "was killed: ended 2 processes that it left" in found.err and ended(left)
    assert [(s["name"], s["status"], s["tries"]) for s in found.json["steps"]] == [
        ("a", "done", 1), ("b", "done", 2), ("c", "done", 1),
    ]  # fmt: skip
    assert project.order() == ["a", "b", "b", "c"]
    again = project.cli("run", file, "--resume", "--json").ok()
    assert again.json["run"] == found.json["run"] and "nothing is left to resume" in again.err
    assert project.order() == ["a", "b", "b", "c"]


def test_sigterm_stops_a_run_and_its_steps(project: Project) -> None:
    file = project.write("stopped", [{"name": "a", "run": "echo $$ > pid; sleep 1005"}])
    running = project.cli.start("run", file, "--json")
    step = project.pid()
    running.send_signal(signal.SIGTERM)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 130 and ended(step)
    assert json.loads(out)["steps"][0]["status"] == "stopped"
    assert "was stopped; continue it with `mlpipes run --resume`" in err


def test_a_run_waits_for_another_one(project: Project) -> None:
    file = project.write(
        "waits",
        [{"name": "a", "run": f"{MARK}; echo $$ > pid; until test -e go; do sleep 0.1; done"}],
        at_once="wait",
    )
    running = project.cli.start("run", file)
    project.pid()
    second = project.cli.start("run", file)
    assert second.stderr is not None
    assert "is in progress: waiting for its end" in second.stderr.readline()
    assert project.order() == ["a"]
    (project.root / "go").touch()
    for one in (running, second):
        one.communicate(timeout=60)
        assert one.returncode == 0
    assert project.order() == ["a", "a"]


def test_a_database_that_is_killed_loses_nothing(project: Project) -> None:
    wait = f"{MARK}; echo $$ > pid; until test -e go; do sleep 0.1; done"
    steps = [
        {"name": "a"},
        {"name": "b", "run": wait, "needs": ["a"]},
        {"name": "c", "needs": ["b"], "data": "check", "retries": 1, "retry_delay": 0},
        {"name": "d", "needs": ["b"]},
    ]
    file = project.write("lost", steps)
    running = project.cli.start("run", file, "--json")
    project.pid()
    database = stack_help.process(project.cli, project.root, "postgres")
    family = [database, *database.children(recursive=True)]
    for one in family:
        one.kill()
    psutil.wait_procs(family, 10)
    (project.root / "go").touch()
    out, err = running.communicate(timeout=120)
    told = json.loads(out)
    assert running.returncode == 1 and "the state of the run is kept in files, and stored later" in err
    assert {s["name"]: (s["status"], s["tries"]) for s in told["steps"]} == {
        "a": ("done", 1), "b": ("done", 1), "c": ("failed", 2), "d": ("done", 1),
    }  # fmt: skip
    down = project.cli("run", file)
    assert down.code == 1 and "start it with `mlpipes up`" in down.err
    listed = project.cli("runs", "--json").ok()
    assert listed.json[0]["run"] == told["run"] and "only runs of this machine are shown" in listed.err
    project.cli("up").ok()
    project.cli("runs").ok()
    stored = project.sql(f"select status from pipelines.runs where id = '{told['run']}'")
    assert stored == [("failed",)]
    resumed = project.cli("run", file, "--resume", "--json").ok().json
    assert resumed["run"] == told["run"]
    assert {s["name"]: (s["status"], s["tries"]) for s in resumed["steps"]} == {
        "a": ("done", 1), "b": ("done", 1), "c": ("done", 3), "d": ("done", 1),
    }  # fmt: skip
    assert project.order() == ["a", "b", "d"]
    assert project.sql(f"select status from pipelines.runs where id = '{told['run']}'") == [("done",)]


def test_from_python(project: Project) -> None:
    project.write("python", [{"name": "a"}, {"name": "b", "run": "exit 3", "needs": ["a"]}])
    events: list[mlpipes.Event] = []
    made = mlpipes.Project(project.root, on_event=events.append)
    found = made.run("python.yaml")
    assert (found.status, [step.status for step in found.steps]) == ("refused", ["done", "refused"])
    with pytest.raises(mlpipes.Refused, match="step b refused: exit code 3"):
        found.require()
    assert [(e.task, e.text) for e in events if e.kind == "step"] == [
        ("a", "running"), ("a", "done"), ("b", "running"), ("b", "refused: exit code 3"),
    ]  # fmt: skip
    assert made.runs(pipeline="python")[0].run == found.run
    assert made.runs(found.run).steps[1].log[-1].startswith("--- try 1, ")
    assert list(found.frame()["exit"]) == [0, 3]


def test_old_runs_are_removed_from_the_database_and_the_disk(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("lifecycle.pipelines.run", "adapters.postgres.pipelines.store"):
        monkeypatch.setattr(f"mlpipes_cli.{module}.ALWAYS_KEPT", 2)
    file = project.write("old", [{"name": "a"}], keep="1d")
    made = mlpipes.Project(project.root)
    first, second = (made.run(file).run for _ in range(2))
    for run in (first, second):
        project.sql(
            f"update pipelines.runs set started_at = started_at - interval '2 days' where id = '{run}'"
        )
        state = project.root / ".mlpipes" / "pipelines" / run / "run.json"
        state.write_text(re.sub(r'"started_at": "20\d\d', '"started_at": "2020', state.read_text()))
    third = made.run(file).run
    kept = project.sql("select id::text from pipelines.runs where pipeline = 'old' order by id")
    assert kept == [(second,), (third,)], "the newest two stay, however old they are"
    folders = {path.name for path in (project.root / ".mlpipes" / "pipelines").iterdir()}
    assert folders & {first, second, third} == {second, third}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("run", "--from", "lod"), "--from: pipeline 'loans' has no step 'lod'; did you mean 'load'?"),
        (("run", "--only", "a", "--from", "b"), "--from and --only cannot be combined"),
        (("run", "--resume", "--only", "load"), "--resume continues a run with its own steps"),
        (("run", "no.yaml"), "no.yaml: no such file"),
        (("runs", "ffff"), "there is no run 'ffff'; `mlpipes runs` lists them"),
    ],
)
def test_wrong_usage(project: Project, first: dict[str, Any], words: tuple[str, ...], expected: str) -> None:
    assert first
    refused = project.cli(*words)
    assert refused.code == 2 and expected in refused.err


def test_the_pages_conditions_are_taken() -> None:
    """Each block with a list of steps: its conditions, in a pipeline that has the steps that they name."""
    lists = [yaml.safe_load(body) for body in re.findall(r"^```yaml\n(- .*?)^```$", RUN, re.M | re.S)]
    assert len(lists) == 1 and [step["name"] for step in lists[0]] == ["a", "b", "c", "d"]
    found = PipelineConfig.model_validate({"pipeline": "p", "steps": lists[0]})  # Condition by Condition
    assert [len(step.conditions) for step in found.steps] == [1, 1, 1, 2]
