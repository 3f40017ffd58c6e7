"""The search over trainers that are cheap to fit, on real data."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import documented
import numpy as np
import pandas as pd
import pytest
from contracts import trainer_contract
from contracts.trainer_contract import training_of
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, TimeSeriesSplit
from sklearn.tree import DecisionTreeClassifier

from mlpipes_cli.config.search import Search
from mlpipes_cli.trainers import catalog
from mlpipes_cli.trainers.base import Answers, Fitted, Training, TrainingError
from mlpipes_cli.trainers.search import search, trials
from mlpipes_cli.trainers.search.folds import folds
from mlpipes_cli.trainers.search.trials import Trial

MODULE = """
import time
import numpy as np
from sklearn.linear_model import LogisticRegression

def train(X, y, strength=1.0, fail=False, leave=False, wait=0.0, noise=0.0, *, seed):
    if fail:
        raise RuntimeError(f"no luck with {strength}")
    if leave:
        raise SystemExit(3)
    time.sleep(wait)
    X = X + noise * np.random.normal(size=X.shape)  # the generator that everybody shares
    return LogisticRegression(C=strength, max_iter=100, random_state=seed).fit(X, y)
"""
PYTHON = {"trainer": "python", "function": "search_module:train", "params": {}}
TREE = {"trainer": "sklearn", "estimator": "sklearn.tree.DecisionTreeClassifier", "params": {}}
LOGISTIC = {"trainer": "sklearn", "estimator": "sklearn.linear_model.LogisticRegression", "params": {}}


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "search_module.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(trainer_contract, "SCRATCH", tmp_path)
    yield
    sys.modules.pop("search_module", None)


def small(training: Training) -> Training:
    """Every fourth row, ten features between 0 and 1."""
    X = training.X.iloc[::4, :10].reset_index(drop=True)
    return replace(training, X=X / X.abs().max(), y=training.y.iloc[::4].reset_index(drop=True))


def searched(spec: dict[str, Any], task: str = "binary", **changes: Any) -> tuple[Fitted, list[Trial]]:
    training = small(training_of(task, spec, **changes))
    kept: list[Trial] = []
    trainer = catalog.make(spec["trainer"])
    made = search.search(trainer, training, lambda trial, metric: kept.append(trial), side_by_side=False)
    assert isinstance(made, Fitted)
    assert not list(training.scratch.glob("trial-*")), "a trial's folder was left"
    return made, kept


def told(kept: list[Trial]) -> list[Any]:
    return [(trial.number, trial.values, trial.status, trial.folds, trial.error) for trial in kept]


EVERY_KEY: tuple[dict[str, Any], ...] = (
    {"method": "grid", "folds": 2, "space": {"max_depth": [1, None]}},
    {"method": "random", "iterations": 2, "seconds": 60, "validation": 0.3, "metric": "roc_auc",
     "space": {"max_depth": {"integers": [1, 3]}, "ccp_alpha": {"uniform": [0, 0.1]}}},
    {"method": "optuna", "iterations": 2, "pruning": "median",
     "space": {"max_depth": {"integers": [1, 3]}, "ccp_alpha": {"loguniform": [1e-3, 1]}}},
)  # fmt: skip


def test_every_key_is_taken_as_the_file_has_it() -> None:
    assert documented.without_a_case(Search, *EVERY_KEY) == []
    for wanted in EVERY_KEY:
        spec = documented.spec_of(**TREE, search=wanted)
        made, kept = searched(spec)
        assert [trial.status for trial in kept] == ["finished"] * 2
        assert made.params["search_trials"] == 2
        assert set(kept[0].values) == set(wanted["space"])
        assert len(kept[0].folds) == (1 if "validation" in wanted else wanted.get("folds", 5))


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_the_best_by_our_metric_wins(task: str) -> None:
    kind = "KNeighborsRegressor" if task == "regression" else "KNeighborsClassifier"
    spec = {"trainer": "sklearn", "estimator": f"sklearn.neighbors.{kind}", "params": {}}
    spec["search"] = {"space": {"n_neighbors": [1, 15]}, "folds": 3}
    made, _ = searched(spec, task)
    metric = {"binary": "ks", "multiclass": "f1_macro", "regression": "rmse"}[task]
    means = made.tables["search_results.csv"].set_index("param_n_neighbors")[f"mean_{metric}"]
    best = means.idxmin() if task == "regression" else means.idxmax()
    assert (means > 0).all()
    assert made.params["best_n_neighbors"] == best == made.model["model"].n_neighbors
    assert made.params[f"search_cv_{metric}"] == pytest.approx(means[best])
    assert made.params["search_trials"] == 2


def test_a_grid_gives_the_values_of_scikit_learns_own_search() -> None:
    spec = {**LOGISTIC, "search": {"space": {"C": [0.01, 1.0]}, "folds": 3}}
    training = small(training_of("binary", spec, preprocess="none", metric="roc_auc"))
    made, _ = searched(spec, preprocess="none", metric="roc_auc")
    theirs = GridSearchCV(
        LogisticRegression(random_state=7), {"C": [0.01, 1.0]}, scoring="roc_auc",
        cv=StratifiedKFold(3, shuffle=True, random_state=7),
    ).fit(training.X, training.y)  # fmt: skip
    table = made.tables["search_results.csv"]
    for fold in range(3):
        expected = theirs.cv_results_[f"split{fold}_test_score"]
        assert np.allclose(table[f"split{fold}_roc_auc"], expected, atol=1e-12)
    assert list(table["rank_roc_auc"]) == list(theirs.cv_results_["rank_test_score"])


@pytest.mark.parametrize("method", ["grid", "random", "optuna"])
@pytest.mark.parametrize("spec", [PYTHON, LOGISTIC])
def test_the_same_seed_gives_the_same_trials_and_winner(spec: dict[str, Any], method: str) -> None:
    name = "strength" if spec is PYTHON else "C"
    space: Any = {name: [0.001, 0.1] if method == "grid" else {"loguniform": [1e-4, 10.0]}}
    spec = {**spec, "search": {"space": space, "method": method, "iterations": 4, "folds": 2}}
    (first, one), (second, two) = searched(spec), searched(spec)
    assert told(one) == told(two)
    assert first.params == second.params
    pd.testing.assert_frame_equal(first.tables["search_results.csv"], second.tables["search_results.csv"])


def test_the_winner_is_fitted_as_a_run_with_its_params_is() -> None:
    spec = {**PYTHON, "search": {"space": {"strength": [0.01, 1.0], "noise": [0.1]}, "folds": 2}}
    made, _ = searched(spec)
    best = {name: made.params[f"best_{name}"] for name in ("strength", "noise")}
    training = small(training_of("binary", {**PYTHON, "params": best}))
    np.random.seed(training.seed)  # as a candidate's process does before anything else
    plain = catalog.make("python").fit(training)
    assert isinstance(plain, Fitted)
    assert np.array_equal(
        plain.model.predict_proba(training.X), made.model.predict_proba(training.X)
    )  # whatever was fitted before


def test_a_failed_trial_is_kept_with_its_reason_and_the_search_goes_on() -> None:
    space = {"fail": [False, True], "leave": [False, True]}
    made, kept = searched({**PYTHON, "search": {"space": space, "folds": 2}})
    assert [trial.status for trial in kept] == ["finished", "failed", "failed", "failed"]
    assert kept[1].error == "the code called sys.exit(3)"
    assert kept[2].error == "RuntimeError: no luck with 1.0"
    assert made.params["best_fail"] is False
    table = made.tables["search_results.csv"]
    assert table["mean_ks"].notna().tolist() == [True, False, False, False]
    assert table["error"].tolist() == [trial.error for trial in kept]


def test_where_all_fail_the_last_reason_is_told() -> None:
    spec = {**PYTHON, "search": {"space": {"fail": [True], "strength": [1.0, 2.0]}, "folds": 2}}
    with pytest.raises(TrainingError, match=r"every fit of the search failed: .*no luck with 2\.0"):
        searched(spec)


def test_names_reach_into_composites_and_the_preprocessing() -> None:
    spec = {
        "trainer": "sklearn",
        "estimator": "sklearn.ensemble.BaggingClassifier",
        "params": {"estimator": {"estimator": "sklearn.tree.DecisionTreeClassifier"}, "n_estimators": 3},
        "search": {
            "space": {
                "estimator__max_depth": [1, 2],
                "preprocess__numbers": [["mean radius", "mean texture"]],
            },
            "folds": 2,
        },
    }
    made, _ = searched(spec)
    assert made.model["model"].estimator.max_depth == made.params["best_estimator__max_depth"]
    assert made.model["preprocess"].numbers == ["mean radius", "mean texture"]


def test_one_part_put_aside_instead_of_folds() -> None:
    _, kept = searched({**TREE, "search": {"space": {"max_depth": [1, 2]}, "validation": 0.3}})
    assert [len(trial.folds) for trial in kept] == [1, 1]


def test_the_end_of_the_time_keeps_at_least_one_trial() -> None:
    wanted = {"space": {"wait": [0.2], "strength": [float(n) for n in range(1, 200)]}, "folds": 2}
    _, kept = searched({**PYTHON, "search": {**wanted, "seconds": 0.01}})
    assert [trial.status for trial in kept] == ["finished"]
    began = time.monotonic()
    _, kept = searched({**PYTHON, "search": {**wanted, "seconds": 1.5}})
    assert time.monotonic() - began < 60 and len(kept) < 20
    assert {trial.status for trial in kept[:-1]} <= {"finished"}


def test_what_optuna_asks_for_again_is_no_second_trial() -> None:
    wanted = {"space": {"max_depth": [1, 2]}, "folds": 2, "method": "optuna", "iterations": 30}
    _, kept = searched({**TREE, "search": wanted})
    assert sorted(trial.values["max_depth"] for trial in kept) == [1, 2]


def test_hopeless_trials_are_stopped_by_the_median() -> None:
    space = {"strength": {"loguniform": [1e-6, 10.0]}}
    wanted = {"space": space, "folds": 3, "method": "optuna", "iterations": 12}
    _, kept = searched({**PYTHON, "search": {**wanted, "pruning": "median"}})
    stopped = [trial for trial in kept if trial.status == "pruned"]
    assert stopped
    assert all(len(trial.folds) < 3 and trial.mean is None for trial in stopped)
    assert all(trial.number >= 5 for trial in stopped)
    _, all_of_them = searched({**PYTHON, "search": wanted})
    assert {trial.status for trial in all_of_them} == {"finished"}


class Stepwise:
    """Tells steps, as networks do; how good they look is a parameter."""

    def check(self, spec: Any) -> list[Any]:
        return [(("params", name), f"no {name}") for name in spec["params"] if name != "look"]

    def fit(self, training: Training) -> Fitted:
        for step in range(1, 4):
            training.report(step, {"val_ks": training.spec["params"]["look"] * step})
        return Fitted(DecisionTreeClassifier(max_depth=1).fit(training.X, training.y))

    def answer(self, fitted: Fitted, X: Any, task: Any, classes: Any) -> Answers:
        return catalog.make("sklearn").answer(fitted, X, task, classes)


def test_a_trial_is_stopped_at_a_step_that_its_trainer_tells() -> None:
    looks = [0.1, 0.2, 0.3, 0.21, 0.22, 0.01]
    wanted = {"space": {"look": looks}, "validation": 0.3, "method": "optuna", "pruning": "median"}
    heard: list[int] = []
    training = replace(
        small(training_of("binary", {"params": {}, "search": {**wanted, "iterations": 200}})),
        report=lambda step, metrics: heard.append(step),
    )
    kept: list[Trial] = []
    search.search(Stepwise(), training, lambda trial, _: kept.append(trial), side_by_side=False)
    assert len(kept) == len(looks)
    worse = [t for t in kept[5:] if t.values["look"] < np.median([k.values["look"] for k in kept[:5]])]
    assert [t.number for t in kept if t.status == "pruned"] == [t.number for t in worse]
    assert heard == [1, 2, 3], "the history is the last fit's alone"


def test_a_trainer_is_asked_about_the_names() -> None:
    spec = {"params": {}, "search": {"space": {"look": [1.0], "luck": [2]}}}
    assert search.problems(Stepwise(), spec) == [(("search", "luck"), "no luck")]


def test_time_order_is_kept_in_folds_and_parts() -> None:
    shuffled = np.random.default_rng(0).permutation(100)
    X = pd.DataFrame({"day": shuffled, "x": 1.0})
    training = training_of("regression", {}, X=X, y=pd.Series(np.arange(100.0)), order_by="day")
    found = folds({"folds": 3}, training)
    for fold, (fit, judge) in zip(found, TimeSeriesSplit(3).split(np.arange(100)), strict=True):
        assert list(X["day"].iloc[fold.fit]) == list(fit)
        assert list(X["day"].iloc[fold.judge]) == list(judge)
    (part,) = folds({"validation": 0.25}, training)
    assert X["day"].iloc[part.fit].max() < X["day"].iloc[part.judge].min()
    assert len(part.judge) == 25


def test_every_training_row_judges_once_and_classes_keep_their_shares() -> None:
    training = training_of("binary", {})
    found = folds({}, training)
    assert sorted(row for fold in found for row in fold.judge) == list(range(len(training.X)))
    share = (training.y == "malignant").mean()
    for fold in found:
        assert abs((training.y.iloc[fold.judge] == "malignant").mean() - share) < 0.02
        assert not set(fold.fit) & set(fold.judge)


def test_too_few_rows_are_one_line() -> None:
    training = training_of("binary", {})
    few = replace(training, X=training.X.iloc[:4], y=training.y.iloc[:4])
    with pytest.raises(TrainingError, match="cannot be split into folds"):
        folds({"folds": 5}, few)


def test_a_reason_is_one_line() -> None:
    assert trials.why(ValueError("\nfirst\nsecond")) == "ValueError: first"
    assert trials.why(TrainingError("plain")) == "plain"
