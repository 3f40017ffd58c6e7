"""PyCaret's comparison of models on the training rows; each of the best becomes a model of its own.

PyCaret gets the same training rows as every candidate, prepared by ``preprocess: auto`` or raw. It splits
them again, for its own folds and plots, and ranks its models by the experiment's metric; the validation rows
of a data set take the place of folds. The best are then fitted on all training rows. mlpipes does the
logging, not PyCaret.
"""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli import metric_catalog
from mlpipes_cli.metric_catalog import Task
from mlpipes_cli.suggest import did_you_mean
from mlpipes_cli.trainers.base import Answers, Comparison, Fitted, Training, TrainingError
from mlpipes_cli.trainers.model_answers import answers
from mlpipes_cli.trainers.preprocessing import preprocessing
from mlpipes_cli.trainers.pycaret import rows
from mlpipes_cli.trainers.search.trials import measure

if TYPE_CHECKING:
    import pandas as pd

TABLE, PLOTS = "comparison.csv", "plots/pycaret"
OURS = "mlpipes"  # PyCaret's id of the experiment's metric
_COMPARE = ("include", "exclude", "turbo", "budget_time")
_NOT_SETUP = (*_COMPARE, "n_best_models", "sort", "tune", "n_iter", "plots")
CLASSIFIERS = (
    "lr", "knn", "nb", "dt", "svm", "rbfsvm", "gpc", "mlp", "ridge", "rf", "qda", "ada", "gbc", "lda", "et",
    "xgboost", "lightgbm", "catboost", "dummy",
)  # fmt: skip
REGRESSORS = (
    "lr", "lasso", "ridge", "en", "lar", "llar", "omp", "br", "ard", "par", "ransac", "tr", "huber", "kr",
    "svm", "knn", "dt", "rf", "et", "ada", "gbr", "mlp", "xgboost", "lightgbm", "catboost", "dummy",
)  # fmt: skip
_PACKAGES = ("xgboost", "catboost")  # PyCaret uses these, but does not install them
_PLOTS: dict[Task, tuple[str, ...]] = {
    "binary": ("auc", "confusion_matrix", "pr", "class_report", "calibration", "feature"),
    "multiclass": ("auc", "confusion_matrix", "class_report", "feature"),
    "regression": ("residuals", "error", "feature"),
}


class PycaretTrainer:
    """``trainer: pycaret`` (see :class:`mlpipes_cli.trainers.base.Trainer` for the contract)."""

    def check(self, spec: Mapping[str, Any]) -> list[tuple[tuple[str | int, ...], str]]:
        """Check the names of models against PyCaret's, and against the installed packages."""
        problems: list[tuple[tuple[str | int, ...], str]] = []
        for option in ("include", "exclude"):
            for position, name in enumerate(spec.get("params", {}).get(option) or ()):
                try:
                    _known(name, (*CLASSIFIERS, *REGRESSORS))
                except TrainingError as error:
                    problems.append((("params", option, position), str(error)))
        return problems

    def fit(self, training: Training) -> Comparison:
        """Compare the models, and fit the best on all training rows."""
        os.environ["PYCARET_CUSTOM_LOGGING_PATH"] = str(training.scratch / "pycaret.log")
        step, X = _prepared(training)
        labels = [label for label in training.classes if (training.y == label).any()]
        with _inside(training.scratch):
            experiment = _set_up(X, step, training, labels)
            sort = _metric(experiment, training, len(labels))
            table = _compare(experiment, training, sort)
            answering = partial(_answering, X, step, labels)
            models = [
                _fitted(experiment, name, model, training, answering, labels)
                for name, model in _best(experiment, table, training, sort)
            ]
        if not models:
            raise TrainingError("PyCaret could not fit any of its models; see log.txt of the run")
        table = table.drop(columns=["TT (Sec)"], errors="ignore").rename_axis("id").reset_index()
        return Comparison(models, params={"pycaret_sort": sort}, tables={TABLE: table})

    def answer(self, fitted: Fitted, X: pd.DataFrame, task: Task, classes: tuple[Any, ...]) -> Answers:
        """Predict with the pipeline."""
        return answers(fitted.model, X, task, classes)


def _prepared(training: Training) -> tuple[Any, pd.DataFrame]:
    """Return the fitted step before PyCaret, or None, and the rows as PyCaret gets them."""
    if training.preprocess != "auto":
        return None, training.X
    step = preprocessing(training)
    return step, step.fit_transform(training.X, training.y)


def _answering(X: pd.DataFrame, step: Any, labels: list[Any], pipeline: Any) -> Any:
    """Wrap a pipeline as a model that predicts raw rows in the experiment's labels."""
    from mlpipes_cli.preprocess.preprocessed_model import PreprocessedModel
    from mlpipes_cli.trainers.models.pycaret_model import PycaretModel

    model = PycaretModel(pipeline, list(X.columns), labels)
    return model if step is None else PreprocessedModel(step, model)


def _again(pipeline: Any, labels: list[Any], training: Training) -> Fitted:
    """Fit the same model with the same settings on other rows."""
    from sklearn.base import clone

    from mlpipes_cli.trainers.models.pycaret_model import plain

    step, X = _prepared(training)
    y = training.y.map({label: code for code, label in enumerate(labels)}) if labels else training.y
    with _inside(training.scratch):
        fresh = clone(pipeline).fit(plain(X), y)
    return Fitted(_answering(X, step, labels, fresh))


class MetricScorer:
    """A scorer for scikit-learn that computes the experiment's metric, larger is better.

    Args:
        training: The training, with positions as labels.
    """

    def __init__(self, training: Training) -> None:
        self.training = training
        self.sign = 1.0 if metric_catalog.higher_is_better(training.metric) else -1.0

    def __call__(self, estimator: Any, X: Any, y: Any, **_: Any) -> float:
        """Return the metric, or NaN if it is not defined, so that the model ranks last."""
        task, classes = self.training.task, self.training.classes
        try:
            given = answers(estimator, X, task, classes)
            return self.sign * measure(given, y, self.training, self.training.metric)
        except (TrainingError, ValueError):
            traceback.print_exc()
            return float("nan")


@contextmanager
def _inside(folder: Path) -> Iterator[None]:
    """Work in a folder that is removed later, and keep numeric types.

    PyCaret writes into the current folder. It shortens float64 to float32, but only during its setup: rows
    would have other values at prediction.
    """
    from pycaret.internal.preprocess import preprocessor

    before, shrink = Path.cwd(), preprocessor.df_shrink_dtypes

    def keep_numbers(frame: pd.DataFrame, **options: Any) -> pd.DataFrame:
        found: pd.DataFrame = shrink(frame, skip=list(frame.select_dtypes("number").columns), **options)
        return found

    os.chdir(folder)
    preprocessor.df_shrink_dtypes = keep_numbers
    try:
        yield
    finally:
        preprocessor.df_shrink_dtypes = shrink
        os.chdir(before)


def _experiment(task: Task) -> Any:
    if task == "regression":
        from pycaret.regression import RegressionExperiment

        return RegressionExperiment()
    from pycaret.classification import ClassificationExperiment

    return ClassificationExperiment()


def _table(X: pd.DataFrame, y: pd.Series, labels: list[Any], name: str) -> pd.DataFrame:
    """Return rows as PyCaret gets them, with the target by that name."""
    from mlpipes_cli.trainers.models.pycaret_model import plain

    codes = y.map({label: code for code, label in enumerate(labels)}) if labels else y
    return plain(X).assign(**{name: codes.to_numpy()})


def _set_up(X: pd.DataFrame, step: Any, training: Training, labels: list[Any]) -> Any:
    """Set up the experiment with its own split of the training rows."""
    name = "target"
    while name in X.columns:
        name = f"{name}_"
    data = _table(X, training.y, labels, name)
    options: dict[str, Any] = {"fold": 5}
    if training.validation is not None:
        held = training.validation
        judged = _table(held.X if step is None else step.transform(held.X), held.y, labels, name)
        data, options["test_data"], options["fold_strategy"] = rows.with_validation(data, judged)
    elif training.groups is not None:
        share = training.spec.get("params", {}).get("train_size", 0.7)
        number = training.spec.get("params", {}).get("fold", 5)
        data, options["test_data"], options["fold_strategy"] = rows.with_groups(training, data, share, number)
    elif training.order_by is not None:
        order = training.X[training.order_by].argsort(kind="stable").to_numpy()
        data = data.iloc[order].reset_index(drop=True)
        options |= {"data_split_shuffle": False, "data_split_stratify": False, "fold_strategy": "timeseries"}
    params = training.spec.get("params", {})
    for name_of_model in (*(params.get("include") or ()), *(params.get("exclude") or ())):
        _known(name_of_model, CLASSIFIERS if training.task != "regression" else REGRESSORS)
    options |= {key: value for key, value in params.items() if key not in _NOT_SETUP and value is not None}
    if training.task != "regression" and "transform_target" in options:
        raise TrainingError("transform_target needs a numeric target, and this one has classes")
    if training.task == "regression" and "fix_imbalance" in options:
        raise TrainingError("fix_imbalance needs classes, and this target is numeric")
    if len(data) < 2 * options["fold"]:
        raise TrainingError(f"{len(data)} training rows are too few for {options['fold']} folds")
    experiment = _experiment(training.task).setup(
        data=data, target=name, session_id=training.seed, n_jobs=training.threads, html=False,
        verbose=False, log_experiment=False, system_log=False, memory=False, **options,
    )  # fmt: skip
    # The models use the threads already. Folds run one after another: PyCaret's transformers are not
    # thread-safe, and other processes cannot import this package.
    experiment.n_jobs_param = 1
    return experiment


def _known(name: str, known: tuple[str, ...]) -> None:
    """Check that PyCaret has such a model here.

    Raises:
        TrainingError: It has not; the message has the nearest name, or the missing package.
    """
    import importlib.util

    if name not in known:
        raise TrainingError(f"PyCaret has no model {name!r} for this target{did_you_mean(name, known)}")
    if name in _PACKAGES and importlib.util.find_spec(name) is None:
        raise TrainingError(
            f"PyCaret's {name!r} needs a package that is not installed; give the run"
            f" `environment: {{requirements: [{name}]}}`"
        )


def _metric(experiment: Any, training: Training, classes: int) -> str:
    """Return the name of the metric in PyCaret's table by which models are sorted."""
    wanted = training.spec.get("params", {}).get("sort", "metric")
    known = {str(name): str(name) for name in experiment.get_metrics()["Display Name"]}
    if wanted not in ("metric", "TT", *known):
        raise TrainingError(
            f"PyCaret has no metric {wanted!r} for this target; use one of {', '.join(known)}"
        )
    higher = metric_catalog.higher_is_better(training.metric)
    name = f"{training.metric} (mlpipes)"
    experiment.add_metric(OURS, name, _nothing, greater_is_better=higher)
    positions = replace(training, classes=tuple(range(classes)))
    experiment._all_metrics[OURS].scorer = MetricScorer(positions)
    return name if wanted == "metric" else str(wanted)


def _nothing(y: Any, prediction: Any, **_: Any) -> float:
    """Return NaN: PyCaret requires this function beside the scorer, but does not use its value here."""
    return float("nan")


def _compare(experiment: Any, training: Training, sort: str) -> pd.DataFrame:
    """Return PyCaret's table without times, one line for each model, the best first, by PyCaret's ids."""
    params = training.spec.get("params", {})
    given = {name: params[name] for name in _COMPARE if params.get(name) is not None}
    given |= {name: list(given[name]) for name in ("include", "exclude") if name in given}
    experiment.compare_models(n_select=1, sort=sort, round=9, verbose=False, errors="ignore", **given)
    table: pd.DataFrame = experiment.pull()
    if not len(table):
        raise TrainingError("PyCaret could not fit any of its models; see log.txt of the run")
    return table if sort.startswith("TT") else table[table[sort].notna()]


def _best(experiment: Any, table: pd.DataFrame, training: Training, sort: str) -> Iterator[tuple[str, Any]]:
    """Yield the table's first models that can be fitted, with names, fitted on PyCaret's training part."""
    params = training.spec.get("params", {})
    left = params.get("n_best_models", 1)
    for name in table.index:
        if not left:
            return
        try:
            with rows.only_training(experiment, training):
                model = experiment.create_model(name, cross_validation=False, verbose=False)
            if params.get("tune"):
                model = experiment.tune_model(
                    model, n_iter=params.get("n_iter", 10), optimize=sort, choose_better=True,
                    verbose=False, tuner_verbose=False,
                )  # fmt: skip
                if training.validation is not None:
                    with rows.only_training(experiment, training):
                        model = experiment.create_model(model, cross_validation=False, verbose=False)
        except Exception:  # noqa: BLE001 (a model may raise anything; try the next one)
            traceback.print_exc()
            continue
        left -= 1
        yield str(name), model


def _fitted(
    experiment: Any,
    name: str,
    model: Any,
    training: Training,
    answering: Callable[[Any], Any],
    labels: list[Any],
) -> Fitted:
    """Return the model fitted on all training rows, with PyCaret's plots of the model before that."""
    plots = _plots(experiment, name, model, training)
    pipeline = experiment.finalize_model(model)
    package = type(model).__module__.partition(".")[0]
    pins = ("pycaret", "six", *([package] if package in _PACKAGES else []))
    fitted = answering(pipeline)
    if training.validation is not None:  # PyCaret has fitted it on the validation rows, too
        fitted = _again(pipeline, labels, training).model
    return Fitted(
        fitted,
        name=name,
        files=plots,
        pins=pins,
        params={"pycaret_model": name},
        again=partial(_again, pipeline, labels),
    )


def _plots(experiment: Any, name: str, model: Any, training: Training) -> dict[str, Path]:
    """Return PNG files by their name in the run; skip plots that this kind of model does not have."""
    from matplotlib import pyplot

    wanted = training.spec.get("params", {}).get("plots")
    made: dict[str, Path] = {}
    for plot in _PLOTS[training.task] if wanted is None else wanted:
        folder = Path(tempfile.mkdtemp(prefix=f"{name}-{plot}-", dir=training.scratch))
        try:
            experiment.plot_model(model, plot=plot, save=str(folder), verbose=False)
        except Exception as error:  # noqa: BLE001
            sys.stderr.write(f"no plot {plot} of {name}: {type(error).__name__}: {error}\n")
        finally:
            pyplot.close("all")
        for image in folder.glob("*.png"):
            made[f"{PLOTS}/{plot}.png"] = image
    return made
