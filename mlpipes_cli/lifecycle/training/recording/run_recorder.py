"""Builds the content of a run from the files of a candidate's process.

The metrics are computed here, by one implementation for all candidates; a trainer only provides
its model's predictions.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli import mlflow_tags
from mlpipes_cli.config.source import FunctionSource, QuerySource
from mlpipes_cli.lifecycle.training.plan import TrainingPlan
from mlpipes_cli.lifecycle.training.spec import Candidate, resolved_yaml
from mlpipes_cli.ports import ComparisonOutcome, DatasetRecord, MetricStep, RunOutcome, TrialRecord
from mlpipes_cli.ports.environments import BuiltEnvironment
from mlpipes_cli.worker import protocol, step_log
from mlpipes_cli.worker import trial_log as tried

if TYPE_CHECKING:
    from mlpipes_cli.data.prepared import Prepared
    from mlpipes_cli.scoring.predictions import Predictions


class RunRecorder:
    """Builds run outcomes from results, for one plan.

    Args:
        plan: The training plan.
        folder: Holds files that all candidates share, which are made once.
        project: The project's folder, to which the experiment file's path is relative.
        built: The environments that are not our own, by candidate; filled while others are built.
    """

    def __init__(
        self, plan: TrainingPlan, folder: Path, project: Path, built: Mapping[str, BuiltEnvironment]
    ) -> None:
        self._plan, self._project = plan, project
        self._rows = folder / mlflow_tags.TRAINING_ROWS
        self._built = built

    def tags(self, candidate: Candidate, session: str, commit: str | None) -> dict[str, str]:
        """Return the tags of a run that starts."""
        prepared = self._plan.prepared
        tags = {
            mlflow_tags.CANDIDATE: candidate.name,
            mlflow_tags.SESSION: session,
            mlflow_tags.MODEL_NAME: self._plan.experiment.config.model_name,
            mlflow_tags.TASK: prepared.task,
            mlflow_tags.METRIC: self._plan.metric,
            mlflow_tags.DATA_FINGERPRINT: prepared.fingerprint,
            mlflow_tags.HOLDOUT_FINGERPRINT: prepared.holdout_fingerprint,
            mlflow_tags.READING: json.dumps(self._plan.reading, ensure_ascii=False),
            mlflow_tags.TELLING_ROWS: str(prepared.telling_rows),
            mlflow_tags.SPEC_HASH: candidate.hash,
            mlflow_tags.TRAINER: candidate.trainer,
            mlflow_tags.EXPERIMENT_FILE: os.path.relpath(self._plan.experiment.file, self._project),
            "mlflow.source.name": self._plan.experiment.file.name,
        }
        tags |= self._plan.tags
        if (dataset := self._plan.experiment.config.data.dataset) is not None:
            tags[mlflow_tags.DATASET] = str(dataset)
        if environment := self._built.get(candidate.name):
            tags[mlflow_tags.ENVIRONMENT] = environment.hash
        if commit:
            tags |= {
                mlflow_tags.GIT_COMMIT: commit,
                "mlflow.source.git.commit": commit.removesuffix("-dirty"),
            }
        return tags

    def outcome(
        self, candidate: Candidate, job: Path, result: Mapping[str, Any], model: Mapping[str, Any]
    ) -> tuple[RunOutcome, dict[str, float], dict[str, tuple[float, float] | None]]:
        """Score a model of a candidate and gather its files; also return the metrics and their intervals.

        Raises:
            MlpipesError: Its predictions cannot be scored.
        """
        from mlpipes_cli.scoring.bootstrap import intervals
        from mlpipes_cli.scoring.design import Design
        from mlpipes_cli.scoring.metrics import evaluate

        output = job / protocol.OUT / model["folder"]
        artifacts = _empty(output / "artifacts")
        predictions = _predictions(self._plan.prepared, output / protocol.ANSWERS)
        split = self._plan.experiment.config.data.split
        design = Design(stratified=split.by is None and split.stratify)
        metrics, sure = evaluate(predictions), intervals(predictions, design=design)
        predictions.to_frame().to_parquet(artifacts / mlflow_tags.HOLDOUT_PREDICTIONS, index=False)
        self._shared(artifacts)
        self._texts(candidate, artifacts, sure, model)
        _copies(job, output, artifacts)
        title = f"{candidate.name}-{model['name']}" if model["name"] else candidate.name
        _plots(predictions, title, artifacts)
        logged = dict(metrics) | {mlflow_tags.FIT_SECONDS: float(result["seconds"])}
        if model["threshold"] is not None:
            logged[mlflow_tags.THRESHOLD] = float(model["threshold"])
        logged |= {mlflow_tags.cross_validated(name): value for name, value in model["folds"].items()}
        given = {name: pair for name, pair in sure.items() if pair is not None}
        logged |= {mlflow_tags.lower(name): low for name, (low, _) in given.items()}
        logged |= {mlflow_tags.upper(name): high for name, (_, high) in given.items()}
        steps = [] if result["several"] else read_steps(job / protocol.OUT / protocol.HISTORY)
        outcome = RunOutcome(
            logged, _shown(model["params"]), artifacts, output / protocol.MODEL, _dataset(self._plan), steps
        )
        return outcome, metrics, sure

    def comparison(self, job: Path, result: Mapping[str, Any], parts: Sequence[str]) -> ComparisonOutcome:
        """Return the content of the run above several models."""
        artifacts = _empty(job / "artifacts")
        _copies(job, job / protocol.OUT, artifacts)
        metrics = {mlflow_tags.FIT_SECONDS: float(result["seconds"])}
        steps = read_steps(job / protocol.OUT / protocol.HISTORY)
        return ComparisonOutcome(metrics, _shown(result["params"]), artifacts, parts, steps)

    def _shared(self, artifacts: Path) -> None:
        """Write the hashes of the rows that candidates see before the holdout; all candidates share them."""
        from mlpipes_cli.data.rows import hash_rows, write_hashes

        prepared = self._plan.prepared
        if not self._rows.exists():
            columns = prepared.hashed_columns
            seen = prepared.frame.iloc[prepared.seen]
            ids = None if prepared.id_name is None else seen[prepared.id_name]
            write_hashes(self._rows, hash_rows(seen, columns), columns, ids)
        os.link(self._rows, artifacts / mlflow_tags.TRAINING_ROWS)

    def _texts(
        self,
        candidate: Candidate,
        artifacts: Path,
        sure: Mapping[str, tuple[float, float] | None],
        model: Mapping[str, Any],
    ) -> None:
        prepared, config = self._plan.prepared, self._plan.experiment.config
        metric, built = self._plan.metric, self._built.get(candidate.name)
        resolved = resolved_yaml(config, candidate, metric, prepared.task, prepared.positive, built)
        classes = {"task": prepared.task, "classes": prepared.classes, "positive": prepared.positive}
        texts = {
            mlflow_tags.RESOLVED_EXPERIMENT: resolved,
            mlflow_tags.REQUIREMENTS: "\n".join(model["requirements"]) + "\n",
            mlflow_tags.CLASSES: json.dumps(classes, ensure_ascii=False, indent=2),
            mlflow_tags.INTERVALS: json.dumps(
                {"level": 0.95, "intervals": {name: pair and list(pair) for name, pair in sure.items()}},
                indent=2,
            ),
        }
        for name, text in texts.items():
            (artifacts / name).write_text(text, encoding="utf-8")


def _predictions(prepared: Prepared, answers: Path) -> Predictions:
    import pandas as pd

    from mlpipes_cli.scoring.predictions import Predictions

    frame = pd.read_parquet(answers)
    columns = [name for name in frame if name != "prediction"]
    scores = frame[columns].to_numpy(dtype="float64") if columns else None
    if scores is not None and prepared.task == "binary":
        scores = scores[:, 0]
    return Predictions(
        prepared.task,
        prepared.classes,
        prepared.y(prepared.holdout).to_numpy(),
        scores,
        frame["prediction"].to_numpy(),
        prepared.ids(prepared.holdout).to_numpy(),
    )


def _empty(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def _shown(params: Mapping[str, Any]) -> dict[str, str]:
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in params.items()}


def _copies(job: Path, output: Path, artifacts: Path) -> None:
    """Copy the files that the candidate's process wrote for people."""
    files = {
        mlflow_tags.FEATURE_IMPORTANCE: output / protocol.IMPORTANCE,
        mlflow_tags.LOG: job / protocol.LOG,
    }
    files |= {path.name: path for path in (output / protocol.TABLES).glob("*")}
    for name, path in files.items():
        if path.is_file() and path.stat().st_size:
            shutil.copyfile(path, artifacts / name)
    kept = output / protocol.FILES
    if kept.is_dir():
        shutil.copytree(kept, artifacts, dirs_exist_ok=True)


def _plots(predictions: Predictions, title: str, artifacts: Path) -> None:
    import pandas as pd

    from mlpipes_cli.scoring import plots

    folder = artifacts / mlflow_tags.PLOTS
    folder.mkdir(exist_ok=True)  # a trainer may have plots of its own
    for name, picture in plots.draw(predictions, title).items():
        (folder / name).write_bytes(picture)
    table = artifacts / mlflow_tags.FEATURE_IMPORTANCE
    if table.is_file():
        read = pd.read_csv(table, keep_default_na=False, dtype={"feature": str})
        sizes = read["importance"].astype(float).tolist()
        picture = plots.draw_importance(read["feature"].tolist(), sizes, title)
        (folder / "feature_importance.png").write_bytes(picture)


def read_steps(path: Path) -> list[MetricStep]:
    """Return the steps of a fit that were reported so far."""
    return [MetricStep(entry["step"], entry["time"], entry["metrics"]) for entry in step_log.read(path)]


def read_trials(path: Path) -> list[TrialRecord]:
    """Return the trials of a search that were reported so far."""
    return [
        TrialRecord(
            entry["number"],
            entry["status"],
            entry["started"],
            entry["ended"],
            _shown(entry["params"]),
            entry["metrics"],
            [MetricStep(step["step"], step["time"], step["metrics"]) for step in entry["steps"]],
            entry["error"],
        )
        for entry in tried.read(path)
    ]


def _dataset(plan: TrainingPlan) -> DatasetRecord:
    prepared, data = plan.prepared, plan.experiment.config.data
    source = data.source
    if isinstance(source, QuerySource):
        source = f"{'postgres' if source.url is None else 'query'}:{source.table or source.query}"
    elif isinstance(source, FunctionSource):
        source = f"function:{source.function}"
    elif not isinstance(source, str):
        source = ", ".join(source)
    columns = [(name, _column_type(prepared, name)) for name in prepared.hashed_columns]
    name = plan.experiment.config.experiment if data.dataset is None else str(data.dataset)
    return DatasetRecord(name, prepared.fingerprint, str(source), columns, len(prepared.frame))


def _column_type(prepared: Prepared, name: str) -> str:
    """Return a column's type in MLflow's terms."""
    if name in prepared.images:
        return "binary"
    if name in prepared.booleans:
        return "boolean"
    types = {"f": "double", "i": "long", "b": "boolean", "M": "datetime"}
    return types.get(getattr(prepared.frame[name].dtype, "kind", "O"), "string")
