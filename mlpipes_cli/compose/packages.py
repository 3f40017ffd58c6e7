"""Services that other installed packages add: each in a Compose file of its own, beside its definition."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from mlpipes_cli.compose.load import Problems, dangling, read, refuse_circles, services_of
from mlpipes_cli.compose.model import Compose
from mlpipes_cli.compose.override import NETWORKS
from mlpipes_cli.compose.schema import OverrideFile
from mlpipes_cli.config.yaml_source import Location
from mlpipes_cli.services.definition import ServiceDefinition


def extend(base: Compose, added: ServiceDefinition, path: Path, variables: Mapping[str, str]) -> Compose:
    """Return the stack with the service and the volumes of a package's file added.

    Args:
        base: The stack's own services.
        added: The package's definition.
        path: Its file.
        variables: The values of ``${NAME}``.

    Raises:
        UsageError: The file cannot be read.
        ConfigError: The file has mistakes, unsupported keys, other services, or names that the stack uses.
    """
    source, file = read(path, variables, OverrideFile, functools.partial(_wrong, base, added))
    own = {name: replace(one, networks=NETWORKS) for name, one in services_of(file, path.parent).items()}
    whole = Compose(base.name, {**base.services, **own}, (*base.volumes, *file.volumes))
    refuse_circles(source, whole)
    return whole


def _wrong(base: Compose, added: ServiceDefinition, file: OverrideFile) -> Problems:
    yield from dangling(file, {**base.services, **file.services})
    if added.name not in file.services:
        yield ("services",), f"the service {added.name!r} is missing"
    for name, service in file.services.items():
        at: Location = ("services", name)
        if name != added.name:
            yield at, f"not supported: this file describes {added.name!r} alone"
            continue
        published = {port.port for port in service.ports}
        for port in added.ports:
            if port.inside not in published:
                yield (*at, "ports"), f"port {port.inside} of its definition is not published"
        if service.networks != ("default",) or service.network_mode:
            key = "network_mode" if service.network_mode else "networks"
            yield (*at, key), "not supported: remove it; the service joins the stack's networks"
        if service.step:
            yield (*at, "x-mlpipes-step"), "only mlpipes itself may define steps"
    for volume in file.volumes:
        if volume in base.volumes:
            yield ("volumes", volume), f"{volume!r} is a volume of mlpipes itself; choose another name"
