"""Runs of pipelines, and the database that keeps them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

StepStatus = Literal["waiting", "running", "done", "failed", "refused", "skipped", "stopped"]
RunStatus = Literal["running", "done", "failed", "refused", "stopped"]
ENDED: frozenset[str] = frozenset({"done", "failed", "refused", "skipped", "stopped"})
ALWAYS_KEPT = 20  # runs of each pipeline


@dataclass(frozen=True)
class StepRun:
    """A step in a run.

    Attributes:
        name: The step's name.
        status: ``waiting`` and ``running``; ``done``; ``failed``; ``refused`` is exit code 3 that the step
            does not allow; ``skipped`` by ``when``, by a step that it needs or because it was not asked for;
            ``stopped`` with the run.
        tries: How often its command was started.
        exit: The exit code of the last try: 128 and the signal that ended it, 124 for a timeout; None if
            there was no try.
        seconds: From the first start to the last end; None before.
        started_at: When it started, UTC.
        ended_at: When it ended, UTC.
        reason: Why it is not done, in one line.
        fingerprint: SHA-256 of the step in ``pipeline.yaml``.
        result: The JSON that it printed, or None.
    """

    name: str
    status: StepStatus = "waiting"
    tries: int = 0
    exit: int | None = None
    seconds: float | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    reason: str = ""
    fingerprint: str = ""
    result: Any = None


@dataclass(frozen=True)
class PipelineRun:
    """A run of a pipeline.

    Attributes:
        id: A UUID version 7.
        pipeline: The pipeline's name.
        status: ``running``, ``done``, ``failed``, ``refused`` (a gate said no) or ``stopped``.
        started_at: UTC.
        ended_at: UTC; None while it runs, or if it was killed.
        actor: Who started it.
        host: The machine of its process.
        start_from: The step of ``--from``, or None.
        only: The steps of ``--only``.
        change: A number that grows with each change.
        steps: Its steps, in an order in which they may run.
    """

    id: str
    pipeline: str
    status: RunStatus
    started_at: datetime
    ended_at: datetime | None
    actor: str
    host: str
    start_from: str | None
    only: tuple[str, ...]
    change: int
    steps: tuple[StepRun, ...]

    @property
    def by_name(self) -> Mapping[str, StepRun]:
        """The steps by name."""
        return {step.name: step for step in self.steps}


class PipelineStore(Protocol):
    """Keeps runs of pipelines, over one connection that is made anew after it was lost.

    One thread at a time may use it. Every method raises ``MlpipesError`` if the database does not answer.
    """

    def claim(self, pipeline: str) -> bool:
        """Take the lock of a pipeline; return whether no other process has it.

        It is held until :meth:`close`, or until the connection is lost; then the next method takes it again.
        """

    def held(self) -> bool:
        """Return whether the claimed lock is held, as far as known: another process may have it since."""

    def save(self, run: PipelineRun) -> None:
        """Store the present state of a run; an older one than the stored is left out."""

    def prune(self, pipeline: str, keep: timedelta) -> None:
        """Remove runs older than ``keep``, except for the newest 20 of the pipeline and one that runs."""

    def runs(self, pipeline: str | None = None, limit: int = 20) -> Sequence[PipelineRun]:
        """Return the newest runs with their steps, newest first."""

    def run(self, prefix: str) -> Sequence[PipelineRun]:
        """Return the runs whose id starts with this text, at most two."""

    def close(self) -> None:
        """Close the connection, which frees the lock."""
