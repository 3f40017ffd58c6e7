"""Implements :class:`mlpipes_cli.ports.Tracking` through MLflow's own client.

``log_model`` would save the model again; the worker has saved it already, so its steps are
executed one by one here.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mlpipes_cli import mlflow_tags
from mlpipes_cli.adapters.mlflow.client import BRIEFLY, Connection, MlflowApiError
from mlpipes_cli.background import run_concurrently
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports import ComparisonOutcome, DatasetRecord, MetricStep, RunOutcome, TrialRecord
from mlpipes_cli.signing.keys import Key
from mlpipes_cli.signing.statements import seal

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput, LoggedModel, Metric, Param, Run

_PARAM, _TAG, _DIGEST = 6000, 5000, 36  # characters that MLflow keeps; it refuses longer tags
_BATCH = 1000  # metrics that MLflow accepts in one request
_AT_A_TIME = 8  # trials or files that are sent at the same time


@dataclass(frozen=True)
class _Begun:
    """What is known of a run without another request; ``artifacts`` is the address of the run's files."""

    experiment: str
    id: str
    name: str
    artifacts: str
    tags: Mapping[str, str]
    params: Mapping[str, str]


class MlflowTracking:
    """The tracking API of one server.

    Args:
        connection: The connection, with patient timeouts.
        key: Signs the models.
    """

    def __init__(self, connection: Connection, key: Key) -> None:
        self._connection, self._key = connection, key
        self._experiments: dict[str, str] = {}
        self._begun: dict[str, _Begun] = {}

    def reach(self) -> None:
        self._connection.reach()

    def prepare(self) -> None:
        with self._connection.asked("nothing yet"):
            import mlflow.entities
            import mlflow.models
            import mlflow.store.artifact.artifact_repository_registry  # noqa: F401

    def ping(self, run_id: str | None = None) -> None:
        with self._connection.asked("the experiments", BRIEFLY) as client:
            client.search_experiments(max_results=1)
        if run_id is not None:
            # a refusal is an answer
            with (
                contextlib.suppress(MlflowApiError),
                self._connection.asked("its artifacts", BRIEFLY) as client,
            ):
                client.list_artifacts(run_id)

    def begin(
        self,
        experiment: str,
        name: str,
        tags: Mapping[str, str],
        params: Mapping[str, str],
        parent: str | None = None,
    ) -> str:
        with self._connection.asked(f"the run {name}") as client:
            own = {"mlflow.user": _user(), "mlflow.source.type": "LOCAL"}
            own |= {mlflow_tags.PARENT: parent} if parent else {}
            tags = _cut(own | dict(tags), _TAG)
            run = client.create_run(self.experiment_id(client, experiment), tags=tags, run_name=name)
            client.log_batch(run.info.run_id, params=as_params(params))
            begun = _as_begun(run, _cut(params, _PARAM))
            self._begun[begun.id] = begun
            return begun.id

    def finish(self, run_id: str, outcome: RunOutcome) -> str:
        from mlflow.entities import RunTag

        with self._connection.asked(f"the results of run {run_id}") as client:
            client.log_inputs(run_id, datasets=[_dataset(outcome.dataset)])
            begun = self._known(client, run_id)
            model = self._log_model(client, begun, outcome)
            _log_steps(client, run_id, outcome.steps)
            uri = f"models:/{model}"
            client.log_batch(
                run_id,
                metrics=_metrics(outcome, model),
                params=as_params(outcome.params),
                # MLflow writes a batch's tags last
                tags=[RunTag(mlflow_tags.MODEL_KEY, self._key.id), RunTag(mlflow_tags.MODEL_URI, uri)],
            )
            client.set_terminated(run_id, "FINISHED")
            return uri

    def finish_comparison(self, run_id: str, outcome: ComparisonOutcome) -> None:
        from mlflow.entities import Metric

        with self._connection.asked(f"the results of run {run_id}") as client:
            now = int(time.time() * 1000)
            told = [Metric(k, v, now, 0) for k, v in outcome.metrics.items()]
            client.log_batch(run_id, metrics=told, params=as_params(outcome.params))
            _log_steps(client, run_id, outcome.steps)
            client.log_artifacts(run_id, str(outcome.artifacts))
            client.set_tag(run_id, mlflow_tags.PARTS, json.dumps(list(outcome.parts)))
            client.set_terminated(run_id, "FINISHED")

    def add_trials(self, run_id: str, trials: Sequence[TrialRecord]) -> None:
        with self._connection.asked(f"the trials of run {run_id}") as client:
            parent = client.get_run(run_id)
            run_concurrently([partial(_log_trial, client, parent, trial) for trial in trials], _AT_A_TIME)

    def take(self, run_id: str, tags: Mapping[str, str]) -> None:
        from mlflow.entities import RunTag

        with self._connection.asked(f"the tags of run {run_id}") as client:
            client.log_batch(run_id, tags=[RunTag(*pair) for pair in _cut(tags, _TAG).items()])

    def give_up(self, run_id: str, status: Literal["FAILED", "KILLED"], error: str, log: Path | None) -> None:
        with self._connection.asked(f"the end of run {run_id}") as client:
            if log is not None and log.is_file() and log.stat().st_size:
                client.log_artifact(run_id, str(log))
            client.set_tag(run_id, mlflow_tags.ERROR, error[:_TAG])
            client.set_terminated(run_id, status)

    def _known(self, client: MlflowClient, run_id: str) -> _Begun:
        begun = self._begun.pop(run_id, None)
        return begun or _as_begun(client.get_run(run_id), {})

    def _log_model(self, client: MlflowClient, begun: _Begun, outcome: RunOutcome) -> str:
        """Store a saved model as ``log_model`` does, ready and tied to its run, and the run's other files.

        Returns:
            The model's id.
        """
        from mlflow.entities import LoggedModelOutput, LoggedModelStatus

        made = client.create_logged_model(
            begun.experiment,
            name=begun.name,
            source_run_id=begun.id,
            tags={key: value for key, value in begun.tags.items() if key.startswith("mlpipes.")},
            params={**begun.params, **_cut(outcome.params, _PARAM)},
        )
        introduce(outcome.model, made)
        seal(outcome.model, self._key)
        places = {made.artifact_location: outcome.model, begun.artifacts: outcome.artifacts}
        puts = [put for place, folder in places.items() for put in self.puts_of(folder, place)]
        run_concurrently(puts, _AT_A_TIME)
        client.finalize_logged_model(made.model_id, LoggedModelStatus.READY)
        client.log_outputs(begun.id, [LoggedModelOutput(made.model_id, step=0)])
        return str(made.model_id)

    def puts_of(self, folder: Path, place: str) -> Iterator[Callable[[], None]]:
        """Yield calls that store a folder's files, one each, at a known address of artifacts."""
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        put = get_artifact_repository(place, tracking_uri=self._connection.uri).log_artifact
        for file in folder.rglob("*"):
            if file.is_file():
                below = file.parent.relative_to(folder).as_posix()
                yield partial(put, str(file), None if below == "." else below)

    def experiment_id(self, client: MlflowClient, name: str) -> str:
        """Return the id of an experiment; it is created if there is none.

        Raises:
            MlpipesError: It was deleted.
        """
        if name not in self._experiments:
            found = client.get_experiment_by_name(name)
            if found is not None and found.lifecycle_stage == "deleted":
                raise MlpipesError(
                    f"the experiment {name!r} was deleted on the tracking server",
                    "restore it in MLflow, or give `experiment:` another name",
                )
            self._experiments[name] = found.experiment_id if found else client.create_experiment(name)
        return self._experiments[name]


def _as_begun(run: Run, params: Mapping[str, str]) -> _Begun:
    """Return a run's own params and those that were added since."""
    info, data = run.info, run.data
    return _Begun(
        info.experiment_id,
        info.run_id,
        info.run_name,
        info.artifact_uri,
        data.tags,
        {**data.params, **params},
    )


def _cut(items: Mapping[str, str], limit: int) -> dict[str, str]:
    return {key: str(value)[:limit] for key, value in items.items()}


def as_params(params: Mapping[str, str]) -> list[Param]:
    """Return params for MLflow's client, cut to the length that it keeps."""
    from mlflow.entities import Param

    return [Param(*pair) for pair in _cut(params, _PARAM).items()]


def _log_steps(client: MlflowClient, run_id: str, steps: Sequence[MetricStep]) -> None:
    from mlflow.entities import Metric

    told = [
        Metric(name, value, int(step.time * 1000), step.step)
        for step in steps
        for name, value in step.metrics.items()
    ]
    for start in range(0, len(told), _BATCH):
        client.log_batch(run_id, metrics=told[start : start + _BATCH])


def _log_trial(client: MlflowClient, parent: Run, trial: TrialRecord) -> None:
    """Log a trial in three requests: MLflow takes no params and metrics when a run is made or ended."""
    from mlflow.entities import Metric

    name = f"{parent.info.run_name}-trial-{trial.number}"
    tags = {
        mlflow_tags.PARENT: parent.info.run_id,
        mlflow_tags.TRIAL: str(trial.number),
        "mlflow.user": _user(),
    }
    tags |= {mlflow_tags.ERROR: trial.error} if trial.error else {}
    began, ended = int(trial.started * 1000), int(trial.ended * 1000)
    run = client.create_run(parent.info.experiment_id, began, _cut(tags, _TAG), name)
    steps = [
        Metric(f"fold_{key}", value, int(step.time * 1000), step.step)
        for step in trial.steps
        for key, value in step.metrics.items()
    ]
    client.log_batch(
        run.info.run_id,
        metrics=[*(Metric(key, value, ended, 0) for key, value in trial.metrics.items()), *steps],
        params=as_params(trial.params),
    )
    status = {"finished": "FINISHED", "pruned": "KILLED", "failed": "FAILED"}[trial.status]
    client.set_terminated(run.info.run_id, status, ended)


def introduce(folder: Path, made: LoggedModel) -> None:
    """Write a saved model's id and address on the server into its description."""
    import yaml  # as MLflow's Model would, but with libyaml, which is ten times as fast

    file, loader = folder / "MLmodel", getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    described = yaml.load(file.read_text(encoding="utf-8"), Loader=loader)  # noqa: S506
    described |= {"model_id": made.model_id, "model_uuid": made.model_id}
    described |= {"artifact_path": made.artifact_location, "run_id": made.source_run_id}
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text = yaml.dump(described, Dumper=dumper, default_flow_style=False, allow_unicode=True)
    file.write_text(text, encoding="utf-8")


def _metrics(outcome: RunOutcome, model: str) -> list[Metric]:
    from mlflow.entities import Metric

    now, data = int(time.time() * 1000), outcome.dataset
    return [
        Metric(key, value, now, 0, model, data.name, data.digest[:_DIGEST])
        for key, value in outcome.metrics.items()
    ]


def _dataset(dataset: DatasetRecord) -> DatasetInput:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    columns = [{"name": name, "type": kind, "required": True} for name, kind in dataset.columns]
    profile = {"num_rows": dataset.rows, "num_elements": dataset.rows * len(dataset.columns)}
    described = Dataset(
        name=dataset.name,
        digest=dataset.digest[:_DIGEST],
        source_type="code",
        source=json.dumps({"tags": {"mlpipes.source": dataset.source}}),
        schema=json.dumps({"mlflow_colspec": columns}),
        profile=json.dumps(profile),
    )
    return DatasetInput(described, [InputTag("mlflow.data.context", "training")])


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name
        return "unknown"
