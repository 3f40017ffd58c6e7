from __future__ import annotations

import pytest

from mlpipes_cli.trainers.base import Pruned
from mlpipes_cli.trainers.search.pruning import FIRST, Median
from mlpipes_cli.trainers.search.trials import Trial


def taught(metric: str, name: str, values: list[float], status: str = "finished") -> Median:
    median = Median(metric)
    for number, value in enumerate(values):
        watch = median.watch()
        watch.step(0, 1, {name: value})
        watch.fold(0, value)
        median.ended(Trial(number, {}, status), watch)  # type: ignore[arg-type]
    return median


def test_nothing_is_stopped_before_enough_trials_were_finished() -> None:
    taught("ks", "ks", [0.9] * (FIRST - 1)).watch().fold(0, 0.1)
    taught("ks", "ks", [0.9] * 10, status="failed").watch().fold(0, 0.1)


@pytest.mark.parametrize(("metric", "worse", "better"), [("ks", 0.49, 0.51), ("rmse", 0.51, 0.49)])
def test_worse_than_the_median_is_stopped(metric: str, worse: float, better: float) -> None:
    median = taught(metric, metric, [0.1, 0.3, 0.5, 0.7, 0.9])
    median.watch().fold(0, better)
    median.watch().fold(0, 0.5)
    median.watch().fold(1, worse)  # nobody was there yet
    with pytest.raises(Pruned, match="fold 1"):
        median.watch().fold(0, worse)


def test_a_step_is_held_against_the_same_kind_of_value_alone() -> None:
    median = taught("ks", "val_loss", [0.1, 0.3, 0.5, 0.7, 0.9])
    median.watch().step(0, 1, {"ks": 0.0})
    median.watch().step(0, 1, {"loss": 9.0})
    median.watch().step(0, 1, {"val_loss": float("nan")})
    median.watch().step(0, 1, {"val_loss": 0.4})
    with pytest.raises(Pruned, match=r"step 1 of fold 1 \(val_loss\)"):
        median.watch().step(0, 1, {"val_loss": 0.6})


def test_the_best_step_so_far_counts() -> None:
    median = Median("ks")
    for number in range(FIRST):
        watch = median.watch()
        watch.step(0, 1, {"val_ks": 0.5})
        watch.step(0, 2, {"val_ks": 0.6})
        median.ended(Trial(number, {}), watch)
    watch = median.watch()
    watch.step(0, 1, {"val_ks": 0.7})
    watch.step(0, 2, {"val_ks": 0.1})
