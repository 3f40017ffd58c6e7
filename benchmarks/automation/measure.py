"""What ``mlpipes run`` adds to the bare commands of a pipeline, a step: at most 0.2 s.

    python benchmarks/automation/measure.py [ROUNDS]

Makes a project with the embedded runtime in a temporary folder. In each round the same commands are run bare,
one process after the other as a shell would, and as a pipeline, in turns: one step, and a chain of ten. One
step shows what ``mlpipes run`` costs by itself; what the chain takes beyond that, by nine, is what a further
step costs. The commands are ``true``, which shows what a step costs at all, and ``mlpipes history``, one of
ours.

The seconds hold everything: the start of ``mlpipes run``, its locks, the file and the rows of each state, its
end. Processor seconds depend less on what else the machine does. Exit 1 past the bound.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BOUND = 0.2  # seconds a step
STEPS = 10
COMMANDS = {"true": "true", "mlpipes history": "mlpipes --json history"}
PROGRAM = [sys.executable, "-m", "mlpipes_cli"]


def main() -> int:
    rounds, worst = int(sys.argv[1]) if len(sys.argv) > 1 else 7, 0.0
    with tempfile.TemporaryDirectory(prefix="mlpipes-bench-") as folder:
        root = Path(folder)
        (root / "mlpipes.yaml").write_text("project: bench\nruntime: embedded\n")
        environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        try:
            call([*PROGRAM, "up"], root, environment)
            print(f"{rounds} rounds, medians; seconds, and processor seconds in parentheses")
            print(
                "| command | one, bare | ten, bare | ten, as a pipeline | ratio | start of the run | a step |"
            )
            print("| --- | --- | --- | --- | --- | --- | --- |")
            for name, command in COMMANDS.items():
                worst = max(worst, measure(name, command, rounds, root, environment))
        finally:
            call([*PROGRAM, "down", "--volumes", "--yes"], root, environment)
    print(f"\n{platform.platform()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(
        f"added to a chain of {STEPS}, a step: {worst:.3f} s; bound {BOUND}: "
        + ("kept" if worst <= BOUND else "BROKEN")
    )
    return 0 if worst <= BOUND else 1


def measure(name: str, command: str, rounds: int, root: Path, environment: dict[str, str]) -> float:
    """Print a row; return the seconds that a step of the chain takes more than the bare command."""
    for count in (1, STEPS):
        steps = [{"name": f"s{n}", "run": command, "needs": [f"s{n - 1}"] if n else []} for n in range(count)]
        content = json.dumps({"pipeline": f"bench-{count}", "steps": steps})
        (root / f"{count}.yaml").write_text(content)
    found: dict[str, list[tuple[float, float]]] = {key: [] for key in ("bare", "one", "chain")}
    for number in range(rounds + 1):
        took = {
            "bare": timed([["/bin/sh", "-c", command]] * STEPS, root, environment),
            "one": timed([[*PROGRAM, "--json", "run", "1.yaml"]], root, environment),
            "chain": timed([[*PROGRAM, "--json", "run", f"{STEPS}.yaml"]], root, environment),
        }
        if number:  # the first one warms the caches
            for key, value in took.items():
                found[key].append(value)
    bare, one, chain = (
        [statistics.median(value[which] for value in found[key]) for which in (0, 1)]
        for key in ("bare", "one", "chain")
    )
    start = [one[at] - bare[at] / STEPS for at in (0, 1)]
    step = [(chain[at] - one[at]) / (STEPS - 1) - bare[at] / STEPS for at in (0, 1)]
    cells = [[value / STEPS for value in bare], bare, chain]
    print(
        f"| `{name}` | {' | '.join(map(shown, cells))} | {chain[0] / bare[0]:.2f} | "
        f"{shown(start)} | {shown(step)} |",
        flush=True,
    )
    return (chain[0] - bare[0]) / STEPS


def shown(pair: list[float]) -> str:
    return f"{pair[0]:.3f} ({pair[1]:.3f})"


def call(command: list[str], root: Path, environment: dict[str, str]) -> None:
    subprocess.run(command, cwd=root, env=environment, check=True, capture_output=True)


def timed(commands: list[list[str]], root: Path, environment: dict[str, str]) -> tuple[float, float]:
    """Return the seconds and the processor seconds of commands, one after the other."""
    begun, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    for command in commands:
        call(command, root, environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (
        time.perf_counter() - begun,
        after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
    )


if __name__ == "__main__":
    sys.exit(main())
