"""Compare two running prediction APIs, such as those of two commits, by turns of one second each.

    python benchmarks/serving/paired/compare.py --before 8101 --after 8201 plain.jsonl unknown.jsonl

Each file has a body a line, for ``/predict``, or for ``/invocations`` with ``--path``. A machine that others
use is noisy for longer than a turn: the ratio of two neighbouring turns is worth more than two means. For
each file: medians of requests/s and of the server's processor time a request, and the median of the rounds'
ratios with its bootstrap interval of 95 %.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import psutil
import wrk

RESAMPLES = 2000
Turn = tuple[float, float]  # requests/s, processor time of the server in ms a request


def server(port: int) -> psutil.Process:
    """The process that listens there."""
    for connection in psutil.net_connections("tcp"):
        if connection.laddr and connection.laddr.port == port and connection.status == psutil.CONN_LISTEN:
            return psutil.Process(connection.pid)
    raise SystemExit(f"no server listens on port {port}")


def turn(process: psutil.Process, port: int, path: str, bodies: Path, connections: int) -> Turn | None:
    """One second of load; None where nothing was answered."""
    before = sum(process.cpu_times()[:2])
    load = wrk.run(port, path, bodies, connections, 1)
    if load.errors:
        raise SystemExit(f"port {port}: {load.errors} requests failed with {bodies}")
    return (load.rate, 1000 * (sum(process.cpu_times()[:2]) - before) / load.good) if load.good else None


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Of the median, by bootstrap: 95 %."""
    chance = random.Random(1)
    medians = sorted(statistics.median(chance.choices(values, k=len(values))) for _ in range(RESAMPLES))
    return medians[RESAMPLES // 40], medians[-RESAMPLES // 40]


def row(bodies: Path, pairs: Sequence[tuple[Turn, Turn]]) -> str:
    """A line of the table."""
    cells = [bodies.stem, str(len(pairs))]
    for at, form in ((0, "{:,.0f}"), (1, "{:.3f}")):
        before, after = ([pair[side][at] for pair in pairs] for side in (0, 1))
        ratios = [new / old for old, new in zip(before, after, strict=True)]
        low, high = interval(ratios)
        cells += [form.format(statistics.median(side)) for side in (before, after)]
        cells.append(f"{statistics.median(ratios):.3f} ({low:.3f} to {high:.3f})")
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--before", type=int, required=True, help="port of the first server")
    parser.add_argument("--after", type=int, required=True, help="port of the second one")
    parser.add_argument("--path", default="/predict")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("bodies", type=Path, nargs="+")
    given = parser.parse_args()
    ports = (given.before, given.after)
    processes = {port: server(port) for port in ports}
    found: dict[Path, list[tuple[Turn, Turn]]] = {bodies: [] for bodies in given.bodies}
    for number in range(given.rounds + 1):  # the first one is to warm up
        for bodies in given.bodies:
            turns = {}
            for port in ports if number % 2 else ports[::-1]:
                turns[port] = turn(processes[port], port, given.path, bodies, given.connections)
            before, after = (turns[port] for port in ports)
            if number and before and after:
                found[bodies].append((before, after))
    print("| bodies | rounds | requests/s before | after | ratio | ms of processor before | after | ratio |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for bodies, pairs in found.items():
        print(row(bodies, pairs))


if __name__ == "__main__":
    main()
