"""The typed ``mlpipes.yaml``."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, create_model, model_validator

from mlpipes_cli.config.base import MetricName, Port, Strict
from mlpipes_cli.config.delivery.section import Deploy
from mlpipes_cli.config.kubernetes.section import Kubernetes
from mlpipes_cli.config.monitoring import Monitoring
from mlpipes_cli.config.problems import validate
from mlpipes_cli.config.serving import Serving
from mlpipes_cli.config.yaml_source import read_yaml
from mlpipes_cli.services import catalog
from mlpipes_cli.services.definition import ContainerLimits, ServiceDefinition, ServicePort


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
_MEMORY, _CPUS = "The memory limit of the container.", "The CPU limit of the container."
_LIMITS = {definition.section: definition.limits for definition in catalog.built_in()}


class Postgres(Strict):
    """The database of tracking metadata, data and predictions.

    ``memory`` and ``cpus`` bound its container; ``url`` is that of the remote runtime.
    """

    port: Port = Field(default="auto", description="The port on the host: `auto` prefers 5432.")
    memory: MemorySize = Field(default=_LIMITS["postgres"].memory, description=_MEMORY)
    cpus: Cpus = Field(default=_LIMITS["postgres"].cpus, description=_CPUS)
    url: Url | None = Field(
        default=None,
        description="Only with `runtime: remote`: the URL of the database. `$NAME` is taken from"
        " the environment, else from `.env`.",
    )


class ObjectStore(Strict):
    """Where artifacts are kept when the stack runs in containers, or remotely (``url``, ``region``).

    ``prefix`` is where in the bucket the artifacts of a remote MLflow begin.
    """

    engine: Literal["minio", "rustfs"] = Field(
        default="minio", description="The object store that runs in a container."
    )
    port: Port = Field(default="auto", description="The port of the S3 API on the host.")
    console_port: Port = Field(default="auto", description="The port of the store's web console on the host.")
    bucket: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")] = Field(
        default="mlflow", description="The bucket that holds MLflow's artifacts."
    )
    memory: MemorySize = Field(default=_LIMITS["object_store"].memory, description=_MEMORY)
    cpus: Cpus = Field(default=_LIMITS["object_store"].cpus, description=_CPUS)
    url: Url | None = Field(default=None, description="Only with `runtime: remote`: the URL of the S3 API.")
    region: str | None = Field(
        default=None, description="Only with `runtime: remote`: the region of the bucket."
    )
    prefix: str = Field(
        default="",
        description="Only with `runtime: remote`: where in the bucket the artifacts of MLflow begin.",
    )


class Mlflow(Strict):
    """The tracking server and model registry.

    ``auth`` puts MLflow's basic authentication in front; ``url`` is that of the remote runtime, and
    ``database_url`` the database behind it, which only ``backup`` and ``migrate`` need.
    """

    port: Port = Field(default="auto", description="The port on the host: `auto` prefers 5000.")
    auth: bool = Field(
        default=False, description="Have MLflow ask for a user name and a password, which `mlpipes up` makes."
    )
    memory: MemorySize = Field(default=_LIMITS["mlflow"].memory, description=_MEMORY)
    cpus: Cpus = Field(default=_LIMITS["mlflow"].cpus, description=_CPUS)
    url: Url | None = Field(
        default=None, description="Only with `runtime: remote`: the URL of MLflow's server."
    )
    database_url: Url | None = Field(
        default=None,
        description="Only with `runtime: remote`: the URL of MLflow's own database, which "
        "`backup` and `migrate` need.",
    )


class LocalTool(Strict):
    """A service that is started with ``up --with``, as a process of this machine."""

    port: Port = Field(
        default="auto",
        description="The port on the host; `auto` takes the usual one, or the next that is free.",
    )


class Tool(LocalTool):
    """A service that is started with ``up --with``, in containers only."""

    memory: MemorySize = Field(default=ContainerLimits.memory, description=_MEMORY)
    cpus: Cpus = Field(default=ContainerLimits.cpus, description=_CPUS)


class Api(Strict):
    """The bounds of the prediction API's container; all else about it is in ``serving``."""

    memory: MemorySize = Field(default=_LIMITS["api"].memory, description=_MEMORY)
    cpus: Cpus = Field(default=_LIMITS["api"].cpus, description=_CPUS)


class CoreStack(Strict):
    """The services that every stack has, and the address on which all listen."""

    listen: Annotated[str, AfterValidator(_address)] = Field(
        default="127.0.0.1",
        description="The address on which the containers listen: 127.0.0.1, 0.0.0.0 for all "
        "interfaces, or an address of the host.",
    )
    postgres: Postgres = Field(default=Postgres(), description=catalog.get("postgres").description)
    object_store: ObjectStore = Field(default=ObjectStore(), description=catalog.get("minio").description)
    mlflow: Mlflow = Field(default=Mlflow(), description=catalog.get("mlflow").description)
    api: Api = Field(default=Api(), description=catalog.get("api").description)

    def limits(self, service: ServiceDefinition) -> ContainerLimits:
        """Return the limits of a service's container; another package's may have no section here."""
        found = getattr(self, service.section, None)
        return ContainerLimits(found.memory, found.cpus) if found else service.limits


def _sections(services: Iterable[ServiceDefinition]) -> dict[str, Any]:
    """Return the fields of the services that ``up --with`` adds, a section each."""
    tools = [(service, _tool(service)) for service in services if service.role == "tool"]
    return {
        service.section: (tool, Field(default=tool(), description=service.description))
        for service, tool in tools
    }


def _tool(service: ServiceDefinition) -> type[LocalTool]:
    if not service.container:
        return LocalTool
    if service.limits == ContainerLimits():
        return Tool
    memory = (MemorySize, Field(default=service.limits.memory, description=_MEMORY))
    cpus = (Cpus, Field(default=service.limits.cpus, description=_CPUS))
    name = service.name.title().replace("-", "")
    return create_model(name, __base__=Tool, __doc__=Tool.__doc__, memory=memory, cpus=cpus)


if TYPE_CHECKING:
    Stack = CoreStack
else:
    Stack = create_model(
        "Stack",
        __base__=CoreStack,
        __doc__="The services, and the address on which they listen.",
        **_sections(catalog.built_in()),
    )


class Gate(Strict):
    """A bound that a model's holdout metric has to keep to be promoted."""

    metric: MetricName = Field(description="The holdout metric that the gate looks at.")
    min: float | None = Field(default=None, description="The lowest value that passes.")
    max: float | None = Field(default=None, description="The highest value that passes.")

    @model_validator(mode="after")
    def _has_a_bound(self) -> Gate:
        if self.min is None and self.max is None:
            raise ValueError("a gate needs `min`, `max` or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min} is above max {self.max}")
        return self


class Promotion(Strict):
    """When a challenger may take an alias."""

    metric: MetricName | None = Field(
        default=None, description="The metric that decides; left out, the experiment's metric."
    )
    min_improvement: Annotated[float, Field(ge=0.0)] = Field(
        default=0.0, description="A challenger has to be better than the champion by more than this."
    )
    confidence: Annotated[float, Field(gt=0.5, lt=1.0)] = Field(
        default=0.95, description="The confidence with which it has to be better."
    )
    gates: tuple[Gate, ...] = Field(
        default=(), description="Bounds that a model has to keep, whatever it is compared with."
    )


class ProjectConfig(Strict):
    """``mlpipes.yaml``, the settings of a project."""

    project: Slug = Field(
        description="The project's name: lower-case letters, digits, - and _, at most 63 characters."
    )
    runtime: Literal["auto", "docker", "embedded", "remote"] = Field(
        default="auto",
        description="Where the services run: in containers, as processes, somewhere else "
        "already; `auto` takes Docker where its daemon answers, else processes.",
    )
    stack: Stack = Field(default=Stack(), description="The services, their ports and limits.")
    serving: Serving = Field(
        default=Serving(), description="What is served, to whom, and within which bounds."
    )
    promotion: Promotion = Field(
        default=Promotion(), description="The rules by which a challenger may take an alias."
    )
    monitoring: Monitoring = Field(
        default=Monitoring(), description="How a model in use is compared with what it was trained on."
    )
    deploy: Deploy = Field(default=Deploy(), description="What makes a new version reach its users.")
    kubernetes: Kubernetes = Field(
        default=Kubernetes(), description="What `mlpipes export kubernetes` and `export helm` write."
    )

    def wanted_port(self, port: ServicePort) -> int | None:
        """Return the fixed port that the file sets for a service's port, or None for ``auto``."""
        value: Any = self
        for key in port.setting:
            value = getattr(value, key, None)
        return value if isinstance(value, int) else None


def load_project_config(path: Path, name: str | None = None) -> ProjectConfig:
    """Read and check an ``mlpipes.yaml``.

    Raises:
        UsageError: It cannot be read.
        ConfigError: It has mistakes; all of them are named.
    """
    source = read_yaml(path, name)
    return validate(_model_for(source.data), source)


def _model_for(data: Any) -> type[ProjectConfig]:
    """Return the model of a file: with the sections in it of services that other packages add."""
    stack = data.get("stack") if isinstance(data, dict) else None
    unknown = set(stack) - set(Stack.model_fields) if isinstance(stack, dict) else set()
    others = (
        [definition for definition in catalog.added() if definition.section in unknown] if unknown else []
    )
    if not others:
        return ProjectConfig
    extended: Any = create_model("Stack", __base__=Stack, __doc__=Stack.__doc__, **_sections(others))
    field = (extended, Field(default=extended(), description=ProjectConfig.model_fields["stack"].description))
    return create_model("ProjectConfig", __base__=ProjectConfig, stack=field)
