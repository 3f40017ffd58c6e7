"""Passwords of a service whose image does not read them from files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath

from mlpipes_cli.compose.model import Service

_SUFFIX = "_FILE"


def in_environment(service: Service) -> Service:
    """Return the service with its passwords in its environment, as images of earlier releases read them.

    Each variable ``NAME_FILE`` that names one of the service's files becomes ``NAME`` with its content.
    """
    contents = {PurePosixPath(secret.target): secret.content for secret in service.secrets}
    environment = dict(service.environment)
    for name, value in service.environment.items():
        content = contents.get(PurePosixPath(value)) if name.endswith(_SUFFIX) else None
        if content is not None:
            del environment[name]
            environment[name.removesuffix(_SUFFIX)] = content
    return replace(service, environment=environment, secrets=(), secret_volume=None)
