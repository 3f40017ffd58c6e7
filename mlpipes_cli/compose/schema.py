"""Schema of the Compose file: the supported subset, and no key beyond it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from mlpipes_cli.compose import values
from mlpipes_cli.compose.model import Condition
from mlpipes_cli.sizes import size

Text = Annotated[str, BeforeValidator(values.text)]
Texts = Annotated[tuple[str, ...], BeforeValidator(values.texts)]
Words = Annotated[tuple[str, ...], BeforeValidator(values.words)]
Pairs = Annotated[dict[str, str], BeforeValidator(values.pairs)]
Duration = Annotated[float, BeforeValidator(values.duration)]
Size = Annotated[int, BeforeValidator(size)]
Test = Annotated[tuple[str, ...], BeforeValidator(values.test)]
Tmpfs = Annotated[dict[str, str], BeforeValidator(values.tmpfs)]
Mode = Annotated[int, BeforeValidator(values.mode)]
NetworkMode = Annotated[str, BeforeValidator(values.network_mode)]
Port = Annotated[Any, BeforeValidator(values.port)]
Volume = Annotated[Any, BeforeValidator(values.mount)]
_STEP = "x-mlpipes-step"
_PARTS = "x-mlpipes-parts"


class Part(BaseModel):
    """A frozen part of the file that refuses keys it does not know, and passes over ``x-…`` keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True, arbitrary_types_allowed=True)

    @model_validator(mode="before")
    @classmethod
    def _without_extensions(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        known = {field.alias for field in cls.model_fields.values()}
        return {key: data[key] for key in data if key in known or not str(key).startswith("x-")}


class BuildPart(Part):
    """``build:``."""

    context: Text = "."
    dockerfile: Text = "Dockerfile"
    args: Pairs = {}
    parts: Annotated[Texts, Field(alias=_PARTS)] = ()


class HealthcheckPart(Part):
    """``healthcheck:``."""

    test: Test
    interval: Duration = 30.0
    timeout: Duration = 30.0
    retries: Annotated[int, Field(ge=1)] = 3
    start_period: Duration = 0.0


class NeedPart(Part):
    """An entry of ``depends_on:``."""

    condition: Condition = "service_started"


class FilePart(Part):
    """An entry of a service's ``configs:``."""

    source: Text
    target: Annotated[str, Field(pattern="^/")] | None = None
    mode: Mode = 0o444


class ContentPart(Part):
    """An entry of the file's ``configs:``."""

    content: Text


class VolumePart(Part):
    """An entry of the file's ``volumes:`` or ``networks:``, which has nothing to set."""


def _build(value: Any) -> Any:
    return {"context": value} if isinstance(value, str) else value


def _needs(value: Any) -> Any:
    return {name: {} for name in values.texts(value)} if isinstance(value, (list, tuple)) else value


def _files(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    return [{"source": item} if isinstance(item, str) else item for item in value]


def _empty(value: Any) -> Any:
    return {} if value is None else value


class ServicePart(Part):
    """An entry of ``services:``."""

    image: Annotated[str, Field(min_length=1)]
    build: Annotated[BuildPart | None, BeforeValidator(_build)] = None
    command: Words | None = None
    entrypoint: Words | None = None
    environment: Pairs = {}
    ports: tuple[Port, ...] = ()
    volumes: tuple[Volume, ...] = ()
    tmpfs: Tmpfs = {}
    healthcheck: HealthcheckPart | None = None
    depends_on: Annotated[dict[str, NeedPart], BeforeValidator(_needs)] = {}
    cap_drop: Texts = ()
    cap_add: Texts = ()
    security_opt: Texts = ()
    read_only: bool = False
    user: Text | None = None
    restart: Literal["no", "always", "on-failure", "unless-stopped"] = "no"
    stop_grace_period: Duration = 10.0
    mem_limit: Size | None = None
    memswap_limit: Size | None = None
    pids_limit: Annotated[int, Field(ge=1)] | None = None
    cpus: Annotated[float, Field(gt=0.0)] | None = None
    shm_size: Size | None = None
    profiles: Texts = ()
    configs: Annotated[tuple[FilePart, ...], BeforeValidator(_files)] = ()
    labels: Pairs = {}
    step: Annotated[Text | None, Field(alias=_STEP)] = None
    init: bool = False
    working_dir: Annotated[str, Field(pattern="^/")] | None = None
    hostname: Text | None = None
    networks: Annotated[Texts, Field(min_length=1)] = ("default",)
    network_mode: NetworkMode | None = None


class Content(Part):
    """What every file may hold."""

    services: dict[str, ServicePart]
    volumes: dict[str, Annotated[VolumePart, BeforeValidator(_empty)]] = {}
    networks: dict[str, Annotated[VolumePart, BeforeValidator(_empty)]] = {}
    configs: dict[str, ContentPart] = {}


class ComposeFile(Content):
    """The whole file of a stack."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]


class OverrideFile(Content):
    """A file of users' own services, which belong to a stack that has its name already."""

    services: dict[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")], ServicePart]
