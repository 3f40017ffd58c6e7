"""Run with the interpreter of an environment that has the boosting libraries: the contract, and more.

``python boosting_program.py TESTS PACKAGE SCRATCH`` prints a JSON list of what went wrong. It is no test
module, since pytest is not there.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
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
ALIASES: dict[str, dict[str, Any]] = {  # what the library itself takes of the names that we look for
    "xgboost": {"n_jobs": 2, "nthread": 2, "random_state": 3, "seed": 3, "early_stopping_rounds": 3},
    "lightgbm": {
        "n_jobs": 2, "nthread": 2, "num_threads": 2, "num_thread": 2, "nthreads": 2, "random_state": 3,
        "random_seed": 3, "seed": 3, "deterministic": False, "force_col_wise": True, "force_row_wise": True,
        "verbosity": -1, "verbose": -1, "early_stopping_round": 3, "early_stopping_rounds": 3,
        "n_iter_no_change": 3,
    },
    "catboost": {
        "thread_count": 2, "random_seed": 3, "random_state": 3, "early_stopping_rounds": 3, "od_wait": 3,
        "od_type": "Iter", "od_pval": 0.01, "allow_writing_files": False, "train_dir": "info", "verbose": 0,
        "silent": True, "logging_level": "Silent", "metric_period": 5,
    },
}  # fmt: skip
NATIVE: dict[str, dict[str, Any]] = {  # the second column, of numbers, as categories too
    "xgboost": {"enable_categorical": True, "feature_types": ["c", "c", "c", "q"]},
    "lightgbm": {"categorical_feature": ["zone"]},
    "catboost": {"cat_features": ["town {x}", 1]},
}


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

    from mlpipes_cli.trainers.sklearn.trainer import SklearnTrainer

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

    from mlpipes_cli.trainers.sklearn.trainer import SklearnTrainer

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

    from mlpipes_cli.trainers.sklearn.trainer import SklearnTrainer

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

    from mlpipes_cli.trainers.sklearn.trainer import SklearnTrainer

    rounds, stops = KINDS[kind][2:]
    for task in ("binary", "regression"):
        training = training_of(task, spec_of(kind, task, **{rounds: 400, stops: 5}))
        model = SklearnTrainer().fit(training).model[-1].estimator
        used = getattr(model, "best_iteration_", None) or getattr(model, "best_iteration", None)
        assert used is not None, task
        assert 0 < used < 390, (task, used)


def weighed(kind: str) -> None:
    """A weight of 2 is a row twice for XGBoost's exact trees; the others count rows beside weights."""
    from contracts.trainer_contract import training_of

    from mlpipes_cli.trainers.sklearn.trainer import SklearnTrainer

    rounds = KINDS[kind][2]
    more = {"tree_method": "exact"} if kind == "xgboost" else {}
    whole = training_of("binary", spec_of(kind, "binary", **{rounds: 5}, **more), preprocess="none")
    weights = np.where(np.arange(len(whole.X)) % 3 == 0, 2.0, 1.0)
    rows = np.repeat(np.arange(len(whole.X)), weights.astype(int))
    twice = replace(
        whole, X=whole.X.iloc[rows].reset_index(drop=True), y=whole.y.iloc[rows].reset_index(drop=True)
    )
    scores = [
        SklearnTrainer().fit(one).model.predict_proba(whole.X)[:, 1]
        for one in (replace(whole, weights=weights), twice, whole)
    ]
    assert np.abs(scores[0] - scores[2]).max() > 1e-3, "weights reach the fit"
    if kind == "xgboost":
        assert np.abs(scores[0] - scores[1]).max() < 1e-5, np.abs(scores[0] - scores[1]).max()


def validated(kind: str) -> None:
    """Validation rows stop it early, and weights reach it, as with the library alone on the same rows."""
    from contracts.trainer_contract import training_of
    from sklearn.base import clone

    from mlpipes_cli.trainers.base import ValidationRows
    from mlpipes_cli.trainers.sklearn.trainer import SklearnTrainer

    rounds, stops = KINDS[kind][2:]
    for task in ("binary", "regression"):
        whole = training_of(task, spec_of(kind, task, **{rounds: 400, stops: 5}))
        codes = whole.y if task == "regression" else (whole.y == whole.classes[1]).astype(int)
        cut = np.arange(len(whole.X)) % 4 == 0
        weights = np.random.default_rng(8).uniform(0.1, 5.0, int((~cut).sum()))
        held = ValidationRows(whole.X[cut], whole.y[cut])
        training = replace(whole, X=whole.X[~cut], y=whole.y[~cut], weights=weights, validation=held)
        found = SklearnTrainer().fit(training).model
        before, alone = found[:-1], clone(found[-1].estimator)
        rows, judged = before.transform(training.X).to_numpy(), before.transform(held.X).to_numpy()
        alone.fit(rows, codes[~cut], sample_weight=weights, eval_set=[(judged, codes[cut])])
        used, wanted = (
            getattr(model, "best_iteration_", None) or getattr(model, "best_iteration", None)
            for model in (found[-1].estimator, alone)
        )
        assert used == wanted, (task, used, wanted)
        if task == "regression":
            assert np.allclose(found.predict(held.X), alone.predict(judged)), task
        else:
            assert np.allclose(found.predict_proba(held.X), alone.predict_proba(judged)), task


def aliases(kind: str) -> None:
    """Each name under which a library takes its seed, its threads, its silence or its end reaches it once."""
    import documented
    from contracts.trainer_contract import training_of

    from mlpipes_cli.trainers.sklearn import boosting

    known = {alias for aliases, *_ in boosting._DEFAULTS[kind] for alias in aliases} | {*boosting._STOPS}
    others = {alias for other in ALIASES if other != kind for alias in ALIASES[other]}
    assert documented.without_a_case(known - others, ALIASES[kind]) == []
    for alias, value in ALIASES[kind].items():
        spec = documented.spec_of(trainer="sklearn", **spec_of(kind, "binary", **{alias: value}))
        training = training_of("binary", spec)
        params = _deep(documented.fit(training, spec).model)
        assert params[alias] == value, (alias, params)
        for made in Path().iterdir():
            assert alias == "train_dir", made
            shutil.rmtree(made)


def documented_runs(kind: str) -> None:
    """Those of this library."""
    import documented
    from contracts.trainer_contract import training_of

    for place, spec, example in documented.runs("boosting"):
        if spec["estimator"].startswith(kind):
            spec = documented.shortened(spec)
            training = training_of("binary", spec, preprocess=example.config.data.preprocess)
            zones = np.array(["north", None, "south"], dtype=object)[np.arange(len(training.X)) % 3]
            training = replace(training, X=training.X.assign(zone=pd.Series(zones, dtype="str")))
            right = documented.fit(training, spec).model.predict(training.X) == training.y.to_numpy()
            assert right.mean() > 0.9, place


def with_gaps(labels: tuple[Any, ...]) -> tuple[pd.DataFrame, pd.Series]:
    """Texts, numbers that are categories, flags, all with gaps, and a number."""
    draw = np.random.default_rng(5)
    town = np.array(["Rome", "Oslo <2>", "Bern"], dtype=object)[draw.integers(0, 3, ROWS)]
    zone = draw.integers(0, 3, ROWS).astype(float)
    value = 2.0 * (town == "Rome") + (zone == 1) + draw.normal(size=ROWS) / 3
    X = pd.DataFrame({"town {x}": pd.Series(town, dtype="str"), "zone": zone})
    X["flag"] = pd.Series(draw.random(ROWS) < 0.5).astype(object)
    X["size"] = draw.normal(size=ROWS)
    for column in X.columns:
        X.loc[draw.random(ROWS) < 0.15, column] = None
    if not labels:
        return X, pd.Series(value, name="target")
    which = pd.qcut(value, len(labels), labels=False)
    return X, pd.Series(np.array(labels, dtype=object)[which], name="target").infer_objects()


def own_categories(kind: str, labels: tuple[Any, ...], **more: Any) -> None:
    """Native categories with gaps: the library's own answers, the same for a row alone and among others."""
    import documented
    from contracts.trainer_contract import training_of

    X, y = with_gaps(labels)
    task = "regression" if not labels else "binary" if len(labels) == 2 else "multiclass"
    spec = documented.spec_of(trainer="sklearn", **spec_of(kind, task, **NATIVE[kind], **more))
    training = replace(training_of(task, spec, preprocess="none"), X=X, y=y, classes=labels)
    model = documented.fit(training, spec).model
    ask = model.predict_proba if labels else model.predict
    told = ask(X)
    if not more:
        assert np.array_equal(told, reference(kind, task, X, y))
    strange = X.head(30).copy()
    strange["town {x}"] = ["Paris", None, "Rome"] * 10
    for rows in (X.head(60), strange):
        alone = np.concatenate(
            [ask(rows.iloc[[at]].astype(object).infer_objects()) for at in range(len(rows))]
        )
        assert np.array_equal(alone, ask(rows.astype({"town {x}": object}))), rows
    unseen, missing = strange.assign(**{"town {x}": "Paris"}), strange.assign(**{"town {x}": None})
    other = strange.assign(**{"town {x}": "Lima"})
    assert np.array_equal(ask(unseen), ask(other if kind == "catboost" else missing))
    assert not np.array_equal(ask(strange.assign(**{"town {x}": "Rome"})), ask(missing))


def reference(kind: str, task: str, X: pd.DataFrame, y: pd.Series) -> Any:
    """What the library says when it is asked by hand, with all that it wants."""
    from mlpipes_cli.trainers import estimators

    names = ["town {x}", "zone", "flag"]
    if kind == "catboost":
        made = X.assign(**{name: X[name].map(str, na_action="ignore").fillna("") for name in names})
        made["zone"] = made["zone"].str.removesuffix(".0")
        more = {"cat_features": names, "random_seed": 7, "thread_count": 1, "verbose": False}
        more["allow_writing_files"] = False
    else:
        made = X.assign(
            flag=X["flag"].map(str, na_action="ignore"), zone=pd.Categorical(X["zone"], [0, 1, 2])
        )
        made = made.astype(dict.fromkeys(names, "category")).set_axis([*"abcd"], axis=1)
        more = {"random_state": 7, "n_jobs": 1}
        own = {"deterministic": True, "force_col_wise": True, "verbosity": -1}
        more |= {"enable_categorical": True} if kind == "xgboost" else own
    spec = spec_of(kind, task, **more)
    codes = y if task == "regression" else pd.factorize(y, sort=True)[0]
    model = estimators.make(spec["estimator"], spec["params"]).fit(made, codes)
    return model.predict(made) if task == "regression" else model.predict_proba(made)


def categories_that_do_not_do(kind: str) -> None:
    """A column that is not there; columns that the preprocessing makes numbers of."""
    from contracts.trainer_contract import training_of

    from mlpipes_cli.trainers.base import TrainingError
    from mlpipes_cli.trainers.sklearn.trainer import SklearnTrainer

    if kind == "xgboost":
        return
    X, y = with_gaps((0, 1))
    (param,) = NATIVE[kind]
    for preprocess, text in (
        ("none", "no feature 'zon'; did you mean 'zone'?"),
        ("auto", "preprocess: none"),
    ):
        spec = spec_of(kind, "binary", **{param: ["zon"]})
        training = training_of("binary", spec, preprocess=preprocess)
        try:
            SklearnTrainer().fit(replace(training, X=X, y=y, classes=(0, 1)))
        except TrainingError as error:
            assert text in str(error), str(error)
        else:
            raise AssertionError(preprocess)


FUNCTIONS = """
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

def booster(kind):
    import lightgbm, xgboost
    if kind == "xgboost":
        return xgboost.XGBClassifier(n_estimators=12, enable_categorical=True, n_jobs=1)
    return lightgbm.LGBMClassifier(n_estimators=12, verbosity=-1, n_jobs=1)

def coded(X):
    return X.astype({"town": "category", "zone": "category"})

def elsewhere(X, y, kind, preprocess):
    return booster(kind).fit(coded(X), y)

def in_place(X, y, kind, preprocess):
    X["town"], X["zone"] = X["town"].astype("category"), X["zone"].astype("category")
    return booster(kind).fit(X, y)

def piped(X, y, kind, preprocess):
    return make_pipeline(FunctionTransformer(coded), booster(kind)).fit(X, y)

class Own:
    def fit(self, X, y, kind):
        self.model = booster(kind).fit(coded(X), y)
        self.classes_ = self.model.classes_
        return self

    def predict(self, X):
        return self.model.predict(coded(X))

    def predict_proba(self, X):
        return self.model.predict_proba(coded(X))

def own(X, y, kind, preprocess):
    return Own().fit(X, y, kind)

def changed(X, y, kind, preprocess):
    return booster(kind).fit(coded(X.assign(town=X["town"].str.lower())), y)
"""


def categories_of_functions(kind: str) -> None:
    """What a function makes categories of is made again for every row, and what it changed is not guessed."""
    from contracts.trainer_contract import training_of

    from mlpipes_cli.trainers.python.trainer import PythonTrainer

    if kind == "catboost":
        return
    X, y = with_gaps((0, 1))
    X = X.rename(columns={"town {x}": "town"})[["town", "zone", "size"]]
    X["zone"] = X["zone"].fillna(0).astype(int)
    training = replace(training_of("binary", {}, preprocess="none"), X=X, y=y, classes=(0, 1))
    known = pd.CategoricalDtype(["Bern", "Oslo <2>", "Rome"])
    for name in ("elsewhere", "in_place", "piped", "own"):
        spec = {"trainer": "python", "function": f"functions:{name}", "params": {"kind": kind}}
        fitted = PythonTrainer().fit(replace(training, spec=spec))
        rows = pd.concat([X.head(40), X.head(2).assign(town=["Paris", None])], ignore_index=True)
        told = PythonTrainer().answer(fitted, rows, "binary", (0, 1)).scores
        coded = rows.astype({"town": known, "zone": pd.CategoricalDtype([0, 1, 2])})
        inner = fitted.model
        while not hasattr(inner, "n_estimators"):
            inner = getattr(inner, "model", None) or inner[-1]
        assert np.array_equal(told, inner.predict_proba(coded)[:, 1]), name
        alone = [
            fitted.model.predict_proba(rows.iloc[[at]].astype({"town": object}))[0, 1] for at in rows.index
        ]
        assert np.array_equal(told, alone), name
    spec = {"trainer": "python", "function": "functions:changed", "params": {"kind": kind}}
    model = PythonTrainer().fit(replace(training, spec=spec)).model
    try:
        model.predict(X)
    except ValueError:
        return
    raise AssertionError("it was asked for categories that it was not fitted on")


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
        tests += [
            (f"categories {labels}", lambda kind=kind, labels=labels: own_categories(kind, labels))
            for labels in ((0, 1), ("no", "yes"), ("a", "b", "c"), ())
        ]
        stop = {KINDS[kind][3]: 3}
        tests += [("categories, early", lambda kind=kind, stop=stop: own_categories(kind, (0, 1), **stop))]
        for test in (aliases, documented_runs, categories_that_do_not_do, categories_of_functions):
            tests += [(test.__name__, lambda kind=kind, test=test: test(kind))]
        tests += [("own word", lambda kind=kind: own_word(kind)), ("early", lambda kind=kind: early(kind))]
        tests += [("validated", lambda kind=kind: validated(kind))]
        tests += [("weighed", lambda kind=kind: weighed(kind))]
        for name, test in tests:
            try:
                test()
            except Exception as error:
                traceback.print_exc()
                problems.append(f"{kind} {name}: {type(error).__name__}: {str(error)[:300]}")
    return problems


if __name__ == "__main__":
    tests, package, scratch = (Path(argument).resolve() for argument in sys.argv[1:4])
    sys.path[:0] = [str(tests), str(tests / "helpers")]
    place = package / "child_process" / "entry.py"
    module_spec = importlib.util.spec_from_file_location("entry", place)
    assert module_spec is not None and module_spec.loader is not None
    entry = importlib.util.module_from_spec(module_spec)
    module_spec.loader.exec_module(entry)
    entry.introduce(package)
    output = os.dup(1)
    os.dup2(2, 1)
    (scratch / "code").mkdir()
    (scratch / "code" / "functions.py").write_text(FUNCTIONS)
    sys.path.insert(0, str(scratch / "code"))
    (scratch / "here").mkdir()
    os.chdir(scratch / "here")
    found = main()
    os.write(output, json.dumps(found).encode())
