"""Runs on a real server, of real models, made with the experiment's own data and metrics."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import signing_help
import yaml

from mlpipes_cli import mlflow_tags
from mlpipes_cli.adapters.mlflow.client import Connection
from mlpipes_cli.adapters.mlflow.model_source import RestModelSource
from mlpipes_cli.adapters.mlflow.registry import MlflowRegistry
from mlpipes_cli.config.experiment import load_experiment
from mlpipes_cli.data import prepare as preparing
from mlpipes_cli.data import prepared_cache, rows
from mlpipes_cli.data.origins import sources
from mlpipes_cli.scoring.metrics import evaluate
from mlpipes_cli.scoring.predictions import Predictions
from mlpipes_cli.signing.vault import Vault
from mlpipes_cli.trainers.model_answers import answers


@dataclass
class Lab:
    """Makes runs as training does, in a project with a running stack.

    Each lab has an experiment and a model of its own, so that tests share one server.
    """

    root: Path
    tracking_uri: str
    experiment: str
    config: dict[str, Any] = field(default_factory=dict)

    @property
    def registry(self) -> MlflowRegistry:
        return MlflowRegistry(Connection(self.tracking_uri))

    @property
    def vault(self) -> Vault:
        return Vault(RestModelSource(self.tracking_uri, {}), signing_help.KEY)

    def data(
        self, frame: pd.DataFrame, *, seed: int = 42, cached: bool = True, **data: Any
    ) -> preparing.Prepared:
        """Write a source and an experiment file, and prepare them."""
        source = self.root / f"{self.experiment}.csv"
        frame.to_csv(source, index=False)
        roles = {"source": str(source), "target": "label", "id": "row", "split": {"test": 0.5, "seed": seed}}
        self.config = {
            "experiment": self.experiment,
            "data": roles | data,
            "runs": [
                {"name": "r", "trainer": "sklearn", "estimator": "sklearn.linear_model.LogisticRegression"}
            ],
        }
        path = self.root / f"{self.experiment}.yaml"
        path.write_text(yaml.safe_dump(self.config))
        config, text = load_experiment(path)
        read = sources.load(config.data, self.root, text, database_url=None, environ=os.environ)
        prepared = preparing.prepare(read, config.data, text)
        if cached:
            prepared_cache.save(prepared, self.root / ".mlpipes" / "cache" / "data" / prepared.fingerprint)
        return prepared

    def train(
        self,
        name: str,
        model: Any,
        prepared: preparing.Prepared,
        *,
        tags: Mapping[str, str] | None = None,
        signed: bool = True,
    ) -> str:
        """Fit, score on the holdout and log everything; returns the run's id."""
        import mlflow
        import mlflow.sklearn

        held = prepared.holdout
        model.fit(prepared.X(prepared.train), prepared.y(prepared.train))
        said = answers(model, prepared.X(held), prepared.task, prepared.classes)
        target, ids = prepared.y(held).to_numpy(), prepared.ids(held).to_numpy()
        predictions = Predictions(prepared.task, prepared.classes, target, said.scores, said.prediction, ids)
        mlflow.set_tracking_uri(self.tracking_uri)
        mlflow.set_experiment(self.experiment)
        with mlflow.start_run(run_name=name) as run:
            mlflow.log_metrics(evaluate(predictions))
            self._log_files(prepared, predictions)
            info = mlflow.sklearn.log_model(
                model, name="model", serialization_format="cloudpickle", pip_requirements=["scikit-learn"]
            )
            if signed:
                signing_help.seal_logged(info.model_id)
            known = {
                mlflow_tags.CANDIDATE: name,
                mlflow_tags.MODEL_NAME: self.experiment,
                mlflow_tags.TASK: prepared.task,
                mlflow_tags.DATA_FINGERPRINT: prepared.fingerprint,
                mlflow_tags.HOLDOUT_FINGERPRINT: prepared.holdout_fingerprint,
                mlflow_tags.MODEL_URI: info.model_uri,
            }
            mlflow.set_tags(known | dict(tags or {}))
        return str(run.info.run_id)

    def _log_files(self, prepared: preparing.Prepared, predictions: Predictions) -> None:
        import mlflow

        folder = self.root / "outbox"
        folder.mkdir(exist_ok=True)
        predictions.to_frame().to_parquet(folder / mlflow_tags.HOLDOUT_PREDICTIONS, index=False)
        hashes = rows.hash_rows(prepared.frame.iloc[prepared.train], prepared.hashed_columns)
        rows.write_hashes(folder / mlflow_tags.TRAINING_ROWS, hashes, prepared.hashed_columns)
        (folder / mlflow_tags.RESOLVED_EXPERIMENT).write_text(yaml.safe_dump(self.config))
        about = {"task": prepared.task, "classes": list(prepared.classes), "positive": prepared.positive}
        (folder / mlflow_tags.CLASSES).write_text(json.dumps(about))
        mlflow.log_artifacts(str(folder))

    def holder(self, alias: str = "production") -> int | None:
        model = self.registry.model(self.experiment)
        return model.aliases.get(alias) if model else None


_numbers = iter(range(1, 1000))


@pytest.fixture
def lab(running_stack: Any) -> Iterator[Lab]:
    uri = running_stack.environment["MLFLOW_TRACKING_URI"]
    yield Lab(running_stack.root, uri, f"lab-{next(_numbers)}-{time.time_ns()}")
    (running_stack.root / "mlpipes.yaml").write_text("project: tests\nruntime: embedded\n")
