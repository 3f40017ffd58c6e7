"""What a run of a pipeline shows: a line for each change, or a table that is drawn anew."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from rich.console import Console as Screen

from mlpipes_cli.cli.console import Console
from mlpipes_cli.cli.views import pipelines
from mlpipes_cli.ports.automation.pipeline_runs import StepRun

WAITING = (StepRun("a"), StepRun("b"), StepRun("c", "skipped", reason="not asked for"))
STARTED = datetime(2026, 11, 30, tzinfo=UTC)


def test_elsewhere_each_change_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    running = replace(WAITING[0], status="running", tries=1, started_at=STARTED)
    again = replace(running, exit=7, seconds=1.0, reason="exit code 7; retry 1 in 10 s")
    states = [
        WAITING,
        (running, *WAITING[1:]),
        (running, *WAITING[1:]),
        (again, *WAITING[1:]),
        (replace(running, tries=2), *WAITING[1:]),
        (replace(running, status="done", tries=2, exit=3, seconds=12.34), *WAITING[1:]),
        (
            WAITING[0],
            replace(WAITING[1], status="failed", exit=7, seconds=0.0, reason="exit code 7"),
            WAITING[2],
        ),
    ]
    with pipelines.progress(Console()) as progress:
        for state in states[:-1]:
            progress.show_steps(state)
        progress.show_steps((states[-2][0], *states[-1][1:]))
    assert capsys.readouterr().err.splitlines() == [
        "a: started",
        "a: exit code 7; retry 1 in 10 s",
        "a: started, try 2",
        "a: done in 12.3 s, exit code 3",
        "b: failed in 0.0 s: exit code 7",
    ]


def test_on_a_terminal_there_is_a_table_with_the_present_states(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Console, "interactive", property(lambda self: True))
    with pipelines.progress(Console()) as progress:
        progress.show_steps((replace(WAITING[0], status="done", seconds=3.21), *WAITING[1:]))
        screen = Screen(file=io.StringIO(), width=100)
        screen.print(progress.table())  # type: ignore[attr-defined]
    rows = [line.split() for line in screen.file.getvalue().splitlines()]  # type: ignore[attr-defined]
    assert ["a", "done", "3.2"] in rows and ["b", "waiting"] in rows
    assert ["c", "skipped", "not", "asked", "for"] in rows
