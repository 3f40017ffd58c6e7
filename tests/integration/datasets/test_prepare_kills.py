"""`data prepare` killed at every stage, and twice at the same time: nothing half made, nothing lost."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import dataset_help
import psycopg2
import pytest
from conftest import Result, RunningStack
from waiting import until

pytestmark = pytest.mark.slow
TYPES = {"ID": "integer", "v": "number"}
SLEEPS = "case when pg_sleep(0.1) is null then 1.0 else v end"
ASLEEP = "select 1 from pg_stat_activity where wait_event = 'PgSleep'"
BLOCKED = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and query ~ '{}'"
FUNCTION = """
import pathlib, time
def slow(frame):
    pathlib.Path("reached").touch()
    time.sleep(60)
    return frame
def short(frame):
    time.sleep(1)
    return frame
"""


@contextlib.contextmanager
def holding(url: str, statement: str) -> Iterator[None]:
    """Hold what a statement locks."""
    with closing(psycopg2.connect(url)) as link, link.cursor() as cursor:
        cursor.execute(statement)
        yield


# The steps, what another client holds, and how to see that the stage is reached.
STAGES: dict[str, tuple[str, str, str]] = {
    "checks": ("", "lock table raw_data.killed", BLOCKED.format("raw_data")),
    "before the split": (f'[{{derive: {{w: "{SLEEPS}"}}}}]', "select 1", ASLEEP),
    "after the split": (f'[{{fill: {{v: median}}}}, {{derive: {{w: "{SLEEPS}"}}}}]', "select 1", ASLEEP),
    "learning": (
        f'[{{fill: {{v: median}}}}, {{derive: {{w: "{SLEEPS}"}}}}, {{fill: {{w: mean}}}}]',
        "select 1",
        f"{ASLEEP} and query ~ 'train'",
    ),
    "a function": ("[{function: 'slow_steps:slow'}]", "select 1", ""),
    "the view": ("[{drop: v}]", "select * from clean_data.killed", BLOCKED.format("view")),
    "the record": ("[{drop: v}]", "lock table clean_data._versions in share mode", BLOCKED.format("insert")),
}


@pytest.fixture(scope="module", autouse=True)
def _raw(url: str, running_stack: RunningStack) -> None:
    dataset_help.load(url, "killed", TYPES, [(n, float(n)) for n in range(1, 1001)])
    (running_stack.root / "slow_steps.py").write_text(FUNCTION)
    dataset_help.write(running_stack.root, "dataset: killed\nsource: x.csv\n")
    running_stack.cli("data", "prepare").ok()


def state(url: str) -> tuple[object, ...]:
    tables = (
        "select tablename from pg_tables where schemaname = 'clean_data' and tablename like '\\_killed\\_%'"
    )
    return (
        dataset_help.query(url, tables + " order by 1"),
        dataset_help.query(
            url, "select version, rows, table_name from clean_data._versions where dataset = 'killed'"
        ),
        dataset_help.query(
            url, "select count(*), sum(v), count(*) filter (where _split = 'test') from clean_data.killed"
        ),
    )


@pytest.mark.parametrize("stage", STAGES)
def test_a_killed_preparation_leaves_what_was_there(
    running_stack: RunningStack, url: str, stage: str
) -> None:
    steps, hold, reached = STAGES[stage]
    before = state(url)
    assert before[2] == [(1000, 500500.0, 200)]
    touched = Path(running_stack.root / "reached")
    touched.unlink(missing_ok=True)
    dataset_help.write(
        running_stack.root, f"dataset: killed\nsource: x.csv\nsplit: {{seed: 1}}\nclean: {steps or '[]'}\n"
    )
    with holding(url, hold):
        process = running_stack.cli.start("data", "prepare")
        try:
            until(lambda: bool(dataset_help.query(url, reached)) if reached else touched.exists(), 60, stage)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    working = (
        "select 1 from pg_stat_activity where application_name = 'mlpipes' and pid <> pg_backend_pid()"
        " and backend_type = 'client backend' and state <> 'idle'"
    )
    until(lambda: not dataset_help.query(url, working), 60, "the end of the killed process's work")
    assert state(url) == before


def test_after_all_of_it_the_next_one_works(url: str, prepare: Callable[..., Result]) -> None:
    done = prepare("killed", "clean: [{derive: {w: v * 2}}]\nsplit: {seed: 1}").ok()
    assert done.json["version"] == 2
    assert dataset_help.query(url, "select sum(w) from clean_data.killed") == [(1001000.0,)]


def test_two_at_the_same_time_take_turns(running_stack: RunningStack, url: str) -> None:
    dataset_help.load(url, "both", TYPES, [(n, float(n)) for n in range(1, 101)])
    file = dataset_help.write(
        running_stack.root,
        "dataset: both\nsource: x.csv\nclean: [{function: 'slow_steps:short'}]\n",
        "both.yaml",
    )
    started = [running_stack.cli.start("--json", "data", "prepare", file.name) for _ in range(2)]
    ended = [(process.communicate(timeout=120), process.returncode) for process in started]
    assert [code for _, code in ended] == [0, 0]
    assert ended[0][0][0] == ended[1][0][0]
    told = [err for (_, err), _ in ended]
    assert sum("has these rows already" in one for one in told) == 1
    assert sum("another process works on the data set 'both'; waiting" in one for one in told) == 1
    assert dataset_help.query(url, "select count(*) from clean_data._versions where dataset = 'both'") == [
        (1,)
    ]


def test_prepare_waits_for_a_load(running_stack: RunningStack, url: str) -> None:
    from mlpipes_cli.adapters.postgres.datasets.session import lock_key

    with holding(url, f"select pg_advisory_lock({lock_key('both')})"):
        process = running_stack.cli.start("data", "prepare", "both.yaml")
        assert process.stderr is not None
        assert "waiting until it has finished" in process.stderr.readline()
        assert process.poll() is None
    assert process.wait(60) == 0
    process.communicate()
