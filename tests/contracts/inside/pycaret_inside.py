"""``trainer: pycaret`` in its own environment."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cloudpickle
import documented
import numpy as np
import pandas as pd
import pytest
from contracts.trainer_contract import training_of
from sklearn.metrics import f1_score, roc_auc_score

from mlpipes_cli.trainers.base import Comparison, Training, TrainingError, ValidationRows
from mlpipes_cli.trainers.pycaret.settings import PycaretParams
from mlpipes_cli.trainers.pycaret.trainer import CLASSIFIERS, REGRESSORS, PycaretTrainer
from mlpipes_cli.trainers.search import thresholds

INCLUDE = {"binary": ["lr", "svm", "dt"], "multiclass": ["lr", "nb"], "regression": ["lr", "dt"]}
EVERY_PARAM: dict[str, dict[str, Any]] = {
    "binary": {
        "n_best_models": 1, "include": ["lr"], "turbo": False, "sort": "AUC", "fold": 2, "train_size": 0.6,
        "budget_time": 5, "tune": True, "n_iter": 2, "plots": ["confusion_matrix"], "normalize": True,
        "normalize_method": "robust", "transformation": True, "transformation_method": "quantile",
        "remove_multicollinearity": True, "multicollinearity_threshold": 1, "low_variance_threshold": 0,
        "pca": True, "pca_method": "linear", "pca_components": 3, "remove_outliers": True,
        "outliers_method": "iforest", "outliers_threshold": 0.1, "fix_imbalance": True,
        "numeric_imputation": "median", "max_encoding_ohe": 1,
    },
    "regression": {
        "exclude": sorted({*REGRESSORS} - {"lr", "xgboost", "catboost"}), "fold": 2, "plots": [],
        "feature_selection": True, "feature_selection_method": "univariate", "n_features_to_select": 2,
        "polynomial_features": True, "polynomial_degree": 2, "transform_target": True,
    },
}  # fmt: skip
SHORT = {"fold": 2, "plots": []}  # on top of what a page shows


def training(task: str, folder: Path, **changes: Any) -> Training:
    params = {"include": INCLUDE[task], "fold": 3, "plots": [], "n_best_models": 2}
    params |= changes.pop("params", {})
    return training_of(task, {"trainer": "pycaret", "params": params}, scratch=folder, **changes)


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Training, Comparison]]:
    """One comparison for each kind of target."""
    made = {}
    for task in INCLUDE:
        plots = {"params": {"plots": ["confusion_matrix", "auc"]}} if task == "binary" else {}
        given = training(task, tmp_path_factory.mktemp("scratch"), **plots)
        X, y, here = given.X.copy(), given.y.copy(), Path.cwd()
        made[task] = (given, PycaretTrainer().fit(given))
        pd.testing.assert_frame_equal(given.X, X)
        pd.testing.assert_series_equal(given.y, y)
        assert Path.cwd() == here
    return made


@pytest.mark.parametrize("task", INCLUDE)
def test_each_of_the_best_answers_raw_rows_alone_and_together(compared: Any, task: str) -> None:
    given, found = compared[task]
    assert len({fitted.name for fitted in found.models}) == len(found.models) == 2
    for fitted in found.models:
        answers = PycaretTrainer().answer(fitted, given.X, given.task, given.classes)
        if task == "regression":
            assert np.corrcoef(answers.prediction, given.y)[0, 1] > 0.6
        else:
            assert (answers.prediction == given.y.to_numpy()).mean() > 0.9
        again = cloudpickle.loads(cloudpickle.dumps(fitted.model))
        alone = [again.predict(given.X.iloc[[row]])[0] for row in range(3)]
        if task == "regression":
            assert np.allclose(alone, answers.prediction[:3], rtol=1e-12)
        else:
            assert list(alone) == list(answers.prediction[:3])


@pytest.mark.parametrize("task", INCLUDE)
def test_the_table_is_sorted_by_our_metric_and_the_best_come_first(compared: Any, task: str) -> None:
    given, found = compared[task]
    table = found.tables["comparison.csv"]
    assert set(table["id"]) == set(INCLUDE[task])
    values = table[f"{given.metric} (mlpipes)"]
    assert values.is_monotonic_increasing if task == "regression" else values.is_monotonic_decreasing
    assert [fitted.name for fitted in found.models] == list(table["id"][:2])
    theirs = table["RMSE"] if task == "regression" else None
    assert theirs is None or np.allclose(values, theirs)


def halves(given: Training) -> tuple[Training, ValidationRows]:
    held = np.arange(len(given.y)) % 2 == 0
    X, y = given.X, given.y
    rows = replace(given, X=X[~held].reset_index(drop=True), y=y[~held].reset_index(drop=True))
    return rows, ValidationRows(X[held].reset_index(drop=True), y[held].reset_index(drop=True))


@pytest.mark.parametrize("tune", [False, True])
def test_validation_rows_rank_and_tune_and_are_not_fitted_on(tmp_path: Path, tune: bool) -> None:
    params = {"include": ["dt", "lr"], "tune": tune, "plots": ["confusion_matrix"], "n_best_models": 2}
    given, held = halves(training("binary", tmp_path, params=params, metric="roc_auc"))
    found = PycaretTrainer().fit(replace(given, validation=held))
    table = found.tables["comparison.csv"].set_index("id")["roc_auc (mlpipes)"]
    positive = held.y == given.classes[1]
    for fitted in found.models:
        answers = PycaretTrainer().answer(fitted, held.X, "binary", given.classes)
        if not tune:
            assert table[fitted.name] == pytest.approx(roc_auc_score(positive, answers.scores), abs=1e-8)
        own = PycaretTrainer().answer(fitted, given.X, "binary", given.classes)
        assert (own.prediction == given.y.to_numpy()).mean() > 0.9
    tree = next(fitted for fitted in found.models if fitted.name == "dt")
    if not tune:
        answers = PycaretTrainer().answer(tree, held.X, "binary", given.classes)
        assert (answers.prediction == held.y.to_numpy()).mean() < 1, "a full tree knows what it was fitted on"
    swapped = ValidationRows(held.X, held.y.map(dict(zip(given.classes, given.classes[::-1], strict=True))))
    other = PycaretTrainer().fit(replace(given, validation=swapped))
    assert other.tables["comparison.csv"]["roc_auc (mlpipes)"].max() < 0.5 < table.min()


def test_no_fold_divides_a_group(tmp_path: Path) -> None:
    draw = np.random.default_rng(3)
    groups = np.repeat(np.arange(40), 10)
    X = pd.DataFrame({"name": groups * 1.0, "noise": draw.normal(size=400)})
    y = pd.Series(draw.integers(0, 2, 40)[groups])
    given = training("binary", tmp_path, params={"include": ["dt"], "n_best_models": 1}, metric="roc_auc")
    given = replace(given, X=X, y=y, classes=(0, 1))
    areas = [
        PycaretTrainer().fit(replace(given, groups=its)).tables["comparison.csv"]["roc_auc (mlpipes)"][0]
        for its in (None, groups)
    ]
    assert areas[0] > 0.9, "a group's other rows give its label away"
    assert areas[1] < 0.7


def test_each_of_the_best_has_a_threshold_by_being_fitted_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thresholds, "FOLDS", 2)
    given = training("binary", tmp_path)
    given = replace(given, metric="f1", spec={**given.spec, "threshold": "f1"})
    fits: list[Any] = []
    compare = PycaretTrainer.fit
    monkeypatch.setattr(PycaretTrainer, "fit", lambda *a: fits.append(a) or compare(*a))
    found = PycaretTrainer().fit(given)
    positive, here = (given.y == given.classes[1]).to_numpy(), Path.cwd()
    for fitted in found.models:
        settled = thresholds.choose_threshold(PycaretTrainer(), fitted, given)
        assert settled.scores is not None
        assert f1_score(positive, settled.scores >= settled.threshold) > 0.9
        answers = PycaretTrainer().answer(settled.fitted, given.X, "binary", given.classes)
        own = PycaretTrainer().answer(fitted, given.X, "binary", given.classes)
        assert np.array_equal(answers.scores, own.scores) and not np.array_equal(own.scores, settled.scores)
        assert np.array_equal(answers.prediction == given.classes[1], answers.scores >= settled.threshold)
        again = cloudpickle.loads(cloudpickle.dumps(settled.fitted.model))
        assert again.predict(given.X).tolist() == answers.prediction.tolist()
    assert len(fits) == 1 and Path.cwd() == here, "not the whole comparison"


def test_a_model_without_probabilities_has_scores_and_plots_are_pictures(compared: Any) -> None:
    given, found = compared["binary"]
    for fitted in found.models:
        for classes in (given.classes, given.classes[::-1]):
            scores = PycaretTrainer().answer(fitted, given.X, "binary", classes).scores
            positive = (given.y == classes[1]).to_numpy()
            assert scores[positive].mean() > scores[~positive].mean()
        matrix = fitted.files["plots/pycaret/confusion_matrix.png"]
        assert matrix.read_bytes().startswith(b"\x89PNG")
    svm = next((fitted for fitted in found.models if fitted.name == "svm"), None)
    if svm is not None:
        assert "plots/pycaret/auc.png" not in svm.files
        assert not hasattr(svm.model, "predict_proba")


def test_raw_columns_options_and_labels_twice_with_the_same_numbers(tmp_path: Path) -> None:
    rows = 160
    draw = np.random.default_rng(1)
    y = pd.Series(draw.random(rows) < 0.4)
    X = pd.DataFrame(
        {
            "amount": np.where(draw.random(rows) < 0.1, np.nan, y * 2.0 + draw.normal(size=rows)),
            "twin": y * 2.0 + draw.normal(size=rows),
            "city": pd.Series(np.where(y, "Rome", "Oslo")).where(draw.random(rows) < 0.9),
            "flag": pd.Series(draw.random(rows) < 0.5),
            "when": pd.date_range("2026-01-01", periods=rows, freq="D").astype("datetime64[us]"),
        }
    )
    X["same"] = X["twin"] * 3.0
    params = {
        "include": ["lr"], "n_best_models": 1, "normalize": True, "remove_multicollinearity": True,
        "fix_imbalance": True, "tune": True, "n_iter": 2, "pca": True, "pca_components": 0.99,
    }  # fmt: skip
    given = training("binary", tmp_path, params=params, preprocess="none", threads=2)
    given = replace(given, X=X, y=y, classes=(False, True), order_by="when")
    told = []
    for _ in range(2):
        (fitted,) = PycaretTrainer().fit(given).models
        strange = X.head(5).assign(city="Atlantis", amount=1e30)
        assert set(fitted.model.predict(strange).tolist()) <= {False, True}
        told.append(PycaretTrainer().answer(fitted, X, "binary", (False, True)))
    assert np.array_equal(told[0].scores, told[1].scores)
    assert (told[0].prediction == y.to_numpy()).mean() > 0.8


@pytest.mark.parametrize("task", EVERY_PARAM)
def test_every_param_is_taken_as_the_file_has_it(tmp_path: Path, task: str) -> None:
    assert documented.without_a_case(PycaretParams, *EVERY_PARAM.values()) == []
    spec = documented.spec_of(trainer="pycaret", params=EVERY_PARAM[task])
    given = training_of(task, spec, scratch=tmp_path, preprocess="none")
    X = given.X.iloc[::3, :4].reset_index(drop=True)
    X["town"] = np.array(["Rome", "Oslo", "Bern"], dtype=object)[np.arange(len(X)) % 3]
    X.loc[::7, X.columns[0]] = np.nan
    given = replace(given, X=X, y=given.y.iloc[::3].reset_index(drop=True))
    found = documented.fit(given, spec)
    assert isinstance(found, Comparison)
    assert [fitted.name for fitted in found.models] == ["lr"]
    answers = PycaretTrainer().answer(found.models[0], X, given.task, given.classes)
    if task == "regression":
        assert np.corrcoef(answers.prediction, given.y)[0, 1] > 0.5
    else:
        assert (answers.prediction == given.y.to_numpy()).mean() > 0.85
        assert list(found.models[0].files) == ["plots/pycaret/confusion_matrix.png"]


def test_the_documented_runs(tmp_path: Path) -> None:
    """With three of PyCaret's models and two folds; all that the page says beside stays."""
    for position, (place, spec, _) in enumerate(documented.runs("pycaret")):
        folder = tmp_path / str(position)
        folder.mkdir()
        spec["params"] = {"include": INCLUDE["binary"], **SHORT, **spec["params"]}
        found = documented.fit(training_of("binary", spec, scratch=folder), spec)
        assert isinstance(found, Comparison)
        assert len(found.models) == spec["params"].get("n_best_models", 1), place


@pytest.mark.parametrize(
    ("task", "params", "text"),
    [
        ("binary", {"include": ["lar"]}, "no model 'lar' for this target"),
        ("regression", {"include": ["nb"]}, "no model 'nb' for this target"),
        ("binary", {"include": ["xgboost"]}, "requirements: \\[xgboost\\]"),
        ("binary", {"transform_target": True}, "transform_target needs a numeric target"),
        ("regression", {"fix_imbalance": True}, "fix_imbalance needs classes"),
        ("binary", {"sort": "RMSE"}, "no metric 'RMSE' for this target"),
    ],
)
def test_what_does_not_fit_the_target_is_told(
    tmp_path: Path, task: str, params: dict[str, Any], text: str
) -> None:
    with pytest.raises(TrainingError, match=text):
        PycaretTrainer().fit(training(task, tmp_path, params=params))


def test_check_knows_pycarets_models() -> None:
    def problems(*names: str) -> list[Any]:
        return PycaretTrainer().check({"params": {"include": list(names)}})

    assert problems("lr", "nb", "lar") == []
    ((place, text),) = problems("lr", "lightgmb")
    assert place == ("params", "include", 1)
    assert "did you mean 'lightgbm'?" in text


@pytest.mark.parametrize(("task", "ours"), [("classification", CLASSIFIERS), ("regression", REGRESSORS)])
def test_our_list_of_models_is_pycarets(task: str, ours: tuple[str, ...]) -> None:
    from pycaret.containers.models import classification, regression

    module = {"classification": classification, "regression": regression}[task]
    text = Path(str(module.__file__)).read_text()
    assert [name for name in ours if f'"{name}"' not in text] == []
