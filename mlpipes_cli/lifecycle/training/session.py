"""Trains the candidates of a plan and records each as it ends."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mlpipes_cli.background import run_in_background
from mlpipes_cli.errors import Interrupted, MlpipesError
from mlpipes_cli.lifecycle.training.environments import EnvironmentBuilds
from mlpipes_cli.lifecycle.training.plan import TrainingPlan
from mlpipes_cli.lifecycle.training.ray_cluster import RayCluster
from mlpipes_cli.lifecycle.training.recording import run_logger
from mlpipes_cli.lifecycle.training.recording.report import CandidateResult, ranked
from mlpipes_cli.lifecycle.training.recording.run_logger import RunLogger, Unscorable
from mlpipes_cli.lifecycle.training.recording.run_recorder import RunRecorder
from mlpipes_cli.lifecycle.training.spec import Candidate
from mlpipes_cli.lifecycle.training.termination import held, reason_of, stop_reason, terminable
from mlpipes_cli.lifecycle.training.workspace import Workspace
from mlpipes_cli.ports import CandidateState, Tracking, TrainingProgress
from mlpipes_cli.ports.environments import BuiltEnvironment
from mlpipes_cli.worker import protocol
from mlpipes_cli.worker.pool import CandidateJob, HostEvent, Pool

_PAUSE = 0.5  # seconds between two polls of running builds
_GRACE = 5.0  # seconds that a stopped session waits for the candidate that is being recorded


@dataclass
class Track:
    """The state of a candidate in a session."""

    candidate: Candidate
    job: Path
    state: CandidateState
    run_id: str | None = None
    results: list[CandidateResult] = field(default_factory=list)


@dataclass(frozen=True)
class _Recording:
    """A candidate that is being sent to the server.

    Attributes:
        track: The candidate's state.
        seconds: How long its process ran.
        results: Its results, reported when all of it is stored.
    """

    track: Track
    seconds: float
    results: Future[list[CandidateResult]]


class Session:
    """One `train`, from the start of the first candidate to the record of the last.

    Args:
        plan: The training plan.
        data: The folder of the prepared data.
        identifier: The session's identifier.
        commit: The commit of the project's code, if there is one.
        environments: The environments of candidates that do not use our own.
        cluster: The Ray cluster that trains the candidates; None to train them here.
    """

    def __init__(
        self,
        plan: TrainingPlan,
        data: Path,
        identifier: str,
        commit: str | None,
        workspace: Workspace,
        pool: Pool,
        tracking: Tracking,
        progress: TrainingProgress,
        environments: EnvironmentBuilds,
        cluster: RayCluster | None = None,
    ) -> None:
        self._plan, self._data = plan, data
        self._workspace, self._pool, self._tracking, self._progress = workspace, pool, tracking, progress
        self._environments, self._late = environments, set(environments.missing)
        recorder = RunRecorder(plan, workspace.root, workspace.project, environments.built)
        self._storing = RunLogger(plan, recorder, tracking, identifier, commit)
        self._cluster = cluster
        self._tracks: dict[str, Track] = {}
        self._fixed: dict[str, CandidateState] = {}
        self._recording: _Recording | None = None

    def run(
        self, candidates: Sequence[Candidate], previous: Mapping[str, Sequence[CandidateResult]]
    ) -> dict[str, list[CandidateResult]]:
        """Train the candidates and return the results of each; cached and earlier results are included.

        Raises:
            Interrupted: Ctrl-C or SIGTERM; the runs in progress are KILLED.
            MlpipesError: The tracking server does not come back.
        """
        metric = self._plan.metric
        self._fixed = {name: _previous(name, results, metric) for name, results in previous.items()}
        with terminable():
            try:
                self._submit(candidates)
                if candidates:
                    self._prepare()
                while self._working():
                    self._go_on(self._environments.ready(0.0 if self._pool.busy else _PAUSE))
                    for event in self._pool.events():
                        self._handle(event)
            except KeyboardInterrupt as stop:
                ran = self._pool.running
                self._pool.close()
                self._settle_soon()
                self._begin_late(ran)
                self._kill_all(stop_reason(stop))
                raise Interrupted(f"stopped; {self._so_far()}", self._resume_hint()) from None
            except MlpipesError as error:  # the server does not come back: nothing can be recorded
                self._pool.close()
                hint = "; ".join(filter(None, [error.hint, self._resume_hint()]))
                raise MlpipesError(f"{error.reason}; {self._so_far()}", hint) from error
            except Exception:
                self._pool.close()
                self._kill_all("stopped by a bug in mlpipes")
                raise
        return {track.candidate.name: track.results for track in self._tracks.values()}

    def _submit(self, candidates: Sequence[Candidate]) -> None:
        for position, candidate in enumerate(candidates):
            job = self._workspace.job(position)
            stage = "building its environment" if candidate.name in self._late else ""
            self._tracks[candidate.name] = Track(candidate, job, CandidateState(candidate.name, stage=stage))
        self._show()
        logs = {name: track.job / protocol.LOG for name, track in self._tracks.items()}
        self._environments.start({name: logs[name] for name in logs if name in self._late})
        for name, track in self._tracks.items():
            if name not in self._late:
                self._start(track)

    def _start(self, track: Track) -> None:
        """Queue a candidate whose environment exists."""
        name = track.candidate.name
        built = self._environments.built.get(name)
        protocol.write(track.job / protocol.JOB, self._job(track.candidate))
        self._pool.submit(
            CandidateJob(name, track.job, built.python if built else None, track.candidate.wants())
        )

    def _go_on(self, ready: Sequence[tuple[str, BuiltEnvironment | MlpipesError]]) -> None:
        """Start candidates that waited for their environment, or fail them with the resolver's message."""
        for name, outcome in ready:
            track = self._tracks[name]
            self._change(track, stage="")
            if isinstance(outcome, MlpipesError):
                self._begin(track)
                self._fail(track, outcome.lines()[0], 0.0)
            else:
                self._start(track)

    def _prepare(self) -> None:
        """Prepare scoring and recording while the first candidates fit."""
        with held():
            run_logger.prepare(self._tracking)
        self._tracking.ping()

    def _job(self, candidate: Candidate) -> dict[str, Any]:
        config = self._plan.experiment.config
        built = self._environments.built.get(candidate.name)
        return {
            "kind": "train",
            "spec": candidate.spec,
            "data": str(self._data),
            "metric": self._plan.metric,
            "seed": candidate.spec["seed"],
            "threads": candidate.spec["threads"],
            "memory": candidate.wants().memory,
            "preprocess": config.data.preprocess,
            "sample_rows": config.data.sample_rows,
            "reading": dict(self._plan.reading),
            "order_by": config.data.split.by,
            "texts": config.data.texts,
            "folders": list(self._plan.experiment.folders),
            "environment": built.record() if built else None,
            "check": candidate.name in self._late,
            "node": self._cluster.environment(candidate, built) if self._cluster else None,
        }

    def _handle(self, event: HostEvent) -> None:
        track = self._tracks[event.job]
        if event.kind == "started":
            self._begin(track)
        elif event.kind == "stage":
            self._change(track, stage=event.stage)
        else:
            self._ended(track, event)

    def _begin(self, track: Track) -> None:
        self._change(track, state="running", started=time.monotonic())
        track.run_id = self._storing.begin(track.candidate)

    def _ended(self, track: Track, event: HostEvent) -> None:
        if track.run_id is None:  # it ended before its start was reported
            self._begin(track)
        result = None if event.lost else protocol.read(track.job / protocol.RESULT)
        reason = reason_of(event, result)
        if reason is None and result is not None:
            self._change(track, state="storing", stage="")
            reason = self._store(track, result, event.seconds)
        if reason is not None:
            self._fail(track, reason, event.seconds)

    def _store(self, track: Track, result: dict[str, Any], seconds: float) -> str | None:
        """Score a candidate's models and have them recorded; return why that cannot be done, if so.

        One is recorded while the next is scored, since MLflow's server works during our wait.
        """
        assert track.run_id is not None
        try:
            record = self._storing.scored(track.candidate, track.job, track.run_id, result)
        except Unscorable as error:
            return str(error)
        except OSError as error:
            return _unwritten(error)
        self._settle()
        self._recording = _Recording(track, seconds, run_in_background(record))
        return None

    def _working(self) -> bool:
        """Return whether anything runs or is built, after settling a recording that is done or the last."""
        working = self._pool.busy or bool(self._environments.pending)
        if not working or (self._recording is not None and self._recording.results.done()):
            self._settle()
        return working

    def _settle(self) -> None:
        """Wait for the candidate that is being recorded, and report the result."""
        if self._recording is None:
            return
        track, reason = self._recording.track, ""
        try:
            track.results = self._recording.results.result()
        except OSError as error:
            reason = _unwritten(error)
        except MlpipesError as error:
            assert track.run_id is not None
            self._tracking.ping(track.run_id)  # the server is gone for good: this raises and ends the session
            reason = f"its run cannot be stored: {error.reason}"
        seconds, self._recording = self._recording.seconds, None
        if reason:
            self._fail(track, reason, seconds)
            return
        best = ranked(track.results, self._plan.metric)[0]
        value = best.metrics.get(self._plan.metric)
        self._change(track, state="finished", seconds=best.seconds, value=value)

    def _settle_soon(self) -> None:
        """Wait as :meth:`_settle` does, but only for a moment, since the session was stopped."""
        if self._recording is not None and wait([self._recording.results], _GRACE).done:
            with contextlib.suppress(MlpipesError):
                self._settle()

    def _fail(self, track: Track, reason: str, seconds: float) -> None:
        assert track.run_id is not None
        self._storing.fail(track.job, track.run_id, reason)
        name = track.candidate.name
        track.results = [CandidateResult(name, track.run_id, "FAILED", seconds=seconds, error=reason)]
        self._change(track, state="failed", stage="", seconds=seconds, error=reason)

    def _begin_late(self, names: Collection[str]) -> None:
        """Start runs for candidates that ran before their start was recorded, for their trials."""
        with contextlib.suppress(MlpipesError):
            for name in names:
                if self._tracks[name].run_id is None:
                    self._begin(self._tracks[name])

    def _kill_all(self, reason: str) -> None:
        for track in self._tracks.values():
            if track.run_id is not None and not track.results:
                self._storing.kill(track.run_id, reason)
                self._change(track, state="killed", stage="")
        for track in self._tracks.values():
            if track.run_id is not None and track.state.state == "killed":
                with contextlib.suppress(MlpipesError):
                    self._storing.trials(track.job, track.run_id)

    def _change(self, track: Track, **changes: Any) -> None:
        track.state = replace(track.state, **changes)
        self._show()

    def _show(self) -> None:
        states = self._fixed | {track.candidate.name: track.state for track in self._tracks.values()}
        ordered = [states[c.name] for c in self._plan.candidates if c.name in states]
        self._progress.show(ordered, self._plan.metric)

    def _so_far(self) -> str:
        ended = sum(
            any(result.status == "FINISHED" for result in track.results) for track in self._tracks.values()
        )
        return (
            f"{ended + len(self._fixed)} of {len(self._plan.candidates)} candidates are finished and stored"
        )

    def _resume_hint(self) -> str:
        return f"`mlpipes train {self._plan.experiment.source.name} --resume` trains the rest"


def _unwritten(error: OSError) -> str:
    return f"its files cannot be written: {error.strerror or error}"


def _previous(name: str, results: Sequence[CandidateResult], metric: str) -> CandidateState:
    best = ranked(results, metric)[0]
    return CandidateState(name, "cached", seconds=best.seconds, value=best.metrics.get(metric))
