"""The values of a project's resources: the chart's ``values.yaml``, and what plain manifests hold."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

from mlpipes_cli.errors import UsageError
from mlpipes_cli.sizes import size

if TYPE_CHECKING:
    from mlpipes_cli.config.kubernetes.section import Jobs
    from mlpipes_cli.project import ProjectFolder

SPOOL_ROOM = 2**30  # bytes beside the spool on the API's disk
DATABASE_URL, MODEL_KEY, TRACKING = "MLPIPES_DATABASE_URL", "MLPIPES_MODEL_KEY", "MLFLOW_TRACKING_URI"
METRICS_KEY = "MLPIPES_METRICS_KEY"
OPTIONAL = (
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
)


class Values(Protocol):
    """How a description reads values: as they are, or as expressions of a template."""

    @property
    def name(self) -> str:
        """The beginning of all resources' names."""

    def get(self, path: str) -> Any:
        """Return the value at a path such as ``replicas.min``."""

    def quoted(self, path: str) -> str:
        """Return the texts of a list as JSON, each after a comma."""


@dataclass(frozen=True)
class PlainValues:
    """Values as they are.

    Attributes:
        name: The beginning of all resources' names.
        tree: The values.
    """

    name: str
    tree: dict[str, Any]

    def get(self, path: str) -> Any:
        found: Any = self.tree
        for key in path.split("."):
            found = found[key]
        return found

    def quoted(self, path: str) -> str:
        return "".join(f", {json.dumps(text)}" for text in self.get(path))


@dataclass(frozen=True)
class ClusterSettings:
    """What does not change between two installations of one export.

    Attributes:
        name: The project's name as Kubernetes allows it.
        namespaces: The namespaces of staging and production.
        workers: The API's worker processes.
        spool_bytes: The size of the spool on disk; 0 without one.
        image: The API's image.
        secret_keys: Keys of the Secret that jobs need beside those that all need.
    """

    name: str
    namespaces: tuple[str, str]
    workers: int
    spool_bytes: int
    image: str
    secret_keys: tuple[str, ...] = ()
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def has_jobs(self) -> bool:
        """Whether there are jobs that call mlpipes."""
        return "jobs" in self.values


def of_project(project: ProjectFolder, image: str | None = None) -> ClusterSettings:
    """Return the settings and values of a project.

    Args:
        project: The project.
        image: The API's image in place of that in mlpipes.yaml.

    Raises:
        UsageError: No image is given, or it is malformed, or a name is longer than Kubernetes allows.
    """
    config, section = project.config, project.config.kubernetes
    name = re.sub(r"[^a-z0-9]+", "-", config.project).strip("-")
    if len(name) > 40:  # a CronJob has 52 characters, and the part's own name follows
        raise UsageError(
            f"project: {config.project!r} has {len(name)} characters; names in a cluster have room for 40",
            "choose a shorter `project:`",
        )
    chosen = _image(image, section.image)
    secret = section.secret or f"{name}-secrets"
    limits = config.stack.api
    serving = config.serving
    values: dict[str, Any] = {
        "image": chosen,
        "secret": secret,
        "replicas": section.replicas.model_dump(),
        "resources": _resources(limits.memory, limits.cpus, min(limits.cpus, float(serving.workers))),
        "allowedHosts": list(serving.allowed_hosts),
        "databasePort": section.database_port,
        "clients": list(section.clients),
        "serviceMonitor": section.service_monitor,
        "pullSecrets": [{"name": one} for one in section.pull_secrets],
    }
    keys: tuple[str, ...] = ()
    if section.jobs is not None:
        values["jobs"] = _jobs(section.jobs, project)
        keys = section.jobs.secrets
    return ClusterSettings(
        name=name,
        namespaces=(section.namespaces.staging or f"{name}-staging", section.namespaces.production or name),
        workers=serving.workers,
        spool_bytes=serving.spool_size if serving.on_log_failure == "spool" else 0,
        image=chosen,
        secret_keys=keys,
        values=values,
    )


def _image(given: str | None, configured: str | None) -> str:
    from mlpipes_cli.config.kubernetes.section import image_reference

    if given is not None:
        try:
            return image_reference(given)
        except ValueError as error:
            raise UsageError(f"--image: {error}") from None
    if configured is None:
        raise UsageError(
            "the API's image is not known",
            "`mlpipes build`, push it, then `kubernetes: {image: registry.example/name:1}` or --image",
        )
    return configured


def _jobs(jobs: Jobs, project: ProjectFolder) -> dict[str, Any]:
    return {
        "image": jobs.image,
        "resources": _resources(jobs.memory, jobs.cpus, jobs.cpus / 2),
        "watch": _watch_schedule(project.config.monitoring.schedule.period),
        "project": _cluster_file(project),
    }


def _watch_schedule(between: timedelta) -> str:
    """Return how often it is asked whether a check is due: four times for each, at most every minute."""
    if between >= timedelta(hours=4):
        return "7 * * * *"
    minutes = between / timedelta(minutes=4)
    step = next((step for step in (15, 10, 5, 2) if step <= minutes), 1)
    return f"*/{step} * * * *"


def _cluster_file(project: ProjectFolder) -> str:
    """Return mlpipes.yaml as jobs read it: the same, with services at the addresses in the Secret."""
    import yaml

    tree = project.config.model_dump(mode="json", exclude_unset=True, by_alias=True)
    if tree.get("runtime") != "remote":
        tree["runtime"] = "remote"
        tree["stack"] = {"mlflow": {"url": f"${TRACKING}"}, "postgres": {"url": f"${DATABASE_URL}"}}
    tree.pop("kubernetes", None)
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)


def _resources(memory: str, cpus: float, requested: float) -> dict[str, dict[str, str]]:
    """Return requests and limits; the memory is requested whole, so that no neighbour takes it."""
    amount = quantity(size(memory))
    return {
        "requests": {"cpu": _cpu(requested), "memory": amount},
        "limits": {"cpu": _cpu(cpus), "memory": amount},
    }


def quantity(number: int) -> str:
    """Return bytes as Kubernetes writes them: ``2Gi``, ``512Mi`` or a number."""
    for unit, bytes_of in (("Gi", 2**30), ("Mi", 2**20)):
        if number % bytes_of == 0:
            return f"{number // bytes_of}{unit}"
    return str(number)


def _cpu(cpus: float) -> str:
    return f"{max(1, round(cpus * 1000))}m" if cpus % 1 else str(int(cpus))


def schema(tree: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema of ``values.yaml``."""
    text = {"type": "string", "minLength": 1}
    bounds = {"type": "object", "additionalProperties": {"type": ["string", "number"]}}
    resources = {
        "type": "object",
        "additionalProperties": False,
        "required": ["requests"],
        "properties": {"requests": bounds, "limits": bounds},
    }
    label = {"type": "string", "pattern": "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"}
    count = {"type": "integer", "minimum": 1, "maximum": 1000}
    properties: dict[str, Any] = {
        "image": text,
        "secret": label,
        "replicas": _closed({"min": count, "max": count, "cpu": count}),
        "resources": resources,
        "allowedHosts": {"type": "array", "items": {"type": "string", "pattern": r"^[A-Za-z0-9_.*-]+$"}},
        "databasePort": {"type": "integer", "minimum": 1, "maximum": 65535},
        "clients": {"type": "array", "items": label, "uniqueItems": True},
        "serviceMonitor": {"type": "boolean"},
        "pullSecrets": {"type": "array", "items": _closed({"name": label})},
    }
    if "jobs" in tree:
        properties["jobs"] = _closed({"image": text, "resources": resources, "watch": text, "project": text})
    top = _closed(properties)
    top["properties"]["global"] = {"type": "object"}  # which Helm adds
    return {"$schema": "http://json-schema.org/draft-07/schema#", "title": "values", **top}


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(properties),
        "properties": properties,
    }
