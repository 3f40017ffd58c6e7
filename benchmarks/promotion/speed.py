"""How long intervals and a comparison take, against a plain loop over scikit-learn and SciPy.

Run ``python benchmarks/promotion/speed.py``.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # before NumPy: one core
    os.environ.setdefault(_variable, "1")
sys.path.insert(0, str(Path(__file__).parent))

import numpy as np  # noqa: E402
import scipy.stats  # noqa: E402
import sklearn.metrics as sk  # noqa: E402
from scenarios import Scenario  # noqa: E402

from mlpipes_cli.scoring.bootstrap import intervals  # noqa: E402
from mlpipes_cli.scoring.compare import compare  # noqa: E402
from mlpipes_cli.scoring.predictions import Predictions  # noqa: E402

_NAIVE_RESAMPLES = 20


def naive(p: Predictions, resamples: int) -> None:
    """All binary metrics of every resample by the public libraries."""
    random = np.random.default_rng(0)
    assert p.scores is not None
    for _ in range(resamples):
        rows = random.integers(p.rows, size=p.rows)
        target, score, label = p.target[rows], p.scores[rows], p.prediction[rows]
        scipy.stats.ks_2samp(score[target == 1], score[target == 0], method="asymp")
        sk.roc_auc_score(target, score)
        sk.average_precision_score(target, score)
        sk.log_loss(target, np.stack([1 - score, score], axis=1))
        sk.brier_score_loss(target, score)
        sk.f1_score(target, label)
        sk.precision_score(target, label)
        sk.recall_score(target, label)
        sk.matthews_corrcoef(target, label)
        sk.accuracy_score(target, label)


def seconds(work: Callable[[], object]) -> float:
    """Of the processor, so that other work on the machine counts little."""
    started = time.process_time()
    work()
    return time.process_time() - started


def main() -> None:
    random = np.random.default_rng(0)
    print("| what | rows | CPU seconds | plain loop | ratio |\n|---|---|---|---|---|")
    for rows in (6_000, 60_000, 100_000):
        p = Scenario("ks", rows=rows).models(random)[0]
        ours = seconds(lambda p=p: intervals(p, resamples=1000))
        plain = seconds(lambda p=p: naive(p, _NAIVE_RESAMPLES)) * 1000 / _NAIVE_RESAMPLES
        what = f"| all binary intervals, 1,000 resamples | {rows:,}"
        print(f"{what} | {ours:.2f} | {plain:.0f} | 1/{plain / ours:.0f} |")
    print(f"\nPeak memory so far: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB\n")
    for rows in (1_000, 10_000, 100_000):
        models = Scenario("ks", rows=rows, correlation=0.8).models(random)
        for metric in ("ks", "roc_auc", "log_loss"):
            took = seconds(lambda m=models, n=metric: compare(m[0], m[1:], 0, n))
            print(f"compare, 20 candidates, {rows:,} rows, {metric}: {took:.1f} CPU seconds", flush=True)


if __name__ == "__main__":
    main()
