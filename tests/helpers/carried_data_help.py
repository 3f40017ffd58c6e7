"""A data set with two versions for tests of transfers, and what has to hold of it afterwards."""

from __future__ import annotations

import contextlib
from pathlib import Path

import psycopg2
import pytest
from conftest import Cli

from mlpipes_cli.adapters import wiring
from mlpipes_cli.ports import Endpoints
from mlpipes_cli.project import find_project

DATASET = """
dataset: carried
source: carried.csv
load: {on_bad_rows: set_aside, mode: merge}
key: ID
columns: {ID: {type: integer}, amount: {type: number}, grade: {values: [a, b]}}
checks: [{rows: {min: 10}}]
clean: [{fill: {amount: median}}]
split: {test: 0.25, seed: 7, stratify: grade}
"""
EXPERIMENT = """
experiment: carried
data: {source: "dataset:carried@1", target: grade}
runs: [{name: logistic, trainer: sklearn, estimator: sklearn.linear_model.LogisticRegression}]
"""
HEADER = "ID,amount,grade\n"
FIRST = [f"{n},{n}.5,{'ab'[n % 2]}\n" for n in range(40)] + ["40,,a\n", "41,oops,b\n"]
SECOND = [f"{n},{n + 1}.5,{'ab'[n % 2]}\n" for n in range(30, 60)]


MONITORED = """
insert into monitoring.checks
    (id, model, version, until, rows, alarm, enough, alpha, cause, actor, seconds, result)
values
    (gen_random_uuid(), 'loans', 3, now(), 500, true, true, 0.05, 'manual', 'ana', 1, '{"verdict": "città"}');
insert into monitoring.deliveries (event, channel, check_id, message)
select 'a', 'team', id, '{}' from monitoring.checks;
insert into monitoring.retrainings (id, model, cause, check_id, actor)
select gen_random_uuid(), 'loans', 'drift', id, 'ana' from monitoring.checks;
"""


def _endpoints(root: Path) -> Endpoints:
    return wiring.make_runtime(find_project(root)).endpoints()


def make(cli: Cli, root: Path) -> None:
    """Load, check and prepare a data set twice."""
    (root / "carried.yaml").write_text(DATASET)
    (root / "carried-experiment.yaml").write_text(EXPERIMENT)
    for number, rows in enumerate((FIRST, SECOND), 1):
        (root / "carried.csv").write_text(HEADER + "".join(rows))
        cli("data", "load", "carried.yaml", cwd=root).ok()
        cli("data", "check", "carried.yaml", cwd=root).ok()
        assert cli("data", "prepare", "carried.yaml", "--json", cwd=root).ok().json["version"] == number
    with contextlib.closing(psycopg2.connect(_endpoints(root).database_url)) as link, link:
        link.cursor().execute(MONITORED)


def verify(cli: Cli, root: Path) -> None:
    """Make sure that all of it is there, works, and can be changed by its owner alone."""
    again = cli("data", "load", "carried.yaml", "--json", cwd=root).ok().json
    assert (again["added"], again["updated"], again["unchanged"], again["rows"]) == (0, 0, 30, 60)
    prepared = cli("data", "prepare", "carried.yaml", "--json", cwd=root).ok().json
    assert (prepared["version"], prepared["load"]) == (2, again["load"])
    versions = cli("data", "versions", "carried", "--json", cwd=root).ok().json
    assert [(one["version"], one["rows"], one["readable"]) for one in versions] == [
        (2, 60, True),
        (1, 41, True),
    ]
    moved = cli("data", "diff", "carried", "1", "2", "--json", cwd=root).ok().json["rows"]
    assert (moved["added"], moved["removed"], moved["columns"]["amount"]) == (19, 0, 11)
    shown = cli("train", "carried-experiment.yaml", "--dry-run", "--json", cwd=root).ok().json
    assert (shown["rows"], shown["dataset"]) == (41, "carried@1")
    checks = cli("monitor", "history", "--json", cwd=root).ok().json
    assert [(c["rows"], c["verdict"], c["alarm_checks"]) for c in checks["checks"]] == [(500, "città", 1)]
    with contextlib.closing(psycopg2.connect(_endpoints(root).reader_url)) as link, link.cursor() as cursor:
        cursor.execute('select count(*), sum(amount) filter (where "ID" < 30) from clean_data.carried')
        assert cursor.fetchone() == (60, 450.0)
        cursor.execute(
            "select percentile_cont(0.5) within group (order by amount) from clean_data._carried_1"
            " where _split = 'train' and \"ID\" <> 40"
        )
        (median,) = cursor.fetchone() or (None,)
        assert versions[1]["learned"]["steps"] == [{"step": 0, "fill": {"amount": median}}]
        cursor.execute("select source, line, reason from raw_data._bad_rows")
        assert cursor.fetchall() == [("carried.csv", 43, "column 'amount': 'oops' is not a number")]
        cursor.execute("select ok, count(*) from raw_data._checks group by ok")
        assert cursor.fetchone()[0] is True  # type: ignore[index]
        link.rollback()
        cursor.execute(
            "select count(*) from monitoring.deliveries join monitoring.retrainings using (check_id)"
        )
        assert cursor.fetchone() == (1,)
        link.rollback()
        owned = ("raw_data.carried", "raw_data._loads", "clean_data._carried_1", "clean_data._versions")
        for table in (*owned, "monitoring.checks"):
            cursor.execute("set transaction read write")
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute(f"delete from {table}")
            link.rollback()
