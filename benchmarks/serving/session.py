"""One server, started, checked, loaded and ended: the unit that the rounds consist of."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import checks
import wrk
from envs import BenchError
from peers.base import Answers, Peer, Record, Route, Target, free_port
from processes import Memory, Server, ask, serving
from stack import Stack

SINGLE = 100  # different rows that the single-row requests go through
WARM_UP = 16


@dataclass(frozen=True)
class Case:
    """A load: how many connections ask for how many rows a request."""

    connections: int
    rows: int

    @property
    def name(self) -> str:
        """For tables."""
        return f"{self.connections} x {self.rows}"


CASES = (Case(1, 1), Case(16, 1), Case(64, 1), Case(16, 1000))
OTHER_CASES = (Case(16, 1),)


@dataclass(frozen=True)
class Subject:
    """A model, its questions, and the right answers."""

    target: Target
    records: list[Record]
    truth: Answers
    bodies: Path

    @classmethod
    def of(cls, stack: Stack, target: Target) -> Subject:
        records = stack.records(target)
        bodies = Path(tempfile.mkdtemp(dir=stack.folder, prefix=f"bodies-{target.name}-"))
        return cls(target, records, stack.truth(target, records), bodies)

    def body(self, peer: Peer, route: Route, rows: int) -> Path:
        """The file of bodies for wrk, one a line."""
        file = self.bodies / f"{peer.name}-{route.name}-{rows}"
        if not file.exists():
            asked = [self.records[:rows]] if rows > 1 else [[one] for one in self.records[:SINGLE]]
            file.write_text("".join(route.encode(records) + "\n" for records in asked))
        return file


@dataclass
class Outcome:
    """What a session measured.

    Attributes:
        busy: The load average before it.
        cold: Seconds from the command to the first right answer.
        loads: By route and case.
        idle: Memory once it had answered the checks.
        loaded: Memory after all loads.
        stored: What was found in the table, for our server with models that have scores.
    """

    busy: float
    cold: float
    loads: dict[str, dict[str, wrk.Load]] = field(default_factory=dict)
    idle: Memory | None = None
    loaded: Memory | None = None
    stored: checks.Stored | None = None


def run(
    stack: Stack, peer: Peer, bin: Path, subject: Subject, cases: Sequence[Case], seconds: int
) -> Outcome:
    """Measure one server; nothing of it is left running.

    Args:
        stack: The running stack.
        peer: The server.
        bin: Of its environment.
        subject: The model and the questions.
        cases: The loads.
        seconds: For each load.

    Raises:
        BenchError: It does not start, or does not answer right.
    """
    stack.clear()
    scratch = Path(tempfile.mkdtemp(dir=stack.folder, prefix=f"{peer.name}-"))
    port = free_port()
    launch = peer.launch(bin, subject.target, port, scratch)
    with serving(launch, port, scratch.with_suffix(".log")) as server:
        return _measure(stack, peer, server, subject, cases, seconds)


def _measure(
    stack: Stack, peer: Peer, server: Server, subject: Subject, cases: Sequence[Case], seconds: int
) -> Outcome:
    target, records, truth = subject.target, subject.records, subject.truth
    routes = peer.routes if truth.scores is not None else peer.routes[:1]

    busy = os.getloadavg()[0]

    def right() -> bool:
        try:
            return checks.same(ask(server.port, routes[0], target.name, records[:1]), checks.part(truth, 0))
        except (OSError, BenchError):
            return False

    outcome = Outcome(busy, server.wait(right))
    for route in routes:
        checks.verify(server.port, route, target, records, truth)
    outcome.idle = server.memory()
    ours = peer.folder is None and truth.scores is not None
    before = checks.stored_rows(stack, target.name) if ours else 0
    answered = in_flight = 0
    for number, case in enumerate((Case(WARM_UP, 1), *cases)):
        for route in routes:
            path = route.path.format(model=target.name)
            body = subject.body(peer, route, case.rows)
            used = server.seconds()
            load = wrk.run(server.port, path, body, case.connections, seconds if number else 1)
            load = replace(load, processor=server.seconds() - used)
            answered += load.good * case.rows
            in_flight += case.connections * case.rows
            if number:
                outcome.loads.setdefault(route.name, {})[case.name] = load
    outcome.loaded = server.memory()
    if ours:
        found = checks.stored_rows(stack, target.name) - before
        given = checks.identifiers(server.port, target, records, truth)
        once = checks.found_once(stack, given)
        outcome.stored = checks.Stored(answered, in_flight, found, len(given), once)
    return outcome
