"""How soon `mlpipes train` begins to fit: from a data set's version and from a Parquet file.

    python benchmarks/data/start.py [--rows N] [--rounds N]

Starts a stack of its own (runtime embedded) in a temporary folder, and removes it. Each round trains from the
version for the first time, from it again, and from the file, in turns; the time is that from the start of the
command to the call of the function that is trained. Prints the medians, and those of each round's ratios; and
the same of the processor time of the command and of PostgreSQL, which other work on the machine changes less.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

MLPIPES = [sys.executable, "-m", "mlpipes_cli"]
MODULE = """
import time
from pathlib import Path
from sklearn.dummy import DummyClassifier

def train(X, y):
    Path("{mark}").write_text(repr(time.time()))
    return DummyClassifier().fit(X, y)
"""
EXPERIMENT = """
experiment: {name}
data: {{source: "{source}", target: y, preprocess: none}}
runs: [{{name: marked, trainer: python, function: "marking:train"}}]
"""
DATASET = """
dataset: cards
source: cards.parquet
split: {validation: 0.1, test: 0.2, seed: 42}
"""


def write(folder: Path, rows: int) -> None:
    """Write the rows of `load.py`, some of them with gaps and texts, and the files of the experiments."""
    random = np.random.default_rng(1)
    columns = {"time": np.sort(random.integers(0, 172_792, rows)).astype(float)}
    columns |= {f"v{at}": random.normal(size=rows) for at in range(1, 28)}
    frame = pd.DataFrame(columns | {"amount": random.gamma(1, 80, rows).round(2)})
    frame["kind"] = np.array(["card", "cash", "transfer"], dtype=object)[random.integers(0, 3, rows)]
    frame["y"] = (random.random(rows) < 0.0017).astype(int)
    frame.to_parquet(folder / "cards.parquet", index=False)
    (folder / "marking.py").write_text(MODULE.format(mark=folder / "began"))
    (folder / "dataset.yaml").write_text(DATASET)
    for name, source in (("version", "dataset:cards"), ("file", "cards.parquet")):
        (folder / f"{name}.yaml").write_text(EXPERIMENT.format(name=name, source=source))


def mlpipes(folder: Path, *words: str) -> None:
    done = subprocess.run(
        [*MLPIPES, *words], cwd=folder, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        raise SystemExit(done.stderr)


def used(folder: Path) -> float:
    """Return the seconds of processor time of commands that have ended, and of PostgreSQL."""
    own = resource.getrusage(resource.RUSAGE_CHILDREN)
    server = (folder / ".mlpipes" / "postgres" / "postmaster.pid").read_text().split()[0]
    ticks = Path(f"/proc/{server}/stat").read_text().rsplit(")", 1)[1].split()[11:15]
    return own.ru_utime + own.ru_stime + sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def trained(folder: Path, name: str, *, first: bool) -> tuple[float, float]:
    """Train, and return the seconds until the function was called, and the processor time of all."""
    if first:
        shutil.rmtree(folder / ".mlpipes" / "cache" / "data", ignore_errors=True)
    before, began = used(folder), time.time()
    mlpipes(folder, "train", f"{name}.yaml", "--force")
    return float((folder / "began").read_text()) - began, used(folder) - before


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=284_807)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mlpipes-start-") as place:
        folder = Path(place) / "project"
        folder.mkdir()
        mlpipes(folder, "init")
        settings = folder / "mlpipes.yaml"
        settings.write_text(settings.read_text().replace("runtime: auto", "runtime: embedded"))
        write(folder, options.rows)
        try:
            mlpipes(folder, "up")
            mlpipes(folder, "data", "load")
            mlpipes(folder, "data", "prepare")
            measure(folder, options.rounds)
        finally:
            mlpipes(folder, "down", "--volumes", "--yes")


def measure(folder: Path, rounds: int) -> None:
    """Train in turns, and print."""
    kinds = {"first": ("version", True), "again": ("version", False), "file": ("file", False)}
    found: dict[str, list[tuple[float, float]]] = {kind: [] for kind in kinds}
    trained(folder, "file", first=True)  # the files of Python's packages are read once before
    for number in range(rounds):
        turns = ["file", "first", "again"] if number % 2 else ["first", "again", "file"]
        for kind in turns:
            name, first = kinds[kind]
            found[kind].append(trained(folder, name, first=first))
        print(
            {kind: tuple(round(one, 2) for one in values[-1]) for kind, values in found.items()}, flush=True
        )
    for what, label in enumerate(("start", "processor")):
        for kind, values in found.items():
            print(f"{label:9} {kind:6} {statistics.median(one[what] for one in values):6.2f} s")
        for kind in ("first", "again"):
            pairs = zip(found[kind], found["file"], strict=True)
            ratios = [one[what] / file[what] for one, file in pairs]
            told = f"{min(ratios):.2f} to {max(ratios):.2f}"
            print(f"{label}: version, {kind}, by the file: {statistics.median(ratios):.2f} ({told})")


if __name__ == "__main__":
    main()
