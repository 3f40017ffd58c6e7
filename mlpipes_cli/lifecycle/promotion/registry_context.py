"""The connection to the registry that every registry command begins with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlpipes_cli.errors import MlpipesError, UsageError
from mlpipes_cli.ports import Endpoints, RegisteredModel, Registry
from mlpipes_cli.suggest import did_you_mean

if TYPE_CHECKING:
    from mlpipes_cli.project import ProjectFolder


@dataclass(frozen=True)
class RegistryContext:
    """The registry and the addresses of a running stack."""

    registry: Registry
    endpoints: Endpoints


def connect(project: ProjectFolder) -> RegistryContext:
    """Return the registry of the project's running stack.

    Raises:
        MlpipesError: It is not running.
    """
    from mlpipes_cli.adapters import wiring

    endpoints = wiring.make_runtime(project).endpoints()
    return RegistryContext(wiring.make_registry(endpoints), endpoints)


def check_alias(alias: str) -> str:
    """Return the alias if the registry accepts it.

    Raises:
        UsageError: It is reserved or has forbidden characters.
    """
    from pydantic import TypeAdapter, ValidationError

    from mlpipes_cli.config.serving import Alias

    try:
        return str(TypeAdapter(Alias).validate_python(alias))
    except ValidationError as error:
        raise UsageError(f"--to: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from None


def find_model(project: ProjectFolder, registry: Registry, name: str | None) -> RegisteredModel:
    """Return the named model, else the one of ``serving.model``, else the only one there is.

    Raises:
        UsageError: There is no such model, or several to choose from.
        MlpipesError: Nothing is registered yet.
    """
    wanted = name or project.config.serving.model
    if wanted is not None and (model := registry.model(wanted)):
        return model
    models = registry.models()
    if not models:
        raise MlpipesError("no model is registered yet", "create one with `mlpipes promote`")
    names = [model.name for model in models]
    if wanted is not None:
        asked = "" if name else "mlpipes.yaml: serving -> model: "
        raise UsageError(f"{asked}there is no model {wanted!r}", or_listed(wanted, names))
    if len(models) > 1:
        raise UsageError("there are several models", f"choose one with --model: {', '.join(names)}")
    return models[0]


def or_listed(word: str, known: Iterable[str]) -> str:
    """Return a hint: the nearest known word, else all of them."""
    known = list(known)
    return did_you_mean(word, known).removeprefix("; ") or f"available: {', '.join(known)}"
