"""Our prediction API at a share of its capacity for a long time: do memory and p99 stay flat?

``python benchmarks/serving/soak.py --minutes 30``. The capacity is what the very same client gets on the same
connections when it asks as fast as answers come; then requests arrive at a constant rate, whatever the
server does, and latency counts from the moment when each was due. Slopes are Theil and Sen's, with their 95 %
intervals, over the minutes after the first two. Beside each minute stand the server's own times and what the
machine did, so that a slow minute says whose it was, and beside the slopes of latencies those over
undisturbed minutes alone, in which (and for the client's, in the one before which) other machines of the same
host took next to nothing of the processors. At the end each answer must have its row. Exit 1 where something
grows, over all minutes or over those, an answer was no prediction, or a row is missing.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import beside
import checks
import longrun
from arrivals import Clients, Window
from envs import BenchError
from peers import PEERS
from peers.base import free_port
from processes import Server, ask, serving
from session import SINGLE, Subject
from slopes import Slope, slope
from stack import Stack

PEER = PEERS["mlpipes"]
ROUTE = PEER.routes[0]
WARM_UP = 3.0
LEFT_OUT = 2  # minutes
BYTES = 2000  # of disk a stored row, indices and the database's log included
STOLEN = 0.01  # of the processors, in a minute that counts as undisturbed
FEW = 5  # minutes, fewer of which say nothing
MINUTE = 60.0
COLUMNS = (
    *("minute", "answers", "errors", "p50, ms", "p99, ms", "server's p99, ms", "RSS, MB"),
    *("idle, %", "stolen, %", "checkpoints"),
)


@dataclass(frozen=True)
class Sample:
    """A minute of the soak: answers, errors, latencies in ms, memory in MB, and what was beside."""

    good: int
    errors: int
    p50: float
    p99: float
    rss: float
    beside: beside.Beside

    @property
    def cells(self) -> list[str]:
        """Of its row in :data:`COLUMNS`."""
        around = self.beside
        return [
            f"{self.good}",
            f"{self.errors}",
            f"{self.p50:.2f}",
            f"{self.p99:.2f}",
            f"{around.server_p99:.2f}",
            f"{self.rss:.1f}",
            f"{100 * around.idle:.1f}",
            f"{100 * around.stolen:.1f}",
            f"{around.checkpoints}",
        ]


def undisturbed(stolen: list[float], before: int) -> list[int]:
    """The minutes, from ``LEFT_OUT`` on, in which and in so many before which others took next to nothing."""
    calm = [share <= STOLEN for share in stolen]
    return [n for n in range(LEFT_OUT, len(stolen)) if all(calm[n - before : n + 1])]


def latencies(samples: list[Sample]) -> tuple[list[Slope], list[str]]:
    """The slopes of both p99 over undisturbed minutes, and lines on what cannot be said."""
    stolen = [sample.beside.stolen for sample in samples]
    found, silent = [], []
    for name, value, before in (
        ("p99", lambda sample: sample.p99, 1),  # what waited since the minute before is the client's
        ("the server's p99", lambda sample: sample.beside.server_p99, 0),
    ):
        minutes = undisturbed(stolen, before)
        if len(minutes) < FEW:
            silent.append(f"{name}: {len(minutes)} undisturbed minutes, which say nothing: not decided")
        else:
            values = [value(samples[n]) for n in minutes]
            found.append(slope(name, "ms", values, minutes, f"over {len(minutes)} undisturbed minutes"))
    return found, silent


async def soak(
    server: Server, bodies: list[str], arguments: argparse.Namespace, look: Callable[[], beside.Marks]
) -> tuple[float, int, list[Sample]]:
    """The rate, the answers before the soak, and a sample a minute."""
    clients = Clients(server.port, ROUTE.path, bodies, arguments.connections)
    before = (await clients.closed(WARM_UP)).good
    best = await clients.closed(arguments.capacity_seconds)
    before += best.good
    capacity = best.good / arguments.capacity_seconds
    rate = arguments.rate or arguments.share * capacity
    told = f"capacity {capacity:.0f} a second (p99 {best.percentile(0.99):.1f} ms)"
    print(f"{told}; now {rate:.0f} a second for {arguments.minutes:g} minutes", flush=True)
    needed = rate * arguments.minutes * MINUTE * BYTES
    if shutil.disk_usage(tempfile.gettempdir()).free < needed:
        raise BenchError(f"the rows of the soak need {needed / 2**30:.0f} GB of disk")
    print(*COLUMNS, sep=" | ", flush=True)
    samples: list[Sample] = []
    clients.window, last = Window(), await asyncio.to_thread(look)
    load = asyncio.create_task(clients.steady(rate, arguments.minutes * MINUTE))
    started, minute = time.perf_counter(), 1
    while not load.done() or clients.window.good or clients.window.errors:
        over = minute > arguments.minutes  # what came late is still on its way
        wake = None if over else max(started + minute * MINUTE - time.perf_counter(), 0)
        await asyncio.wait([load], timeout=wake)
        minute += 1
        window, clients.window = clients.window, Window()
        shares = window.percentile(0.5), window.percentile(0.99)
        now = await asyncio.to_thread(look)
        around, last = beside.between(last, now), now
        samples.append(Sample(window.good, window.errors, *shares, server.resident(), around))
        print(len(samples), *samples[-1].cells, sep=" | ", flush=True)
    await load
    await clients.close()
    return rate, before, samples


def measure(stack: Stack, arguments: argparse.Namespace) -> tuple[list[str], bool]:
    """The lines of the result, and whether all is well."""
    subject = Subject.of(stack, stack.train(arguments.model))
    bodies = [ROUTE.encode([record]) for record in subject.records[:SINGLE]]
    port, scratch = free_port(), stack.folder / "soak"
    scratch.mkdir()
    launch = PEER.launch(Path(), subject.target, port, scratch)

    def right() -> bool:
        try:
            return checks.same(
                ask(port, ROUTE, subject.target.name, subject.records[:1]), checks.part(subject.truth, 0)
            )
        except (OSError, BenchError):
            return False

    with serving(launch, port, stack.folder / "soak.log") as server:
        server.wait(right)
        checks.verify(port, ROUTE, subject.target, subject.records, subject.truth)
        earlier = checks.stored_rows(stack, subject.target.name)
        look = partial(beside.marks, port, ROUTE.path, stack)
        rate, before, samples = asyncio.run(soak(server, bodies, arguments, look))
        rows = checks.stored_rows(stack, subject.target.name) - earlier
    answers = before + sum(sample.good for sample in samples)
    errors = sum(sample.errors for sample in samples)
    lines = [
        f"{rate:.0f} requests/s on at most {arguments.connections} connections for {arguments.minutes:g} "
        f"minutes: {answers - before} predictions, {errors} errors.",
        f"Rows in the table: {rows} for {answers} answers: {'kept' if rows == answers else 'BROKEN'}.",
    ]
    whole = samples[LEFT_OUT : int(arguments.minutes)]
    if len(whole) < 3:
        lines.append("Too short for slopes: they need 5 minutes.")
        return [f"- {line}" for line in lines], not errors and rows == answers
    undisturbed_ones, silent = latencies(samples[: int(arguments.minutes)])
    slopes = [
        slope("RSS", "MB", [sample.rss for sample in whole]),
        slope("p99", "ms", [sample.p99 for sample in whole]),
        slope("the server's p99", "ms", [sample.beside.server_p99 for sample in whole]),
        *undisturbed_ones,
    ]
    grows = any(one.verdict == "GROWS" for one in slopes)
    table = ["", f"| {' | '.join(COLUMNS)} |", f"|{' --- |' * len(COLUMNS)}"]
    table += [f"| {n} | {' | '.join(sample.cells)} |" for n, sample in enumerate(samples, 1)]
    told = [f"- {line}" for line in [*lines, *map(str, slopes), *silent]]
    return [*told, *table], not errors and rows == answers and not grows


def main() -> int:
    parser = longrun.flags("our prediction API at a constant rate for a long time")
    parser.add_argument("--rate", type=float, help="requests a second, instead of a share of the capacity")
    parser.add_argument("--capacity-seconds", type=float, default=60)
    return longrun.run(parser, "Soak", measure)


if __name__ == "__main__":
    sys.exit(main())
