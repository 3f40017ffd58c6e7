"""The prediction API in a cluster: its pods, their address, number and protection."""

from __future__ import annotations

from typing import Any

from mlpipes_cli.lifecycle.export.kubernetes import resource
from mlpipes_cli.lifecycle.export.kubernetes.resource import PORT, SECRETS, Resource, labels, named
from mlpipes_cli.lifecycle.export.kubernetes.values import (
    DATABASE_URL,
    METRICS_KEY,
    SPOOL_ROOM,
    ClusterSettings,
    Values,
    quantity,
)
from mlpipes_cli.lifecycle.serving.api import GRACE

STATE = "/var/lib/mlpipes"
# Seconds between the end of a pod and SIGTERM: until then, it may still be sent new connections.
LEAVING = 5
# The longest drain: requests in flight, workers that take longer, and a last batch for the database.
ENDING = LEAVING + GRACE + 25
_COMPONENT = "api"


def resources(settings: ClusterSettings, values: Values) -> list[Resource]:
    """Return all resources of the API."""
    name = f"{values.name}-api"
    own = labels(values, _COMPONENT)
    kind = "StatefulSet" if settings.spool_bytes else "Deployment"
    return [
        Resource(
            "service-account",
            named("v1", "ServiceAccount", name, own, automountServiceAccountToken=False),
        ),
        Resource(kind.lower(), _workload(settings, values, kind, name, own)),
        Resource("service", _service(name, own)),
        Resource("autoscaler", _autoscaler(values, kind, name, own)),
        Resource(
            "disruption-budget",
            named("policy/v1", "PodDisruptionBudget", name, own, spec={"maxUnavailable": 1, **_chosen(own)}),
        ),
        Resource("network-policy", _network_policy(values, name, own)),
        Resource("network-policy-clients", _clients(values, name, own), condition="clients"),
        Resource("service-monitor", _monitor(values, name, own), condition="serviceMonitor"),
    ]


def _workload(
    settings: ClusterSettings, values: Values, kind: str, name: str, own: dict[str, str]
) -> dict[str, Any]:
    """Return the pods' controller; the autoscaler sets their number, so none is here.

    With a spool each pod has a disk of its own, which outlives it: what waits there is stored by the next
    pod of that name.
    """
    spec: dict[str, Any] = {"revisionHistoryLimit": 5, **_chosen(own)}
    pod = _pod(settings, values, name, own)
    if not settings.spool_bytes:
        pod["volumes"].append(resource.scratch("state", "1Gi"))
        spec["strategy"] = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
        spec["progressDeadlineSeconds"] = 600
    else:
        disk = {"requests": {"storage": quantity(settings.spool_bytes + SPOOL_ROOM)}}
        claim = {"accessModes": ["ReadWriteOnce"], "resources": disk}
        spec["serviceName"] = name
        spec["podManagementPolicy"] = "Parallel"
        spec["updateStrategy"] = {"type": "RollingUpdate"}
        spec["volumeClaimTemplates"] = [{"metadata": {"name": "state"}, "spec": claim}]
        spec["persistentVolumeClaimRetentionPolicy"] = {"whenDeleted": "Retain", "whenScaled": "Retain"}
    spec["template"] = {"metadata": {"labels": own}, "spec": pod}
    return named("apps/v1", kind, name, own, spec=spec)


def _pod(settings: ClusterSettings, values: Values, name: str, own: dict[str, str]) -> dict[str, Any]:
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": own},
    }
    return {
        "serviceAccountName": name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "imagePullSecrets": values.get("pullSecrets"),
        "terminationGracePeriodSeconds": ENDING,
        "securityContext": resource.pod_security(),
        "topologySpreadConstraints": [spread],
        "containers": [_container(settings, values)],
        "volumes": [resource.scratch("tmp", "256Mi"), resource.secret_file(values, DATABASE_URL)],
    }


def _container(settings: ClusterSettings, values: Values) -> dict[str, Any]:
    hosts = f'{{"allowed_hosts": ["{values.name}-api.$(NAMESPACE)"{values.quoted("allowedHosts")}]}}'
    return {
        "name": "api",
        "image": values.get("image"),
        "ports": [{"name": "http", "containerPort": PORT}],
        "env": [
            {"name": "PORT", "value": str(PORT)},
            {"name": "WORKERS", "value": str(settings.workers)},
            {"name": "MLPIPES_STATE", "value": STATE},
            {"name": f"{DATABASE_URL}_FILE", "value": f"{SECRETS}/{DATABASE_URL}"},
            {"name": "NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
            {"name": "MLPIPES_SERVER_SETTINGS", "value": hosts},
        ],
        "resources": values.get("resources"),
        "startupProbe": _probe("/health", period=5, timeout=5, failures=60),
        "readinessProbe": _probe("/ready", period=5, timeout=6, failures=3),
        "livenessProbe": _probe("/health", period=10, timeout=5, failures=6),
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", str(LEAVING)]}}},
        "securityContext": resource.container_security(),
        "volumeMounts": resource.mounts(tmp="/tmp", state=STATE, secrets=SECRETS),  # noqa: S108
    }


def _probe(path: str, *, period: int, timeout: int, failures: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": "http"},
        "periodSeconds": period,
        "timeoutSeconds": timeout,
        "failureThreshold": failures,
    }


def _chosen(own: dict[str, str]) -> dict[str, Any]:
    return {"selector": {"matchLabels": own}}


def _service(name: str, own: dict[str, str]) -> dict[str, Any]:
    ports = [{"name": "http", "port": 80, "targetPort": "http"}]
    return named("v1", "Service", name, own, spec={"selector": own, "ports": ports})


def _autoscaler(values: Values, kind: str, name: str, own: dict[str, str]) -> dict[str, Any]:
    target = {"type": "Utilization", "averageUtilization": values.get("replicas.cpu")}
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": kind, "name": name},
        "minReplicas": values.get("replicas.min"),
        "maxReplicas": values.get("replicas.max"),
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 300}},
    }
    return named("autoscaling/v2", "HorizontalPodAutoscaler", name, own, spec=spec)


def _network_policy(values: Values, name: str, own: dict[str, str]) -> dict[str, Any]:
    """Return who may ask the API (pods of its namespace), and what it may reach (names, the database)."""
    names = [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]
    spec = {
        "podSelector": {"matchLabels": own},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": [{"podSelector": {}}], "ports": _http()}],
        "egress": [{"ports": names}, {"ports": [{"protocol": "TCP", "port": values.get("databasePort")}]}],
    }
    return named("networking.k8s.io/v1", "NetworkPolicy", name, own, spec=spec)


def _clients(values: Values, name: str, own: dict[str, str]) -> dict[str, Any]:
    """Return which further namespaces may ask; policies add up."""
    chosen = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": values.get("clients")}
    spec = {
        "podSelector": {"matchLabels": own},
        "policyTypes": ["Ingress"],
        "ingress": [
            {"from": [{"namespaceSelector": {"matchExpressions": [chosen]}}], "ports": _http()},
        ],
    }
    return named("networking.k8s.io/v1", "NetworkPolicy", f"{name}-clients", own, spec=spec)


def _http() -> list[dict[str, Any]]:
    return [{"protocol": "TCP", "port": "http"}]


def _monitor(values: Values, name: str, own: dict[str, str]) -> dict[str, Any]:
    key = {"name": values.get("secret"), "key": METRICS_KEY}
    endpoint = {
        "port": "http",
        "path": "/metrics",
        "interval": "15s",
        "authorization": {"credentials": key},
    }
    spec = {**_chosen(own), "endpoints": [endpoint]}
    return named("monitoring.coreos.com/v1", "ServiceMonitor", name, own, spec=spec)


def migration(values: Values) -> Resource:
    """Return the job that brings the database's tables up to date; the API's image runs it."""
    own = labels(values, "migrate")
    container = {
        "name": "migrate",
        "image": values.get("image"),
        "command": ["python", "-m", "mlpipes_cli.lifecycle.serving.image_entry", "migrate"],
        "env": [{"name": f"{DATABASE_URL}_FILE", "value": f"{SECRETS}/{DATABASE_URL}"}],
        "resources": {
            "requests": {"cpu": "100m", "memory": "256Mi"},
            "limits": {"cpu": "1", "memory": "512Mi"},
        },
        "securityContext": resource.container_security(),
        "volumeMounts": resource.mounts(tmp="/tmp", secrets=SECRETS),  # noqa: S108
    }
    pod = {
        "restartPolicy": "Never",
        "imagePullSecrets": values.get("pullSecrets"),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": resource.pod_security(),
        "containers": [container],
        "volumes": [resource.scratch("tmp", "64Mi"), resource.secret_file(values, DATABASE_URL)],
    }
    spec = {
        "backoffLimit": 6,
        "activeDeadlineSeconds": 600,
        "ttlSecondsAfterFinished": 600,
        "template": {"metadata": {"labels": own}, "spec": pod},
    }
    body = named("batch/v1", "Job", f"{values.name}-migrate", own, spec=spec)
    return Resource("migration", body, before_release=True)
