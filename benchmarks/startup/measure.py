"""How long a first answer takes, against ``python -c "import typer"``: at most 3 times.

Run with ``make bench`` or ``python benchmarks/startup/measure.py [ROUNDS]``. The commands take turns, so
that whatever else the machine does meets them all alike; medians are shown. Exit 1 past the bound.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BOUND = 3.0
PROJECT = "project: bench\nruntime: embedded\n"
MISTAKE = """\
experiment: bench
data: {source: sklearn:breast_cancer, target: target}
runs:
  - {name: one, trainer: sklern, estimator: sklearn.linear_model.LogisticRegression}
"""


def seconds(command: list[str], folder: str, code: int) -> float:
    started = time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    took = time.perf_counter() - started
    if done.returncode != code:
        sys.exit(f"{command} ended with {done.returncode}, not {code}:\n{done.stderr}")
    return took


def main() -> int:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    mlpipes = str(Path(sys.executable).with_name("mlpipes"))
    cases = {
        'python -c "import typer"': ([sys.executable, "-c", "import typer"], 0),
        "mlpipes --help": ([mlpipes, "--help"], 0),
        "mlpipes train, a mistake in the file": ([mlpipes, "train", "experiment.yaml"], 2),
    }
    times: dict[str, list[float]] = {name: [] for name in cases}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "mlpipes.yaml").write_text(PROJECT)
        Path(folder, "experiment.yaml").write_text(MISTAKE)
        for turn in range(rounds + 1):
            for name, (command, code) in cases.items():
                took = seconds(command, folder, code)
                if turn:  # the first round fills the disk cache and compiles
                    times[name].append(took)
    medians = {name: statistics.median(values) for name, values in times.items()}
    base, *others = medians.values()
    print(f"{rounds} rounds, medians")
    for name, median in medians.items():
        print(f"{name:40s} {median * 1000:7.1f} ms  {median / base:5.2f}x")
    worst = max(others) / base
    print(f"bound {BOUND}x: {'kept' if worst <= BOUND else 'BROKEN'}")
    return 0 if worst <= BOUND else 1


if __name__ == "__main__":
    sys.exit(main())
