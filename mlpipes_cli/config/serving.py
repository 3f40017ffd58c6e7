"""``serving`` in ``mlpipes.yaml``: what is served, to whom, and within which bounds."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from mlpipes_cli.config.base import Port, RegistryName, Strict
from mlpipes_cli.sizes import PATTERN, size


def _alias(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", name) or re.fullmatch(r"[vV]\d+", name):
        raise ValueError(f"{name!r} is not a valid alias; use a name such as production or staging")
    if name.lower() == "latest":
        raise ValueError("'latest' is reserved by the registry; use production or staging")
    return name


def _origin(value: str) -> str:
    if value == "*" or re.fullmatch(r"https?://[^/\s,*]+", value):
        return value
    raise ValueError(f"{value!r} is not a valid origin; use one such as https://app.example.com, or '*'")


def _host(value: str) -> str:
    if value == "*" or re.fullmatch(r"(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", value):
        return value
    raise ValueError(
        f"{value!r} is not a valid host name; use one such as api.example.com, *.example.com, or '*'"
    )


def _off(value: Any) -> Any:
    return "off" if value is False else value  # YAML 1.1 takes a bare `off` for a boolean


Alias = Annotated[str, AfterValidator(_alias)]
Origin = Annotated[str, AfterValidator(_origin)]
HostName = Annotated[str, AfterValidator(_host)]
ByteSize = Annotated[
    int,
    BeforeValidator(size),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": PATTERN}]}),
]


class Limits(Strict):
    """What one request may be, and how many may wait: ``body`` in bytes, ``seconds`` until it is answered."""

    body: ByteSize = Field(
        default=32 * 2**20,
        description="The largest body of a request, in bytes or as 32m; more is answered with 413.",
    )
    rows: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default=50_000, description="The most rows of a request; more is answered with 413."
    )
    waiting: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=512,
        description="The most requests in the server at once; further ones are answered with 503.",
    )
    seconds: Annotated[float, Field(gt=0.0, le=3600.0)] = Field(
        default=15.0, description="Seconds until a request that could not be answered gets 503."
    )


class Mirror(Strict):
    """The challenger that is asked too, for a ``share`` of the requests; its answers are only stored."""

    alias: Alias = Field(default="staging", description="The alias of the challenger.")
    share: Annotated[float, Field(gt=0.0, le=1.0)] = Field(
        default=1.0, description="The share of the requests that the challenger is asked too."
    )


class Serving(Strict):
    """What ``mlpipes serve`` serves when it is not told otherwise.

    ``also`` are further aliases, served beside the first one. ``on_log_failure`` says what happens while
    predictions cannot be stored: ``refuse`` answers 503, ``spool`` keeps them in files of up to
    ``spool_size`` until the database is back. ``api_keys`` asks for a key from the moment the first one
    was made (``auto``), always, or never. ``allowed_hosts`` are names under which the API may be asked,
    beside addresses and names that no stranger can own.
    """

    model: RegistryName | None = Field(
        default=None, description="The registered model; left out, the only one there is."
    )
    alias: Alias = Field(
        default="production", description="The alias whose version answers; moving it moves a running API."
    )
    also: tuple[Alias, ...] = Field(default=(), description="Further aliases that are served too.")
    mirror: Mirror | None = Field(
        default=None, description="A challenger that is asked too; its answers are only stored."
    )
    port: Port = Field(default="auto", description="The port on the host: `auto` prefers 8000.")
    workers: Annotated[int, Field(ge=1, le=64)] = Field(default=1, description="How many processes answer.")
    on_log_failure: Literal["refuse", "spool"] = Field(
        default="refuse",
        description="While predictions cannot be stored: `refuse` answers 503, `spool` answers "
        "and keeps them in local files.",
    )
    spool_size: ByteSize = Field(
        default=2**30, description="The most disk space of the spool, in bytes or as 1g."
    )
    limits: Limits = Field(default=Limits(), description="The bounds of a request.")
    cors: tuple[Origin, ...] = Field(
        default=(),
        description="Origins of web pages that may ask, such as https://app.example.com; '*' is "
        "every origin.",
    )
    allowed_hosts: tuple[HostName, ...] = Field(
        default=(),
        description="Further host names of the API, such as api.example.com or *.example.com; "
        "'*' is every name.",
    )
    access_log: Annotated[Literal["all", "errors", "off"], BeforeValidator(_off)] = Field(
        default="errors", description="Which requests get a line in the log."
    )
    api_keys: Annotated[Literal["auto", "required", "off"], BeforeValidator(_off)] = Field(
        default="auto",
        description="Ask for an API key once one was made (`auto`), always (`required`), or never (`off`).",
    )

    @model_validator(mode="after")
    def _two_models_to_mirror(self) -> Serving:
        if self.mirror is not None and self.mirror.alias == self.alias:
            raise ValueError(f"mirror -> alias: {self.alias!r} is the served alias; choose another one")
        return self
