"""What training under mlpipes costs beside the fits themselves, measured side by side.

``python benchmarks/training/measure.py [--rounds 3] [--candidates 8] [--trees 400] [--out FILE.md]``

- **the whole**: K gradient boosting candidates by ``mlpipes train --parallel 2`` (each in a process of its
  own, scored with intervals, plotted, saved, tracked with its model) against ``bare.py``, which makes the
  same fits on a process pool and keeps nothing. At most 1.15 times.
- **a run**: what each further candidate adds to the time of ``train`` on top of its fit, one at a time. At
  most 0.5 s. One is stored while the next one fits, so there are two figures: with fits of about a second,
  and with fits that take next to nothing, behind which nothing can hide. Of that, the calls to the
  tracking server are shown apart, beside MLflow's own plain calls, which are not quite alike: they save the
  model and find its requirements too, which a candidate's own process does in ``train``, and their first
  call is slower.
- **an environment**: the same candidates in an environment of their own that is built already, against our
  own environment. At most 1 s more.

Commands take turns; medians are shown; exit 1 past a bound.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
MLPIPES = str(Path(sys.executable).with_name("mlpipes"))
WHOLE, RUN, WARM = 1.15, 0.5, 1.0
FEW, MANY = 2, 10
SECOND = 10  # trees that take about one
ENVIRONMENT = {name: os.environ[name] for name in os.environ if name != "PYTHONDONTWRITEBYTECODE"}
BOOSTING = "sklearn.ensemble.GradientBoostingClassifier"
LOGISTIC = "sklearn.linear_model.LogisticRegression"


def timed(command: list[str], folder: Path) -> float:
    return said(command, folder)[0]


def said(command: list[str], folder: Path) -> tuple[float, str]:
    """Seconds of a command, and its standard output."""
    started = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True)
    took = time.perf_counter() - started
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return took, done.stdout


def candidate(number: int, estimator: str, **params: Any) -> dict[str, Any]:
    return {
        "name": f"c{number}", "trainer": "sklearn", "estimator": estimator,
        "params": {**params, "random_state": number},
    }  # fmt: skip


def boosting(count: int, trees: int) -> list[dict[str, Any]]:
    return [candidate(number, BOOSTING, n_estimators=trees) for number in range(count)]


def quick(count: int) -> list[dict[str, Any]]:
    return [candidate(number, LOGISTIC, C=0.1) for number in range(count)]


class Project:
    """A project with its stack up, whose experiments are the example's with other candidates."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        timed([MLPIPES, "init", ".", "--example", "credit"], folder)
        timed([MLPIPES, "up", "--runtime", "embedded"], folder)
        self.base = yaml.safe_load((folder / "experiment.yaml").read_text())

    def train(self, runs: list[dict[str, Any]], parallel: int) -> float:
        """Seconds of the command."""
        return self.trained(runs, parallel)[0]

    def trained(self, runs: list[dict[str, Any]], parallel: int) -> tuple[float, float]:
        """Seconds of the command, and of the fits in it."""
        self.write(runs)
        command = [MLPIPES, "train", "bench.yaml", "--parallel", str(parallel), "--force", "--json"]
        took, out = said(command, self.folder)
        return took, sum(run["seconds"] for run in json.loads(out)["runs"])

    def on_top(self, trees: int) -> tuple[float, float]:
        """What a run adds on top of its fit, and the fit, in seconds."""
        few, fits_of_few = self.trained(boosting(FEW, trees), 1)
        many, fits_of_many = self.trained(boosting(MANY, trees), 1)
        return ((many - few) - (fits_of_many - fits_of_few)) / (MANY - FEW), fits_of_many / MANY

    def write(self, runs: list[dict[str, Any]]) -> None:
        document = {**self.base, "runs": runs}
        (self.folder / "bench.yaml").write_text(yaml.safe_dump(document, sort_keys=False))

    def bare(self, runs: list[dict[str, Any]], parallel: int) -> float:
        """The same fits on the rows that ``train`` prepared."""
        data = max(
            (self.folder / ".mlpipes" / "cache" / "data").iterdir(), key=lambda one: one.stat().st_mtime
        )
        about = json.loads((data / "prepared.json").read_text())
        import pandas as pd

        rows = self.folder / "rows.parquet"
        frame = pd.read_parquet(data / "frame.parquet")
        frame[[*about["features"], about["target"]]].to_parquet(rows, index=False)
        listed = self.folder / "candidates.json"
        listed.write_text(json.dumps({"target": about["target"], "candidates": runs}))
        command = [sys.executable, str(HERE / "bare.py"), str(rows), str(data / "holdout.npy")]
        return timed([*command, str(parallel), str(listed)], self.folder)

    def tracked(self, runs: list[dict[str, Any]]) -> float:
        """Seconds in calls to the tracking server, a run."""
        self.write(runs)
        return seconds_a_run([sys.executable, str(HERE / "tracked.py"), "bench.yaml"], self.folder)

    def plain(self, count: int) -> float:
        """The same by MLflow's own calls, on the rows that ``bare`` wrote."""
        there = subprocess.run([MLPIPES, "env", "--json"], cwd=self.folder, capture_output=True, text=True)
        command = [sys.executable, str(HERE / "plain.py"), "rows.parquet", self.base["data"]["target"]]
        return seconds_a_run([*command, str(count)], self.folder, **json.loads(there.stdout))

    def close(self) -> None:
        subprocess.run([MLPIPES, "down", "--volumes", "--yes"], cwd=self.folder, capture_output=True)


def environment() -> dict[str, Any]:
    """An environment with the very versions that are installed here."""
    from importlib.metadata import version

    return {"requirements": [f"{name}=={version(name)}" for name in ("scikit-learn", "pandas", "numpy")]}


def seconds_a_run(command: list[str], folder: Path, **told: str) -> float:
    """What a program says that it spent, divided by its runs."""
    done = subprocess.run(command, cwd=folder, env=ENVIRONMENT | told, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    last = json.loads(done.stdout.strip().splitlines()[-1])
    return float(last["seconds"]) / int(last["runs"])


def told(
    name: str, ours: list[float], other: list[float], value: float, bound: float, unit: str
) -> tuple[str, bool]:
    kept = value <= bound
    line = (
        f"{name}: {statistics.median(ours):.2f} s against {statistics.median(other):.2f} s, {value:.2f}{unit}"
    )
    line += f" (bound {bound:g}{unit}: {'kept' if kept else 'BROKEN'}); rounds "
    line += ", ".join(f"{a:.2f}/{b:.2f}" for a, b in zip(ours, other, strict=True))
    print(line, flush=True)
    return line, kept


def on_top(added: list[tuple[float, float]]) -> tuple[str, bool]:
    value, fit = (statistics.median(part) for part in zip(*added, strict=True))
    kept = value <= RUN
    line = f"a run: {value:.2f} s on top of its fit of {fit:.2f} s "
    line += f"(bound {RUN:g} s: {'kept' if kept else 'BROKEN'}); rounds "
    line += ", ".join(f"{more:.2f}" for more, _ in added)
    print(line, flush=True)
    return line, kept


def beside(name: str, ours: float, other: float) -> tuple[str, bool]:
    """A part of a figure, without a bound of its own."""
    line = f"{name}: {ours:.2f} s a run, MLflow's plain calls {other:.2f} s (these save the model too)"
    print(line, flush=True)
    return line, True


def measure(project: Project, rounds: int, count: int, trees: int) -> list[tuple[str, bool]]:
    whole, fits = boosting(count, trees), quick(FEW)
    inside = [{**run, "environment": environment()} for run in fits]
    project.train(fits, 2)
    project.train(inside, 2)  # builds the environment
    ours, bare, few, many, own, warm, tracked, plain = ([] for _ in range(8))
    added: list[tuple[float, float]] = []
    for _ in range(rounds):
        ours.append(project.train(whole, 2))
        bare.append(project.bare(whole, 2))
        added.append(project.on_top(SECOND))
        few.append(project.train(quick(FEW), 1))
        many.append(project.train(quick(MANY), 1))
        tracked.append(project.tracked(quick(MANY)))
        plain.append(project.plain(FEW))
        own.append(project.train(fits, 2))
        warm.append(project.train(inside, 2))
    each = [(more - less) / (MANY - FEW) for more, less in zip(many, few, strict=True)]
    median = statistics.median
    return [
        told(f"the whole, {count} candidates", ours, bare, median(ours) / median(bare), WHOLE, "x"),
        on_top(added),
        told(f"a run without a fit, from {FEW} to {MANY}", many, few, median(each), RUN, " s a run"),
        beside("of it, calls to the tracking server", median(tracked), median(plain)),
        told("a warm environment", warm, own, median(warm) - median(own), WARM, " s more"),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description="what training under mlpipes costs beside the fits")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--candidates", type=int, default=8)
    parser.add_argument("--trees", type=int, default=400)
    parser.add_argument("--out", type=Path, metavar="FILE.md", help="append the results there")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mlpipes-training-") as text:
        project = Project(Path(text))
        try:
            found = measure(project, arguments.rounds, arguments.candidates, arguments.trees)
        finally:
            project.close()
    if arguments.out is not None:
        with arguments.out.open("a") as page:
            page.write(f"\n## {time.strftime('%Y-%m-%d')}, {arguments.rounds} rounds\n\n")
            page.writelines(f"- {line}\n" for line, _ in found)
    return 0 if all(kept for _, kept in found) else 1


if __name__ == "__main__":
    sys.exit(main())
