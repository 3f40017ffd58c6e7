"""``serving`` in ``mlpipes.yaml``: what is served, to whom, and within which bounds."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from mlpipes_cli.config.base import Port, RegistryName, Strict


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


_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30}


def _bytes(value: Any) -> Any:
    if isinstance(value, str) and (found := re.fullmatch(r"([1-9]\d*)([kKmMgG]?)", value)):
        return int(found[1]) * _UNITS[found[2].lower()]
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    raise ValueError(f"expected a size such as 32m, got {value!r}")


def _off(value: Any) -> Any:
    return "off" if value is False else value  # YAML 1.1 takes a bare `off` for a boolean


Alias = Annotated[str, AfterValidator(_alias)]
Origin = Annotated[str, AfterValidator(_origin)]
HostName = Annotated[str, AfterValidator(_host)]
ByteSize = Annotated[
    int,
    BeforeValidator(_bytes),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1},
                {"type": "string", "pattern": "^[1-9][0-9]*[kKmMgG]?$"},
            ]
        }
    ),
]


class Limits(Strict):
    """What one request may be, and how many may wait: ``body`` in bytes, ``seconds`` until it is answered."""

    body: ByteSize = 32 * 2**20
    rows: Annotated[int, Field(ge=1, le=1_000_000)] = 50_000
    waiting: Annotated[int, Field(ge=1, le=100_000)] = 512
    seconds: Annotated[float, Field(gt=0.0, le=3600.0)] = 15.0


class Mirror(Strict):
    """The challenger that is asked too, for a ``share`` of the requests; its answers are only stored."""

    alias: Alias = "staging"
    share: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0


class Serving(Strict):
    """What ``mlpipes serve`` serves when it is not told otherwise.

    ``also`` are further aliases, served beside the first one. ``on_log_failure`` says what happens while
    predictions cannot be stored: ``refuse`` answers 503, ``spool`` keeps them in files of up to
    ``spool_size`` until the database is back. ``api_keys`` asks for a key from the moment the first one
    was made (``auto``), always, or never. ``allowed_hosts`` are names under which the API may be asked,
    beside addresses and names that no stranger can own.
    """

    model: RegistryName | None = None
    alias: Alias = "production"
    also: tuple[Alias, ...] = ()
    mirror: Mirror | None = None
    port: Port = "auto"
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    on_log_failure: Literal["refuse", "spool"] = "refuse"
    spool_size: ByteSize = 2**30
    limits: Limits = Limits()
    cors: tuple[Origin, ...] = ()
    allowed_hosts: tuple[HostName, ...] = ()
    access_log: Annotated[Literal["all", "errors", "off"], BeforeValidator(_off)] = "errors"
    api_keys: Annotated[Literal["auto", "required", "off"], BeforeValidator(_off)] = "auto"

    @model_validator(mode="after")
    def _two_models_to_mirror(self) -> Serving:
        if self.mirror is not None and self.mirror.alias == self.alias:
            raise ValueError(f"mirror -> alias: {self.alias!r} is the served alias; choose another one")
        return self
