"""What all models of our files share."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from mlpipes_cli import metric_catalog
from mlpipes_cli.suggest import did_you_mean


class Strict(BaseModel):
    """A frozen model that refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True, defer_build=True)


def _metric(name: str) -> str:
    if name not in metric_catalog.NAMES:
        suggestion = did_you_mean(name, metric_catalog.NAMES)
        raise ValueError(
            f"unknown metric {name!r}{suggestion or '; use one of ' + ', '.join(metric_catalog.NAMES)}"
        )
    return name


def _name(name: str) -> str:
    bad = sorted({char for char in name if char in "/:.%\"'\\" or ord(char) < 32})
    if bad:
        raise ValueError(
            f"{name!r} contains {' '.join(map(repr, bad))}, which MLflow's model registry does not allow"
        )
    return name


def _port(value: Any) -> Any:
    if value == "auto" or (isinstance(value, int) and not isinstance(value, bool)):
        if value == "auto" or 1 <= value <= 65535:
            return value
    raise ValueError(f"expected 'auto' or a port from 1 to 65535, got {value!r}")


MetricName = Annotated[
    str, AfterValidator(_metric), WithJsonSchema({"type": "string", "enum": list(metric_catalog.NAMES)})
]
RegistryName = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_name)]
_PORTS = {"anyOf": [{"const": "auto"}, {"type": "integer", "minimum": 1, "maximum": 65535}]}
Port = Annotated[Literal["auto"] | int, BeforeValidator(_port), WithJsonSchema(_PORTS)]
