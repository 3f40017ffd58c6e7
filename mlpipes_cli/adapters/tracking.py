"""MLflow's tracking (see :class:`mlpipes_cli.ports.Tracking`), over REST.

What MLflow's own client does in `log_model` and around it, in a fixed number of requests and
without importing it: a run costs a fraction of a second.
"""

from __future__ import annotations

import getpass
import json
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, TypeVar

from mlpipes_cli import run_schema
from mlpipes_cli.adapters.mlflow_rest import ApiError, MlflowRest
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports import DatasetRecord, RunOutcome

T = TypeVar("T")
PATIENCE = 30.0  # seconds that a server which went away is waited for
_PARAM, _TAG, _DIGEST, _BATCH = 6000, 5000, 36, 100  # MLflow's limits
_PROXIED = "mlflow-artifacts:"
_UPLOADS = 4  # at a time


class MlflowTracking:
    """The tracking of one server.

    Args:
        rest: Its REST interface.
        uri: Its address, for MLflow's own client where artifacts do not go through the server.
        patience: See ``PATIENCE``.
    """

    def __init__(self, rest: MlflowRest, uri: str, patience: float = PATIENCE) -> None:
        self._rest, self._uri, self._patience = rest, uri, patience
        self._experiments: dict[str, str] = {}

    def ping(self) -> None:
        self._rest.send("experiments/search", {"max_results": 1})

    def begin(self, experiment: str, name: str, tags: Mapping[str, str], params: Mapping[str, str]) -> str:
        experiment_id = self._patiently(lambda: self._experiment(experiment))
        body = {
            "experiment_id": experiment_id,
            "run_name": name,
            "start_time": _now(),
            "tags": _pairs({"mlflow.user": _user(), "mlflow.source.type": "LOCAL", **tags}, _TAG),
        }
        created = self._patiently(lambda: self._rest.send("runs/create", body))
        run_id = str(created["run"]["info"]["run_id"])
        self._params(run_id, params)
        return run_id

    def finish(self, run_id: str, outcome: RunOutcome) -> str:
        run = self._patiently(lambda: self._rest.get("runs/get", run_id=run_id))["run"]
        self._params(run_id, outcome.params)
        self._dataset(run_id, outcome.dataset)
        model = self._model(run, outcome)
        metrics = [_metric(key, value, model, outcome.dataset) for key, value in outcome.metrics.items()]
        self._patiently(lambda: self._rest.send("runs/log-batch", {"run_id": run_id, "metrics": metrics}))
        self._upload(outcome.artifacts, str(run["info"]["artifact_uri"]))
        uri = f"models:/{model}"
        self._tags(run_id, {run_schema.MODEL_URI: uri})
        self._status(run_id, "FINISHED")
        return uri

    def give_up(self, run_id: str, status: Literal["FAILED", "KILLED"], error: str, log: Path | None) -> None:
        if log is not None and log.is_file() and log.stat().st_size:
            run = self._patiently(lambda: self._rest.get("runs/get", run_id=run_id))["run"]
            self._put([(log, log.name)], str(run["info"]["artifact_uri"]))
        self._tags(run_id, {run_schema.ERROR: error})
        self._status(run_id, status)

    def _experiment(self, name: str) -> str:
        if name not in self._experiments:
            try:
                found = self._rest.get("experiments/get-by-name", experiment_name=name)["experiment"]
            except ApiError as error:
                if error.code != "RESOURCE_DOES_NOT_EXIST":
                    raise
                self._experiments[name] = str(
                    self._rest.send("experiments/create", {"name": name})["experiment_id"]
                )
            else:
                if found.get("lifecycle_stage") == "deleted":
                    raise MlpipesError(
                        f"the experiment {name!r} was deleted on the tracking server",
                        "restore it there, or give `experiment:` another name",
                    )
                self._experiments[name] = str(found["experiment_id"])
        return self._experiments[name]

    def _params(self, run_id: str, params: Mapping[str, str]) -> None:
        for batch in _batches(_pairs(params, _PARAM), _BATCH):
            body = {"run_id": run_id, "params": batch}
            self._patiently(lambda body=body: self._rest.send("runs/log-batch", body))  # type: ignore[misc]

    def _tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        body = {"run_id": run_id, "tags": _pairs(tags, _TAG)}
        self._patiently(lambda: self._rest.send("runs/log-batch", body))

    def _status(self, run_id: str, status: str) -> None:
        body = {"run_id": run_id, "status": status, "end_time": _now()}
        self._patiently(lambda: self._rest.send("runs/update", body))

    def _dataset(self, run_id: str, dataset: DatasetRecord) -> None:
        described = {
            "name": dataset.name,
            "digest": dataset.digest[:_DIGEST],
            "source_type": "code",
            "source": json.dumps({"tags": {"mlpipes.source": dataset.source}}),
            "schema": json.dumps(
                {
                    "mlflow_colspec": [
                        {"name": n, "type": kind, "required": True} for n, kind in dataset.columns
                    ]
                }
            ),
            "profile": json.dumps(
                {"num_rows": dataset.rows, "num_elements": dataset.rows * len(dataset.columns)}
            ),
        }
        tags = [{"key": "mlflow.data.context", "value": "training"}]
        body = {"run_id": run_id, "datasets": [{"tags": tags, "dataset": described}]}
        self._patiently(lambda: self._rest.send("runs/log-inputs", body))

    def _model(self, run: Mapping[str, Any], outcome: RunOutcome) -> str:
        """Store the model as MLflow's own kind of thing, ready and tied to the run; returns its id."""
        info, tags = run["info"], {item["key"]: item["value"] for item in run["data"].get("tags", [])}
        kept = {key: value for key, value in tags.items() if key.startswith("mlpipes.")}
        body = {
            "experiment_id": info["experiment_id"],
            "name": info["run_name"],
            "source_run_id": info["run_id"],
            "params": run["data"].get("params", []) + _pairs(outcome.params, _PARAM),
            "tags": _pairs(kept, _TAG),
        }
        created = self._patiently(lambda: self._rest.send("logged-models", body))["model"]["info"]
        model, place = str(created["model_id"]), str(created["artifact_uri"])
        _introduce(outcome.model / "MLmodel", model, place, str(info["run_id"]))
        self._upload(outcome.model, place)
        ready = {"model_id": model, "status": "LOGGED_MODEL_READY"}
        self._patiently(lambda: self._rest.send(f"logged-models/{model}", ready, method="PATCH"))
        output = {"run_id": info["run_id"], "models": [{"model_id": model, "step": 0}]}
        self._patiently(lambda: self._rest.send("runs/outputs", output))
        return model

    def _upload(self, folder: Path, place: str) -> None:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        self._put([(path, path.relative_to(folder).as_posix()) for path in files], place)

    def _put(self, files: list[tuple[Path, str]], place: str) -> None:
        if not place.startswith(_PROXIED):
            self._put_directly(files, place)
            return
        root = place.removeprefix(_PROXIED).removeprefix("//").strip("/")

        def put(item: tuple[Path, str]) -> None:
            self._patiently(lambda: self._rest.upload(item[0], f"{root}/{item[1]}"))

        with ThreadPoolExecutor(_UPLOADS) as threads:
            for _ in threads.map(put, files):
                pass

    def _put_directly(self, files: list[tuple[Path, str]], place: str) -> None:
        """To a server that lets its clients write to the artifact store themselves."""
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        store = get_artifact_repository(place, tracking_uri=self._uri)
        for path, name in files:
            store.log_artifact(str(path), str(Path(name).parent) if "/" in name else None)

    def _patiently(self, call: Callable[[], T]) -> T:
        """Try again for a while where the server does not answer; what it refuses, it refuses."""
        deadline = time.monotonic() + self._patience
        pause = 0.2
        while True:
            try:
                return call()
            except ApiError as error:
                if error.code not in {"HTTP 502", "HTTP 503", "HTTP 504", "TEMPORARILY_UNAVAILABLE"}:
                    raise
                last: MlpipesError = error
            except MlpipesError as error:
                last = error
            if time.monotonic() + pause > deadline:
                raise last
            time.sleep(pause)
            pause = min(pause * 1.6, 3.0)


def _introduce(path: Path, model: str, place: str, run_id: str) -> None:
    """Write into a saved model's description what it is called on the server."""
    import yaml

    dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    described = yaml.load(path.read_text(encoding="utf-8"), Loader=loader)  # noqa: S506 (a safe loader)
    described |= {"model_id": model, "model_uuid": model, "artifact_path": place, "run_id": run_id}
    path.write_text(yaml.dump(described, Dumper=dumper, sort_keys=True), encoding="utf-8")


def _metric(key: str, value: float, model: str, dataset: DatasetRecord) -> dict[str, Any]:
    return {
        "key": key,
        "value": value,
        "timestamp": _now(),
        "step": 0,
        "model_id": model,
        "dataset_name": dataset.name,
        "dataset_digest": dataset.digest[:_DIGEST],
    }


def _pairs(items: Mapping[str, str], limit: int) -> list[dict[str, str]]:
    return [{"key": key, "value": str(value)[:limit]} for key, value in items.items()]


def _batches(items: list[dict[str, str]], size: int) -> Iterable[list[dict[str, str]]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _now() -> int:
    return int(time.time() * 1000)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name
        return "unknown"
