"""Users' own services next to the stack's: ``compose.override.yaml`` in the project's folder."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from mlpipes_cli.compose.load import Problems, dangling, read, refuse_circles, services_of
from mlpipes_cli.compose.model import Compose
from mlpipes_cli.compose.schema import OverrideFile
from mlpipes_cli.config.yaml_source import ComposeLoader, Location, read_yaml
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.services import catalog

NAME = "compose.override.yaml"
NETWORKS = ("default", "database")  # users' own services are clients of all but the object store
_SETTINGS = "to configure that service, use `stack:` in mlpipes.yaml"


def names(root: Path) -> tuple[str, ...]:
    """Return the services of a project's file, as far as it can be read; ``extend`` reports mistakes."""
    path = root / NAME
    if not path.is_file():
        return ()
    try:
        services = read_yaml(path, loader=ComposeLoader).data.get("services")
    except MlpipesError:
        return ()
    return tuple(map(str, services)) if isinstance(services, dict) else ()


def extend(base: Compose, path: Path, variables: Mapping[str, str], active: Collection[str]) -> Compose:
    """Return the stack with the services and volumes of a user's file added.

    Args:
        base: The stack's own services.
        path: The user's file.
        variables: The values of ``${NAME}``.
        active: The services of the stack that should run.

    Raises:
        UsageError: The file cannot be read.
        ConfigError: The file has mistakes, unsupported keys, or names that the stack itself uses.
    """
    look = functools.partial(_wrong, base, active)
    source, file = read(path, variables, OverrideFile, look)
    own = {name: replace(one, networks=NETWORKS) for name, one in services_of(file, path.parent).items()}
    whole = Compose(base.name, {**base.services, **own}, (*base.volumes, *file.volumes))
    refuse_circles(source, whole)
    return whole


def _wrong(base: Compose, active: Collection[str], file: OverrideFile) -> Problems:
    yield from dangling(file, {**base.services, **file.services})
    for name, service in file.services.items():
        at: Location = ("services", name)
        if name in base.services or name.startswith("api-"):
            yield at, f"{name!r} is a service of mlpipes itself: choose another name; {_SETTINGS}"
        elif catalog.find(name):
            yield at, f"{name!r} is a service of an installed package: choose another name"
        if service.profiles:
            yield (*at, "profiles"), "not supported: remove it; all services of this file run"
        if service.networks != ("default",) or service.network_mode:
            key = "network_mode" if service.network_mode else "networks"
            yield (*at, key), "not supported: remove it; services of this file join the stack's network"
        if service.step:
            yield (*at, "x-mlpipes-step"), "only mlpipes itself may define steps"
        yield from _idle(base, active, at, service.depends_on)
    if file.networks:
        yield ("networks",), "not supported: remove it; services of this file join the stack's network"
    for volume in file.volumes:
        if volume in base.volumes:
            yield ("volumes", volume), f"{volume!r} is a volume of mlpipes itself; choose another name"


def _idle(
    base: Compose, active: Collection[str], at: Location, needed: Collection[str]
) -> Iterator[tuple[Location, str]]:
    """Yield the required services of the stack that are not active."""
    for name in needed:
        service = base.services.get(name)
        if service and service.step is None and name not in active:
            hint = (
                f"`mlpipes up --with {name}` adds it" if service.profiles else f"one of {', '.join(active)}"
            )
            yield (*at, "depends_on", name), f"{name} is not part of this stack; {hint}"
