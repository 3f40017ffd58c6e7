"""What ``mlpipes run`` adds to the bare commands of a pipeline, a step.

    python benchmarks/automation/measure.py [ROUNDS]

Makes a project with the embedded runtime in a temporary folder, and runs the same chain of commands bare (one
process after the other, as a shell would) and as a pipeline, in turns. Two chains: ``true``, which shows what
a step costs at all, and ``mlpipes history``, one of our commands. The difference holds everything: the start
of ``mlpipes run``, its locks, two synced files and the rows of each step, and its end.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

STEPS = 10
CHAINS = {"true": "true", "mlpipes history": "mlpipes --json history"}
PROGRAM = [sys.executable, "-m", "mlpipes_cli"]


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    with tempfile.TemporaryDirectory(prefix="mlpipes-bench-") as folder:
        root = Path(folder)
        (root / "mlpipes.yaml").write_text("project: bench\nruntime: embedded\n")
        environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        try:
            call([*PROGRAM, "up"], root, environment)
            for name, command in CHAINS.items():
                measure(name, command, rounds, root, environment)
        finally:
            call([*PROGRAM, "down", "--volumes", "--yes"], root, environment)
    print(f"\n{platform.platform()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")


def measure(name: str, command: str, rounds: int, root: Path, environment: dict[str, str]) -> None:
    steps = [{"name": f"s{n}", "run": command, "needs": [f"s{n - 1}"] if n else []} for n in range(STEPS)]
    (root / "pipeline.yaml").write_text(json.dumps({"pipeline": "bench", "steps": steps}))
    bare, piped = [], []
    for number in range(rounds + 1):
        took = [
            timed(lambda: [call(["/bin/sh", "-c", command], root, environment) for _ in range(STEPS)]),
            timed(lambda: call([*PROGRAM, "--json", "run"], root, environment)),
        ]
        if number:  # the first one warms the caches
            bare.append(took[0] / STEPS)
            piped.append(took[1] / STEPS)
    added = [with_ - without for with_, without in zip(piped, bare, strict=True)]
    print(
        f"| {name} | {STEPS} | {rounds} | {statistics.median(bare):.3f} | {statistics.median(piped):.3f} | "
        f"{statistics.median(added):.3f} | {min(added):.3f} to {max(added):.3f} |",
        flush=True,
    )


def call(command: list[str], root: Path, environment: dict[str, str]) -> None:
    subprocess.run(command, cwd=root, env=environment, check=True, capture_output=True)


def timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
