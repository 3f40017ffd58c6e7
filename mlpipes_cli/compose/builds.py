"""Read how images are built, without values for the variables in the rest of the file."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from mlpipes_cli.compose.load import build_of
from mlpipes_cli.compose.model import Build
from mlpipes_cli.compose.schema import BuildPart
from mlpipes_cli.config.problems import validate
from mlpipes_cli.config.yaml_source import ComposeLoader, read_yaml


def builds(path: Path) -> list[Build]:
    """Return how each image of a Compose file is built; these parts contain no variables.

    Raises:
        UsageError: The file cannot be read.
        ConfigError: One of the parts has mistakes.
    """
    source = read_yaml(path, loader=ComposeLoader)
    parts = [service["build"] for service in source.data["services"].values() if "build" in service]
    return [
        build_of(validate(BuildPart, dataclasses.replace(source, data=part)), path.parent) for part in parts
    ]
