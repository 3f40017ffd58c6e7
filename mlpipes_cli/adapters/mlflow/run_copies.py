"""Implements :class:`mlpipes_cli.ports.delivery.run_copies.RunCopies` through MLflow's own client."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli import mlflow_tags
from mlpipes_cli.adapters.mlflow.client import PATIENTLY, Connection, every
from mlpipes_cli.adapters.mlflow.tracking import MlflowTracking, as_params, introduce
from mlpipes_cli.background import run_concurrently
from mlpipes_cli.signing.keys import Key
from mlpipes_cli.signing.statements import seal

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput, Metric, Run

_METRICS, _OTHERS = 1000, 100  # metrics, params and tags that MLflow accepts in one request
_AT_A_TIME = 8  # files that are sent at the same time


@dataclass(frozen=True)
class _Contents:
    """A run as the other server has it."""

    run: Run
    experiment: str
    metrics: Sequence[Metric]
    inputs: Sequence[DatasetInput]
    artifacts: Path


class MlflowRunCopies:
    """Copies from one server to another.

    Args:
        source: The server that has the runs.
        target: The server that gets the copies.
        key: Signs the copied models.
    """

    def __init__(self, source: Connection, target: Connection, key: Key) -> None:
        self._source, self._target, self._key = source, target, key
        self._tracking = MlflowTracking(target, key)

    def find(self, run_id: str) -> str | None:
        with self._target.asked(f"the copies of run {run_id}", PATIENTLY) as client:
            return next((str(run.info.run_id) for run in _copies(client, run_id) if _complete(run)), None)

    def copy(self, run_id: str, model: Path, tags: Mapping[str, str], files: Mapping[str, str]) -> str:
        with tempfile.TemporaryDirectory(prefix="mlpipes-copy-") as place:
            there = self._read(run_id, Path(place))
            for name, text in files.items():
                (there.artifacts / name).write_text(text, encoding="utf-8")
            with self._target.asked(f"the copy of run {run_id}", PATIENTLY) as client:
                _discard(client, run_id)
                return self._write(client, there, model, tags)

    def _read(self, run_id: str, folder: Path) -> _Contents:
        with self._source.asked(f"the run {run_id}", PATIENTLY) as client:
            from mlflow.artifacts import download_artifacts

            uri = self._source.uri
            run = client.get_run(run_id)
            experiment = str(client.get_experiment(run.info.experiment_id).name)
            metrics = [one for name in run.data.metrics for one in client.get_metric_history(run_id, name)]
            files = Path(download_artifacts(run.info.artifact_uri, dst_path=str(folder), tracking_uri=uri))
            return _Contents(run, experiment, metrics, list(run.inputs.dataset_inputs), files)

    def _write(self, client: MlflowClient, there: _Contents, model: Path, tags: Mapping[str, str]) -> str:
        from mlflow.entities import LoggedModelOutput, LoggedModelStatus, RunTag

        info, data = there.run.info, there.run.data
        experiment = self._tracking.experiment_id(client, there.experiment)
        origin = {mlflow_tags.ORIGIN_RUN: info.run_id}  # by which the next call finds what this one leaves
        begun = client.create_run(experiment, info.start_time, origin, info.run_name).info
        for part in _parts(as_params(data.params), _OTHERS):
            client.log_batch(begun.run_id, params=part)
        made = client.create_logged_model(
            experiment, name=info.run_name, source_run_id=begun.run_id, tags=dict(tags), params=data.params
        )
        introduce(model, made)
        seal(model, self._key)
        places = {made.artifact_location: model, begun.artifact_uri: there.artifacts}
        puts: list[Callable[[], None]] = [
            put for place, files in places.items() for put in self._tracking.puts_of(files, place)
        ]
        run_concurrently(puts, _AT_A_TIME)
        client.finalize_logged_model(made.model_id, LoggedModelStatus.READY)
        client.log_outputs(begun.run_id, [LoggedModelOutput(made.model_id, step=0)])
        if there.inputs:
            client.log_inputs(begun.run_id, datasets=list(there.inputs))
        own = partial(_as_own, model=str(made.model_id))
        for part in _parts([own(one) for one in there.metrics], _METRICS):
            client.log_batch(begun.run_id, metrics=part)
        client.set_terminated(begun.run_id, "FINISHED", info.end_time)
        whole = {**tags, mlflow_tags.MODEL_KEY: self._key.id}
        whole[mlflow_tags.MODEL_URI] = f"models:/{made.model_id}"
        # One request, the last one: before it, nothing takes the run for a candidate.
        client.log_batch(begun.run_id, tags=[RunTag(*pair) for pair in whole.items()])
        return str(begun.run_id)


def _as_own(metric: Metric, model: str) -> Metric:
    """Return a metric of the copy; one that belonged to the run's model belongs to the copied model."""
    from mlflow.entities import Metric

    return Metric(
        metric.key,
        metric.value,
        metric.timestamp,
        metric.step,
        model if metric.model_id else None,
        metric.dataset_name,
        metric.dataset_digest,
    )


def _complete(run: Run) -> bool:
    return run.info.status == "FINISHED" and mlflow_tags.MODEL_URI in run.data.tags


def _copies(client: MlflowClient, run_id: str) -> list[Run]:
    experiments = [str(one.experiment_id) for one in every(client.search_experiments, max_results=1000)]
    if not experiments:
        return []
    query = f"tags.`{mlflow_tags.ORIGIN_RUN}` = '{run_id}'"
    return list(every(client.search_runs, experiment_ids=experiments, filter_string=query))


def _discard(client: MlflowClient, run_id: str) -> None:
    """Remove what interrupted copies left."""
    for run in _copies(client, run_id):
        if not _complete(run):
            mine = f"source_run_id = '{run.info.run_id}'"
            experiment = [run.info.experiment_id]
            for model in every(client.search_logged_models, experiment_ids=experiment, filter_string=mine):
                client.delete_logged_model(model.model_id)
            client.delete_run(run.info.run_id)


def _parts(items: Sequence[Any], size: int) -> list[Any]:
    return [items[start : start + size] for start in range(0, len(items), size)]
