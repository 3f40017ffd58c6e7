"""Run with the interpreter of an environment that has the boosting libraries: the contract, and more.

``python boosting_program.py TESTS PACKAGE SCRATCH`` prints a JSON list of what went wrong. It is no test
module, since pytest is not there.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

KINDS = {
    "xgboost": ("xgboost.XGBClassifier", "xgboost.XGBRegressor", "n_estimators", "early_stopping_rounds"),
    "lightgbm": ("lightgbm.LGBMClassifier", "lightgbm.LGBMRegressor", "n_estimators", "early_stopping_round"),
    "catboost": ("catboost.CatBoostClassifier", "catboost.CatBoostRegressor", "iterations", "od_wait"),
}
LABELS: tuple[tuple[Any, ...], ...] = (
    (0, 1),
    (1, 2),
    (False, True),
    ("no", "yes"),
    (3, 5, 9),
    ("a", "b", "c"),
)
ROWS = 240


def rows_of(labels: tuple[Any, ...]) -> tuple[pd.DataFrame, pd.Series]:
    """Odd names and texts; the target is told by two columns."""
    draw = np.random.default_rng(3)
    which = np.arange(ROWS) % len(labels)
    texts = np.array(["[x] <1>", 'a "b", c', "plain"], dtype=object)[np.arange(ROWS) % 3]
    X = pd.DataFrame(
        {
            "size [cm]": which + draw.normal(scale=0.2, size=ROWS),
            "size {cm}": draw.normal(size=ROWS),
            'a "name", <odd>: größe': np.where(draw.random(ROWS) < 0.1, np.nan, which * 2.0),
            "text": pd.Series(texts, dtype="str"),
        }
    )
    y = pd.Series(np.array(labels, dtype=object)[which], name="target")
    return X, y.infer_objects() if isinstance(labels[0], str) else y.astype(type(labels[0]))


def spec_of(kind: str, task: str, **params: Any) -> dict[str, Any]:
    classifier, regressor, rounds, _ = KINDS[kind]
    return {"estimator": regressor if task == "regression" else classifier, "params": {rounds: 12, **params}}


def contract(kind: str) -> Iterator[tuple[str, Callable[[], None]]]:
    """The tests of the contract, as pytest would call them."""
    from contracts.trainer_contract import TASKS, TrainerContract

    from mlpipes_cli.trainers.sklearn import SklearnTrainer

    tests, trainer = TrainerContract(), SklearnTrainer()

    def spec(task: str) -> dict[str, Any]:
        return spec_of(kind, task)

    learns = tests.test_it_learns_answers_every_row_and_does_so_again
    for task in TASKS:
        yield f"{learns.__name__}[{task}]", lambda task=task: learns(trainer, spec, task)
    for name in (
        "test_higher_scores_go_with_the_positive_class",
        "test_the_model_pickles_and_takes_raw_rows_with_gaps",
        "test_the_training_rows_are_left_as_they_were",
        "test_a_right_run_has_no_problems",
    ):
        yield name, lambda name=name: getattr(tests, name)(trainer, spec)


def labels_and_names(kind: str, labels: tuple[Any, ...]) -> None:
    """Whatever the labels and the names are, the model itself answers with the labels."""
    from contracts.trainer_contract import training_of

    from mlpipes_cli.trainers.sklearn import SklearnTrainer

    X, y = rows_of(labels)
    task = "binary" if len(labels) == 2 else "multiclass"
    training = replace(training_of(task, spec_of(kind, task)), X=X, y=y, classes=labels)
    fitted = SklearnTrainer().fit(training)
    raw = np.asarray(fitted.model.predict(X))
    assert raw.shape == (ROWS,), raw.shape
    assert [type(value) for value in raw.tolist()[:3]] == [type(labels[0])] * 3, raw[:3]
    assert list(fitted.model.classes_) == list(labels)
    found = SklearnTrainer().answer(fitted, X, task, labels)
    assert (found.prediction == y.to_numpy()).mean() > 0.95
    none = replace(training, X=X.drop(columns="text"), preprocess="none")
    assert (np.asarray(SklearnTrainer().fit(none).model.predict(none.X)) == y.to_numpy()).mean() > 0.95


def own_word(kind: str) -> None:
    """Seed and threads are the run's, unless the user says otherwise; nothing is written beside."""
    from contracts.trainer_contract import training_of

    from mlpipes_cli.trainers.sklearn import SklearnTrainer

    seed = "random_seed" if kind == "catboost" else "random_state"
    threads = "thread_count" if kind == "catboost" else "n_jobs"
    training = replace(training_of("binary", spec_of(kind, "binary")), threads=2)
    params = _deep(SklearnTrainer().fit(training).model)
    assert (params[seed], params[threads]) == (7, 2), params
    spec = spec_of(kind, "binary", **{seed: 11, threads: 1})
    params = _deep(SklearnTrainer().fit(replace(training, spec=spec)).model)
    assert (params[seed], params[threads]) == (11, 1), params
    assert list(Path().iterdir()) == []


def early(kind: str) -> None:
    """Its own early stopping works, on rows that are held out of the training rows."""
    from contracts.trainer_contract import training_of

    from mlpipes_cli.trainers.sklearn import SklearnTrainer

    rounds, stops = KINDS[kind][2:]
    for task in ("binary", "regression"):
        training = training_of(task, spec_of(kind, task, **{rounds: 400, stops: 5}))
        model = SklearnTrainer().fit(training).model[-1].estimator
        used = getattr(model, "best_iteration_", None) or getattr(model, "best_iteration", None)
        assert used is not None, task
        assert 0 < used < 390, (task, used)


def _deep(model: Any) -> dict[str, Any]:
    last = model[-1]
    return dict(getattr(last, "estimator", last).get_params())


def main() -> list[str]:
    """What went wrong, a line each."""
    problems = []
    for kind in KINDS:
        tests = list(contract(kind))
        tests += [
            (f"labels {labels}", lambda kind=kind, labels=labels: labels_and_names(kind, labels))
            for labels in LABELS
        ]
        tests += [("own word", lambda kind=kind: own_word(kind)), ("early", lambda kind=kind: early(kind))]
        for name, test in tests:
            try:
                test()
            except Exception as error:
                traceback.print_exc()
                problems.append(f"{kind} {name}: {type(error).__name__}: {str(error)[:300]}")
    return problems


if __name__ == "__main__":
    tests, package, scratch = (Path(argument).resolve() for argument in sys.argv[1:4])
    sys.path.insert(0, str(tests))
    place = package / "worker" / "entry.py"
    module_spec = importlib.util.spec_from_file_location("entry", place)
    assert module_spec is not None and module_spec.loader is not None
    entry = importlib.util.module_from_spec(module_spec)
    module_spec.loader.exec_module(entry)
    entry.introduce(package)
    output = os.dup(1)
    os.dup2(2, 1)
    os.chdir(scratch)
    found = main()
    os.write(output, json.dumps(found).encode())
