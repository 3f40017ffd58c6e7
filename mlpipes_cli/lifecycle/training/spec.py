"""The identity of a candidate: resolved settings, code and versions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from mlpipes_cli import trainer_registry
from mlpipes_cli.config.base import Strict
from mlpipes_cli.config.experiment import ExperimentConfig
from mlpipes_cli.config.runs import Run
from mlpipes_cli.config.yaml_source import dump_yaml
from mlpipes_cli.lifecycle.training import environments
from mlpipes_cli.lifecycle.training.recording.source_code import ALWAYS, code_of, distributions_of
from mlpipes_cli.ports.environments import BuiltEnvironment
from mlpipes_cli.sizes import size
from mlpipes_cli.worker.protocol import pack
from mlpipes_cli.worker.resource_allocator import ResourceRequest

_PATHS = ("estimator", "function", "module")  # keys of a run that may refer to the user's code


@dataclass(frozen=True)
class Candidate:
    """One run of an experiment.

    Attributes:
        name: Its name in the file.
        spec: The run as the file has it, with its seed.
        hash: The hash of everything that decides the result, except the data.
    """

    name: str
    spec: dict[str, Any]
    hash: str

    @property
    def trainer(self) -> str:
        """The trainer's name."""
        return str(self.spec["trainer"])

    @property
    def path(self) -> str:
        """What is trained, for messages: the estimator, the function, or the trainer's own term."""
        return next((str(self.spec[key]) for key in _PATHS if self.spec.get(key)), self.trainer)

    def wants(self) -> ResourceRequest:
        """Return the resources that it may use of the machine, or requests of a cluster."""
        given = self.spec["resources"] or {}
        memory = given.get("memory")
        return ResourceRequest(
            given.get("cpu"), given.get("gpu") or 0.0, None if memory is None else size(memory)
        )

    def params(self) -> dict[str, str]:
        """Return the params as they are logged: text unchanged, everything else as JSON."""
        given = dict(self.spec)
        aside = ("name", "params", "resources")
        shown = {name: value for name, value in given.items() if value is not None and name not in aside}
        shown |= given["params"]
        return {str(name): value if isinstance(value, str) else _json(value) for name, value in shown.items()}


def candidate(
    run: Run,
    config: ExperimentConfig,
    metric: str,
    folders: Sequence[str],
    reading: Mapping[str, Any] | None = None,
) -> Candidate:
    """Resolve a run of the file.

    Args:
        run: The run.
        config: The experiment file's content.
        metric: The metric that decides.
        folders: Folders that are searched for the user's modules.
        reading: How the data is written, which is stored with the model, if it is not the usual form.
    """
    spec = resolved(run, config)
    if spec["seed"] is None:
        spec["seed"] = config.data.split.seed
    if spec["threads"] is None:
        spec["threads"] = (spec["resources"] or {}).get("cpu") or 1
    in_folds = bool(spec.get("search") or spec.get("cross_validate"))
    in_folds = in_folds or isinstance(spec.get("threshold"), (str, dict))
    code = code_of(spec, folders)
    content: dict[str, Any] = {
        "spec": {name: value for name, value in spec.items() if name != "resources"},
        "metric": metric if spec.get("search") else None,
        "preprocess": config.data.preprocess,
        "order_by": config.data.split.by if in_folds else None,
        "code": code.own,
        "mlpipes": version("mlpipes"),
    }
    if config.data.texts:
        content["texts"] = sorted(config.data.texts)
    if reading:
        content["reading"] = dict(reading)
    environment = environments.of_run(run)
    content["versions"] = (
        {**_versions(spec), **code.packages} if environment is None else environments.digest(environment)
    )
    return Candidate(run.name, spec, hashlib.sha256(_json(content).encode()).hexdigest())


def resolved(run: Run, config: ExperimentConfig) -> dict[str, Any]:
    """Return a run as in the file; some keys are present only if the run or the file has them."""
    spec = run.model_dump(mode="python", exclude={"threshold", "cross_validate"})
    if (folds := config.folds_of(run)) is not None:
        spec["cross_validate"] = folds
    threshold = config.threshold_of(run)
    if threshold is not None:
        spec["threshold"] = threshold.model_dump() if isinstance(threshold, Strict) else threshold
    return spec


def _json(value: Any) -> str:
    return json.dumps(pack(value), sort_keys=True, ensure_ascii=False)


def _versions(spec: Mapping[str, Any]) -> dict[str, str]:
    """Return the versions of the packages of every run in our own environment, and of its trainer's."""
    found = trainer_registry.find(spec["trainer"])
    module = "" if found is None else found.definition.trainer
    names = [*ALWAYS, *(["optuna"] if _is_guided(spec) else [])]
    names += distributions_of(module.partition(":")[0].partition(".")[0])
    return {name: version(name) for name in names}


def _is_guided(spec: Mapping[str, Any]) -> bool:
    return bool(spec.get("search")) and spec["search"]["method"] == "optuna"


def resolved_yaml(
    config: ExperimentConfig,
    only: Candidate,
    metric: str,
    task: str,
    positive: Any,
    environment: BuiltEnvironment | None = None,
) -> str:
    """Return an experiment file that makes this candidate alone, with every default and version."""
    document: dict[str, Any] = {"experiment": config.experiment, "model": config.model_name}
    aside = None if config.data.dataset is None else {"split"}  # the version has its own
    data = config.data.model_dump(mode="json", exclude_none=True, exclude=aside)
    document["data"] = data | {"task": task} | ({} if positive is None else {"positive": positive})
    document["metric"] = metric
    spec = _without_none(only.spec)
    if environment is not None:
        spec["environment"] = {"python": environment.version, "requirements": environment.pins}
    document["runs"] = [spec]
    return dump_yaml(_plain(document))


def _without_none(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Drop defaults of None, which mean `not given` at these two levels; inside params null is a value."""
    kept = {name: value for name, value in spec.items() if value is not None}
    if "search" in kept:
        kept["search"] = {name: value for name, value in kept["search"].items() if value is not None}
    return kept


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
