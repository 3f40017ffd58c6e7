"""H2O AutoML, on a private server that runs as long as the fit, or on an existing cluster."""

from __future__ import annotations

import contextlib
import importlib.util
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli.metric_catalog import Task
from mlpipes_cli.sizes import size
from mlpipes_cli.trainers.base import Answers, Fitted, Problem, Training, TrainingError
from mlpipes_cli.trainers.h2o_automl import frame as h2o_frame
from mlpipes_cli.trainers.h2o_automl import rows as h2o_rows
from mlpipes_cli.trainers.h2o_automl import server as h2o_server
from mlpipes_cli.trainers.java import WHEEL, Java, find_java
from mlpipes_cli.trainers.model_answers import answers

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

OLDEST_JAVA, NEWEST_JAVA = 11, 25
MODELS = 10  # if the run sets neither a number of models nor a time
FOLDS = 5
NOT_REPEATABLE = "DeepLearning"  # its threads race; excluded unless the run names its algorithms
PINS = ("h2o", "jpype1", WHEEL)
_HEAP_SHARE = 0.6  # of the run's memory; the rest is for Java itself, XGBoost and Python
_ONLY_FOR = {
    "AUC": ("binary", "multiclass"),
    "AUCPR": ("binary", "multiclass"),
    "logloss": ("binary", "multiclass"),
    "mean_per_class_error": ("binary", "multiclass"),
    "misclassification": ("binary", "multiclass"),
    "lift_top_group": ("binary",),
    "deviance": ("regression",),
    "MAE": ("regression",),
    "RMSLE": ("regression",),
}


class H2OAutoMLTrainer:
    """``trainer: h2o_automl`` (see :class:`mlpipes_cli.trainers.base.Trainer` for the contract)."""

    def check(self, spec: Mapping[str, Any]) -> list[Problem]:
        """Check for Java and for the packages that prediction needs."""
        problems: list[Problem] = [
            (("trainer",), f"h2o_automl needs the package {name}, which is not installed")
            for name in ("h2o", "jpype")
            if importlib.util.find_spec(name) is None
        ]
        params = dict(spec.get("params", {}))
        problems += [
            (("params", name), f"{name}: {value} is not a number of models")
            for name in ("max_models",)
            if isinstance(value := params.get(name), int) and value < 1
        ]
        try:
            find_java(OLDEST_JAVA, NEWEST_JAVA)
        except TrainingError as error:
            problems.append((("trainer",), str(error)))
        return problems

    def fit(self, training: Training) -> Fitted:
        """Train, and return the leader as a MOJO."""
        if problems := self.check(training.spec):
            raise TrainingError(problems[0][1])
        if training.images:
            raise TrainingError(
                f"h2o_automl does not support images; {training.images[0]!r} is an image column"
            )
        params = settings(training)
        X, step = _prepared(training)
        columns = h2o_frame.columns_of(X)
        more = h2o_rows.more(training, params)
        with _connected(training, find_java(OLDEST_JAVA, NEWEST_JAVA)) as keep:
            return _train(training, params, X, step, columns, more, keep)

    def answer(self, fitted: Fitted, X: pd.DataFrame, task: Task, classes: tuple[Any, ...]) -> Answers:
        """Predict with the MOJO, as in serving."""
        return answers(fitted.model, X, task, classes)


def settings(training: Training) -> dict[str, Any]:
    """Return the arguments of AutoML: the run's params, and defaults for what the run does not set.

    With validation rows there are no folds, as H2O ignores a validation frame if there are. Ensembles need
    folds: a metalearner that was fitted on the validation rows would be fitted on what chooses the threshold.

    Raises:
        TrainingError: A metric does not apply to the target.
    """
    given = {name: value for name, value in training.spec.get("params", {}).items() if value is not None}
    given.pop("max_mem_size", None)
    for name in ("sort_metric", "stopping_metric"):
        fits = _ONLY_FOR.get(given.get(name, ""))
        if fits is not None and training.task not in fits:
            raise TrainingError(f"{name}: {given[name]} does not apply to a {training.task} target")
    if "max_models" not in given and "max_runtime_secs" not in given:
        given["max_models"] = MODELS
    if "include_algos" not in given and "exclude_algos" not in given:
        given["exclude_algos"] = [NOT_REPEATABLE]
    lists = {name: list(value) for name, value in given.items() if name.endswith("_algos")}
    folds = FOLDS if training.validation is None else 0
    return {"nfolds": folds, "seed": training.seed, **given, **lists}


def heap(training: Training) -> int | None:
    """Return the maximum heap size of Java in bytes: the run's setting, or a share of its memory."""
    if given := training.spec.get("params", {}).get("max_mem_size"):
        return size(given)
    return None if training.memory is None else int(training.memory * _HEAP_SHARE)


def _prepared(training: Training) -> tuple[pd.DataFrame, Any]:
    """Return the features that H2O gets, and the fitted step that produced them, or None."""
    if training.preprocess != "auto":
        return training.X, None
    from mlpipes_cli.preprocess import auto

    step = auto.build(training.X, training.task, texts=training.texts)
    return step.fit_transform(training.X, training.y), step


@contextlib.contextmanager
def _connected(training: Training, java: Java) -> Iterator[Path]:
    """Connect to H2O for the duration of the context; yield a folder for files to keep."""
    import h2o

    folder = training.scratch / "h2o"
    folder.mkdir(parents=True, exist_ok=True)
    keep = training.scratch / "h2o_kept"
    keep.mkdir(exist_ok=True)
    h2o.no_progress()
    try:
        if cluster := training.spec.get("cluster"):
            try:
                h2o.connect(url=str(cluster), verbose=False)
            except Exception as error:  # noqa: BLE001 (h2o raises many types, even bare Exception)
                raise TrainingError(f"the H2O cluster {cluster}: {_first_line(error)}") from None
            yield keep
        else:

            def connect(address: str) -> None:
                h2o.connect(url=address, verbose=False)

            with h2o_server.server(java, folder, training.threads, heap(training), connect):
                yield keep
    finally:
        with contextlib.suppress(Exception):  # the server may have died; only the connection remains
            if h2o.connection() is not None:
                h2o.connection().close()


def _train(
    training: Training,
    params: dict[str, Any],
    X: pd.DataFrame,
    step: Any,
    columns: list[Any],
    more: Mapping[str, np.ndarray],
    keep: Path,
) -> Fitted:
    import h2o
    from h2o.automl import H2OAutoML

    about = (training.task, training.classes, columns, training.scratch)
    frame = h2o_frame.upload(X, training.y, *about, more)
    frames = [frame]
    given = h2o_rows.arguments(more)
    held = training.validation
    if held is not None and not params["nfolds"]:
        rows = held.X if step is None else step.transform(held.X)
        judge = h2o_frame.upload(rows, held.y, *about, h2o_rows.equal(more, len(rows)))
        frames.append(judge)
        given |= {"validation_frame": judge, "leaderboard_frame": judge}
    cuts = isinstance(training.spec.get("threshold"), (str, Mapping))
    automl = H2OAutoML(
        project_name=f"mlpipes_{uuid.uuid4().hex[:12]}", keep_cross_validation_predictions=cuts, **params
    )
    models: list[str] = []
    try:
        try:
            names = [column.safe for column in columns]
            automl.train(x=names, y=h2o_frame.TARGET, training_frame=frame, **given)
            models = [str(row[0]) for row in automl.leaderboard[:, 0].as_data_frame(use_pandas=False)[1:]]
        except Exception as error:
            raise TrainingError(f"H2O: {_first_line(error)}") from error
        if not models or automl.leader is None:
            raise TrainingError(
                "H2O trained no model; allow more time or models (max_runtime_secs, max_models)"
            )
        leader = automl.leader
        mojo = Path(leader.download_mojo(path=str(keep)))
        binary = Path(h2o.download_model(leader, path=str(keep)))
        tables = {"leaderboard.csv": _table(automl.leaderboard), **_importances(models, columns)}
        unseen = _unseen(leader, training) if cuts else None
        version = str(h2o.cluster().version)
    finally:
        if training.spec.get("cluster"):  # the cluster is shared and keeps running
            _clean_up(models, frames)
    return Fitted(
        _model(mojo.read_bytes(), columns, training, step),
        params={
            **{name: params[name] for name in sorted(params) if name not in training.spec.get("params", {})},
            "leader": models[0],
            "models": len(models),
            "h2o_version": version,
        },
        tables=tables,
        files={"h2o/mojo.zip": mojo, "h2o/model.bin": binary},
        pins=PINS,
        out_of_fold=unseen,
    )


def _unseen(leader: Any, training: Training) -> np.ndarray | None:
    """Return (n,) the positive class's scores of H2O's own cross-validation, or None if there was none.

    An ensemble has the scores of its metalearner, which was trained on its members' predictions for rows that
    they had not seen.
    """
    import h2o
    import numpy as np

    judged = h2o.get_model(leader.metalearner().model_id) if leader.algo == "stackedensemble" else leader
    found = judged.cross_validation_holdout_predictions()
    if found is None:
        return None
    level = h2o_frame.levels_of(training.classes)[1]
    return np.array([float(row[0]) for row in found[level].as_data_frame(use_pandas=False)[1:]])


def _model(mojo: bytes, columns: list[Any], training: Training, step: Any) -> Any:
    from mlpipes_cli.preprocess.preprocessed_model import with_preprocessing
    from mlpipes_cli.trainers.models.h2o_model import H2OClassifier, H2ORegressor

    model: Any
    if training.task == "regression":
        model = H2ORegressor(mojo, columns)
    else:
        model = H2OClassifier(mojo, columns, training.classes, h2o_frame.levels_of(training.classes))
    return model if step is None else with_preprocessing(step, model)


def _importances(models: list[str], columns: list[Any]) -> dict[str, pd.DataFrame]:
    """Return the variable importances of each model that has any (ensembles do not), the best model first."""
    import h2o
    import pandas as pd

    rows = []
    for name in models:
        found = None
        with contextlib.suppress(Exception):  # this kind of model has none
            found = h2o.get_model(name).varimp()
        for variable, relative, scaled, share in found or ():
            rows.append((name, h2o_frame.readable(str(variable), columns), relative, scaled, share))
    names = ["model", "variable", "relative_importance", "scaled_importance", "share"]
    return {"variable_importance.csv": pd.DataFrame(rows, columns=names)} if rows else {}


def _table(frame: Any) -> pd.DataFrame:
    import pandas as pd

    names, *rows = frame.as_data_frame(use_pandas=False)
    table = pd.DataFrame(rows, columns=names)
    for name in names[1:]:
        table[name] = pd.to_numeric(table[name], errors="coerce")
    return table


def _clean_up(models: list[str], frames: list[Any]) -> None:
    import h2o

    for key in [*models, *(frame.frame_id for frame in frames)]:
        with contextlib.suppress(Exception):
            h2o.remove(key)


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    cause = next((line for line in lines if "Exception" in line or "msg" in line.lower()), "")
    return (cause or (lines[0] if lines else type(error).__name__))[:300]
