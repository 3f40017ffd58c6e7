"""Card transactions that never happened, for trying things out.

    python generate.py --rows 20000 --positives 0.02 --seed 7

writes data/credit.csv (Time, V1..V28, Amount, Class) and data/new_rows.csv (50 further
transactions without Class, to be scored). The same arguments give the same files.

How a transaction is made:

* Its kind is drawn: four kinds of honest customers (everyday, traveller, business, young) and three
  of fraud (stolen card, taken-over account, quiet). Exactly the wanted share is fraud, Class 1.
* Eight hidden factors (spending, distance from home, hour, haste, ...) are drawn around the kind's
  centre with Student's t noise of 5 degrees of freedom. The quiet fraud sits almost where honest
  customers are, and one fraud in twenty behaves exactly like one of them, so no model finds all.
* V1..V28 are fixed mixtures of the factors plus noise, so they are correlated; as with principal
  components, the first vary most.
* Amount is log-normal by kind, with a Pareto tail on one in fifty. Time is in seconds over two days,
  with few honest customers at night.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import numpy as np

COMPONENTS = 28
FACTORS = 8
COLUMNS = ["Time", *(f"V{number}" for number in range(1, COMPONENTS + 1)), "Amount", "Class"]
LEAST, MOST = 0.002, 0.05

# kind: share among its class, centre of the eight factors, log of the usual amount, its spread
HONEST = {
    "everyday": (0.55, [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], 3.1, 1.0),
    "traveller": (0.15, [0.6, 1.2, 0.4, 0.2, 0.0, -0.5, 0.3, 0.0], 4.2, 1.1),
    "business": (0.12, [1.5, 0.3, -0.4, -0.3, 0.8, 0.0, 0.0, 0.4], 5.0, 1.2),
    "young": (0.18, [-0.5, -0.2, 0.8, 0.5, -0.6, 0.4, 0.0, -0.3], 2.6, 0.9),
}
FRAUD = {
    "stolen card": (0.45, [-0.8, 1.7, 1.3, 2.4, -1.7, 1.4, 0.5, 0.3], 1.6, 1.2),
    "taken-over account": (0.30, [2.0, 1.9, 0.8, 1.2, 1.4, -1.8, 1.3, 0.6], 5.8, 0.9),
    "quiet": (0.25, [0.3, 0.8, 0.4, 0.8, -0.4, 0.4, 0.9, 0.1], 3.6, 1.1),
}
DISGUISED = 0.05


def make(rows: int, positives: float, seed: int) -> np.ndarray:
    """Transactions in the order of their time: an array of shape (rows, 31), columns as COLUMNS."""
    random = np.random.default_rng(seed)
    fraud = np.zeros(rows, dtype=bool)
    fraud[random.permutation(rows)[: round(rows * positives)]] = True
    factors, amount = np.empty((rows, FACTORS)), np.empty(rows)
    behaves = fraud & (random.random(rows) >= DISGUISED)
    for kinds, chosen in ((HONEST, ~behaves), (FRAUD, behaves)):
        factors[chosen], amount[chosen] = _behaviour(kinds, int(chosen.sum()), random)
    values = _mix(factors, random)
    time = _moments(behaves, random)
    table = np.column_stack([time, values, amount, fraud])
    return table[np.argsort(time, kind="stable")]


def _behaviour(kinds: dict, count: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    shares = np.array([kind[0] for kind in kinds.values()])
    centres = np.array([kind[1] for kind in kinds.values()])
    logs = np.array([kind[2:] for kind in kinds.values()])
    kind = random.choice(len(shares), size=count, p=shares / shares.sum())
    factors = centres[kind] + 0.6 * random.standard_t(5, size=(count, FACTORS))
    amount = np.exp(logs[kind, 0] + logs[kind, 1] * random.standard_normal(count))
    tail = random.random(count) < 0.02
    amount[tail] *= 1 + random.pareto(1.8, size=int(tail.sum()))
    return factors, np.round(np.clip(amount, 0.01, 25_000.0), 2)


def _mix(factors: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The 28 components; the mixture is the same for every seed, so that seeds can be compared."""
    weights = np.random.default_rng(28).normal(size=(FACTORS, COMPONENTS)) / np.sqrt(FACTORS)
    noise = 0.8 * random.standard_normal((len(factors), COMPONENTS))
    scale = 1.9 * np.arange(1, COMPONENTS + 1) ** -0.45
    return np.round((factors @ weights + noise) * scale, 6)


def _moments(fraud: np.ndarray, random: np.random.Generator) -> np.ndarray:
    day = 86_400
    hours = np.where(
        fraud | (random.random(len(fraud)) < 0.1),
        24 * random.random(len(fraud)),
        np.mod(15 + 4 * random.standard_normal(len(fraud)), 24),
    )
    return np.floor(hours * 3600 + day * random.integers(0, 2, size=len(fraud)))


def write(path: Path, table: np.ndarray, columns: list[str]) -> None:
    """Write the columns as CSV, whole or not at all."""
    whole = {"Time", "Class"}
    chosen = table[:, [COLUMNS.index(name) for name in columns]]
    formats = ["%d" if name in whole else "%.2f" if name == "Amount" else "%.6f" for name in columns]
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        np.savetxt(part, chosen, fmt=formats, delimiter=",", header=",".join(columns), comments="")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def generate(folder: Path, rows: int = 20_000, positives: float = 0.02, seed: int = 7) -> None:
    """Write both files into a folder."""
    write(folder / "credit.csv", make(rows, positives, seed), COLUMNS)
    write(folder / "new_rows.csv", make(50, 0.1, seed + 1), COLUMNS[:-1])


def main() -> int:
    parser = argparse.ArgumentParser(description="Make data/credit.csv and data/new_rows.csv.")
    parser.add_argument("--rows", type=int, default=20_000, help="transactions (default 20000)")
    parser.add_argument("--positives", type=float, default=0.02, help="share of fraud, 0.002 to 0.05 (default 0.02)")
    parser.add_argument("--seed", type=int, default=7, help="the same seed gives the same rows (default 7)")
    given = parser.parse_args()
    if not LEAST <= given.positives <= MOST:
        parser.error(f"--positives {given.positives}: give a share from {LEAST} (0.2 %) to {MOST} (5 %)")
    if given.rows < 500 or round(given.rows * given.positives) < 10:
        parser.error(f"--rows {given.rows}: at least 500 rows, and 10 of them fraud, are needed")
    if given.seed < 0:
        parser.error(f"--seed {given.seed}: give 0 or more")
    generate(Path(__file__).parent / "data", given.rows, given.positives, given.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
