"""Reconcile services: start what is missing in the order of dependencies, and wait until all answer."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic

from mlpipes_cli.adapters.reconcile.driver import Driver, Progress, S, TryAgain
from mlpipes_cli.errors import MlpipesError

ATTEMPTS = 8
_PAUSE = 0.05


@dataclass
class Reconciler(Generic[S]):
    """Makes the actual state of services the desired one in one call; the caller holds the stack's lock.

    Attributes:
        driver: Observes, starts and stops the services.
        services: The services, each after its dependencies.
        progress: Receives what happens.
    """

    driver: Driver[S]
    services: Sequence[S]
    progress: Progress
    _noted: str = ""

    def run(self) -> None:
        """Keep what works, repair what does not, start what is missing; wait until all services answer.

        Raises:
            MlpipesError: A service does not start; what this call left of it is removed.
        """
        try:
            for service in self.services:
                self.driver.observe(service)
            self._until_ready()
        except BaseException:
            self._undo()
            raise

    def _until_ready(self) -> None:
        waiting = list(self.services)
        while waiting:
            ready = {service.name for service in self.services if service.stage == "ready"}
            eager_first = sorted(
                waiting, key=lambda service: not service.eager
            )  # they load while others are made
            for service in eager_first:
                if service.stage in ("absent", "created") and (service.eager or service.needs <= ready):
                    self._start(service)
            for service in waiting:
                if service.stage == "absent":
                    self.driver.create(service)
            self._note(waiting)
            for service in self.services:
                if service.stage == "ready" and not service.finished:
                    self.driver.finish(service)
                    service.finished = True
            for service in waiting:
                if service.stage == "started" and service.needs <= ready:
                    self._check(service)
            before = len(waiting)
            waiting = [
                service for service in self.services if service.stage != "ready" or not service.finished
            ]
            if len(waiting) == before:
                time.sleep(_PAUSE)

    def _note(self, waiting: Sequence[S]) -> None:
        """Note what is waited for, if that has changed."""
        names = ", ".join(service.name for service in waiting if service.stage == "started")
        if names and names != self._noted:
            self.progress.note(f"waiting for {names}")
            self._noted = names

    def _start(self, service: S) -> None:
        service.starts += 1
        try:
            self.driver.start(service)
        except TryAgain as failed:
            self._try_again(service, failed)
        else:
            service.started()

    def _check(self, service: S) -> None:
        """Check once whether a started service answers."""
        if service.deadline is None:
            service.deadline = time.monotonic() + service.timeout
        try:
            if self.driver.answers(service):
                self._ready(service)
            elif self.driver.has_exited(service):
                self.driver.exited(service)
            elif time.monotonic() > service.deadline:
                self.driver.silent(service)
        except TryAgain as failed:
            self._try_again(service, failed)

    def _try_again(self, service: S, failed: TryAgain) -> None:
        if service.starts >= ATTEMPTS:
            raise failed.error from None
        self.driver.replan(self.services)

    def _ready(self, service: S) -> None:
        service.stage = "ready"
        where = f" on port {service.port}" if service.port else ""
        if service.change or service.touched:
            self.progress.changes.append(f"{service.name}: {service.change or 'started'}{where}")
            self.progress.reporter.detail(f"{service.name} answers{where}")

    def _undo(self) -> None:
        for service in reversed(self.services):
            if service.stage != "ready":
                with contextlib.suppress(MlpipesError):
                    self.driver.undo(service)
