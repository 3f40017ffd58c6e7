"""Does our prediction API answer after half an hour under load as one that has just been started?

``python benchmarks/serving/ageing.py --minutes 30``. Latencies at a share of the capacity follow whatever
else the machine's host has to do, which a soak cannot tell from ageing. So two servers take turns here,
second by second and at the same rate: twice the aged one, a new one, twice the aged one. Every two minutes
another new one is started, and the rate is set anew to a share of what the aged one then answers in a closed
loop. A window ends when all that was asked in it is answered; latency counts from the moment when each
request was due.

What is judged is the ratio of both p99 in neighbouring windows: its slope (Theil and Sen) and its median in
the last third of the run, with their 95 % intervals; and the memory of the aged one. ``--minutes`` are those
in which the aged one is asked, four fifths of the time. At the end each answer must have its row. Exit 1
where something grows, an answer was no prediction, or a row is missing.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import checks
import longrun
import psutil
from arrivals import Clients, Window
from envs import BenchError
from peers import PEERS
from peers.base import free_port
from processes import Server, ask, serving
from session import SINGLE, Subject
from slopes import FLAT, RATIO, middle, slope
from stack import Stack

PEER = PEERS["mlpipes"]
ROUTE = PEER.routes[0]
WINDOW = 1.0  # seconds
AROUND = 2  # windows of the aged server on either side of one of the new; the next ones are compared
TURNS = 24  # until another new server is started
WARM_UP = 3.0
CAPACITY = 3.0  # seconds in which it is measured
MINUTE = 60.0
COLUMNS = (
    *("minute", "requests/s", "p99 aged, ms", "p99 new, ms", "aged over new", "RSS aged, MB", "RSS new, MB"),
    *("errors", "stolen, %"),
)


@dataclass(frozen=True)
class Turn:
    """Three neighbouring windows: when, in minutes of the run, and their p99 in ms."""

    minute: float
    before: float
    new: float
    after: float

    @property
    def ratio(self) -> float:
        """The aged one's, as the geometric mean of the windows around, over the new one's."""
        return math.sqrt(self.before * self.after) / self.new


@dataclass
class Block:
    """What one new server was compared in."""

    rate: float
    turns: list[Turn] = field(default_factory=list)
    good: int = 0
    errors: int = 0
    aged_rss: float = 0.0
    new_rss: float = 0.0
    stolen: float = 0.0

    @property
    def cells(self) -> list[str]:
        """Of its row in :data:`COLUMNS`."""
        aged = statistics.median(value for turn in self.turns for value in (turn.before, turn.after))
        return [
            f"{self.turns[-1].minute:.0f}",
            f"{self.rate:.0f}",
            f"{aged:.2f}",
            f"{statistics.median(turn.new for turn in self.turns):.2f}",
            f"{statistics.median(turn.ratio for turn in self.turns):.3f}",
            f"{self.aged_rss:.1f}",
            f"{self.new_rss:.1f}",
            f"{self.errors}",
            f"{100 * self.stolen:.1f}",
        ]


class Servers:
    """Starts ours, and counts the rows that being asked whether they are there makes."""

    def __init__(self, stack: Stack, subject: Subject) -> None:
        self._stack, self._subject, self.asked = stack, subject, 0
        self._number = 0

    @contextmanager
    def one(self) -> Iterator[Server]:
        """A server that answers right."""
        self._number += 1
        target, port = self._subject.target, free_port()
        scratch = self._stack.folder / f"ageing-{self._number}"
        scratch.mkdir()
        launch = PEER.launch(Path(), target, port, scratch)
        with serving(launch, port, scratch.with_suffix(".log")) as server:
            server.wait(lambda: self._right(port))
            self.asked += 1
            yield server

    def _right(self, port: int) -> bool:
        subject = self._subject
        try:
            answers = ask(port, ROUTE, subject.target.name, subject.records[:1])
            return checks.same(answers, checks.part(subject.truth, 0))
        except (OSError, BenchError):
            return False


def stolen() -> tuple[float, float]:
    """Seconds of the processors taken by others, and all seconds."""
    times = psutil.cpu_times()
    return getattr(times, "steal", 0.0), sum(times)


async def window(clients: Clients, rate: float, block: Block) -> float:
    """The p99 of one window in ms.

    Raises:
        BenchError: Nothing was answered.
    """
    clients.window = Window()
    await clients.renew()
    await clients.steady(rate, WINDOW)
    found = clients.window
    count(block, found)
    if not found.good:
        raise BenchError("a window without answers")
    return found.percentile(0.99)


def count(block: Block, found: Window) -> None:
    """Add what came back."""
    block.good += found.good
    block.errors += found.errors


async def compare(
    aged: Clients, new: Clients, block: Block, share: float, started: float, turns: int
) -> None:
    """Fill a block: the capacity, then turns."""
    count(block, await new.closed(WARM_UP))
    best = await aged.closed(CAPACITY)
    count(block, best)
    block.rate = share * best.good / CAPACITY
    for _ in range(turns):
        minute = (time.perf_counter() - started) / MINUTE
        order = [*[aged] * AROUND, new, *[aged] * AROUND]
        p99 = [await window(clients, block.rate, block) for clients in order]
        block.turns.append(Turn(minute, *p99[AROUND - 1 : AROUND + 2]))


async def blocks(servers: Servers, bodies: list[str], arguments: argparse.Namespace) -> list[Block]:
    """All blocks of the run, each printed as it ends."""
    found: list[Block] = []
    wanted = math.ceil(arguments.minutes * MINUTE / (2 * AROUND * WINDOW))  # turns
    with servers.one() as first:
        aged = Clients(first.port, ROUTE.path, bodies, arguments.connections)
        warm = await aged.closed(WARM_UP)
        print(*COLUMNS, sep=" | ", flush=True)
        started = time.perf_counter()
        while wanted > 0:
            block = Block(0.0)
            if not found:
                count(block, warm)
            with servers.one() as second:
                new = Clients(second.port, ROUTE.path, bodies, arguments.connections)
                taken, whole = stolen()
                await compare(aged, new, block, arguments.share, started, min(TURNS, wanted))
                after, now = stolen()
                block.stolen = (after - taken) / (now - whole)
                block.aged_rss, block.new_rss = first.resident(), second.resident()
                await new.close()
            wanted -= TURNS
            found.append(block)
            print(*block.cells, sep=" | ", flush=True)
        await aged.close()
    return found


def judge(found: list[Block]) -> tuple[list[str], bool]:
    """Lines on what grows, and whether nothing does."""
    turns = [turn for block in found for turn in block.turns]
    ratios = [turn.ratio for turn in turns]
    late = ratios[-max(len(ratios) // 3, 1) :]
    rising = slope(RATIO, "x", ratios, [turn.minute for turn in turns], f"in {len(turns)} turns")
    level, low, high = middle(late)
    bound = 1 + FLAT[RATIO]
    verdict = "flat" if high <= bound else "GROWS" if low > 1 and level > bound else "not decided"
    rss = slope("RSS", "MB", [b.aged_rss for b in found], [b.turns[-1].minute for b in found], "of the aged")
    lines = [
        str(rising),
        f"{RATIO} in the last third ({len(late)} turns): median {level:.3f}x "
        f"(95 % interval {low:.3f} to {high:.3f}): {verdict}",
        str(rss),
    ]
    return lines, "GROWS" not in {rising.verdict, verdict, rss.verdict}


def measure(stack: Stack, arguments: argparse.Namespace) -> tuple[list[str], bool]:
    """The lines of the result, and whether all is well."""
    subject = Subject.of(stack, stack.train(arguments.model))
    bodies = [ROUTE.encode([record]) for record in subject.records[:SINGLE]]
    servers = Servers(stack, subject)
    found = asyncio.run(blocks(servers, bodies, arguments))
    rows = checks.stored_rows(stack, subject.target.name)  # of a new stack
    good, errors = sum(block.good for block in found), sum(block.errors for block in found)
    answers = good + servers.asked
    lines = [
        f"The aged one was asked for {arguments.minutes:g} minutes at {100 * arguments.share:g} % of its "
        f"capacity, on {arguments.connections} connections; {len(found)} new ones beside it: "
        f"{answers} predictions, {errors} errors.",
        f"Rows in the table: {rows} for {answers} answers: {'kept' if rows == answers else 'BROKEN'}.",
    ]
    told, well = judge(found)
    table = ["", f"| {' | '.join(COLUMNS)} |", f"|{' --- |' * len(COLUMNS)}"]
    table += [f"| {' | '.join(block.cells)} |" for block in found]
    return [*(f"- {line}" for line in [*lines, *told]), *table], well and not errors and rows == answers


def main() -> int:
    parser = longrun.flags("our prediction API after a long time beside a new one")
    return longrun.run(parser, "Ageing", measure)


if __name__ == "__main__":
    sys.exit(main())
