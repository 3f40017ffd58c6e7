"""The jobs that a candidate's process can run."""

from __future__ import annotations

import shutil
import time
import traceback
import warnings
from collections.abc import Callable, Mapping
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli import mlflow_tags, trainer_registry
from mlpipes_cli.trainers import catalog
from mlpipes_cli.trainers.base import (
    Answers,
    Comparison,
    Fitted,
    Problem,
    Trainer,
    Training,
    TrainingError,
    ValidationRows,
)
from mlpipes_cli.trainers.search import cross_validation, search, spaces, thresholds
from mlpipes_cli.worker import protocol, step_log, trial_log

if TYPE_CHECKING:
    import pandas as pd

    from mlpipes_cli.data.prepared import Prepared

Tell = Callable[[str], None]


def check(content: Mapping[str, Any], folder: Path, tell: Tell) -> dict[str, Any]:
    """Check runs against what they name by importing it; ``problems`` are [run, place, text]."""
    tell("check")
    problems: list[list[Any]] = []
    for index, spec in content["runs"]:
        try:
            found = _problems(catalog.make(spec["trainer"]), spec)
        except Exception as error:  # noqa: BLE001 (importing the user's code may raise anything)
            traceback.print_exc()
            text = next((part for part in str(error).splitlines() if part.strip()), "")
            found = [((), f"cannot be imported: {type(error).__name__}: {text}")]
        problems += [[index, list(location), text] for location, text in found]
    return {"status": "ok", "problems": problems}


def train(content: Mapping[str, Any], folder: Path, tell: Tell) -> dict[str, Any]:
    """Fit one candidate, predict the holdout, explain and save its models.

    Each model has a folder under ``out/``; ``models`` of the result are the names of these folders with what
    the main process needs to know of each, the best first.
    """
    from mlpipes_cli.data.prepared_cache import open_store

    out = folder / protocol.OUT
    out.mkdir(exist_ok=True)
    tell("read")
    prepared = open_store(Path(content["data"]))
    scratch = folder / protocol.SCRATCH_FOLDER
    scratch.mkdir(exist_ok=True)
    training = _training(content, prepared, scratch, step_log.StepLog(out / protocol.HISTORY))
    trainer = catalog.make(content["spec"]["trainer"])
    if content.get("check"):  # its environment did not exist when the file was checked
        _check_here(trainer, content["spec"])
    tell("fit")
    started = time.monotonic()
    made = _fit(trainer, training, out, tell)
    seconds = time.monotonic() - started
    several = isinstance(made, Comparison)
    models = []
    for position, fitted in enumerate(made.models if isinstance(made, Comparison) else [made]):
        target = out / f"{position:03d}"
        target.mkdir()
        models.append(
            {"folder": target.name, **_keep(trainer, fitted, training, prepared, target, content, tell)}
        )
    if isinstance(made, Comparison):
        _write_tables(out / protocol.TABLES, made.tables)
        _keep_files(out / protocol.FILES, made.files)
    params = _plain_params(made.params) if several else {}
    return {"status": "ok", "seconds": seconds, "several": several, "params": params, "models": models}


def _problems(trainer: Trainer, spec: Mapping[str, Any]) -> list[Problem]:
    found = list(trainer.check(spec))
    if spec.get("search") and not trainer_registry.definition(spec["trainer"]).checks_search:
        found += search.problems(trainer, spec)
    return found


def _fit(trainer: Trainer, training: Training, out: Path, tell: Tell) -> Fitted | Comparison:
    """Fit, after a search for the best params if there is one."""
    if not training.spec.get("search"):
        return trainer.fit(training)
    keep = trial_log.TrialLog(out / protocol.TRIALS, tell, spaces.count(training.spec["search"]))
    # other processes have to be able to import this package
    importable = PathFinder.find_spec("mlpipes_cli") is not None
    definition = trainer_registry.definition(training.spec["trainer"])
    side_by_side = definition.searches_side_by_side and importable
    return search.search(trainer, training, keep, side_by_side=side_by_side)


def _check_here(trainer: Trainer, spec: Mapping[str, Any]) -> None:
    for location, text in _problems(trainer, spec):
        raise TrainingError(": ".join(filter(None, [" -> ".join(map(str, location)), text])))


def _keep(
    trainer: Trainer,
    fitted: Fitted,
    training: Training,
    prepared: Prepared,
    target: Path,
    content: Mapping[str, Any],
    tell: Tell,
) -> dict[str, Any]:
    """Predict the holdout with a model, explain and save the model."""
    from mlpipes_cli.worker import importance, saving

    threshold, final = None, fitted
    if training.spec.get("threshold") is not None:
        tell("threshold")
        settled = thresholds.choose_threshold(trainer, fitted, training)
        threshold, final = settled.threshold, settled.fitted
        _write_out_of_fold(target / protocol.FILES, settled, prepared)
    tell("score")
    held = prepared.X(prepared.holdout).reset_index(drop=True)
    answers = trainer.answer(final, held, prepared.task, prepared.classes)
    _write_answers(target / protocol.ANSWERS, answers, prepared.classes)
    _write_tables(target / protocol.TABLES, fitted.tables)
    _keep_files(target / protocol.FILES, fitted.files)
    folds = {}
    if training.spec.get("cross_validate"):
        tell("cross-validate")
        folds = cross_validation.cross_validated(trainer, fitted, training, threshold)
    tell("explain")
    importances = importance.importances(trainer, fitted, training)
    if importances is not None:
        importances.to_csv(target / protocol.IMPORTANCE, index=False)
    tell("save")
    saved = saving.save(final, training, prepared, target / protocol.MODEL, content, threshold)
    return {"name": fitted.name, "params": _plain_params(fitted.params), "folds": folds, **saved}


DO = {"check": check, "train": train}


def _training(content: Mapping[str, Any], prepared: Prepared, scratch: Path, report: Any) -> Training:
    order_by = content.get("order_by")
    texts = set(content.get("texts", ()))
    return Training(
        X=prepared.X(prepared.train).reset_index(drop=True),
        y=prepared.y(prepared.train).reset_index(drop=True),
        task=prepared.task,
        classes=prepared.classes,
        metric=content["metric"],
        seed=int(content["seed"]),
        threads=int(content["threads"]),
        preprocess=content["preprocess"],
        spec=content["spec"],
        scratch=scratch,
        order_by=order_by if order_by in prepared.feature_names else None,
        images=prepared.images,
        texts=tuple(name for name in prepared.feature_names if name in texts),
        memory=content.get("memory"),
        validation=_validation(prepared),
        weights=prepared.weights(prepared.train),
        groups=prepared.groups(prepared.train),
        report=report,
    )


def _validation(prepared: Prepared) -> ValidationRows | None:
    rows = prepared.validation
    if not len(rows):
        return None
    return ValidationRows(prepared.X(rows).reset_index(drop=True), prepared.y(rows).reset_index(drop=True))


def _keep_files(folder: Path, files: Mapping[str, Path]) -> None:
    for name, path in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, target)


def _write_answers(path: Path, answers: Answers, classes: tuple[Any, ...]) -> None:
    import pandas as pd

    columns: dict[str, Any] = {"prediction": answers.prediction}
    if answers.scores is not None:
        scores = answers.scores.reshape(len(answers.prediction), -1)
        columns |= {f"score_{column}": scores[:, column] for column in range(scores.shape[1])}
    pd.DataFrame(columns).to_parquet(path, index=False)


def _write_out_of_fold(folder: Path, settled: thresholds.ChosenThreshold, prepared: Prepared) -> None:
    """Write the predictions that the threshold was chosen on, in the format of the holdout's predictions."""
    import numpy as np

    from mlpipes_cli.scoring.predictions import Predictions
    from mlpipes_cli.scoring.thresholds import at

    if settled.scores is None:
        return
    rows = np.flatnonzero(np.isfinite(settled.scores))
    scores, taken = (
        settled.scores[rows],
        (prepared.validation if len(prepared.validation) else prepared.train)[rows],
    )
    labels = at(settled.threshold, scores, prepared.classes)
    target, ids = prepared.y(taken).to_numpy(), prepared.ids(taken).to_numpy()
    table = Predictions(prepared.task, prepared.classes, target, scores, labels, ids).to_frame()
    folder.mkdir(exist_ok=True)
    table.to_parquet(folder / mlflow_tags.OUT_OF_FOLD, index=False)


def _write_tables(folder: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    folder.mkdir(exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, table in tables.items():
            table.to_csv(folder / name, index=False)


def _plain_params(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in params.items()}


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", 0) == 0 else value
