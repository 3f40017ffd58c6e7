"""The order, the limits and the cleanup of a start, with services that live in this process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from mlpipes_cli.adapters.reconcile.driver import Progress, TryAgain, startup_error
from mlpipes_cli.adapters.reconcile.reconciler import ATTEMPTS, Reconciler
from mlpipes_cli.adapters.reconcile.service import Service
from mlpipes_cli.cli.console import Console
from mlpipes_cli.errors import MlpipesError


@dataclass
class RecordingDriver:
    """Runs services as entries of a list, and records what it was asked to do.

    Attributes:
        looks: How often a service is asked before it answers; by default it answers at once.
        runs: Services that run before the call.
        taken: How many starts of a service find its port taken.
        dies: Services that exit instead of answering.
        events: What was done, in order.
    """

    looks: dict[str, int] = field(default_factory=dict)
    runs: set[str] = field(default_factory=set)
    taken: dict[str, int] = field(default_factory=dict)
    dies: set[str] = field(default_factory=set)
    events: list[str] = field(default_factory=list)

    def observe(self, service: Service) -> None:
        if service.name in self.runs:
            service.adopted(seconds=30.0)

    def create(self, service: Service) -> None:
        service.stage = "created"
        self.events.append(f"create {service.name}")

    def start(self, service: Service) -> None:
        self.events.append(f"start {service.name}")
        if self.taken.get(service.name, 0) > 0:
            self.taken[service.name] -= 1
            service.stage = "absent"
            raise TryAgain(MlpipesError(f"{service.name}: no free port"))

    def answers(self, service: Service) -> bool:
        left = self.looks.get(service.name, 0)
        self.looks[service.name] = left - 1
        return left <= 0 and service.name not in self.dies

    def has_exited(self, service: Service) -> bool:
        return service.name in self.dies

    def exited(self, service: Service) -> None:
        if service.touched:
            raise startup_error(service.name, "exited while starting", "line 1 | line 2")
        self.dies.discard(service.name)
        service.stage, service.change = "created", "started again"

    def silent(self, service: Service) -> None:
        if service.touched:
            raise startup_error(service.name, f"did not answer within {service.timeout:.0f} s", "")
        self.looks[service.name] = 0
        service.change = "restarted"
        service.started()

    def finish(self, service: Service) -> None:
        self.events.append(f"finish {service.name}")

    def replan(self, services: Sequence[Service]) -> None:
        self.events.append("replan")

    def undo(self, service: Service) -> None:
        self.events.append(f"undo {service.name}")


def service(name: str, *needs: str, **more: object) -> Service:
    return Service(name=name, timeout=30.0, needs=frozenset(needs), port=5000, **more)  # type: ignore[arg-type]


def reconcile(driver: RecordingDriver, *services: Service) -> list[str]:
    progress = Progress(Console())
    Reconciler(driver, services, progress).run()
    return progress.changes


def test_a_service_is_started_after_the_services_that_it_needs_are_ready() -> None:
    driver = RecordingDriver(looks={"database": 2})
    changes = reconcile(driver, service("database"), service("tracking", "database"))
    assert driver.events == ["start database", "create tracking", "start tracking"]
    assert changes == ["database: started on port 5000", "tracking: started on port 5000"]


def test_an_eager_service_is_started_first_and_awaited_last() -> None:
    driver = RecordingDriver(looks={"database": 2})
    changes = reconcile(
        driver, service("database", finished=False), service("tracking", "database", eager=True)
    )
    assert driver.events == ["start tracking", "start database", "finish database"]
    assert [line.split(":")[0] for line in changes] == ["database", "tracking"]


def test_what_runs_and_answers_is_no_change() -> None:
    driver = RecordingDriver(runs={"database", "tracking"})
    assert reconcile(driver, service("database"), service("tracking", "database")) == []
    assert driver.events == []


def test_a_taken_port_is_another_attempt_and_the_others_are_planned_anew() -> None:
    driver = RecordingDriver(taken={"database": 2})
    reconcile(driver, service("database"))
    assert driver.events.count("start database") == 3
    assert driver.events.count("replan") == 2


def test_attempts_end() -> None:
    driver = RecordingDriver(taken={"database": 100})
    with pytest.raises(MlpipesError, match="database: no free port"):
        reconcile(driver, service("database"))
    assert driver.events.count("start database") == ATTEMPTS
    assert driver.events[-1] == "undo database"


def test_a_service_that_exits_after_our_start_is_an_error_with_its_log() -> None:
    driver = RecordingDriver(dies={"tracking"})
    with pytest.raises(MlpipesError) as caught:
        reconcile(driver, service("database"), service("tracking", "database"), service("tool", "tracking"))
    assert caught.value.reason == "tracking exited while starting; its last log lines: line 1 | line 2"
    assert caught.value.hint == "see `mlpipes logs tracking` and `mlpipes doctor`"
    assert driver.events[-2:] == ["undo tool", "undo tracking"]  # the database answers: it stays


def test_a_service_that_ran_and_exits_is_started_again() -> None:
    driver = RecordingDriver(runs={"database"}, dies={"database"})
    assert reconcile(driver, service("database")) == ["database: started again on port 5000"]


def test_a_service_that_does_not_answer_in_time_is_an_error_only_if_we_started_it() -> None:
    hangs = service("database")
    hangs.timeout = 0.0
    with pytest.raises(MlpipesError, match="database did not answer within 0 s"):
        reconcile(RecordingDriver(looks={"database": 10**6}), hangs)
    ran = service("database")
    driver = RecordingDriver(looks={"database": 10**6}, runs={"database"})
    driver.observe = lambda one: one.adopted(seconds=0.0)  # type: ignore[method-assign]
    assert reconcile(driver, ran) == ["database: restarted on port 5000"]


def test_an_interrupted_start_is_undone_in_the_opposite_order() -> None:
    driver = RecordingDriver()

    def interrupt(one: Service) -> bool:
        raise KeyboardInterrupt

    driver.answers = interrupt  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        reconcile(driver, service("database"), service("tracking", "database"))
    assert driver.events[-2:] == ["undo tracking", "undo database"]
