"""``mlpipes watch`` on a project: when a check is due, one watcher at a time, and what goes wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import log_help
import psycopg2
import pytest
import stack_help
import yaml
from conftest import Cli
from integration.monitoring.test_monitor import EXPERIMENT, loans, shifted
from log_help import Row
from stack_help import http, services
from waiting import until

from mlpipes_cli.local_files import env_file

pytestmark = pytest.mark.slow
SETTINGS = (
    "project: watched\nruntime: embedded\nserving: {model: loans}\n"
    "monitoring: {alerts: [{name: own, command: tee -a alerts.jsonl}]}\n"
)
# The command itself, with shorter waits.
QUICK = """
import sys
from mlpipes_cli.cli.app import run
from mlpipes_cli.lifecycle.monitoring import watch
watch._TURN, watch._OTHER, watch._AWAY = 0.3, 0.3, (0.2, 0.5)
{before}
sys.exit(run({words}))
"""
# Before the rows are compared: says so, and waits until it may go on.
SLOW = """
import pathlib, time
from mlpipes_cli.lifecycle.monitoring import comparing
compared = comparing.compared
def slowly(*given):
    pathlib.Path("comparing").touch()
    while not pathlib.Path("continue").exists():
        time.sleep(0.1)
    return compared(*given)
comparing.compared = slowly
"""
KILLED = """
import os, signal
from mlpipes_cli.lifecycle.monitoring import alerts, comparing
{where} = lambda *given: os.kill(os.getpid(), signal.SIGKILL)
"""
NAME = "watched/loans@production"


@dataclass
class Project:
    root: Path
    cli: Cli

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        url = stack_help.environment(self.cli, self.root)["MLPIPES_DATABASE_URL"]
        with closing(psycopg2.connect(url)) as link, link, link.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []

    def scheduled(self) -> int:
        return int(self.sql("select count(*) from monitoring.checks where cause = 'scheduled'")[0][0])

    def age(self, span: str) -> None:
        self.sql(f"update monitoring.checks set checked_at = clock_timestamp() - interval '{span}'")


@dataclass
class Watcher:
    process: subprocess.Popen[bytes]
    file: Path

    @property
    def lines(self) -> list[str]:
        return self.file.read_text().splitlines()

    def says(self, text: str, times: int = 1) -> None:
        until(lambda: sum(text in line for line in self.lines) >= times, 60, f"{text!r} in {self.lines}")

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)


@contextmanager
def watcher(
    project: Project, name: str, before: str = "", words: tuple[str, ...] = ("watch",)
) -> Iterator[Watcher]:
    path, program = project.root / f"{name}.log", QUICK.format(before=before, words=[*words])
    with path.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", program], cwd=project.root, env=project.cli.environment, stderr=file
        )
    try:
        yield Watcher(process, path)
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    base = tmp_path_factory.mktemp("watched")
    root = base / "project"
    root.mkdir()
    (root / "mlpipes.yaml").write_text(SETTINGS)
    (root / "experiment.yaml").write_text(EXPERIMENT)
    loans(600, 1).to_csv(root / "loans.csv", index=False)
    cli = Cli(base / "home", root)
    try:
        for words in (("up",), ("train",), ("promote", "--metric", "roc_auc"), ("monitor", "history")):
            cli(*words).ok()
        yield Project(root, cli)
    finally:
        cli("down", "--volumes", "--yes")


def test_a_check_is_made_when_it_is_due_by_the_clock_of_the_database(project: Project) -> None:
    first = project.cli("watch", "--once", "--json").ok().json
    made = first["check"]
    assert (made["cause"], made["alias"], made["enough"]) == ("scheduled", "production", False)
    assert datetime.fromisoformat(first["next"]) - datetime.fromisoformat(made["checked_at"]) == timedelta(
        days=1
    )
    assert project.cli("watch", "--once").ok().out.startswith("no check was due\nthe next check is due at ")
    assert project.scheduled() == 1


def test_one_check_looks_at_the_time_that_was_missed(project: Project) -> None:
    project.age("5 days")
    ((last,),) = project.sql("select checked_at from monitoring.checks")
    made = project.cli("watch", "--once", "--json").ok().json["check"]
    starts = [datetime.fromisoformat(one["since"]) for one in made["windows"]]
    assert abs(starts[0] - last) < timedelta(milliseconds=2)
    now = datetime.fromisoformat(made["checked_at"])
    assert [round((now - start) / timedelta(days=1)) for start in starts] == [5, 7, 28]
    entry = project.cli("monitor", "history", "--json").ok().json["checks"][0]
    assert [(one["periods"], one["enough"]) for one in entry["windows"]] == [
        (1, False),
        (7, False),
        (28, False),
    ]
    assert project.cli("watch", "--once", "--json").ok().json["check"] is None


def test_the_job_of_a_cluster_makes_the_check(project: Project, tmp_path: Path) -> None:
    """Its command, its variables with the values of the Secret, and its mlpipes.yaml, without a `.env`."""
    written, work = tmp_path / "written", tmp_path / "work"
    for folder in (written, work):
        folder.mkdir()
    jobs = "kubernetes: {image: a.example/x:1, jobs: {image: a.example/y:1}}\n"
    (written / "mlpipes.yaml").write_text(SETTINGS + jobs)
    Cli(tmp_path / "home", written)("export", "kubernetes").ok()
    base = written / "kubernetes" / "base"
    settings = yaml.safe_load((base / "project.yaml").read_text())["data"]["mlpipes.yaml"]
    (work / "mlpipes.yaml").write_text(settings)
    job = yaml.safe_load((base / "job-watch.yaml").read_text())["spec"]["jobTemplate"]["spec"]
    (container,) = job["template"]["spec"]["containers"]
    secret = {
        **project.cli("env", "--json").ok().json,
        "MLPIPES_MODEL_KEY": env_file.read(project.root / ".env")["MLPIPES_MODEL_KEY"],
    }
    references = [one["valueFrom"]["secretKeyRef"] for one in container["env"] if "valueFrom" in one]
    given = {one["key"]: secret[one["key"]] for one in references if not one.get("optional")}
    assert set(given) == {"MLPIPES_DATABASE_URL", "MLFLOW_TRACKING_URI", "MLPIPES_MODEL_KEY"}
    project.age("2 days")
    before = project.scheduled()
    program, *words = container["command"]
    assert program == "mlpipes"
    made = Cli(tmp_path / "home", work)(*words, env=given).ok().json["check"]
    assert (made["cause"], made["alias"], project.scheduled()) == ("scheduled", "production", before + 1)
    assert not (work / ".env").exists()


def test_a_check_that_a_wrong_clock_stored_in_the_future_delays_nothing(project: Project) -> None:
    project.age("-40 days")
    assert project.cli("watch", "--once", "--json").ok().json["check"] is not None
    project.sql("delete from monitoring.checks where checked_at > clock_timestamp()")
    project.age("-1 hours")  # the clock was set back by an hour: the check of this day is not repeated
    assert project.cli("watch", "--once", "--json").ok().json["check"] is None


def test_one_watcher_at_a_time_and_the_next_goes_on_when_it_is_killed(project: Project) -> None:
    with watcher(project, "first") as first:
        first.says(f"watching {NAME}: a check every 1d")
        refused = project.cli("watch", "--once")
        assert refused.code == 1
        assert refused.err.splitlines()[-1].startswith(
            f"error: another `mlpipes watch` watches {NAME}; stop it"
        )
        with watcher(project, "second") as second:
            second.says(f"another `mlpipes watch` watches {NAME}; waiting until it ends")
            before = project.scheduled()
            first.end(signal.SIGKILL)
            second.says(f"watching {NAME}")
            project.age("2 days")
            second.says("UTC, version 1 of model 'loans': too few rows")
            assert project.scheduled() == before + 1
            project.sql(
                "insert into monitoring.deliveries (event, channel, message) values ('alarm:1', 'own', '{}')"
            )
            until(lambda: (project.root / "alerts.jsonl").exists(), 30)
            assert second.end() == 0
            assert len(second.lines) == 3 and "Traceback" not in second.file.read_text()


def test_a_database_that_is_away_is_one_warning_and_waited_for(project: Project) -> None:
    with watcher(project, "away", SLOW) as away:
        away.says("watching ")
        project.sql(
            "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'"
            " and pid <> pg_backend_pid()"
        )
        away.says("watching ", 2)
        project.age("2 days")
        before = project.scheduled()
        until(lambda: (project.root / "comparing").exists(), 60)
        project.cli("stop", "postgres").ok()  # during the check
        (project.root / "continue").touch()
        away.says("; trying again", 2)
        assert away.process.poll() is None
        project.cli("start", "postgres").ok()
        away.says("watching ", 3)
        away.says("UTC, version 1 of model 'loans': too few rows")
        assert project.scheduled() == before + 1
        assert [line.split()[0] for line in away.lines[:5]] == ["watching", "warning:"] * 2 + ["watching"]
        assert len(away.lines) == 6 and away.end() == 0


def test_a_kill_during_a_check_or_before_its_alert_loses_and_repeats_nothing(
    project: Project,
) -> None:
    rows = json.loads(shifted(300, 5).to_json(orient="records", date_format="iso"))
    url = str(project.cli("env", "--json").ok().json["MLPIPES_DATABASE_URL"])
    log_help.add(url, [Row(model="loans", version=1, inputs=row, prediction=0, scores=0.1) for row in rows])
    project.age("2 days")
    project.sql("delete from monitoring.deliveries")
    before = project.scheduled()
    sent = project.root / "alerts.jsonl"
    sent.write_text("")
    report = project.root / "report.html"
    for where, words, checks, waiting in (
        ("comparing.compared", ("watch", "--once"), 0, 0),
        ("alerts.deliver_safely", ("monitor", "--scheduled", "--output", "report.html"), 1, 1),
    ):
        assert not report.exists()
        with watcher(project, words[0], KILLED.format(where=where), words) as killed:
            assert killed.process.wait(60) == -signal.SIGKILL
        assert project.scheduled() == before + checks
        states = project.sql("select event like 'alarm:%', state from monitoring.deliveries")
        assert states == [(True, "waiting")] * waiting
        assert sent.read_text() == ""
    assert "income" in report.read_text(encoding="utf-8")  # no channel that hangs delays it
    again = project.cli("watch", "--once", "--json").ok().json
    assert (again["check"], again["sent"]) == (None, 1)
    (message,) = [json.loads(line) for line in sent.read_text().splitlines()]
    assert (message["kind"], message["cause"], message["rows"]) == ("alarm", "scheduled", 300)
    assert project.cli("watch", "--once", "--json").ok().json["sent"] == 0
    entry = project.cli("monitor", "history", "--json").ok().json["checks"][0]
    assert [(one["periods"], one["rows"], one["alarm"]) for one in entry["windows"]] == [
        (periods, 300, True) for periods in (1, 7, 28)
    ]
    assert entry["alpha"] == pytest.approx(1 / 365) and "income" in entry["columns"]


def test_a_version_that_is_not_there_is_one_warning_and_tried_again_later(project: Project) -> None:
    project.sql("delete from monitoring.checks")
    (project.root / "mlpipes.yaml").write_text(SETTINGS.replace("model: loans", "alias: nowhere"))
    try:
        assert project.cli("watch", "--once").code == 1
        with watcher(project, "nowhere") as nowhere:
            nowhere.says("no check was made: model 'loans' has no 'nowhere' version")
            project.sql(
                "insert into monitoring.deliveries (event, channel, message) values ('alarm:2', 'own', '{}')"
            )
            until(lambda: "alarm:2" in (project.root / "alerts.jsonl").read_text(), 30)
            assert nowhere.end(signal.SIGINT) == 0
            assert len(nowhere.lines) == 2 and nowhere.lines[1].endswith("; trying again in 1m")
    finally:
        (project.root / "mlpipes.yaml").write_text(SETTINGS)


def test_as_a_service_it_starts_with_the_stack_and_goes_on_where_it_was(project: Project) -> None:
    def up(*words: str) -> list[str]:
        return list(project.cli("up", *words, "--json").ok().json["changes"])

    def row() -> dict[str, Any]:
        return dict(services(project.cli, project.root)["watch"])

    project.cli("watch", "--once").ok()
    before = project.scheduled()
    (change,) = up("--with", "watch")
    first = row()
    assert change == f"watch: started on port {first['port']}"
    until(lambda: "the next check is due at" in (row()["detail"] or ""), 60)
    health = json.loads(http(f"{first['url']}/health"))
    assert (first["state"], health["state"], health["problem"]) == ("running", "watching", None)
    assert up() == [] and row()["pid"] == first["pid"]
    assert f"watching {NAME}: a check every 1d" in project.cli("logs", "watch").ok().out
    os.kill(first["pid"], signal.SIGKILL)
    assert up() == [f"watch: started on port {first['port']}"]
    assert project.scheduled() == before  # the check of this day was made
    cron = SETTINGS.replace("monitoring: {", "monitoring: {schedule: 0 3 * * *, ")
    (project.root / "mlpipes.yaml").write_text(cron)
    try:
        assert up() == [f"watch: started on port {first['port']}"]  # it reads its settings at the start
        due = until(lambda: json.loads(http(f"{row()['url']}/health"))["next"], 60)
        assert due[11:16] == "03:00"
        stopped = project.cli("down", "--json").ok().json["stopped"]
        assert "watch" in stopped
        assert any(line.startswith("watch: started on port") for line in up())
    finally:
        (project.root / "mlpipes.yaml").write_text(SETTINGS)
    assert "watch: removed, since it is no longer configured" in up("--with", "none")
    assert "watch" not in services(project.cli, project.root)


def test_a_version_that_was_deleted_is_one_line(project: Project) -> None:
    tracking = project.cli("env", "--json").ok().json["MLFLOW_TRACKING_URI"]
    body = json.dumps({"name": "loans", "version": "1"}).encode()
    http(f"{tracking}/api/2.0/mlflow/model-versions/delete", "DELETE", body)
    project.age("2 days")
    before = project.scheduled()
    done = project.cli("watch", "--once")
    assert (done.code, done.out, project.scheduled()) == (1, "", before)
    (line,) = [line for line in done.err.splitlines() if line.startswith("error: ")]
    assert line == "error: model 'loans' has no 'production' version; `mlpipes promote`"
