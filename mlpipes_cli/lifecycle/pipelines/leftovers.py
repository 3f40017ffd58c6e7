"""Runs that were killed: their processes are ended, and their state is what it is."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mlpipes_cli.lifecycle.pipelines.step_worker import RUN_MARK
from mlpipes_cli.ports.automation.pipeline_runs import PipelineRun

if TYPE_CHECKING:
    import psutil

    from mlpipes_cli.lifecycle.pipelines.journal import Journal
    from mlpipes_cli.ports import Reporter

KILLED = "the process of the run was killed"


def close_killed_runs(journal: Journal, pipeline: str, reporter: Reporter) -> None:
    """End what is left of killed runs of a pipeline, and mark them as stopped.

    Call it while the pipeline is locked: then none of its runs on this machine has a process.

    Raises:
        MlpipesError: A process cannot be ended, or a state cannot be written.
    """
    for run in journal.runs(pipeline):
        if run.status == "running":
            ended = _end_processes(journal.folder(run.id), run.id)
            if ended:
                reporter.info(f"run {run.id} was killed: ended {ended} processes that it left")
            journal.write(stopped(run))


def stopped(run: PipelineRun) -> PipelineRun:
    """Return a killed run as a stopped one."""
    steps = tuple(
        replace(step, status="stopped", reason=KILLED) if step.status == "running" else step
        for step in run.steps
    )
    return replace(run, status="stopped", ended_at=datetime.now(UTC), change=run.change + 1, steps=steps)


def _end_processes(folder: Path, run: str) -> int:
    """End the sessions of a run's steps; what a step put into a session of its own stays."""
    from mlpipes_cli.adapters.processes import process

    leaders = set(_leaders(folder.glob("*.pid")))

    def left() -> list[psutil.Process]:
        return [
            one
            for one in process.everyone()
            if _session(one.pid) in leaders and process.marks(one).get(RUN_MARK) == run
        ]

    return process.end(left) if leaders else 0


def _leaders(notes: Iterable[Path]) -> Iterable[int]:
    for note in notes:
        with suppress(OSError, ValueError):
            yield int(note.read_text())


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return 0
