"""Load a Compose file into the model."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from mlpipes_cli import package_files
from mlpipes_cli.compose.interpolate import interpolate_document
from mlpipes_cli.compose.model import Build, Compose, ConfigFile, Healthcheck, Service
from mlpipes_cli.compose.order import circle, start_order
from mlpipes_cli.compose.schema import BuildPart, ComposeFile, Content, ServicePart
from mlpipes_cli.compose.secret_files import spread
from mlpipes_cli.config.problems import validate
from mlpipes_cli.config.yaml_source import ComposeLoader, Location, YamlSource, read_yaml
from mlpipes_cli.errors import ConfigError
from mlpipes_cli.suggest import did_you_mean

__all__ = ["load", "start_order"]
F = TypeVar("F", bound=Content)
Problems = Iterable[tuple[Location, str]]


def load(path: Path, variables: Mapping[str, str]) -> Compose:
    """Read a Compose file and replace its variables.

    Args:
        path: The file; folders that it names are relative to its own folder.
        variables: The values of ``${NAME}``; the environment of this process is not used.

    Raises:
        UsageError: The file cannot be read.
        ConfigError: The file has mistakes or unsupported keys; the error lists all of them.
    """
    source, file = read(path, variables, ComposeFile, _dangling)
    compose = Compose(file.name, spread(services_of(file, path.parent)), tuple(file.volumes))
    refuse_circles(source, compose)
    return compose


def read(
    path: Path, variables: Mapping[str, str], shape: type[F], look: Callable[[F], Problems]
) -> tuple[YamlSource, F]:
    """Read a file of one of the shapes, and replace its variables.

    Args:
        path: The file.
        variables: The values of ``${NAME}``.
        shape: The model of the file.
        look: Finds problems that the model cannot: location and message of each.

    Raises:
        UsageError: The file cannot be read.
        ConfigError: The file has mistakes; the error lists all of them.
    """
    source = read_yaml(path, _shown(path), ComposeLoader)
    data, missing = interpolate_document(source, variables)
    filled = dataclasses.replace(source, data=data)
    problems = [source.problem(location, message) for location, message in missing.items()]
    try:
        file = validate(shape, filled)
    except ConfigError as error:
        known = {problem.rsplit(": ", 1)[0] for problem in problems}
        problems += [one for one in error.problems if not any(one.startswith(f"{at}: ") for at in known)]
        raise ConfigError(sorted(problems, key=_line)) from None
    problems += [source.problem(location, message) for location, message in look(file)]
    if problems:
        raise ConfigError(sorted(problems, key=_line))
    return source, file


def services_of(file: Content, folder: Path) -> dict[str, Service]:
    """Return the services of a file in that folder, by name."""
    return {name: _service(name, part, file, folder) for name, part in file.services.items()}


def _shown(path: Path) -> str:
    relative = os.path.relpath(path)
    return relative if len(relative) < len(str(path)) else str(path)


def _line(problem: str) -> int:
    return int(problem.split(":", 2)[1])


def _dangling(file: ComposeFile) -> Problems:
    return dangling(file, file.services)


def dangling(file: Content, known: Collection[str]) -> Iterator[tuple[Location, str]]:
    """Yield references to unknown services, and to entries that the file does not define."""
    for name, service in file.services.items():
        at: Location = ("services", name)
        for needed in service.depends_on:
            if needed not in known:
                yield (*at, "depends_on", needed), f"no such service{did_you_mean(needed, known)}"
        kind, _, other = (service.network_mode or "").partition(":")
        if kind == "service" and other not in known:
            yield (*at, "network_mode"), f"no such service: {other!r}{did_you_mean(other, known)}"
        for index, network in enumerate(service.networks):
            if network not in {**file.networks, "default": None}:
                word = did_you_mean(network, file.networks)
                yield (*at, "networks", index), f"{network!r} is not among the file's networks{word}"
        for index, mount in enumerate(service.volumes):
            if mount.volume not in file.volumes:
                word = did_you_mean(mount.volume, file.volumes)
                yield (*at, "volumes", index), f"{mount.volume!r} is not defined under `volumes`{word}"
        for index, config in enumerate(service.configs):
            if config.source not in file.configs:
                word = did_you_mean(config.source, file.configs)
                yield (*at, "configs", index), f"{config.source!r} is not defined under `configs`{word}"


def refuse_circles(source: YamlSource, compose: Compose) -> None:
    """Check that services do not depend on each other in a circle.

    Raises:
        ConfigError: There is a circle.
    """
    names = circle(compose)
    if names:
        at = ("services", names[0], "depends_on")
        message = f"circular dependency between services: {' -> '.join(names)}"
        raise ConfigError([source.problem(at, message)])


def _service(name: str, part: ServicePart, file: Content, folder: Path) -> Service:
    fields = {key: getattr(part, key) for key in ServicePart.model_fields if key != "configs"}
    check = part.healthcheck
    fields |= {
        "build": build_of(part.build, folder) if part.build else None,
        "healthcheck": Healthcheck(**check.model_dump()) if check else None,
        "depends_on": {needed: entry.condition for needed, entry in part.depends_on.items()},
        "files": tuple(
            ConfigFile(file.configs[one.source].content, one.target or f"/{one.source}", one.mode)
            for one in part.configs
        ),
    }
    return Service(name, **fields)


def build_of(part: BuildPart, folder: Path) -> Build:
    """Return how an image is built, from a ``build:`` of a file in that folder."""
    context = (folder / part.context).resolve()
    parts = {name: _part(name, context) for name in part.parts}
    return Build(context, part.dockerfile, part.args, parts)


def _part(name: str, context: Path) -> Path:
    """Return the path of a part; our own code is where it is installed, not always next to the file."""
    package = package_files.package()
    return package if name == package.name else context / name
