"""``kubernetes`` in ``mlpipes.yaml``: what ``mlpipes export kubernetes`` and ``export helm`` write."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from mlpipes_cli.config.base import Strict

_IMAGE = re.compile(
    r"(?:[A-Za-z0-9.-]+(?::\d+)?/)?[a-z0-9]+(?:(?:[._/]|__|-+)[a-z0-9]+)*"
    r"(?::[\w][\w.-]{0,127}|@sha256:[0-9a-f]{64})"
)


def image_reference(value: str) -> str:
    """Return the name of an image.

    Raises:
        ValueError: It is malformed, or has neither a tag nor a digest.
    """
    if not _IMAGE.fullmatch(value):
        raise ValueError(
            f"{value!r} is not an image with a tag or a digest; use one such as registry.example/team/name:1"
        )
    return value


ImageReference = Annotated[str, AfterValidator(image_reference)]
Label = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
SecretKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Memory = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]*[mMgG]$")]
Cpus = Annotated[float, Field(gt=0.0, le=1024.0)]


class Replicas(Strict):
    """How many copies of the API run; between ``min`` and ``max``, by the load of the CPU."""

    min: Annotated[int, Field(ge=1, le=1000)] = Field(default=2, description="The fewest copies of the API.")
    max: Annotated[int, Field(ge=1, le=1000)] = Field(default=6, description="The most copies.")
    cpu: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=70, description="More copies are started above this percentage of the requested CPU."
    )

    @model_validator(mode="after")
    def _in_order(self) -> Replicas:
        if self.min > self.max:
            raise ValueError(f"min {self.min} is above max {self.max}")
        return self


class Namespaces(Strict):
    """The namespaces of the two overlays."""

    staging: Label | None = Field(default=None, description="Left out, the project's name and `-staging`.")
    production: Label | None = Field(default=None, description="Left out, the project's name.")

    @model_validator(mode="after")
    def _two(self) -> Namespaces:
        if self.staging is not None and self.staging == self.production:
            raise ValueError(f"staging and production are both {self.staging!r}; they have to differ")
        return self


class Jobs(Strict):
    """The jobs that call mlpipes in the cluster: scheduled checks, pipelines and training."""

    image: ImageReference = Field(description="The image with mlpipes and the project's folder.")
    memory: Memory = Field(default="2g", description="The memory limit of a job.")
    cpus: Cpus = Field(default=2.0, description="The CPU limit of a job.")
    secrets: tuple[SecretKey, ...] = Field(
        default=(),
        description="Further keys of the Secret that jobs get as variables, such as TEAM_WEBHOOK.",
    )


class Kubernetes(Strict):
    """What ``mlpipes export kubernetes`` and ``mlpipes export helm`` write."""

    image: ImageReference | None = Field(
        default=None, description="The API's image, as `mlpipes build` made it and a registry has it."
    )
    replicas: Replicas = Field(default=Replicas(), description="How many copies of the API run.")
    namespaces: Namespaces = Field(default=Namespaces(), description="The namespaces of the overlays.")
    secret: Label | None = Field(
        default=None,
        description="The Secret with the passwords; left out, the project's name and `-secrets`.",
    )
    database_port: Annotated[int, Field(ge=1, le=65535)] = Field(
        default=5432, description="The port of the database, which the API may reach."
    )
    clients: tuple[Label, ...] = Field(
        default=(),
        description="Further namespaces whose pods may ask the API, such as ingress-nginx and monitoring.",
    )
    pull_secrets: tuple[Label, ...] = Field(
        default=(), description="Secrets with the log-in of a private registry, which have to exist."
    )
    service_monitor: bool = Field(
        default=False, description="Write a ServiceMonitor for the Prometheus Operator."
    )
    jobs: Jobs | None = Field(default=None, description="The jobs that call mlpipes; left out, none.")
