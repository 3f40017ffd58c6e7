"""Implements :class:`mlpipes_cli.ports.Registry` through MLflow's own client."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli import mlflow_tags
from mlpipes_cli.adapters.mlflow.client import Connection, MlflowApiError, every
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.local_files import atomic_files, private_files
from mlpipes_cli.ports import ModelVersion, RegisteredModel, RunRecord

if TYPE_CHECKING:
    from mlflow import MlflowClient

_PAGE = 1000
_PROXIED = "mlflow-artifacts:"
_EVERY_VERSION = 10_000  # results on one page


class MlflowRegistry:
    """The registry of one tracking server."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def experiments(self) -> Sequence[str]:
        with self._connection.asked("the experiments") as client:
            found = list(every(client.search_experiments, max_results=_PAGE))
        return [str(item.name) for item in sorted(found, key=lambda item: -(item.last_update_time or 0))]

    def runs(self, experiments: Collection[str] | None = None) -> Sequence[RunRecord]:
        with self._connection.asked("the runs") as client:
            names = {
                str(item.experiment_id): str(item.name)
                for item in every(client.search_experiments, max_results=_PAGE)
                if experiments is None or item.name in experiments
            }
            if not names:
                return []
            found = every(
                client.search_runs,
                experiment_ids=list(names),
                filter_string=f"tags.`{mlflow_tags.CANDIDATE}` LIKE '%'",
                order_by=["attributes.start_time DESC"],
                max_results=_PAGE,
            )
            runs = [
                _run(item, names[str(item.info.experiment_id)])
                for item in found
                if mlflow_tags.PARTS not in item.data.tags  # represented by its child runs
            ]
            return sorted(runs, key=lambda run: -run.started)

    def run(self, run_id: str) -> RunRecord | None:
        try:
            with self._connection.asked(f"the run {run_id}") as client:
                item = client.get_run(run_id)
                if item.info.lifecycle_stage != "active":
                    return None
                return _run(item, str(client.get_experiment(item.info.experiment_id).name))
        except MlflowApiError as error:
            if not error.missing:
                raise
            return None

    def artifact(self, run_id: str, path: str, target: Path) -> bool:
        with tempfile.TemporaryDirectory(prefix="mlpipes-") as folder:
            found = self._download(run_id, path, folder)
            if found is None:
                return False
            try:
                private_files.folder(target.parent)
                with found.open("rb") as content, atomic_files.replacing(target) as file:
                    shutil.copyfileobj(content, file)
            except OSError as error:
                told = f"the artifact {path} cannot be written to {target}: {error.strerror}"
                raise MlpipesError(told) from None
        return True

    def _download(self, run_id: str, path: str, folder: str) -> Path | None:
        with self._connection.asked(f"the artifact {path} of run {run_id}") as client:
            from mlflow.artifacts import download_artifacts, list_artifacts
            from mlflow.exceptions import MlflowException

            root, uri = client.get_run(run_id).info.artifact_uri, self._connection.uri
            try:
                return Path(download_artifacts(f"{root}/{path}", dst_path=folder, tracking_uri=uri))
            except MlflowException:  # the error does not distinguish a missing file from a failed download
                above = f"{root}/{path}".rpartition("/")[0]
                listed = list_artifacts(above, tracking_uri=uri)
                if any(Path(item.path).name == Path(path).name for item in listed):
                    raise
                return None

    def artifacts(self, run_id: str, folder: str = "") -> Collection[str]:
        with self._connection.asked(f"the artifacts of run {run_id}") as client:
            root = client.get_run(run_id).info.artifact_uri
            return _names(f"{root}/{folder}" if folder else root, self._connection.uri)

    def has_files(self, uri: str) -> bool:
        name, _, version = uri.removeprefix("models:/").partition("/")
        try:
            with self._connection.asked(f"the files of {uri}") as client:
                if version:
                    place = client.get_model_version_download_uri(name, version)
                else:
                    place = client.get_logged_model(name).artifact_location
                return not str(place).startswith(_PROXIED) or "MLmodel" in _names(place, self._connection.uri)
        except MlflowApiError as error:
            if not error.missing:
                raise
            return False

    def models(self) -> Sequence[RegisteredModel]:
        with self._connection.asked("the registered models") as client:
            items = list(every(client.search_registered_models, max_results=_PAGE))
            versions = list(every(client.search_model_versions, max_results=_EVERY_VERSION))
        return sorted((_model(item, versions) for item in items), key=lambda model: model.name)

    def model(self, name: str) -> RegisteredModel | None:
        try:
            with self._connection.asked(f"the model {name}") as client:
                item = client.get_registered_model(name)
                query = {"filter_string": f"name = '{name}'", "max_results": _EVERY_VERSION}
                return _model(item, every(client.search_model_versions, **query))
        except MlflowApiError as error:
            if not error.missing:
                raise
            return None

    def create_version(
        self, model: str, run: RunRecord, uri: str, *, tags: Mapping[str, str], description: str
    ) -> int:
        with self._connection.asked(f"a version of {model}") as client:
            _make_sure_of(client, model)
            made = client.create_model_version(
                model,
                uri,
                run.run_id,
                tags=dict(tags),
                description=description[:5000],
                await_creation_for=0,  # a server with a database returns it at once
                model_id=uri.removeprefix("models:/"),
            )
            return int(made.version)

    def set_alias(self, model: str, alias: str, version: int) -> None:
        with self._connection.asked(f"the alias {alias} of {model}") as client:
            client.set_registered_model_alias(model, alias, str(version))

    def set_version_tag(self, model: str, version: int, key: str, value: str) -> None:
        with self._connection.asked(f"the tag {key} of version {version} of {model}") as client:
            client.set_model_version_tag(model, str(version), key, value)

    def set_tag(self, model: str, key: str, value: str) -> None:
        with self._connection.asked(f"the tag {key} of {model}") as client:
            client.set_registered_model_tag(model, key, value)


def _names(folder: str, tracking_uri: str) -> Collection[str]:
    """Return the names in a folder of artifacts."""
    from mlflow.artifacts import list_artifacts

    return {Path(item.path).name for item in list_artifacts(folder, tracking_uri=tracking_uri)}


def _make_sure_of(client: MlflowClient, model: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(model)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _run(item: Any, experiment: str) -> RunRecord:
    tags = dict(item.data.tags)
    own = item.info.run_name or ""
    return RunRecord(
        run_id=str(item.info.run_id),
        experiment=experiment,
        name=own if mlflow_tags.PARENT in tags else tags.get(mlflow_tags.CANDIDATE, own),
        status=str(item.info.status),
        started=max(int(item.info.start_time or 0), int(tags.get(mlflow_tags.TAKEN, 0))),
        metrics=dict(item.data.metrics),
        params=dict(item.data.params),
        tags=tags,
        trained=int(item.info.start_time or 0),
    )


def _model(item: Any, versions: Iterable[Any]) -> RegisteredModel:
    aliases = {str(alias): int(version) for alias, version in item.aliases.items()}
    own = [_version(version, aliases) for version in versions if version.name == item.name]
    return RegisteredModel(
        name=str(item.name),
        aliases=aliases,
        tags=dict(item.tags),
        versions=sorted(own, key=lambda version: -version.version),
    )


def _version(item: Any, aliases: Mapping[str, int]) -> ModelVersion:
    number = int(item.version)
    return ModelVersion(
        model=str(item.name),
        version=number,
        run_id=str(item.run_id or ""),
        aliases=tuple(sorted(alias for alias, version in aliases.items() if version == number)),
        tags=dict(item.tags),
        created=int(item.creation_timestamp or 0),
    )
