"""MLflow's registry (see :class:`mlpipes_cli.ports.Registry`), over REST."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlpipes_cli import run_schema
from mlpipes_cli.adapters.mlflow_rest import ApiError, MlflowRest
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports import ModelVersion, RegisteredModel, RunRecord

_PAGE = 1000
_CLIENT = {  # as every client of the stack: straight through the server, quick to give up, quiet
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
}
_PROMPT = "mlflow.prompt.is_prompt"  # the registry keeps prompts among the models


class MlflowRegistry:
    """The registry behind one tracking server."""

    def __init__(self, rest: MlflowRest) -> None:
        self._rest = rest

    def experiments(self) -> Sequence[str]:
        found = sorted(self._experiments(), key=lambda item: -int(item.get("last_update_time", 0)))
        return [str(item["name"]) for item in found]

    def _experiments(self) -> list[dict[str, Any]]:
        return list(self._rest.search("experiments/search", "experiments", {"max_results": _PAGE}))

    def runs(self, experiments: Collection[str] | None = None) -> Sequence[RunRecord]:
        names = {
            str(item["experiment_id"]): str(item["name"])
            for item in self._experiments()
            if experiments is None or item["name"] in experiments
        }
        if not names:
            return []
        body = {
            "experiment_ids": list(names),
            "filter": f"tags.`{run_schema.CANDIDATE}` LIKE '%'",
            "order_by": ["attributes.start_time DESC"],
            "max_results": _PAGE,
        }
        found = self._rest.search("runs/search", "runs", body)
        return [_run(item, names[str(item["info"]["experiment_id"])]) for item in found]

    def run(self, run_id: str) -> RunRecord | None:
        try:
            item = self._rest.get("runs/get", run_id=run_id)["run"]
        except ApiError as error:
            if not _is_missing(error):
                raise
            return None
        if item["info"].get("lifecycle_stage", "active") != "active":
            return None
        experiment = self._rest.get("experiments/get", experiment_id=item["info"]["experiment_id"])
        return _run(item, str(experiment["experiment"]["name"]))

    def artifact(self, run_id: str, path: str, target: Path) -> bool:
        return self._rest.download(run_id, path, target)

    def models(self) -> Sequence[RegisteredModel]:
        query = {"max_results": _PAGE}
        items = list(self._rest.search("registered-models/search", "registered_models", query, "GET"))
        versions = self._versions({"max_results": _PAGE * 10})
        models = [_model(item, versions) for item in items]
        return sorted((m for m in models if _PROMPT not in m.tags), key=lambda model: model.name)

    def model(self, name: str) -> RegisteredModel | None:
        try:
            item = self._rest.get("registered-models/get", name=name)["registered_model"]
        except ApiError as error:
            if not _is_missing(error):
                raise
            return None
        return _model(item, self._versions({"filter": f"name = '{name}'", "max_results": _PAGE * 10}))

    def _versions(self, query: Mapping[str, Any]) -> list[dict[str, Any]]:
        return list(self._rest.search("model-versions/search", "model_versions", query, "GET"))

    def native_model(self, model: str, version: int) -> object:
        os.environ.update(_CLIENT, MLFLOW_TRACKING_URI=self._rest.uri)
        import mlflow.sklearn

        logging.getLogger("mlflow").setLevel(logging.ERROR)
        mlflow.set_tracking_uri(self._rest.uri)
        try:
            with tempfile.TemporaryDirectory(prefix="mlpipes-") as folder:
                return mlflow.sklearn.load_model(f"models:/{model}/{version}", dst_path=folder)
        except Exception as error:  # unpickling runs code of any library
            told = " ".join(str(error).split())[:300]
            raise MlpipesError(f"version {version} of {model} cannot be loaded: {told}") from error

    def create_version(
        self, model: str, run: RunRecord, uri: str, *, tags: Mapping[str, str], description: str
    ) -> int:
        try:
            self._rest.send("registered-models/create", {"name": model})
        except ApiError as error:
            if error.code != "RESOURCE_ALREADY_EXISTS":
                raise
        body = {
            "name": model,
            "source": uri,
            "run_id": run.run_id,
            "model_id": uri.removeprefix("models:/"),
            "tags": [{"key": key, "value": value} for key, value in tags.items()],
            "description": description[:5000],
        }
        return int(self._rest.send("model-versions/create", body)["model_version"]["version"])

    def set_alias(self, model: str, alias: str, version: int) -> None:
        body = {"name": model, "alias": alias, "version": str(version)}
        self._rest.send("registered-models/alias", body)

    def set_tag(self, model: str, key: str, value: str) -> None:
        self._rest.send("registered-models/set-tag", {"name": model, "key": key, "value": value})


def _is_missing(error: ApiError) -> bool:
    return error.code in {"RESOURCE_DOES_NOT_EXIST", "HTTP 404"}


def _pairs(items: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    return {str(item["key"]): str(item.get("value", "")) for item in items}


def _run(item: Mapping[str, Any], experiment: str) -> RunRecord:
    info, data = item["info"], item.get("data", {})
    tags = _pairs(data.get("tags", []))
    return RunRecord(
        run_id=str(info["run_id"]),
        experiment=experiment,
        name=tags.get(run_schema.CANDIDATE, str(info.get("run_name", ""))),
        status=str(info["status"]),
        started=int(info.get("start_time", 0)),
        metrics={str(m["key"]): float(m["value"]) for m in data.get("metrics", [])},
        params=_pairs(data.get("params", [])),
        tags=tags,
    )


def _model(item: Mapping[str, Any], versions: Iterable[Mapping[str, Any]]) -> RegisteredModel:
    name = str(item["name"])
    aliases = {str(a["alias"]): int(a["version"]) for a in item.get("aliases", [])}
    own = [_version(v, aliases) for v in versions if v["name"] == name]
    return RegisteredModel(
        name=name,
        aliases=aliases,
        tags=_pairs(item.get("tags", [])),
        versions=sorted(own, key=lambda version: -version.version),
    )


def _version(item: Mapping[str, Any], aliases: Mapping[str, int]) -> ModelVersion:
    number = int(item["version"])
    return ModelVersion(
        model=str(item["name"]),
        version=number,
        run_id=str(item.get("run_id", "")),
        aliases=tuple(sorted(alias for alias, version in aliases.items() if version == number)),
        tags=_pairs(item.get("tags", [])),
        created=int(item.get("creation_timestamp", 0)),
    )
