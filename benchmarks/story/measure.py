"""The demo's whole story against the bare pieces, environment ready: at most 3 times.

``mlpipes demo`` in a new folder (database, MLflow, four candidates with intervals and plots, promotion, the
prediction API, predictions) takes turns with ``bare.py`` (MLflow's server and the same four fits and log
calls), so that whatever else the machine does meets both alike. Medians are shown; exit 1 past the bound.
Run with ``make bench`` or ``python benchmarks/story/measure.py [ROUNDS]``.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BOUND = 3.0
HERE = Path(__file__).parent
EXPERIMENT = HERE.parents[1] / "templates" / "breast-cancer" / "experiment.yaml"


def run(command: list[str], folder: Path) -> float:
    started = time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    took = time.perf_counter() - started
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return took


def story(folder: Path) -> float:
    mlpipes = str(Path(sys.executable).with_name("mlpipes"))
    try:
        return run([mlpipes, "demo", "demo"], folder)
    finally:
        subprocess.run([mlpipes, "-C", "demo", "down", "--volumes", "--yes"], cwd=folder, capture_output=True)


def main() -> int:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    times: dict[str, list[float]] = {"the bare pieces": [], "mlpipes demo": []}
    for turn in range(1, rounds + 1):
        for name, values in times.items():
            with tempfile.TemporaryDirectory() as text:
                folder = Path(text)
                bare = [sys.executable, str(HERE / "bare.py"), str(EXPERIMENT)]
                values.append(story(folder) if name == "mlpipes demo" else run(bare, folder))
        print(
            f"round {turn}: " + ", ".join(f"{name} {values[-1]:.1f} s" for name, values in times.items()),
            flush=True,
        )
    medians = {name: statistics.median(values) for name, values in times.items()}
    ratio = medians["mlpipes demo"] / medians["the bare pieces"]
    print(
        f"medians: {', '.join(f'{name} {value:.1f} s' for name, value in medians.items())}; ratio {ratio:.2f}"
    )
    print(f"bound {BOUND}: {'kept' if ratio <= BOUND else 'BROKEN'}")
    return 0 if ratio <= BOUND else 1


if __name__ == "__main__":
    sys.exit(main())
