"""Where the runs of an ``experiment.yaml`` are trained."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from mlpipes_cli.config.base import Strict
from mlpipes_cli.suggest import did_you_mean

_NAMES = ("local", "ray")


class RayExecutor(Strict):
    """A Ray cluster that runs already.

    Attributes:
        ray: Its address: ``host:6379``, or ``ray://host:10001`` from a machine that is no part of it; the
            environment variable RAY_ADDRESS where it is left out.
        version: Of Ray there; asked of the cluster where it is left out.
    """

    ray: Annotated[str, Field(pattern=r"^(ray://)?[\w.-]+:\d{1,5}$")] | None = Field(
        default=None,
        description="The address of the cluster: HOST:PORT, or ray://HOST:PORT from a machine "
        "outside of it; left out, RAY_ADDRESS.",
    )
    version: Annotated[str, Field(pattern=r"^\d+\.\d+(\.\w+)*$")] | None = Field(
        default=None, description="The cluster's version of Ray; left out, the cluster is asked."
    )


def _executor(value: Any) -> Any:
    if value is None or value == "local":
        return None
    if value == "ray":
        return {}
    if isinstance(value, dict) and ("ray" in value or not value):
        return value
    name = next(iter(value), "") if isinstance(value, dict) else value
    hint = did_you_mean(str(name), _NAMES) or "; write local, ray, or {ray: HOST:PORT}"
    raise ValueError(f"unknown executor {name!r}{hint}")


_SCHEMA = {
    "anyOf": [
        {"enum": list(_NAMES)},
        {
            "type": "object",
            "properties": {
                "ray": {
                    "type": "string",
                    "pattern": r"^(ray://)?[\w.-]+:\d{1,5}$",
                    "description": RayExecutor.model_fields["ray"].description,
                },
                "version": {
                    "type": "string",
                    "description": RayExecutor.model_fields["version"].description,
                },
            },
            "required": ["ray"],
            "additionalProperties": False,
        },
    ],
    "default": "local",
}
Executor = Annotated[RayExecutor | None, BeforeValidator(_executor), WithJsonSchema(_SCHEMA)]
