"""How often the promotion test promotes a model that is no better, and one that is.

Run ``python benchmarks/promotion/simulate.py`` for the whole table (``--output`` writes it as a
page), or with ``--quick`` for a few cells.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # before NumPy: one core a process
    os.environ.setdefault(_variable, "1")
sys.path.insert(0, str(Path(__file__).parent))

import numpy as np  # noqa: E402
from scenarios import Scenario  # noqa: E402
from scipy.stats import binomtest  # noqa: E402

from mlpipes_cli.scoring.compare import decide  # noqa: E402
from mlpipes_cli.scoring.noise import resample  # noqa: E402

CANDIDATES = (1, 2, 5, 10, 20)
CONFIDENCE = 0.95
_BLOCK = 20  # repetitions that one process does at a time


@dataclass
class Tally:
    """What happened in a scenario: repetitions, and promotions by K."""

    repetitions: int
    tested: dict[int, int]
    naive: dict[int, int]

    def __iadd__(self, other: Tally) -> Tally:
        self.repetitions += other.repetitions
        for k in CANDIDATES:
            self.tested[k] += other.tested[k]
            self.naive[k] += other.naive[k]
        return self


def empty() -> Tally:
    return Tally(0, dict.fromkeys(CANDIDATES, 0), dict.fromkeys(CANDIDATES, 0))


def simulate(scenario: Scenario, seed: int) -> Tally:
    """Draw holdouts, choose the best of the first K challengers, and ask whether it is promoted.

    The naive rule promotes whatever is best and above the incumbent.
    """
    tally = empty()
    random = np.random.default_rng(seed)
    for _ in range(scenario.repetitions):
        models = scenario.models(random)
        noise = resample(
            models[0], models[1:], scenario.metric, scenario.resamples, int(random.integers(2**31))
        )
        tally.repetitions += 1
        for k in CANDIDATES:
            first = noise.first(k)
            chosen = int(first.differences.argmax())
            tally.tested[k] += decide(first, chosen, scenario.metric, models[0], CONFIDENCE).better
            tally.naive[k] += bool(first.differences[chosen] > 0)
    return tally


def _block(job: tuple[Scenario, int]) -> Tally:
    return simulate(*job)


def run(scenarios: list[Scenario], processes: int) -> Iterator[tuple[Scenario, Tally]]:
    """Each scenario's tally, in order."""
    jobs = [
        (number, replace(scenario, repetitions=min(_BLOCK, scenario.repetitions - start)), start)
        for number, scenario in enumerate(scenarios)
        for start in range(0, scenario.repetitions, _BLOCK)
    ]
    work = [(scenario, number * 1_000_003 + start) for number, scenario, start in jobs]
    pool = ProcessPoolExecutor(processes)
    try:
        tallies = pool.map(_block, work)
        for number, scenario in enumerate(scenarios):
            total = empty()
            for _ in range(sum(job[0] == number for job in jobs)):
                total += next(tallies)
            yield scenario, total
    finally:
        pool.shutdown(cancel_futures=True)


def null_scenarios() -> list[Scenario]:
    """No challenger is better: every promotion is a false one."""
    found = [
        Scenario("ks", shape, rows, prevalence, repetitions=400)
        for shape in ("alike", "flat against rule")
        for rows, prevalence in ((100, 0.5), (100, 0.2), (300, 0.5), (300, 0.05), (1000, 0.2), (1000, 0.05))
    ]
    found += [
        Scenario("ks", "flat against normal", 300, 0.2),
        Scenario("ks", "copies", 1000, 0.2),
        Scenario("ks", "alike", 1000, 0.2, correlation=0.95),
        Scenario("ks", "alike", 1000, 0.01),
        Scenario("ks", "alike", 1000, 0.2, gap=-0.01),
        Scenario("ks", "alike", 10_000, 0.2, repetitions=200, resamples=300),
        Scenario("ks", "flat against rule", 10_000, 0.05, repetitions=120, resamples=300),
        Scenario("ks", "alike", 100_000, 0.05, correlation=0.9, repetitions=20, resamples=200),
        Scenario("ks", "flat against rule", 100_000, 0.5, repetitions=40, resamples=200),
    ]
    for metric in ("roc_auc", "pr_auc", "log_loss", "accuracy", "f1"):
        found += [
            Scenario(metric, "alike", rows, prevalence)
            for rows, prevalence in ((100, 0.5), (100, 0.2), (300, 0.05), (1000, 0.05))
        ]
        found += [Scenario(metric, "alike", 300, 0.2, correlation=0.9), Scenario(metric, "copies", 300, 0.2)]
        repetitions = 60 if metric.endswith("auc") else 200  # sorting takes longest
        found.append(Scenario(metric, "alike", 10_000, 0.05, repetitions=repetitions, resamples=300))
    found.append(Scenario("accuracy", "alike", 100_000, 0.05, repetitions=20, resamples=200))
    found += [Scenario("rmse", "numbers", rows, 0.0, c) for rows in (100, 1000) for c in (0.0, 0.9)]
    found.append(Scenario("rmse", "numbers", 10_000, 0.0, repetitions=120, resamples=300))
    return found


def power_scenarios() -> list[Scenario]:
    """The first challenger is better by ``gap`` in KS, the others are not: promotions are wanted."""
    found = [
        Scenario("ks", "alike", rows, 0.2, 0.8, gap, repetitions=repetitions, resamples=300)
        for rows, repetitions in ((300, 200), (1000, 200), (5000, 80))
        for gap in (0.02, 0.05, 0.1)
    ]
    found += [Scenario("ks", "alike", 30_000, 0.2, 0.8, gap, 20, 200) for gap in (0.02, 0.05)]
    found += [Scenario("roc_auc", "alike", 1000, 0.2, 0.8, gap, 100, 300) for gap in (0.05, 0.1)]
    return found


def quick_scenarios() -> tuple[list[Scenario], list[Scenario]]:
    null = [Scenario("ks", "flat against rule", 200, 0.2, repetitions=100, resamples=200)]
    null.append(Scenario("roc_auc", "alike", 200, 0.2, repetitions=100, resamples=200))
    return null, [Scenario("ks", "alike", 1000, 0.2, 0.8, 0.2, repetitions=40, resamples=200)]


HEAD = (
    "| metric | scores | rows | prevalence | correlation | gap | holdouts | "
    + " | ".join(f"K={k}" for k in CANDIDATES)
    + " | naive K=20 |\n"
    + "|---" * (8 + len(CANDIDATES))
    + "|"
)


def line(s: Scenario, tally: Tally) -> str:
    """A row of the table: the promoted share in per cent with its exact 95 % binomial interval."""
    cells = []
    for k in CANDIDATES:
        interval = binomtest(tally.tested[k], tally.repetitions).proportion_ci()
        share = 100 * tally.tested[k] / tally.repetitions
        cells.append(f"{share:.1f} ({100 * interval.low:.1f}..{100 * interval.high:.1f})")
    naive = f"{100 * tally.naive[CANDIDATES[-1]] / tally.repetitions:.0f}"
    prevalence = f"{s.prevalence:g}" if s.prevalence else "-"
    facts = [s.metric, s.shape, f"{s.rows:,}", prevalence, f"{s.correlation:g}", f"{s.gap:g}"]
    return f"| {' | '.join([*facts, str(tally.repetitions), *cells, naive])} |"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few cells only")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--output", type=Path, help="write the page there as well")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the worker processes end too
    started = time.monotonic()
    null, power = quick_scenarios() if options.quick else (null_scenarios(), power_scenarios())
    page = [*_introduction(), "## Promoted although no challenger is better (per cent)\n", HEAD]
    print("\n".join(page), flush=True)
    totals = dict.fromkeys(CANDIDATES, 0)
    holdouts, worst, clearly_above = 0, 0.0, 0
    for scenario, tally in run(null, options.processes):
        page.append(line(scenario, tally))
        print(page[-1], flush=True)
        holdouts += tally.repetitions
        for k in CANDIDATES:
            totals[k] += tally.tested[k]
            worst = max(worst, tally.tested[k] / tally.repetitions)
            above = binomtest(tally.tested[k], tally.repetitions, 1 - CONFIDENCE, "greater")
            clearly_above += above.pvalue < 0.05 / (len(null) * len(CANDIDATES))
    summary = ", ".join(f"K={k}: {100 * totals[k] / holdouts:.1f}" for k in CANDIDATES)
    page.append(
        f"\nOver all {holdouts:,} holdouts, per cent: {summary}. The largest cell is {100 * worst:.1f}. "
        f"Cells that are above {100 * (1 - CONFIDENCE):.0f} beyond chance (exact binomial test at 5 %, "
        f"corrected for the number of cells): {clearly_above}."
    )
    page += ["\n## Promoted when the first challenger is better by `gap` in KS (per cent)\n", HEAD]
    print("\n".join(page[-3:]), flush=True)
    for scenario, tally in run(power, options.processes):
        page.append(line(scenario, tally))
        print(page[-1], flush=True)
    page.append(f"\nTaken in {(time.monotonic() - started) / 60:.0f} minutes.")
    if options.output:
        options.output.write_text("\n".join(page) + "\n", encoding="utf-8")
    return 1 if clearly_above else 0


def _introduction() -> list[str]:
    return [
        "# How often the promotion test errs\n",
        "Made by `python benchmarks/promotion/simulate.py --output benchmarks/promotion/RESULTS.md` on "
        f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}, NumPy "
        f"{np.__version__}.\n",
        "Every holdout is drawn from a population in which the truth is known; the best of the first K "
        "challengers on that holdout is then put to the test at 95 %. In brackets: the exact 95 % binomial "
        "interval. `naive` promotes the best whenever it is above the incumbent. What the scores are: "
        "*alike* normal, all models of one kind; *flat against rule* challengers whose KS is reached over a "
        "wide range of thresholds, against an incumbent with two scores only (KS's worst case); *copies* "
        "challengers that differ from the incumbent on 5 % of the rows; *numbers* a regression with "
        "heavy-tailed errors.\n",
    ]


if __name__ == "__main__":
    sys.exit(main())
