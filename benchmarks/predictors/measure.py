"""What an answer costs: the pipeline on a frame, its last step on an array, and the compiled predictor.

    python benchmarks/predictors/measure.py [--csv FILE --target COLUMN [--drop COLUMN ...]] [--rounds N]

Each does all that an answer takes: labels and scores, as lists. Without a file there are 29 made-up
columns of numbers, and the same with texts. One thread, CPU time, rounds interleaved, medians; one
row is another row each time, as for callers.
"""

from __future__ import annotations

import argparse
import copy
import itertools
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"
sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[2] / "tests" / "helpers")]

import compiled_help  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from sklearn.datasets import make_classification  # noqa: E402
from sklearn.ensemble import (  # noqa: E402
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.pipeline import Pipeline  # noqa: E402

from mlpipes_cli.preprocess import auto  # noqa: E402
from mlpipes_cli.scoring.score_reader import ScoreReader  # noqa: E402
from mlpipes_cli.server.compiled import Sample, check, compile_model  # noqa: E402

SIZES = (1, 16, 64, 1000)
ESTIMATORS = {
    "gradient boosting, 100 trees": GradientBoostingClassifier(random_state=0),
    "random forest, 100 trees": RandomForestClassifier(random_state=0),
    "histogram gradient boosting": HistGradientBoostingClassifier(random_state=0),
    "logistic regression": LogisticRegression(max_iter=1000),
}


def made_up() -> dict[str, tuple[pd.DataFrame, np.ndarray]]:
    values, y = make_classification(12_000, 29, n_informative=12, flip_y=0.1, random_state=0)
    numbers = pd.DataFrame(values, columns=[f"V{at}" for at in range(29)])
    random = np.random.default_rng(0)
    texts = {f"few {at}": pd.Series(random.choice(list("abcdef"), len(y)), dtype="str") for at in range(4)}
    many = pd.Series([f"shop {at}" for at in random.integers(0, 300, len(y))], dtype="str")
    return {
        "29 numbers": (numbers, y),
        "24 numbers, 5 texts": (numbers.iloc[:, :24].assign(**texts, many=many), y),
    }


def read(path: Path, target: str, drop: list[str]) -> dict[str, tuple[pd.DataFrame, np.ndarray]]:
    frame = pd.read_csv(path).drop(columns=drop)
    y = frame.pop(target).to_numpy()
    kinds = {name: "float64" for name in frame if frame[name].dtype.kind in "iu"}
    return {path.name: (frame.astype(kinds), y)}


def micros(ask: Callable[[Any], Any], inputs: list[Any], seconds: float = 0.1) -> float:
    """CPU time of one call: what else runs on the machine does not count."""
    turn, done, begin = itertools.cycle(inputs), 0, time.process_time()
    while (spent := time.process_time() - begin) < seconds or done < 3:
        ask(next(turn))
        done += 1
    return 1e6 * spent / done


def measure(name: str, X: pd.DataFrame, y: np.ndarray, rounds: int) -> None:
    classes = sorted(set(y.tolist()))
    notes = {"task": "binary", "classes": classes, "positive": classes[-1]}
    columns, half = compiled_help.columns(X), len(X) // 2
    train, holdout = X.iloc[:half], X.iloc[half : half + 10_000].reset_index(drop=True)
    given = compiled_help.rows(holdout)
    for kind, estimator in ESTIMATORS.items():
        step = auto.build(train, "binary")
        fitted = Pipeline([("preprocess", step), ("model", estimator)]).fit(train, y[:half])
        plain, taken = compiled_help.loaded(fitted), compiled_help.loaded(fitted)
        begin = time.process_time()
        compiled = compile_model(taken, columns, notes)
        built = 1e3 * (time.process_time() - begin)
        assert compiled is not None
        begin = time.process_time()
        wrong = check(compiled, plain, Sample(holdout), columns, notes)
        checked = time.process_time() - begin
        assert wrong is None, wrong
        about = f"compiled in {built:.0f} ms, {len(holdout)} rows checked in {checked:.2f} s"
        print(f"\n**{kind}**, {name}: {about}\n")
        print("| rows | pipeline, frame | estimator, array | compiled | to the pipeline | to the array |")
        print("| ---: | ---: | ---: | ---: | ---: | ---: |", flush=True)
        ways = {"pipeline": pipeline(plain, notes), "array": array(plain, notes), "compiled": compiled}
        for size in SIZES:
            starts = range(0, min(len(holdout) - size, 400 * size) + 1, size)
            frames = [holdout.iloc[at : at + size] for at in starts]
            inputs = {
                "pipeline": frames,
                "array": [plain[:-1].transform(frame).to_numpy() for frame in frames],
                "compiled": [given[at : at + size] for at in starts],
            }
            found: dict[str, list[float]] = {way: [] for way in ways}
            for _ in range(rounds):
                for way, ask in ways.items():
                    found[way].append(micros(ask, inputs[way]))
            times = {way: statistics.median(values) for way, values in found.items()}
            fast = times["compiled"]
            ratios = [f"{times[way] / fast:.1f}x" for way in ("pipeline", "array")]
            cells = [str(size), *(f"{value:,.0f} µs" for value in times.values()), *ratios]
            print(f"| {' | '.join(cells)} |", flush=True)


def pipeline(model: Any, notes: dict[str, Any]) -> Callable[[Any], Any]:
    """Labels and scores, the preprocessing once for both."""
    prepare, last = model[:-1], model[-1]
    reader = ScoreReader.of(last, notes)
    assert reader is not None

    def ask(frame: pd.DataFrame) -> Any:
        prepared = prepare.transform(frame)
        return last.predict(prepared).tolist(), reader.read(prepared)

    return ask


def array(model: Any, notes: dict[str, Any]) -> Callable[[Any], Any]:
    """The estimator alone on what the preprocessing makes."""
    last = copy.copy(model[-1])
    del last.feature_names_in_  # else each array gets a warning
    reader = ScoreReader.of(last, notes)
    assert reader is not None
    return lambda values: (last.predict(values).tolist(), reader.read(values))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--target")
    parser.add_argument("--drop", nargs="*", default=[])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    data = read(options.csv, options.target, options.drop) if options.csv else made_up()
    for name, (X, y) in data.items():
        measure(name, X, y, options.rounds)


if __name__ == "__main__":
    main()
