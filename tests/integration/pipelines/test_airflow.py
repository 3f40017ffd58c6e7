"""A real Airflow by `up --with airflow`: the loop, retries, gates, a killed scheduler, a DAG of the user."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import stack_help
from conftest import Cli
from environment_help import FOLDER as ENVIRONMENTS
from integration.monitoring.test_monitor import loans
from integration.pipelines.test_pages import DATASET, EXPERIMENT, FOLDER
from process_help import commands
from waiting import until

from mlpipes_cli.local_files import env_file

pytestmark = pytest.mark.slow
PIPELINE = """
pipeline: loans
schedule: "0 3 1 1 *"
steps:
  - {name: load, data: load}
  - {name: check, data: check, needs: [load]}
  - {name: prepare, data: prepare, needs: [check]}
  - {name: train, train: experiment.yaml, needs: [prepare]}
  - {name: staging, promote: {metric: roc_auc, to: staging}, needs: [train]}
  - {name: monitor, monitor: {alias: staging, since: 1d}, needs: [staging], allow: [3]}
  - name: production
    promote: {metric: roc_auc, to: production}
    needs: [staging]
    when: {step: monitor, exit: 0}
"""
# A step that fails once, gates that say no, conditions; `long` runs while the scheduler is killed.
TURNS = """
pipeline: turns
parallel: 2
steps:
  - {name: long, run: "echo begins >> long.txt; until test -e go; do sleep 0.2; done; echo ends >> long.txt"}
  - {name: again, data: prepare, needs: [long]}
  - {name: promote, promote: {metric: roc_auc, to: production}, needs: [again]}
  - name: flaky
    run: |
      echo told >&2
      echo "$MLPIPES_PIPELINE_STEP $TEAM" >> flaky.txt
      test $(wc -l < flaky.txt) = 2 && echo '{"n": 5}'
    retries: 2
    retry_delay: 1
    env: {TEAM: $AIRFLOW_TEAM}
  - {name: gate, data: check, file: strict.yaml, retries: 3}
  - {name: behind, run: "true", needs: [gate]}
  - {name: told, run: "true", when: {step: gate, status: refused}}
  - {name: allowed, data: check, file: strict.yaml, allow: [3]}
  - {name: usage, data: load, file: wrong.yaml, retries: 3}
  - {name: slow, run: "sleep 300", timeout: 2}
  - {name: late, run: "true", when: {step: slow, exit: 124}}
  - {name: more, run: "true", when: {step: flaky, value: n, above: 4}}
  - {name: less, run: "true", when: {step: flaky, value: n, below: 5}}
"""
PAGE = (FOLDER / "airflow.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.M | re.S))  # the last one of each language
TURNS += BLOCKS["yaml"].replace("\n- ", "\n  - ").replace("- ", "  - ", 1)
ENDS = ("success", "failed")


@dataclass
class Airflow:
    """A project with Airflow beside its stack, asked by the REST API."""

    root: Path
    cli: Cli
    url: str = ""
    token: str = ""

    def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        data = None if body is None else json.dumps(body).encode()
        answer = stack_help.http(f"{self.url}{path}", "GET" if body is None else "POST", data, **headers)
        return json.loads(answer)

    def log_in(self) -> None:
        self.url, self.token = str(stack_help.services(self.cli, self.root)["airflow"]["url"]), ""
        password = env_file.read(self.root / ".env")["AIRFLOW_PASSWORD"]
        self.token = self.ask("/auth/token", {"username": "admin", "password": password})["access_token"]

    def trigger(self, dag: str) -> str:
        until(lambda: dag in self.dags(), 120, f"Airflow has read {dag}")
        return (
            f"{dag}/dagRuns/{self.ask(f'/api/v2/dags/{dag}/dagRuns', {'logical_date': None})['dag_run_id']}"
        )

    def dags(self) -> set[str]:
        return {one["dag_id"] for one in self.ask("/api/v2/dags")["dags"]}

    def wait(self, run: str) -> str:
        def state() -> str:
            return str(self.ask(f"/api/v2/dags/{run}")["state"])

        until(lambda: state() in ENDS, 300, f"{run} ends")
        return state()

    def tasks(self, run: str) -> dict[str, tuple[str, int]]:
        """The state and the number of tries of each task."""
        found = self.ask(f"/api/v2/dags/{run}/taskInstances")["task_instances"]
        return {one["task_id"]: (one["state"], one["try_number"]) for one in found}

    def result(self, run: str, task: str, key: str = "return_value") -> Any:
        return self.ask(f"/api/v2/dags/{run}/taskInstances/{task}/xcomEntries/{key}")["value"]

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        return stack_help.query(self.cli, self.root, statement)


def mine(note: Path) -> str:
    """The DAG of the page, which notes that it ran."""
    text = BLOCKS["python"].replace("PROJECT", "loans").replace("MODEL", "loans")
    return text.replace("tell(): ...", f"tell(): open({str(note)!r}, 'a').write('promoted\\n')")


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    base = tmp_path_factory.mktemp("airflow")
    root = base / "project"
    (root / "dags").mkdir(parents=True)
    files = {
        "mlpipes.yaml": "project: loans\nruntime: embedded\nserving: {model: loans}\n",
        "dataset.yaml": DATASET,
        "strict.yaml": DATASET.replace("min: 100", "min: 100000"),
        "wrong.yaml": "dataset: 5\n",
        "experiment.yaml": EXPERIMENT,
        "pipeline.yaml": PIPELINE,
        "turns.yaml": TURNS,
        "dags/mine.py": mine(root / "mine.txt"),
        ".env": "AIRFLOW_TEAM=credit\n",
    }
    for name, text in files.items():
        (root / name).write_text(text)
    loans(600, 1).to_csv(root / "loans.csv", index=False)
    cli = Cli(base / "home", root)
    cli.environment["MLPIPES_CACHE"] = str(ENVIRONMENTS.parent)
    try:
        cli("export", "airflow", "turns.yaml").ok()
        written, up, _ = [
            cli(*shlex.split(line)[1:], timeout=900).ok()
            for block in re.findall(r"^```bash\n(.*?)^```$", PAGE, re.M | re.S)
            for line in block.replace("open airflow", "open airflow --print").splitlines()
        ]
        assert written.out == "wrote dags/mlpipes-loans-loans.py: DAG loans-loans\n"
        assert "airflow: started on port" in up.err
        found = Airflow(root, cli)
        found.log_in()
        yield found
    finally:
        cli("down", "--volumes", "--yes")


@pytest.fixture(scope="module")
def whole(airflow: Airflow) -> str:
    """The whole loop, once, by Airflow."""
    run = airflow.trigger("loans-loans")
    assert airflow.wait(run) == "success", airflow.tasks(run)
    return run


def test_the_login_is_told_and_all_files_are_read(airflow: Airflow, whole: str) -> None:
    row = stack_help.services(airflow.cli, airflow.root)["airflow"]
    assert row["state"] == "running" and row["detail"].startswith("log in as admin; ")
    assert "AIRFLOW_PASSWORD" in airflow.cli("status", "--show-secrets").ok().out
    assert airflow.ask("/api/v2/importErrors")["total_entries"] == 0
    assert airflow.dags() == {"loans-loans", "loans-turns", "after_a_promotion"}
    health = airflow.ask("/api/v2/monitor/health")
    assert {part: told["status"] for part, told in health.items()} == dict.fromkeys(
        ("metadatabase", "scheduler", "triggerer", "dag_processor"), "healthy"
    )
    assert airflow.ask("/api/v2/dags/loans-loans/dagRuns")["total_entries"] == 1  # not the schedule's last
    other = stack_help.query(airflow.cli, airflow.root, "select 1 from pg_database where datname = 'airflow'")
    assert other == [(1,)]


def test_the_loop_is_that_of_mlpipes_run(airflow: Airflow, whole: str) -> None:
    assert set(airflow.tasks(whole).values()) == {("success", 1)}
    told = {task: airflow.result(whole, task) for task in airflow.tasks(whole)}
    assert (told["load"]["rows"], told["prepare"]["version"]) == (600, 1)
    assert (told["staging"]["outcome"], told["production"]["outcome"]) == ("promoted", "promoted")
    assert told["monitor"]["enough"] is False
    ran = {step["name"]: step for step in airflow.cli("run", "--json", timeout=300).ok().json["steps"]}
    assert {step["status"] for step in ran.values()} == {"done"}
    assert ran["prepare"]["result"]["fingerprint"] == told["prepare"]["fingerprint"]
    assert ran["train"]["result"]["runs"][0]["metrics"] == told["train"]["runs"][0]["metrics"]
    assert airflow.sql("select count(*) from clean_data._versions") == [(1,)]
    ((version, aliases),) = [(m["version"], m["aliases"]) for m in airflow.cli("models", "--json").ok().json]
    assert (version, sorted(aliases)) == (1, ["production", "staging"])


def test_another_dag_waits_for_the_promotion(airflow: Airflow, whole: str) -> None:
    mine = airflow.root / "mine.txt"
    until(mine.exists, 120, "the DAG of the user ran")
    assert mine.read_text() == "promoted\n"


def test_retries_gates_and_a_killed_scheduler(airflow: Airflow, whole: str) -> None:
    root = airflow.root
    run = airflow.trigger("loans-turns")
    until((root / "long.txt").exists, 120, "the step runs")
    members = commands(stack_help.processes_of(root))
    (scheduler,) = [one for one, line in members if line[1:4] == ["-m", "airflow", "scheduler"]]
    os.kill(scheduler.pid, signal.SIGKILL)
    (root / "go").touch()
    assert airflow.wait(run) == "failed"  # of `usage`, `slow` and `alarm`
    found = airflow.tasks(run)
    assert {name: state for name, (state, _) in found.items()} == {
        **dict.fromkeys(("long", "again", "promote", "flaky", "told", "allowed", "late", "more"), "success"),
        **dict.fromkeys(("gate", "behind", "less"), "skipped"),
        **dict.fromkeys(("usage", "slow", "alarm"), "failed"),
    }
    assert [found[name][1] for name in ("flaky", "gate", "usage")] == [2, 1, 1]
    assert (root / "flaky.txt").read_text() == "flaky credit\n" * 2
    assert airflow.result(run, "flaky") == {"n": 5}
    assert airflow.result(run, "gate", "ending") == {"exit": 3, "status": "refused"}
    assert airflow.result(run, "slow", "ending") == {"exit": 124, "status": "failed"}
    log = json.dumps(airflow.ask(f"/api/v2/dags/{run}/taskInstances/flaky/logs/2"))
    assert '"told"' in log
    # nothing was done twice
    assert (root / "long.txt").read_text() == "begins\nends\n"
    assert airflow.result(run, "promote")["outcome"] == "unchanged"
    assert airflow.sql("select count(*) from clean_data._versions") == [(1,)]
    assert [model["version"] for model in airflow.cli("models", "--json").ok().json] == [1]
    assert (root / "mine.txt").read_text() == "promoted\n"  # an unchanged alias is no news


def test_it_comes_back_and_ends_whole(airflow: Airflow, whole: str) -> None:
    root, cli = airflow.root, airflow.cli
    dag = root / "dags" / "mlpipes-loans-loans.py"
    dag.write_text(dag.read_text() + "# mine\n")
    cli("restart", "airflow", timeout=300).ok()
    airflow.log_in()
    assert airflow.ask(f"/api/v2/dags/{whole}")["state"] == "success"
    up = cli("up").ok()
    assert "dags/mlpipes-loans-loans.py was changed, so it stays as it is" in up.err
    assert dag.read_text().endswith("# mine\n")
    stopped = cli("down").ok()
    assert "airflow" in stopped.err
    assert stack_help.processes_of(root) == []
