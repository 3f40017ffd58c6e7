"""Runs the candidates of a plan and records each as it ends."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlpipes_cli.errors import Interrupted, MlpipesError
from mlpipes_cli.lifecycle.training.plan import Plan
from mlpipes_cli.lifecycle.training.record import Recorder
from mlpipes_cli.lifecycle.training.report import CandidateResult
from mlpipes_cli.lifecycle.training.spec import Candidate
from mlpipes_cli.lifecycle.training.workspace import Workspace
from mlpipes_cli.ports import CandidateState, Tracking, TrainingProgress
from mlpipes_cli.worker import protocol
from mlpipes_cli.worker.pool import Event, Pool


@dataclass
class Track:
    """A candidate on its way."""

    candidate: Candidate
    job: Path
    state: CandidateState
    run_id: str | None = None
    result: CandidateResult | None = None


class Session:
    """One `train`, from the first candidate that starts to the last that is recorded.

    Args:
        plan: What is trained.
        data: The folder of the prepared data.
        identifier: The session's.
        commit: Of the project's code, if there is one.
    """

    def __init__(
        self,
        plan: Plan,
        data: Path,
        identifier: str,
        commit: str | None,
        workspace: Workspace,
        pool: Pool,
        tracking: Tracking,
        progress: TrainingProgress,
    ) -> None:
        self._plan, self._data, self._id, self._commit = plan, data, identifier, commit
        self._workspace, self._pool, self._tracking, self._progress = workspace, pool, tracking, progress
        self._recorder = Recorder(plan, workspace.root, workspace.project)
        self._tracks: dict[str, Track] = {}
        self._fixed: dict[str, CandidateState] = {}

    def run(
        self, candidates: Sequence[Candidate], earlier: Sequence[CandidateResult]
    ) -> list[CandidateResult]:
        """Train the candidates; those that were finished earlier are shown beside them.

        Raises:
            Interrupted: Ctrl-C or SIGTERM; the runs that were under way are KILLED.
            MlpipesError: The tracking server stays away.
        """
        metric = self._plan.metric
        self._fixed = {
            r.name: CandidateState(
                r.name, "finished (earlier)", seconds=r.seconds, value=r.metrics.get(metric)
            )
            for r in earlier
        }
        with _terminable():
            try:
                self._submit(candidates)
                self._prepare()
                while self._pool.busy:
                    for event in self._pool.events():
                        self._handle(event)
            except KeyboardInterrupt:
                self._pool.close()
                self._kill_all("stopped by the user")
                raise Interrupted(f"stopped; {self._so_far()}", self._resume_hint()) from None
            except MlpipesError as error:  # the server stays away: what runs cannot be recorded
                self._pool.close()
                hint = "; ".join(filter(None, [error.hint, self._resume_hint()]))
                raise MlpipesError(f"{error.reason}; {self._so_far()}", hint) from error
            except Exception:
                self._pool.close()
                self._kill_all("stopped by a mistake in mlpipes itself")
                raise
        return [track.result for track in self._tracks.values() if track.result]

    def _submit(self, candidates: Sequence[Candidate]) -> None:
        for position, candidate in enumerate(candidates):
            job = self._workspace.job(position)
            protocol.write(job / protocol.JOB, self._job(candidate))
            self._tracks[candidate.name] = Track(candidate, job, CandidateState(candidate.name))
        self._show()
        for track in self._tracks.values():
            self._pool.submit(track.candidate.name, track.job)

    def _prepare(self) -> None:
        """Import what recording needs, MLflow's client above all, while the first candidates fit."""
        self._tracking.ping()
        from mlpipes_cli.scoring import plots  # noqa: F401

    def _job(self, candidate: Candidate) -> dict[str, Any]:
        config = self._plan.experiment.config
        return {
            "kind": "train",
            "spec": candidate.spec,
            "data": str(self._data),
            "metric": self._plan.metric,
            "seed": candidate.spec["seed"],
            "threads": candidate.spec["threads"],
            "preprocess": config.data.preprocess,
            "order_by": config.data.split.by,
            "folders": list(self._plan.experiment.folders),
        }

    def _handle(self, event: Event) -> None:
        track = self._tracks[event.job]
        if event.kind == "started":
            self._begin(track)
        elif event.kind == "stage":
            self._change(track, stage=event.stage)
        else:
            self._ended(track, event)

    def _begin(self, track: Track) -> None:
        self._change(track, state="running", started=time.monotonic())
        candidate, config = track.candidate, self._plan.experiment.config
        tags = self._recorder.tags(candidate, self._id, self._commit)
        params = candidate.params() | {"preprocess": config.data.preprocess}
        track.run_id = self._tracking.begin(config.experiment, candidate.name, tags, params)

    def _ended(self, track: Track, event: Event) -> None:
        if track.run_id is None:  # it went before its start was told
            self._begin(track)
        result = None if event.lost else protocol.read(track.job / protocol.RESULT)
        reason = _reason(event, result)
        if reason is None and result is not None:
            self._change(track, state="storing", stage="")
            reason = self._store(track, result)
        if reason is not None:
            self._fail(track, reason, event.seconds)

    def _store(self, track: Track, result: dict[str, Any]) -> str | None:
        """Score and record a candidate; returns why it could not be, if so."""
        assert track.run_id is not None
        try:
            outcome, metrics, sure = self._recorder.outcome(track.candidate, track.job, result)
        except MlpipesError as error:
            return error.lines()[0]
        except OSError as error:
            return f"its files cannot be written: {error.strerror or error}"
        try:
            self._tracking.finish(track.run_id, outcome)
        except MlpipesError as error:
            self._tracking.ping(track.run_id)  # gone for good: raises, and the session ends
            return f"its run cannot be stored: {error.reason}"
        seconds = float(result["seconds"])
        track.result = CandidateResult(track.candidate.name, track.run_id, "FINISHED", metrics, sure, seconds)
        self._change(track, state="finished", seconds=seconds, value=metrics.get(self._plan.metric))
        return None

    def _fail(self, track: Track, reason: str, seconds: float) -> None:
        assert track.run_id is not None
        self._tracking.give_up(track.run_id, "FAILED", reason, track.job / protocol.LOG)
        name = track.candidate.name
        track.result = CandidateResult(name, track.run_id, "FAILED", seconds=seconds, error=reason)
        self._change(track, state="failed", stage="", seconds=seconds, error=reason)

    def _kill_all(self, reason: str) -> None:
        for track in self._tracks.values():
            if track.run_id is not None and track.result is None:
                with contextlib.suppress(MlpipesError):
                    self._tracking.give_up(track.run_id, "KILLED", reason, None)
                self._change(track, state="killed", stage="")

    def _change(self, track: Track, **changes: Any) -> None:
        track.state = replace(track.state, **changes)
        self._show()

    def _show(self) -> None:
        states = self._fixed | {track.candidate.name: track.state for track in self._tracks.values()}
        ordered = [states[c.name] for c in self._plan.candidates if c.name in states]
        self._progress.show(ordered, self._plan.metric)

    def _so_far(self) -> str:
        ended = sum(
            track.result is not None and track.result.status == "FINISHED" for track in self._tracks.values()
        )
        return (
            f"{ended + len(self._fixed)} of {len(self._plan.candidates)} candidates are finished and stored"
        )

    def _resume_hint(self) -> str:
        return f"`mlpipes train {self._plan.experiment.source.name} --resume` trains the rest"


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM and SIGHUP end a session as Ctrl-C does."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = {}
    try:
        for number in (signal.SIGTERM, signal.SIGHUP):
            before[number] = signal.signal(number, interrupt)
    except ValueError:  # not in the main thread: whoever called us decides
        pass
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _reason(event: Event, result: dict[str, Any] | None) -> str | None:
    """Why a candidate failed, one line; None if it did not."""
    if result is not None and result["status"] == "ok" and event.exit == 0:
        return None
    if result is not None and result["status"] == "failed":
        return str(result["error"])
    if event.lost:
        return "the worker process that it ran in was killed, most likely for memory; try --parallel 1"
    if event.signal == signal.SIGKILL:
        held = f"; it held {event.max_rss / 2**30:.1f} GiB" if event.max_rss else ""
        advice = "try fewer rows, a smaller model or --parallel 1"
        return f"killed (signal 9), most likely for memory{held}; {advice}"
    if event.signal is not None:
        with contextlib.suppress(ValueError):
            return f"crashed ({signal.Signals(event.signal).name}, signal {event.signal})"
        return f"crashed (signal {event.signal})"
    return f"its process ended with exit code {event.exit} and left no result"
