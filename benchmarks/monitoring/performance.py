"""How often a live metric is called worse than the holdout's, and how often an estimate's interval holds.

``python benchmarks/monitoring/performance.py`` prints false alarms, power, a year of daily checks, the
coverage of estimates, and the time for 100,000 truths. ``--draws N`` sets the repetitions of a cell,
``--seed N`` draws others, ``--parts`` picks tables and ``--output FILE`` also writes them.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # before NumPy: one core
    os.environ.setdefault(_variable, "1")
sys.path.insert(0, str(Path(__file__).parent))

import numpy as np  # noqa: E402
from performance_populations import binary, multiclass, regression  # noqa: E402
from performance_year import year  # noqa: E402

from mlpipes_cli.monitoring.performance.assess import assess  # noqa: E402
from mlpipes_cli.monitoring.performance.estimate import estimates  # noqa: E402
from mlpipes_cli.monitoring.performance.permutation import shifts  # noqa: E402
from mlpipes_cli.monitoring.performance.skill import lost  # noqa: E402
from mlpipes_cli.scoring.metrics import evaluate  # noqa: E402
from mlpipes_cli.scoring.predictions import Predictions  # noqa: E402

BINARY = ("ks", "roc_auc", "pr_auc", "f1", "accuracy", "log_loss", "brier")
NUMBERS = ("rmse", "mae", "r2")
CLASSES = ("f1_macro", "roc_auc_macro", "ks_macro", "log_loss", "accuracy")
_HEAD = """# Live metrics against the holdout's

Made by `python benchmarks/monitoring/performance.py --output benchmarks/monitoring/RESULTS_PERFORMANCE.md`.
Scores are normal within each class (KS 0.5 if nothing is said), as in `benchmarks/intervals`. A cell is the
per cent of simulated checks; `draws` is their number, so that a share of 5 % has a standard error of 2.2
points for 100 draws and 1.3 for 300.
"""
_FALSE = "p <= 0.05 though nothing changed; in brackets, what alarms: also a tenth of the skill lost."
_COVERAGE = """How often the 95 % interval holds the value of a million rows like the unlabelled ones, in per
cent (in brackets: mean estimate less that value, in hundredths). `harder`: log odds half as wide; `rarer`:
log odds lower by 0.7; overconfident scores claim the square of the odds."""
_SPEED = """One check, in seconds of processor time: every metric with its interval and test, and the
estimates of as many rows without truth."""


def _tested(
    live: Predictions, holdout: Predictions, names: tuple[str, ...], seed: int
) -> dict[str, tuple[float, float]]:
    known = evaluate(holdout)
    found = shifts(live, holdout, names, seed)
    return {name: (one.p, lost(one.loss, name, holdout, known[name])) for name, one in found.items()}


def _row(
    label: str, draws: int, pairs: Iterator[tuple[Predictions, Predictions]], names: tuple[str, ...]
) -> str:
    """One line: by metric p <= 0.05, and in brackets together with a tenth of the skill lost."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for number, (live, holdout) in enumerate(pairs):
        for name, pair in _tested(live, holdout, names, number).items():
            found[name].append(pair)
    cells = []
    for name in names:
        significant = np.array([p <= 0.05 for p, _ in found[name]])
        large = np.array([share >= 0.1 for _, share in found[name]])
        cells.append(f"{100 * significant.mean():.0f} ({100 * (significant & large).mean():.0f})")
    line = f"| {label} | {draws} | " + " | ".join(cells) + " |"
    print(line, flush=True)
    return line


def _head(first: str, names: tuple[str, ...]) -> list[str]:
    lines = [f"| {first} | draws | " + " | ".join(names) + " |", "|---" * (len(names) + 2) + "|"]
    print("\n".join(lines), flush=True)
    return lines


def false_alarms(draws: int, seed: int) -> list[str]:
    lines = ["## False alarms", "", _FALSE, "", *_head("rarer class live, share, holdout rows", BINARY)]
    cells = [
        (20, 0.05, 1000),
        (20, 0.2, 200),
        (20, 0.5, 200),
        (20, 0.2, 10_000),
        (100, 0.05, 1000),
        (100, 0.2, 1000),
        (100, 0.5, 10_000),
        (1000, 0.05, 10_000),
        (1000, 0.2, 200),
        (5000, 0.2, 1000),
        (5000, 0.5, 10_000),
    ]
    for rare, share, rows in cells:
        pairs = (
            (binary(rare / share, share, seed + 2 * n), binary(rows, share, seed + 2 * n + 1))
            for n in range(draws)
        )
        lines.append(_row(f"{rare}, {share:g}, {rows:,}", draws, pairs, BINARY))
    shifted = (
        (binary(400, 0.25, seed + 2 * n, trained=0.1), binary(1000, 0.1, seed + 2 * n + 1))
        for n in range(draws)
    )
    lines.append(_row("100, 0.25 live and 0.1 on the holdout, 1,000", draws, shifted, BINARY))
    easier = (
        (binary(500, 0.2, seed + 2 * n, spread=1.3), binary(1000, 0.2, seed + 2 * n + 1))
        for n in range(draws)
    )
    lines.append(_row("100, 0.2, 1,000; scores 1.3 times as wide, same KS", draws, easier, ("ks", "roc_auc")))
    lines += ["", *_head("three classes: rarest live, holdout rows", CLASSES)]
    for rare, rows in ((20, 600), (100, 600), (500, 3000)):
        three = (
            (multiclass(3 * rare, seed + 2 * n), multiclass(rows, seed + 2 * n + 1))
            for n in range(draws // 3)
        )
        lines.append(_row(f"{rare}, {rows:,}", draws // 3, three, CLASSES))
    lines += ["", *_head("regression: live rows, holdout rows, errors", NUMBERS)]
    for live, rows, freedom in (
        (20, 200, 0),
        (20, 10_000, 0),
        (100, 1000, 0),
        (100, 1000, 3),
        (5000, 1000, 3),
    ):
        numbers = (
            (regression(live, seed + 2 * n, freedom), regression(rows, seed + 2 * n + 1, freedom))
            for n in range(draws)
        )
        kind = f"t with {freedom} degrees" if freedom else "normal"
        lines.append(_row(f"{live:,}, {rows:,}, {kind}", draws, numbers, NUMBERS))
    return lines


def power(draws: int, seed: int) -> list[str]:
    lines = [
        "## Power",
        "",
        "p <= 0.05, and in brackets what alarms. KS 0.5 falls to the one named.",
        "",
        *_head("KS live; rarer class live, holdout rows (share 0.2)", BINARY),
    ]
    for ks in (0.45, 0.4, 0.3):
        for rare, rows in ((20, 1000), (100, 1000), (500, 5000)):
            pairs = (
                (binary(rare / 0.2, 0.2, seed + 2 * n, ks=ks), binary(rows, 0.2, seed + 2 * n + 1))
                for n in range(draws // 2)
            )
            lines.append(_row(f"{ks:g}; {rare}, {rows:,}", draws // 2, pairs, BINARY))
    lines += ["", *_head("regression: errors times; live rows, holdout rows", NUMBERS)]
    for factor in (1.1, 1.3):
        for live, rows in ((50, 1000), (500, 1000)):
            numbers = (
                (regression(live, seed + 2 * n, factor=factor), regression(rows, seed + 2 * n + 1))
                for n in range(draws // 2)
            )
            lines.append(_row(f"{factor:g}; {live}, {rows:,}", draws // 2, numbers, NUMBERS))
    return lines


def coverage(draws: int, seed: int) -> list[str]:
    lines = ["## Estimates without truth", "", _COVERAGE, ""]
    lines += _head("holdout rows, unlabelled rows, change", BINARY)
    for known, rows, kind in (
        (200, 1000, "none"),
        (1000, 1000, "none"),
        (1000, 5000, "harder"),
        (1000, 5000, "rarer"),
        (10_000, 50_000, "harder"),
        (1000, 5000, "harder, overconfident"),
    ):
        lines.append(_coverage_row(known, rows, kind, draws, seed))
    return lines


def _coverage_row(known: int, rows: int, kind: str, draws: int, seed: int) -> str:
    from performance_populations import calibrated

    change = {"wide": 0.5 if "harder" in kind else 1.0, "lower": 0.7 if "rarer" in kind else 0.0}
    power_of = 2.0 if "overconfident" in kind else 1.0
    truth = evaluate(calibrated(1_000_000, 2**31, power=power_of, **change))
    held: dict[str, list[bool]] = {name: [] for name in BINARY}
    off: dict[str, list[float]] = {name: [] for name in BINARY}
    for number in range(draws):
        holdout = calibrated(known, seed + 2 * number, power=power_of)
        unlabelled = calibrated(rows, seed + 2 * number + 1, power=power_of, **change)
        found, _ = estimates(holdout, unlabelled.scores, unlabelled.prediction, number)
        for name in BINARY:
            if name in found:
                low, high = found[name].interval
                held[name].append(low <= truth[name] <= high)
                off[name].append(found[name].value - truth[name])
    cells = [
        f"{100 * np.mean(held[n]):.0f} ({100 * np.mean(off[n]):+.1f})" if held[n] else "none" for n in BINARY
    ]
    line = f"| {known:,}, {rows:,}, {kind} | {draws} | " + " | ".join(cells) + " |"
    print(line, flush=True)
    return line


def speed(_: int, seed: int) -> list[str]:
    lines = ["## Speed", "", _SPEED, "", "| truths | holdout rows | task | seconds |", "|---|---|---|---|"]
    for rows in (1_000, 100_000):
        for task, live, holdout in (
            ("binary", binary(rows, 0.2, seed), binary(10_000, 0.2, seed + 1)),
            ("three classes", multiclass(rows, seed), multiclass(10_000, seed + 1)),
            ("regression", regression(rows, seed), regression(10_000, seed + 1)),
        ):
            metric = {"binary": "ks", "multiclass": "f1_macro", "regression": "rmse"}[live.task]
            start = time.process_time()
            assess(live, None, holdout, metric=metric, unlabelled_scores=live.scores, history=[])
            lines.append(f"| {rows:,} | 10,000 | {task} | {time.process_time() - start:.2f} |")
            print(lines[-1], flush=True)
    return lines


PARTS = {"false_alarms": false_alarms, "power": power, "year": year, "coverage": coverage, "speed": speed}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=list(PARTS))
    parser.add_argument("--draws", type=int, default=200, help="repetitions of a cell")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    written = [_HEAD]
    for part in options.parts:
        written += [*PARTS[part](options.draws, options.seed * 1_000_003), ""]
    if options.output:
        options.output.write_text("\n".join(written), encoding="utf-8")


if __name__ == "__main__":
    main()
