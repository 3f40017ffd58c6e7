"""The exact coverage of intervals of labels: the chances of all tables of right and wrong labels, added up.

``python benchmarks/intervals/exact.py`` prints three tables: five intervals of a single share of 20 rows,
over all true shares; those of mlpipes for the label metrics of two classes, over many pairs of rates; and
those for KS and ROC AUC of a model with two scores only.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Collection
from pathlib import Path

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # before NumPy: one core
    os.environ.setdefault(_variable, "1")
sys.path.insert(0, str(Path(__file__).parent))

import numpy as np  # noqa: E402
from scipy.optimize import brentq  # noqa: E402
from scipy.special import logit  # noqa: E402
from scipy.stats import beta, binom, norm  # noqa: E402

from mlpipes_cli.scoring.bootstrap import intervals  # noqa: E402
from mlpipes_cli.scoring.intervals.label_intervals import NAMES  # noqa: E402
from mlpipes_cli.scoring.intervals.share_intervals import wilson  # noqa: E402
from mlpipes_cli.scoring.metrics import evaluate  # noqa: E402
from mlpipes_cli.scoring.predictions import Predictions  # noqa: E402

LEAST_CHANCE = 2e-5  # tables that are rarer are left out
THRESHOLDS = np.geomspace(0.6, 2.0, 7)

Pair = tuple[float, float]


def jeffreys(right: int, rows: int) -> Pair:
    lower, upper = beta.ppf((0.025, 0.975), right + 0.5, rows - right + 0.5)
    return (0.0 if right == 0 else float(lower)), (1.0 if right == rows else float(upper))


def clopper_pearson(right: int, rows: int) -> Pair:
    lower = beta.ppf(0.025, right, rows - right + 1) if right else 0.0
    return float(lower), float(beta.ppf(0.975, right + 1, rows - right)) if right < rows else 1.0


def mid_p(right: int, rows: int) -> Pair:
    def above(share: float) -> float:
        return float(binom.sf(right, rows, share) + binom.pmf(right, rows, share) / 2.0)

    lower = brentq(lambda share: above(share) - 0.025, 1e-12, 1 - 1e-12) if right else 0.0
    upper = brentq(lambda share: above(share) - 0.975, 1e-12, 1 - 1e-12) if right < rows else 1.0
    return float(lower), float(upper)


def wilsons(right: int, rows: int) -> Pair:
    share = right / rows
    return wilson(share, float(np.sqrt(share * (1.0 - share) / rows)), float(norm.ppf(0.975)), 0.0, rows)


def own(right: int, rows: int) -> Pair:
    found = intervals(predictions(right, 2 * rows // 5, rows, 4 * rows), only=["recall"])["recall"]
    assert found is not None
    return found


def of_a_share(method: Callable[[int, int], Pair], rows: int, shares: np.ndarray) -> np.ndarray:
    """Return the coverage at each true share, in per cent."""
    low, high = np.array([method(right, rows) for right in range(rows + 1)]).T
    chance = binom.pmf(np.arange(rows + 1), rows, shares[:, None])
    return 100.0 * (chance * ((low <= shares[:, None]) & (shares[:, None] <= high))).sum(axis=1)


def predictions(hits: int, alarms: int, positives: int, negatives: int) -> Predictions:
    target = np.repeat([1, 0], [positives, negatives])
    label = np.concatenate((np.arange(positives) < hits, np.arange(negatives) < alarms)) * 1
    return Predictions("binary", (0, 1), target, 0.1 + 0.8 * label, label, np.arange(len(target)))


class Tables:
    """The intervals of tables of right and wrong labels, each of which is computed once."""

    def __init__(self, positives: int, others: int, names: Collection[str] = NAMES) -> None:
        self._names = names
        self._sizes = positives, positives * others
        self._found: dict[tuple[int, int], dict[str, Pair | None]] = {}

    def coverage(self, rates: tuple[float, float]) -> dict[str, np.ndarray]:
        """Return by metric the chances that an interval is given, and that it also holds the truth."""
        sizes = self._sizes
        chances = np.outer(
            *(binom.pmf(np.arange(n + 1), n, rate) for n, rate in zip(sizes, rates, strict=True))
        )
        large = np.round(np.array(rates) * 1e6).astype(int)
        truth = _metrics(*large, 10**6, sizes[1] / sizes[0])
        found = {name: np.zeros(2) for name in self._names}
        for hits, alarms in np.argwhere(chances > LEAST_CHANCE):
            if (hits, alarms) not in self._found:
                self._found[hits, alarms] = intervals(predictions(hits, alarms, *sizes), only=self._names)
            for name, pair in self._found[hits, alarms].items():
                if pair:
                    holds = pair[0] <= truth[name] <= pair[1]
                    found[name] += chances[hits, alarms] * np.array([1.0, holds])
        return found


def _metrics(hits: int, alarms: int, rows: int, ratio: float) -> dict[str, float]:
    """Return the metrics of so many hits of ``rows`` positive rows, and alarms of as many negative ones."""
    share, other = 1.0 / (1.0 + ratio), ratio / (1.0 + ratio)
    a, b = hits / rows, alarms / rows
    taken = share * a + other * b
    return {
        "f1": 2.0 * share * a / (share + taken),
        "precision": share * a / taken,
        "recall": a,
        "mcc": share * other * (a - b) / np.sqrt(share * other * taken * (1.0 - taken)),
        "accuracy": share * a + other * (1.0 - b),
        "ks": abs(a - b),
        "roc_auc": (1.0 + a - b) / 2.0,
    }


def rates(ks: float, threshold: float, others: int) -> tuple[float, float]:
    """Return the true and the false positive rate of normal scores at a threshold."""
    strength = 2.0 * norm.ppf((1.0 + ks) / 2.0)
    cut = (logit(threshold / (others + 1)) + np.log(others) + strength**2 / 2.0) / strength
    return float(norm.sf(cut - strength)), float(norm.sf(cut))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, nargs="*", default=(20, 50), help="of the rarer class")
    options = parser.parse_args()
    shares = np.linspace(0.05, 0.95, 1801)
    print("| a share of 20 rows | least | mean | largest | of shares below 93 | above 97 | at 0.95 |")
    print("|---" * 7 + "|")
    for method in (wilsons, jeffreys, clopper_pearson, mid_p, own):
        found = of_a_share(method, 20, shares)
        part = [f"{100.0 * wrong.mean():.0f} %" for wrong in (found < 93.0, found > 97.0)]
        numbers = [f"{one:.1f}" for one in (found.min(), found.mean(), found.max())]
        print(f"| {method.__name__.replace('_', ' ')} | {' | '.join([*numbers, *part])} | {found[-1]:.1f} |")
    print("\n| rows | metric | KS 0.2 | KS 0.4 | KS 0.6 | KS 0.8 | mean |\n|---|---|---|---|---|---|---|")
    assert abs(evaluate(predictions(15, 20, 20, 80))["mcc"] - _metrics(750, 250, 1000, 4.0)["mcc"]) < 1e-9
    for rows in options.rows:
        known, cells = Tables(rows, 4), {name: [] for name in NAMES}
        for ks in (0.2, 0.4, 0.6, 0.8):
            each = [known.coverage(rates(ks, threshold, 4)) for threshold in THRESHOLDS]
            for name in NAMES:
                cells[name].append(
                    [100.0 * one[name][1] / one[name][0] for one in each if one[name][0] > 0.05]
                )
        for name in NAMES:
            texts = [f"{np.mean(one):.1f} ({min(one):.1f} to {max(one):.1f})" for one in cells[name]]
            mean = np.mean([value for one in cells[name] for value in one])
            print(f"| {rows} | {name} | {' | '.join(texts)} | {mean:.1f} |", flush=True)
    print("\n| rows | two scores, KS | ks | roc_auc |\n|---|---|---|---|")
    for rows in options.rows:
        known = Tables(rows, 4, ("ks", "roc_auc"))
        for ks in (0.5, 0.7, 0.9):
            found = known.coverage(((1.0 + ks) / 2.0, (1.0 - ks) / 2.0))
            texts = [f"{100.0 * held / given:.1f}" for given, held in found.values()]
            print(f"| {rows} | {ks} | {' | '.join(texts)} |", flush=True)


if __name__ == "__main__":
    main()
