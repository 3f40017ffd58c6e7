"""Files with passwords for services, used instead of variables because the engine shows those.

A service has such files in a volume of its own at ``TARGET``. The file of the step ``secrets`` defines them,
one per line: ``10002 mlflow/NAME=value`` (the account that may read it, the service, the file's name). Under
`docker compose` alone the step writes them; `mlpipes up` writes them itself.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from mlpipes_cli.compose.model import ConfigFile, Mount, Service

TARGET = "/etc/mlpipes/secrets"
STEP = "secrets"
_MODE = 0o400


def spread(services: Mapping[str, Service]) -> dict[str, Service]:
    """Return the services with ``secret_volume``, the volume at ``TARGET``, and ``secrets``, its files.

    Raises:
        ValueError: A line of the step's file is malformed.
    """
    step = next((one for one in services.values() if one.step == STEP), None)
    files = _files(step.files[0].content) if step and step.files else {}
    return {name: _with(service, files.get(name, ())) for name, service in services.items()}


def _files(content: str) -> dict[str, tuple[ConfigFile, ...]]:
    found: dict[str, tuple[ConfigFile, ...]] = {}
    for line in content.splitlines():
        owner, _, rest = line.partition(" ")
        where, _, value = rest.partition("=")
        service, slash, name = where.partition("/")
        if not owner.isdecimal() or not slash or not name:
            raise ValueError("expected lines such as `10002 mlflow/NAME=value`")
        file = ConfigFile(value, f"{TARGET}/{name}", _MODE, int(owner))
        found[service] = (*found.get(service, ()), file)
    return found


def _with(service: Service, files: tuple[ConfigFile, ...]) -> Service:
    held = next((mount for mount in service.volumes if mount.target == TARGET), None)
    if held is None:
        return service
    others: tuple[Mount, ...] = tuple(mount for mount in service.volumes if mount is not held)
    return dataclasses.replace(service, volumes=others, secret_volume=held.volume, secrets=files)
