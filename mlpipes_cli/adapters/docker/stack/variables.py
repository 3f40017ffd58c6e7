"""Build the values of the Compose file's variables for one project."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import mlpipes_cli
from mlpipes_cli.adapters.docker.stack.settings import ROOT_USER, STORE_USER, definitions
from mlpipes_cli.adapters.docker.stack.settings import ports as stack_ports
from mlpipes_cli.config.project import ProjectConfig
from mlpipes_cli.local_files import variables as file_variables
from mlpipes_cli.sizes import size


@dataclass(frozen=True)
class StoreKeys:
    """Holds two users of the object store, each with a name and a secret.

    Attributes:
        root: The root user, with all permissions.
        own: MLflow's own user, limited to its bucket; None if the store creates no users.
    """

    root: tuple[str, str] = field(repr=False)
    own: tuple[str, str] | None = field(repr=False)

    @property
    def mlflow(self) -> tuple[str, str]:
        """The user that MLflow gets."""
        return self.own or self.root


def store_keys(secrets: Mapping[str, str], *, own: bool) -> StoreKeys:
    """Return the object store's users, from ``.env``."""
    root = (secrets.get("MINIO_ROOT_USER") or ROOT_USER, secrets.get("MINIO_ROOT_PASSWORD", ""))
    secret = secrets.get("MLFLOW_S3_SECRET_KEY")
    return StoreKeys(root, (STORE_USER, secret) if own and secret else None)


def variables(
    config: ProjectConfig,
    secrets: Mapping[str, str],
    *,
    id: str,
    ports: Mapping[str, int],
    hosts: str,
    names: Sequence[str],
    keys: StoreKeys,
    auth: bool,
) -> dict[str, str]:
    """Return the values of all variables.

    Args:
        config: ``mlpipes.yaml``.
        secrets: The values of ``.env``.
        id: The stack's id.
        ports: The ports by the names of :func:`port_settings`.
        hosts: The host names that MLflow accepts in requests.
        names: The machine's names, which the API accepts in requests too.
        keys: The object store's users.
        auth: Whether MLflow requires authentication.
    """
    stack = config.stack
    serving = config.serving.model_copy(
        update={"allowed_hosts": (*config.serving.allowed_hosts, *names)} if names else None
    )
    access, secret = keys.mlflow
    parts = {definition.variables: stack.limits(definition) for definition in definitions(config)}
    limits = {f"MLPIPES_{name}_MEMORY": part.memory for name, part in parts.items()}
    limits |= {f"MLPIPES_{name}_CPUS": str(part.cpus) for name, part in parts.items()}
    limits |= {f"MLPIPES_{name}_TMP": str(size(part.memory) * 3 // 4) for name, part in parts.items()}
    return {
        **secrets,
        **limits,
        **{
            setting.variable: str(ports[setting.name])
            for _, setting in stack_ports(config)
            if setting.name in ports
        },
        "MLPIPES_PROJECT_NAME": id,
        "MLPIPES_LISTEN": stack.listen,
        "MLPIPES_SERVING": serving.model_dump_json(exclude={"port"}, exclude_defaults=True),
        "MLPIPES_WAIT_FOR_MODEL": "0",  # `up` checks itself
        "MLPIPES_WATCH": _watch(config, secrets),
        "MLPIPES_BUCKET": stack.object_store.bucket,
        "MLPIPES_OBJECT_STORE": stack.object_store.engine,
        "MLPIPES_S3_ACCESS_KEY": access,
        "MLPIPES_S3_SECRET_KEY": secret,
        "MLPIPES_MLFLOW_HOSTS": hosts,
        "MLPIPES_MLFLOW_TAG": mlpipes_cli.__version__,
        "MLPIPES_MLFLOW_ADMIN_PASSWORD": secrets.get("MLFLOW_ADMIN_PASSWORD", "") if auth else "",
        "MLPIPES_MLFLOW_SECRET_KEY": secrets.get("MLFLOW_SECRET_KEY", "") if auth else "",
    }


def _watch(config: ProjectConfig, secrets: Mapping[str, str]) -> str:
    """Return what the watcher's container reads: sections of mlpipes.yaml, and the secrets of its alerts.

    A variable that is set nowhere is left out; the watcher reports it with the alert that needs it.
    """
    settings = config.model_dump(
        mode="json", by_alias=True, exclude_defaults=True,
        include={"project", "serving", "promotion", "monitoring"},
    )  # fmt: skip
    known = {**secrets, **os.environ}
    texts = [url for alert in config.monitoring.alerts for url in (alert.webhook, alert.smtp) if url]
    names = sorted({name for text in texts for name in file_variables.names(text)})
    environment = {name: known[name] for name in names if name in known}
    return json.dumps({"settings": settings, "environment": environment})
