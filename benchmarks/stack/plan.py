"""The command lines of ``docker run`` that make the very containers which `mlpipes up` makes."""

from __future__ import annotations

import json
import secrets
import shlex
import socket
from pathlib import Path
from typing import Any

from mlpipes_cli.adapters.docker.engine import connection
from mlpipes_cli.adapters.docker.images import service_images
from mlpipes_cli.adapters.docker.stack.settings import compose_file, port_settings
from mlpipes_cli.adapters.docker.stack.variables import store_keys, variables
from mlpipes_cli.compose.load import load
from mlpipes_cli.compose.model import Healthcheck, Service
from mlpipes_cli.config.project import ProjectConfig
from mlpipes_cli.lifecycle.secrets import NAMES

CORE = ("postgres", "minio", "mlflow")
HOSTS = "localhost:*,127.0.0.1:*,mlflow:*"
LABEL = "mlpipes.benchmark=stack"


def free_ports(count: int) -> list[int]:
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


def make(id: str) -> dict[str, Any]:
    """All that bare.py needs for one stack; it can be written as JSON."""
    config = ProjectConfig(project="bench")
    passwords = {name: secrets.token_urlsafe(24) for name in NAMES}
    settings = port_settings(config)
    ports = dict(zip((one.name for one in settings), free_ports(len(settings)), strict=True))
    keys = store_keys(passwords, own=True)
    values = variables(config, passwords, id=id, ports=ports, hosts=HOSTS, names=(), keys=keys, auth=False)
    services = load(compose_file(), values).services
    found = {name: service_images.find(connection.connect(), services[name]) for name in CORE}
    missing = [name for name, image in found.items() if image is None]
    if missing:
        raise SystemExit(f"the images of {', '.join(missing)} are not here; `mlpipes up` fetches them")
    mounted = [mount.volume for name in CORE for mount in services[name].volumes]
    own = keys.own or keys.root
    bucket = config.stack.object_store.bucket
    policy = {"Version": "2012-10-17", "Statement": statements(bucket)}
    return {
        "network": f"{id}_default",
        "volumes": [f"{id}_{name}" for name in mounted],
        "names": {name: f"{id}-{name}-1" for name in CORE},
        "run": {name: command(services[name], image.id, id) for name, image in found.items() if image},
        "ports": ports,
        "secrets": passwords,
        "bucket": bucket,
        "root": keys.root,
        "user": {"STORE_USER": own[0], "STORE_SECRET": own[1], "STORE_POLICY": json.dumps(policy)},
    }


def statements(bucket: str) -> list[dict[str, Any]]:
    places = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    return [{"Effect": "Allow", "Action": ["s3:*"], "Resource": places}]


def command(one: Service, image: str, id: str) -> list[str]:
    """The arguments of ``docker run`` for a service."""
    options = {
        "--name": [f"{id}-{one.name}-1"],
        "--label": [LABEL],
        "--network": [f"{id}_default"],
        "--network-alias": [one.name],
        "--env": [f"{name}={value}" for name, value in environment(one).items()],
        "--publish": [f"{port.host}:{port.host_port}:{port.port}" for port in one.ports],
        "--volume": [f"{id}_{mount.volume}:{mount.target}" for mount in one.volumes],
        "--tmpfs": [f"{path}:{how}" if how else path for path, how in one.tmpfs.items()],
        "--cap-drop": one.cap_drop,
        "--cap-add": one.cap_add,
        "--security-opt": one.security_opt,
        "--restart": [one.restart],
        "--stop-timeout": [str(round(one.stop_grace_period))],
        "--memory": [str(one.mem_limit)] if one.mem_limit else [],
        "--cpus": [str(one.cpus)] if one.cpus else [],
        "--shm-size": [str(one.shm_size)] if one.shm_size else [],
        "--log-driver": ["json-file"],
        "--log-opt": ["max-size=10m", "max-file=3"],
        **(health(one.healthcheck) if one.healthcheck else {}),
    }
    arguments = ["--detach", *(["--read-only"] if one.read_only else [])]
    arguments += [part for name, values in options.items() for value in values for part in (name, value)]
    return [*arguments, image, *(one.command or ())]


def environment(one: Service) -> dict[str, str]:
    """A service's variables, its passwords among them: who writes `docker run` by hand has no files."""
    files = {file.target: file.content for file in one.secrets}
    plain = {name: value for name, value in one.environment.items() if value not in files}
    return plain | {
        name.removesuffix("_FILE"): files[value] for name, value in one.environment.items() if value in files
    }


def health(check: Healthcheck) -> dict[str, list[str]]:
    kind, *words = check.test
    return {
        "--health-cmd": [words[0] if kind == "CMD-SHELL" else shlex.join(words)],
        "--health-interval": [f"{check.interval:g}s"],
        "--health-timeout": [f"{check.timeout:g}s"],
        "--health-retries": [str(check.retries)],
        "--health-start-period": [f"{check.start_period:g}s"],
    }


def write(plan: dict[str, Any], path: Path, *, fresh: bool) -> Path:
    path.write_text(json.dumps(plan | {"fresh": fresh}))
    path.chmod(0o600)
    return path
