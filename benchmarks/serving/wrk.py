"""Closed-loop load by wrk, one thread."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from envs import BenchError
from peers.base import HOST

SCRIPT = Path(__file__).with_name("request.lua")
TIMEOUT = 30


@dataclass(frozen=True)
class Load:
    """What a run of wrk saw.

    Attributes:
        answers: All answers, refused ones included.
        seconds: How long it took.
        p50: Median latency in milliseconds, of all answers.
        p99: The 99th percentile.
        refused: Answers past 399.
        broken: Connections that failed, and requests that had no answer in 30 s.
        processor: Processor time that the server used meanwhile, in seconds; PostgreSQL's not counted.
    """

    answers: int
    seconds: float
    p50: float
    p99: float
    refused: int
    broken: int
    processor: float = 0.0

    @property
    def good(self) -> int:
        """Answers that were predictions."""
        return self.answers - self.refused

    @property
    def rate(self) -> float:
        """Predictions answered a second (requests, not rows)."""
        return self.good / self.seconds

    @property
    def processor_ms(self) -> float:
        """Of the server, for each answer."""
        return 1000 * self.processor / self.answers if self.answers else 0.0

    @property
    def errors(self) -> int:
        """All that was not a prediction."""
        return self.refused + self.broken


def run(port: int, path: str, bodies: Path, connections: int, seconds: int) -> Load:
    """Ask as fast as the answers come.

    Args:
        port: Of the server.
        path: Of the route.
        bodies: A body a line.
        connections: How many ask at once.
        seconds: How long, at least 1.

    Raises:
        BenchError: wrk is missing or failed.
    """
    if shutil.which("wrk") is None:
        raise BenchError("there is no wrk program (apt install wrk)")
    command = ["wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s"]
    command += ["--timeout", f"{TIMEOUT}s", "--script", str(SCRIPT), f"http://{HOST}:{port}{path}"]
    try:
        done = subprocess.run(
            [*command, "--", str(bodies)], capture_output=True, text=True, timeout=seconds + 2 * TIMEOUT
        )
    except subprocess.TimeoutExpired:
        raise BenchError("wrk did not end") from None
    found = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not found:
        raise BenchError(f"wrk failed: {' '.join((done.stdout + done.stderr).split())[-300:]}")
    return Load(**json.loads(found[-1]))
