"""The typed ``mlpipes.yaml``."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from mlpipes_cli.config.base import MetricName, Port, Strict
from mlpipes_cli.config.problems import validate
from mlpipes_cli.config.serving import Serving
from mlpipes_cli.config.yaml_source import read_yaml


def _slug(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,62}", name):
        raise ValueError(f"{name!r}: use at most 63 lower-case letters, digits, - and _")
    return name


Slug = Annotated[str, AfterValidator(_slug)]


def _size(value: Any) -> Any:
    if isinstance(value, str) and re.fullmatch(r"[1-9]\d*[mMgG]", value):
        return value.lower()
    raise ValueError(f"expected a size such as 512m or 2g, got {value!r}")


def _address(value: str) -> str:
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise ValueError(
            f"{value!r} is not a valid IP address; use 127.0.0.1, 0.0.0.0 (all interfaces), or an "
            "address of the host"
        ) from None


MemorySize = Annotated[
    str, BeforeValidator(_size), WithJsonSchema({"type": "string", "pattern": "^[1-9][0-9]*[mMgG]$"})
]
Cpus = Annotated[float, Field(gt=0.0, le=1024.0)]
Url = Annotated[str, Field(min_length=1)]


class Postgres(Strict):
    """The database of tracking metadata, data and predictions.

    ``memory`` and ``cpus`` bound its container; ``url`` is that of the remote runtime.
    """

    port: Port = "auto"
    memory: MemorySize = "1g"
    cpus: Cpus = 2.0
    url: Url | None = None


class ObjectStore(Strict):
    """Where artifacts are kept when the stack runs in containers, or remotely (``url``, ``region``).

    ``prefix`` is where in the bucket the artifacts of a remote MLflow begin.
    """

    engine: Literal["minio", "rustfs"] = "minio"
    port: Port = "auto"
    console_port: Port = "auto"
    bucket: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")] = "mlflow"
    memory: MemorySize = "1g"
    cpus: Cpus = 2.0
    url: Url | None = None
    region: str | None = None
    prefix: str = ""


class Mlflow(Strict):
    """The tracking server and model registry.

    ``auth`` puts MLflow's basic authentication in front; ``url`` is that of the remote runtime, and
    ``database_url`` the database behind it, which only ``backup`` and ``migrate`` need.
    """

    port: Port = "auto"
    auth: bool = False
    memory: MemorySize = "2g"
    cpus: Cpus = 2.0
    url: Url | None = None
    database_url: Url | None = None


class Tool(Strict):
    """A service that is started with ``up --with``, in containers only."""

    port: Port = "auto"
    memory: MemorySize = "1g"
    cpus: Cpus = 1.0


class Api(Strict):
    """The bounds of the prediction API's container; all else about it is in ``serving``."""

    memory: MemorySize = "2g"
    cpus: Cpus = 2.0


class Stack(Strict):
    """The services, and the address on which they listen."""

    listen: Annotated[str, AfterValidator(_address)] = "127.0.0.1"
    postgres: Postgres = Postgres()
    object_store: ObjectStore = ObjectStore()
    mlflow: Mlflow = Mlflow()
    jupyter: Tool = Tool()
    pgadmin: Tool = Tool()
    api: Api = Api()


class Gate(Strict):
    """A bound that a model's holdout metric has to keep to be promoted."""

    metric: MetricName
    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _has_a_bound(self) -> Gate:
        if self.min is None and self.max is None:
            raise ValueError("a gate needs `min`, `max` or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min} is above max {self.max}")
        return self


class Promotion(Strict):
    """When a challenger may take an alias."""

    metric: MetricName | None = None
    min_improvement: Annotated[float, Field(ge=0.0)] = 0.0
    confidence: Annotated[float, Field(gt=0.5, lt=1.0)] = 0.95
    gates: tuple[Gate, ...] = ()


class ProjectConfig(Strict):
    """``mlpipes.yaml``, the settings of a project."""

    project: Slug
    runtime: Literal["auto", "docker", "embedded", "remote"] = "auto"
    stack: Stack = Stack()
    serving: Serving = Serving()
    promotion: Promotion = Promotion()


def load_project_config(path: Path, name: str | None = None) -> ProjectConfig:
    """Read and check an ``mlpipes.yaml``.

    Raises:
        UsageError: It cannot be read.
        ConfigError: It has mistakes; all of them are named.
    """
    return validate(ProjectConfig, read_yaml(path, name))
