"""What a candidate's process can be asked to do."""

from __future__ import annotations

import time
import traceback
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli.trainers import catalog
from mlpipes_cli.trainers.base import Answers, Fitted, Training
from mlpipes_cli.worker import protocol

if TYPE_CHECKING:
    from mlpipes_cli.data.prepare import Prepared

Tell = Callable[[str], None]


def check(content: Mapping[str, Any], folder: Path, tell: Tell) -> dict[str, Any]:
    """Hold runs against what they name, by importing it: ``problems`` are [run, place, text]."""
    tell("check")
    problems: list[list[Any]] = []
    for index, spec in content["runs"]:
        try:
            found = catalog.make(spec["trainer"]).check(spec)
        except Exception as error:  # noqa: BLE001 (importing the user's code may raise anything)
            traceback.print_exc()
            text = next((part for part in str(error).splitlines() if part.strip()), "")
            found = [((), f"cannot be imported: {type(error).__name__}: {text}")]
        problems += [[index, list(place), text] for place, text in found]
    return {"status": "ok", "problems": problems}


def train(content: Mapping[str, Any], folder: Path, tell: Tell) -> dict[str, Any]:
    """Fit one candidate, answer the holdout, explain and save the model."""
    from mlpipes_cli.data.store import open_store
    from mlpipes_cli.worker import importance, saving

    out = folder / protocol.OUT
    out.mkdir(exist_ok=True)
    tell("read")
    prepared = open_store(Path(content["data"]))
    training = _training(content, prepared)
    trainer = catalog.make(content["spec"]["trainer"])
    tell("fit")
    started = time.monotonic()
    fitted = trainer.fit(training)
    seconds = time.monotonic() - started
    tell("score")
    held = prepared.X(prepared.holdout).reset_index(drop=True)
    answers = trainer.answer(fitted, held, prepared.task, prepared.classes)
    _write_answers(out / protocol.ANSWERS, answers, prepared.classes)
    _write_tables(out / protocol.TABLES, fitted)
    tell("explain")
    importances = importance.importances(trainer, fitted, training)
    if importances is not None:
        importances.to_csv(out / protocol.IMPORTANCE, index=False)
    tell("save")
    saved = saving.save(fitted, training, prepared, out / protocol.MODEL, content)
    params = {name: _plain(value) for name, value in fitted.params.items()}
    return {"status": "ok", "seconds": seconds, "params": params, **saved}


DO = {"check": check, "train": train}


def _training(content: Mapping[str, Any], prepared: Prepared) -> Training:
    order_by = content.get("order_by")
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
        order_by=order_by if order_by in prepared.feature_names else None,
    )


def _write_answers(path: Path, answers: Answers, classes: tuple[Any, ...]) -> None:
    import pandas as pd

    columns: dict[str, Any] = {"prediction": answers.prediction}
    if answers.scores is not None:
        scores = answers.scores.reshape(len(answers.prediction), -1)
        columns |= {f"score_{column}": scores[:, column] for column in range(scores.shape[1])}
    pd.DataFrame(columns).to_parquet(path, index=False)


def _write_tables(folder: Path, fitted: Fitted) -> None:
    folder.mkdir(exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, table in fitted.tables.items():
            table.to_csv(folder / name, index=False)


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", 0) == 0 else value
