"""Resolves what is served: the model, the version that its alias points to, and the server's options."""

from __future__ import annotations

from dataclasses import dataclass

from mlpipes_cli.errors import MlpipesError, UsageError
from mlpipes_cli.ports import Endpoints, ModelSource
from mlpipes_cli.project import ProjectFolder
from mlpipes_cli.suggest import did_you_mean


class NotPromoted(MlpipesError):
    """No version is promoted yet, so there is nothing to serve."""


class NotRegistered(NotPromoted, UsageError):
    """There is no model of that name yet."""


@dataclass(frozen=True)
class ServingPlan:
    """The resolved options of ``serve``.

    Attributes:
        project: The project.
        endpoints: The addresses of its running stack.
        model: The registered model's name.
        version: The version that the alias points to now.
        alias: The alias.
        engine: ``api`` or ``mlflow``.
        host: The address to listen on.
        port: The requested port, or None for the preferred or next free one.
        workers: The number of worker processes.
    """

    project: ProjectFolder
    endpoints: Endpoints
    model: str
    version: int
    alias: str
    engine: str
    host: str
    port: int | None
    workers: int

    @property
    def title(self) -> str:
        """The title for messages."""
        return f"{self.model} version {self.version} ({self.alias})"


def make_plan(
    project: ProjectFolder,
    *,
    model: str | None = None,
    engine: str = "api",
    alias: str | None = None,
    host: str = "127.0.0.1",
    port: int | None = None,
    workers: int | None = None,
) -> ServingPlan:
    """Resolve what is served; the project's settings supply omitted options.

    Raises:
        UsageError: There is no such model, or several and none was named.
        MlpipesError: The stack is not running, or nothing was promoted.
    """
    from mlpipes_cli.adapters import wiring

    serving = project.config.serving
    endpoints = wiring.make_runtime(project).endpoints()
    alias = alias or serving.alias
    name, version = resolve(
        wiring.make_model_source(endpoints.tracking_uri, endpoints.login), model or serving.model, alias
    )
    own = serving.model in (None, name)  # a model other than the project's own gets a port of its own
    wanted = serving.port if isinstance(serving.port, int) and own else None
    return ServingPlan(
        project=project,
        endpoints=endpoints,
        model=name,
        version=version,
        alias=alias,
        engine=engine,
        host=host,
        port=port or wanted,
        workers=workers or serving.workers,
    )


def resolve(source: ModelSource, name: str | None, alias: str) -> tuple[str, int]:
    """Return the model's name and the version that the alias points to.

    Raises:
        NotRegistered: There is no such model.
        NotPromoted: There is no model at all, or nothing was promoted to the alias.
        UsageError: There are several models and none was named.
    """
    found = source.published(name) if name else None
    if found is None:
        names = source.names()
        if not names:
            raise NotPromoted("no model is registered yet", f"train, then {_promote(alias)}")
        if name:
            known = did_you_mean(name, names) or f"; available: {', '.join(names)}"
            raise NotRegistered(f"there is no registered model {name!r}{known}", "see `mlpipes models`")
        if len(names) > 1:
            raise UsageError(
                f"there are several registered models: {', '.join(names)}",
                "choose one with --model NAME or `serving: {model: NAME}` in mlpipes.yaml",
            )
        found = source.published(names[0])
    if found is None or alias not in found.aliases:
        shown = names[0] if found is None else found.name
        raise NotPromoted(f"model {shown!r} has no {alias!r} version", _promote(alias))
    return found.name, found.aliases[alias]


def _promote(alias: str) -> str:
    return "`mlpipes promote`" if alias == "production" else f"`mlpipes promote --to {alias}`"
