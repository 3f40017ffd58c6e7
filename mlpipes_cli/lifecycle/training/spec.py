"""What makes a candidate the candidate that it is: resolved settings, code, versions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlpipes_cli.config.experiment import ExperimentConfig, PythonRun, SklearnRun
from mlpipes_cli.trainers.sources import Finder, Import
from mlpipes_cli.worker.protocol import pack

_PACKAGES = ("mlpipes", "scikit-learn", "numpy", "scipy", "pandas")


@dataclass(frozen=True)
class Candidate:
    """One run of an experiment.

    Attributes:
        name: Its name in the file.
        spec: The run as the file has it, with its seed.
        hash: Of all that decides what comes out, but the data.
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
        """The estimator or function."""
        return str(self.spec.get("estimator") or self.spec.get("function"))

    def params(self) -> dict[str, str]:
        """As they are logged: one for each param, text as it is, all else as JSON."""
        given = dict(self.spec)
        shown: dict[str, Any] = {"trainer": self.trainer, "seed": given["seed"], "threads": given["threads"]}
        shown["estimator" if "estimator" in given else "function"] = self.path
        shown |= given.get("params", {})
        if given.get("search"):
            shown["search"] = given["search"]
        return {str(name): value if isinstance(value, str) else _json(value) for name, value in shown.items()}


def candidate(
    run: SklearnRun | PythonRun, config: ExperimentConfig, metric: str, folders: Sequence[str]
) -> Candidate:
    """Resolve a run of the file."""
    spec = run.model_dump(mode="python")
    if spec["seed"] is None:
        spec["seed"] = config.data.split.seed
    content = {
        "spec": spec,
        "metric": metric if spec.get("search") else None,
        "preprocess": config.data.preprocess,
        "code": _code(str(spec.get("estimator") or spec.get("function")), folders),
        "versions": _versions(),
    }
    return Candidate(run.name, spec, hashlib.sha256(_json(content).encode()).hexdigest())


def _json(value: Any) -> str:
    return json.dumps(pack(value), sort_keys=True, ensure_ascii=False)


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in _PACKAGES}


def _code(path: str, folders: Sequence[str]) -> dict[str, str]:
    """The hashes of the user's own modules that a path leads to, through their imports too."""
    finder = Finder(folders)
    waiting, seen = [path.replace(":", ".").rpartition(".")[0]], dict[str, str]()
    roots = [Path(folder).resolve() for folder in folders]
    while waiting:
        name = waiting.pop()
        module = finder.module(name) if name else None
        if name in seen or module is None or module.file is None:
            continue
        file = module.file.resolve()
        if "site-packages" in file.parts or not any(file.is_relative_to(root) for root in roots):
            continue
        seen[name] = hashlib.sha256(file.read_bytes()).hexdigest()
        imports = [value for value in module.names.values() if isinstance(value, Import)]
        waiting += [item.module for item in imports] + list(module.stars)
        waiting += [f"{item.module}.{item.name}" for item in imports if item.name]
    return seen


def resolved_yaml(config: ExperimentConfig, only: Candidate, metric: str, task: str, positive: Any) -> str:
    """An experiment file that makes this candidate alone again, every default written out."""
    import yaml

    document: dict[str, Any] = {"experiment": config.experiment, "model": config.model_name}
    data = config.data.model_dump(mode="json", exclude_none=True)
    document["data"] = data | {"task": task} | ({} if positive is None else {"positive": positive})
    document["metric"] = metric
    document["runs"] = [_without_none(only.spec)]
    return str(yaml.safe_dump(_plain(document), sort_keys=False, allow_unicode=True))


def _without_none(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Defaults that are None stand for `not given` at these two levels; inside params null is a value."""
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
