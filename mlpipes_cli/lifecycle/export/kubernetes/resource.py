"""One resource of the cluster, and what all of them share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlpipes_cli.lifecycle.export.kubernetes.values import Values

USER = 10004  # the images' account; they run as any other, too
PORT = 8000
SECRETS = "/etc/mlpipes/secrets"


@dataclass(frozen=True)
class Resource:
    """A resource.

    Attributes:
        file: The name of its file, without a suffix.
        body: What Kubernetes reads.
        condition: The path of a value; without one (false, or an empty list) there is no such resource.
        before_release: Whether a chart runs it before everything else.
    """

    file: str
    body: dict[str, Any]
    condition: str = ""
    before_release: bool = False


def named(api_version: str, kind: str, name: str, labels: dict[str, str], **rest: Any) -> dict[str, Any]:
    """Return a resource with a name and labels."""
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": name, "labels": labels},
        **rest,
    }


def labels(values: Values, component: str) -> dict[str, str]:
    """Return the labels by which a component is selected."""
    return {
        "app.kubernetes.io/name": values.name,
        "app.kubernetes.io/component": component,
    }


def pod_security() -> dict[str, Any]:
    """Return a pod's security context, as the standard `restricted` wants it."""
    return {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "fsGroup": USER,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container_security() -> dict[str, Any]:
    """Return a container's security context."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def scratch(name: str, size: str) -> dict[str, Any]:
    """Return a volume that ends with its pod."""
    return {"name": name, "emptyDir": {"sizeLimit": size}}


def secret_file(values: Values, *keys: str) -> dict[str, Any]:
    """Return a volume with these keys of the Secret, a file each, for the pod's group to read."""
    items = [{"key": key, "path": key} for key in keys]
    secret = {"secretName": values.get("secret"), "defaultMode": 0o440, "items": items}
    return {"name": "secrets", "secret": secret}


def mounts(**places: str) -> list[dict[str, Any]]:
    """Return where volumes are; `secrets` is read-only."""
    return [
        {"name": name, "mountPath": path, **({"readOnly": True} if name == "secrets" else {})}
        for name, path in places.items()
    ]
