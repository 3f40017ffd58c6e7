"""The whole loop by the watcher of `up --with watch` alone.

Drift, decay, a retraining, its promotion and the end of the alarm. The tests only send rows and ground truth,
and wait for what the database shows.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psycopg2
import pytest
import stack_help
from conftest import Cli
from waiting import until

pytestmark = pytest.mark.slow
SECRET = "T0KEN-of-the-hook"
SETTINGS = """
project: credit
runtime: embedded
serving: {model: credit}
monitoring:
  schedule: 10s
  window: 10m
  false_alarms: 100
  alerts:
    - {name: own, command: tee -a alerts.jsonl}
    - {name: fails, command: "false"}
    - {name: broken, webhook: $BROKEN_HOOK, format: slack}
    - {name: hangs, webhook: $HANGING_HOOK}
  retrain: {if: [performance], to: production, cool_down: 1h, max_tries: 2, rollback_if: worse}
"""
EXPERIMENT = """
experiment: credit
data: {source: credit.csv, target: default, id: ID, split: {test: 0.3, seed: 1}}
metric: roc_auc
runs:
  - {name: boosting, trainer: sklearn, estimator: sklearn.ensemble.HistGradientBoostingClassifier,
     params: {max_iter: 30}}
"""


def credit(rows: int, seed: int) -> pd.DataFrame:
    """Rows like those of a credit card's customers."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "ID": [f"{seed}-{n}" for n in range(rows)],
            "LIMIT_BAL": (random.lognormal(11.7, 0.8, rows) // 10_000 * 10_000 + 10_000),
            "AGE": random.integers(21, 75, rows),
            "EDUCATION": random.choice([1, 2, 3, 4], rows, p=[0.35, 0.47, 0.16, 0.02]),
            "PAY_0": random.choice([-1, 0, 1, 2], rows, p=[0.3, 0.5, 0.12, 0.08]),
            "BILL_AMT1": random.lognormal(10, 1.0, rows).round(),
            "PAY_AMT1": np.where(random.random(rows) < 0.2, 0.0, random.lognormal(7.5, 1.2, rows).round()),
        }
    )
    odds = 1.6 * frame["PAY_0"] - 0.9 * (np.log(frame["LIMIT_BAL"]) - 11.7) - 0.8
    frame["default"] = (random.random(rows) < 1 / (1 + np.exp(-odds))).astype(int)
    return frame


def changed(rows: int, seed: int) -> pd.DataFrame:
    """Two columns that moved, one that is gone, and another relation to the target."""
    frame = credit(rows, seed)
    return frame.assign(
        LIMIT_BAL=frame["LIMIT_BAL"] * 4, AGE=frame["AGE"] + 25, BILL_AMT1=None, default=1 - frame["default"]
    )


class Refusing(BaseHTTPRequestHandler):
    """Answers 500, and counts."""

    events: list[str]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.events.append(self.headers["Idempotency-Key"])
        self.send_error(500)

    def log_message(self, *_: object) -> None:
        pass


@dataclass
class Project:
    root: Path
    cli: Cli
    link: Any  # a connection to the database, which the waits share
    refused: list[str]

    def send(self, frame: pd.DataFrame, name: str) -> None:
        frame.drop(columns="default").to_csv(self.root / f"{name}.csv", index=False)
        self.cli("predict", f"{name}.csv", "--output", f"{name}.scored.csv").ok()

    def truth(self, frame: pd.DataFrame, name: str) -> None:
        frame[["ID", "default"]].to_csv(self.root / f"{name}.truth.csv", index=False)
        self.cli("feedback", f"{name}.truth.csv").ok()

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        with self.link.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    def check(self, version: int, where: str) -> dict[str, Any]:
        """The newest scheduled check of a version that fits; waits until there is one."""
        statement = (
            f"select result from monitoring.checks where cause = 'scheduled' and version = {version}"
            f" and {where} order by checked_at desc limit 1"
        )
        found: dict[str, Any] = until(lambda: self.sql(statement), 180, where)[0][0]
        return found

    def service(self, name: str) -> dict[str, Any]:
        return dict(stack_help.services(self.cli, self.root)[name])

    def alerts(self, kind: str) -> list[dict[str, Any]]:
        path = self.root / "alerts.jsonl"
        text = path.read_text() if path.exists() else ""
        return [one for one in json.loads(f"[{text.replace('}{', '},{')}]") if one["kind"] == kind]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    base = tmp_path_factory.mktemp("loop")
    root = base / "project"
    root.mkdir()
    refused: list[str] = []
    handler = type("Handler", (Refusing,), {"events": refused})
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        ThreadingHTTPServer(("127.0.0.1", 0), handler) as server,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        (root / "mlpipes.yaml").write_text(SETTINGS)
        (root / "experiment.yaml").write_text(EXPERIMENT)
        (root / ".env").write_text(
            f"BROKEN_HOOK=http://127.0.0.1:{server.server_port}/{SECRET}\n"
            f"HANGING_HOOK=http://127.0.0.1:{silent.getsockname()[1]}/{SECRET}\n"
        )
        credit(2000, 1).to_csv(root / "credit.csv", index=False)
        cli = Cli(base / "home", root)
        try:
            for words in (
                ("up",),
                ("train",),
                ("promote",),
                ("serve", "--detach"),
                ("up", "--with", "watch"),
            ):
                cli(*words).ok()
            with closing(psycopg2.connect(cli("env", "--json").ok().json["MLPIPES_DATABASE_URL"])) as link:
                link.autocommit = True
                yield Project(root, cli, link, refused)
        finally:
            cli("down", "--volumes", "--yes")
            server.shutdown()


def test_the_watcher_alone_finds_the_change_and_puts_a_better_version_in_use(project: Project) -> None:
    project.send(credit(300, 2), "same")
    check = project.check(1, "rows = 300")
    assert (check["enough"], check["alarm"], project.alerts("alarm")) == (True, False, [])

    today = changed(900, 3)
    project.send(today, "changed")
    check = project.check(1, "rows > 1000 and alarm")
    assert {one["name"] for one in check["columns"][:3]} == {"LIMIT_BAL", "AGE", "BILL_AMT1"}
    assert all(one["alarm"] for one in check["columns"][:3])
    assert [one["name"] for one in check["columns"][3:] if one["alarm"]] == []
    assert check["performance"]["alarm"] is False  # there is no ground truth yet
    assert project.sql("select count(*) from monitoring.retrainings") == [(0,)]

    project.truth(today, "changed")
    check = project.check(1, "(result->'performance'->>'alarm')::bool")
    live = check["performance"]["metrics"]["roc_auc"]
    assert live["live"] < 0.4 < live["holdout"]

    # The watcher is killed in the middle of the retraining; the next one makes it, once.
    until(
        lambda: project.sql("select from monitoring.retrainings where outcome is null"), 120, "a retraining"
    )
    os.kill(project.service("watch")["pid"], signal.SIGKILL)
    project.cli("up").ok()
    ended = "select outcome, cause, version, check_id from monitoring.retrainings order by started_at"
    until(lambda: ("promoted",) in [row[:1] for row in project.sql(ended)], 240, "a promotion")
    first, second = project.sql(ended)
    assert (first[0], second[:3]) == ("killed", ("promoted", "performance", 2))
    assert project.sql(f"select alarm from monitoring.checks where id = '{second[3]}'") == [(True,)]
    newest, *others = project.cli("history", "--json").ok().json
    assert (newest["from_version"], newest["to_version"], len(others)) == (1, 2, 1)
    assert newest["challenger"] > newest["incumbent"] + 0.2

    url = project.service("api")["url"]
    until(lambda: json.loads(stack_help.http(f"{url}/version"))["version"] == 2)
    more = changed(300, 4)
    project.send(more, "more")
    project.truth(more, "more")
    check = project.check(2, "enough and (result->'performance'->>'with_truth')::int = 300")
    assert (check["alarm"], check["rows"]) == (False, 300)
    until(lambda: project.alerts("calm"), 60, "the end of the alarm")
    (alarm,), (calm,) = project.alerts("alarm"), project.alerts("calm")
    assert (alarm["version"], calm["version"]) == (1, 2)
    assert calm["event"].split(":")[1] == alarm["event"].split(":")[1]
    found = project.cli("monitor", "history", "--json").ok().json
    assert found["alarms"] == []
    assert [(one["outcome"], one["version"]) for one in found["retrainings"]] == [
        ("promoted", 2), ("killed", None),
    ]  # fmt: skip
    page = stack_help.http(f"{url}/monitor")
    shown = page.decode() if isinstance(page, bytes) else page
    assert "version 2 took production" in shown and "times the set window" in shown


def test_what_its_channels_did_is_a_line_each_without_a_secret(project: Project) -> None:
    log = project.cli("logs", "watch").ok().out
    for channel, why in (
        ("fails", "the command exited with code 1"),
        ("broken", "the webhook answered HTTP 500"),
        ("hangs", "no answer within 10 seconds"),
    ):
        assert f"alert to {channel!r} failed: {why}; it is tried again" in log
    assert "Traceback" not in log and SECRET not in log
    states = dict(
        project.sql("select channel, count(*) from monitoring.deliveries where state = 'sent' group by 1")
    )
    assert states == {"own": 2}  # the alarm and its end, once each
    stored = project.sql("select string_agg(d::text, '') from monitoring.deliveries d")[0][0]
    assert SECRET not in stored and set(project.refused) == {project.alerts("alarm")[0]["event"]}
