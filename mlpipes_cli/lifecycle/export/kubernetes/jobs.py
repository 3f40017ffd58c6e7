"""The jobs that call mlpipes in a cluster: scheduled checks, pipelines, training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlpipes_cli.lifecycle.export.kubernetes import resource
from mlpipes_cli.lifecycle.export.kubernetes.resource import Resource, labels, named
from mlpipes_cli.lifecycle.export.kubernetes.values import (
    DATABASE_URL,
    MODEL_KEY,
    OPTIONAL,
    TRACKING,
    ClusterSettings,
    Values,
)

PROJECT, WORK, SETTINGS = "/project", "/work", "/etc/mlpipes/project"
DAY = 24 * 3600
# A date that does not exist, for what only starts when it is told to.
_NEVER = "0 0 31 2 *"


@dataclass(frozen=True)
class Task:
    """A call of mlpipes.

    Attributes:
        name: The end of the job's name.
        arguments: What comes after ``mlpipes``.
        schedule: When it starts, as cron writes it; None is only when it is told to.
        retries: How often a failed one starts again.
        seconds: How long it may take.
        zone: The time zone of the schedule.
        environment: Further variables.
    """

    name: str
    arguments: tuple[str, ...]
    schedule: str | None = None
    retries: int = 0
    seconds: int = DAY
    zone: str = "Etc/UTC"
    environment: Mapping[str, str] = field(default_factory=dict)


def resources(settings: ClusterSettings, values: Values, tasks: Sequence[Task]) -> list[Resource]:
    """Return the jobs; none without an image for them."""
    if not settings.has_jobs:
        return []
    own = labels(values, "jobs")
    project = named(
        "v1", "ConfigMap", f"{values.name}-project", own, data={"mlpipes.yaml": values.get("jobs.project")}
    )
    watch = Task("watch", ("watch", "--once", "--json"), values.get("jobs.watch"), seconds=3600)
    found = [Resource("project", project), Resource("network-policy-jobs", _network_policy(values, own))]
    calls = [Resource(f"job-{one.name}", _cron_job(settings, values, one, own)) for one in (watch, *tasks)]
    return found + calls


def _network_policy(values: Values, own: dict[str, str]) -> dict[str, Any]:
    """Return that nobody may reach jobs; they reach the registry, the store and sources of data."""
    spec = {"podSelector": {"matchLabels": own}, "policyTypes": ["Ingress"]}
    return named("networking.k8s.io/v1", "NetworkPolicy", f"{values.name}-jobs", own, spec=spec)


def _cron_job(settings: ClusterSettings, values: Values, task: Task, own: dict[str, str]) -> dict[str, Any]:
    job = {
        "backoffLimit": task.retries,
        "activeDeadlineSeconds": task.seconds,
        "template": {"metadata": {"labels": own}, "spec": _pod(settings, values, task)},
    }
    spec = {
        "schedule": _NEVER if task.schedule is None else task.schedule,
        "timeZone": task.zone,
        "suspend": task.schedule is None,
        "concurrencyPolicy": "Forbid",
        "startingDeadlineSeconds": 600,
        "successfulJobsHistoryLimit": 3,
        "failedJobsHistoryLimit": 3,
        "jobTemplate": {"spec": job},
    }
    return named("batch/v1", "CronJob", f"{values.name}-{task.name}", own, spec=spec)


def _pod(settings: ClusterSettings, values: Values, task: Task) -> dict[str, Any]:
    """Return the pod: a first container copies the project to where it can be written to."""
    copy = f"cp -R {PROJECT}/. {WORK}/ && cp {SETTINGS}/mlpipes.yaml {WORK}/mlpipes.yaml"
    places = resource.mounts(tmp="/tmp", work=WORK, settings=SETTINGS)  # noqa: S108
    common = {
        "image": values.get("jobs.image"),
        "resources": values.get("jobs.resources"),
        "securityContext": resource.container_security(),
        "volumeMounts": places,
    }
    first = {"name": "project", "command": ["sh", "-c", copy], **common}
    main = {
        "name": "mlpipes",
        "command": ["mlpipes", *task.arguments],
        "workingDir": WORK,
        "env": _environment(settings, values, task),
        **common,
    }
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "imagePullSecrets": values.get("pullSecrets"),
        "terminationGracePeriodSeconds": 60,
        "securityContext": resource.pod_security(),
        "initContainers": [first],
        "containers": [main],
        "volumes": [
            resource.scratch("tmp", "2Gi"),
            resource.scratch("work", "8Gi"),
            {"name": "settings", "configMap": {"name": f"{values.name}-project"}},
        ],
    }


def _environment(settings: ClusterSettings, values: Values, task: Task) -> list[dict[str, Any]]:
    needed = dict.fromkeys((DATABASE_URL, MODEL_KEY, TRACKING, *settings.secret_keys), False)
    optional = {name: True for name in OPTIONAL if name not in needed}
    fixed = [{"name": "HOME", "value": "/tmp"}, {"name": "USER", "value": "mlpipes"}]  # noqa: S108
    secret = [
        {"name": name, "valueFrom": {"secretKeyRef": _key(values, name, absent)}}
        for name, absent in {**needed, **optional}.items()
    ]
    own = [{"name": name, "value": value} for name, value in task.environment.items()]
    return [*fixed, *secret, *own]


def _key(values: Values, name: str, optional: bool) -> dict[str, Any]:
    return {"name": values.get("secret"), "key": name, **({"optional": True} if optional else {})}
