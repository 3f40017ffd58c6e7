"""Stores each state of a run in the database, in a thread: a database that is away holds up no step."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from mlpipes_cli.errors import MlpipesError

if TYPE_CHECKING:
    from mlpipes_cli.lifecycle.pipelines.journal import Journal
    from mlpipes_cli.ports.automation.pipeline_runs import PipelineRun, PipelineStore

_RETRY = (0.5, 30.0)  # seconds until the next try: at first, at most


class Recorder:
    """Stores the newest state; those in between may be left out. The journal has all that it has.

    Args:
        store: The database, which only this thread uses until :meth:`close`.
        journal: Notes what is stored.
        warn: Called once with a line if the database is away, and if another process may run the pipeline.
    """

    def __init__(self, store: PipelineStore, journal: Journal, warn: Callable[[str], None]) -> None:
        self._store, self._journal, self._warn = store, journal, warn
        self._change = threading.Condition()
        self._newest: PipelineRun | None = None
        self._closing = False
        self._away = False
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def save(self, run: PipelineRun) -> None:
        """Store a state soon."""
        with self._change:
            self._newest = run
            self._change.notify()

    def close(self, seconds: float) -> bool:
        """Store the last state, if the database answers within that time; return whether it did."""
        with self._change:
            self._closing = True
            self._change.notify()
        self._thread.join(seconds)
        return not self._thread.is_alive() and self._newest is None

    @property
    def idle(self) -> bool:
        """Whether the database is free for others to use, after :meth:`close`."""
        return not self._thread.is_alive()

    def _work(self) -> None:
        pause = _RETRY[0]
        while True:
            with self._change:
                while self._newest is None and not self._closing:
                    self._change.wait()
                run = self._newest
                if run is None:
                    return
            try:
                self._store.save(run)
            except MlpipesError as error:
                if not self._away:
                    self._away = True
                    self._warn(f"{error.reason}; the state of the run is kept in files, and stored later")
                with self._change:
                    if self._closing:
                        return
                    self._change.wait(pause)
                pause = min(2 * pause, _RETRY[1])
                continue
            pause = _RETRY[0]
            self._journal.mark_stored(run)
            self._after_absence()
            with self._change:
                if self._newest is run:
                    self._newest = None

    def _after_absence(self) -> None:
        if self._away:
            self._away = False
            if not self._store.held():
                self._warn("another run of this pipeline began while the database was away")
