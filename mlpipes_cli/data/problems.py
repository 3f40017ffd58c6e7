"""Reports a mistake in the experiment file as an error."""

from __future__ import annotations

from mlpipes_cli.config.yaml_source import Location, YamlSource
from mlpipes_cli.errors import ConfigError


def wrong(source: YamlSource, where: Location, message: str) -> ConfigError:
    """Return the error to raise for a mistake at a place in the file."""
    return ConfigError([source.problem(where, message)])
