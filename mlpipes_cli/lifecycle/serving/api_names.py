"""Names the prediction APIs of a project as services of its stack, one for each model.

The first is ``api``. Another model is served beside it as ``api-MODEL``, on a port of its own.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from mlpipes_cli.ports import ServiceSpec
from mlpipes_cli.services import catalog

NAME = catalog.API


@dataclass(frozen=True)
class ApiTarget:
    """The target in a service's command: model (None: the only one there is), alias, engine."""

    model: str | None
    alias: str
    engine: str

    def title(self, model: str) -> str:
        """Return a title for messages; ``model`` is used if the target names none."""
        return f"{self.model or model} ({self.alias}) by {'MLflow' if self.engine == 'mlflow' else 'the API'}"


def is_api(name: str) -> bool:
    """Return whether a service of that name is a prediction API."""
    return name == NAME or name.startswith(f"{NAME}-")


def target_of(spec: ServiceSpec) -> ApiTarget:
    """Return the target in the command of a service."""

    def after(option: str, otherwise: str | None) -> str | None:
        words = spec.command
        return words[words.index(option) + 1] if option in words[:-1] else otherwise

    return ApiTarget(after("--model", None), after("--alias", None) or "", after("--engine", None) or "api")


def name_for(model: str, services: Mapping[str, ServiceSpec], main: str | None) -> str:
    """Return the name of the service that serves a model, or will serve it.

    Args:
        model: The registered model's name.
        services: The stack's added services.
        main: The model of the service ``api``, if its command does not name it.
    """
    first = services.get(NAME)
    if first is None or (target_of(first).model or main or model) == model:
        return NAME
    serving = [name for name, spec in services.items() if is_api(name) and target_of(spec).model == model]
    return serving[0] if serving else _beside(model, services)


def _beside(model: str, services: Mapping[str, ServiceSpec]) -> str:
    """Return a name for another API: the model's, in characters that files and labels accept."""
    plain = re.sub(r"[^a-z0-9]+", "-", model.lower()).strip("-")[:40] or "model"
    name = f"{NAME}-{plain}"
    if name not in services:
        return name
    return f"{name}-{hashlib.sha256(model.encode()).hexdigest()[:6]}"
