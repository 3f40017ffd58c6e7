"""Define the labels by which the containers, volumes and networks of a stack are found."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlpipes_cli

PROJECT = "com.docker.compose.project"  # Docker Desktop and `docker compose ls` group by it
SERVICE = "com.docker.compose.service"
CONFIG_HASH = "com.docker.compose.config-hash"  # `docker compose ps` skips containers without it
NEEDS = "com.docker.compose.depends_on"
ONEOFF = "com.docker.compose.oneoff"
ROOT = "io.mlpipes.root"
KEY = "io.mlpipes.key"
FINGERPRINT = "io.mlpipes.fingerprint"
IMAGE = "io.mlpipes.image"
RELEASE = "io.mlpipes.release"
PASSWORDS = "io.mlpipes.passwords"  # on an image of ours: "files" if it reads them from files
HOLDS = "io.mlpipes.holds"  # on a volume of passwords, which is removed with the containers


@dataclass(frozen=True)
class StackLabels:
    """Builds the labels and names of one stack's resources.

    Attributes:
        id: The stack's id, which is its Compose project name.
        root: The project's folder, without symbolic links.
        key: A hash that shows whether a ``.env`` belongs to the stack (see :func:`key`).
    """

    id: str
    root: Path
    key: str

    def common(self) -> dict[str, str]:
        """Return the labels that containers, volumes and networks share."""
        return {PROJECT: self.id, ROOT: str(self.root), KEY: self.key, RELEASE: mlpipes_cli.__version__}

    def volume(self, name: str, *, secrets: bool = False) -> dict[str, str]:
        """Return the labels of a volume; ``secrets`` if it holds passwords and no data."""
        holds = {HOLDS: "secrets"} if secrets else {}
        return {**self.common(), **holds, "com.docker.compose.volume": name}

    def volume_name(self, name: str) -> str:
        """Return the engine's name of a volume of the Compose file."""
        return f"{self.id}_{name}"

    def network(self, name: str) -> dict[str, str]:
        """Return the labels of a network."""
        return {**self.common(), "com.docker.compose.network": name}

    def network_name(self, name: str) -> str:
        """Return the engine's name of a network of the Compose file."""
        return f"{self.id}_{name}"

    def container(
        self, service: str, file: Path, needs: Iterable[str], *, oneoff: bool = False
    ) -> dict[str, str]:
        """Return a container's labels, except those that depend on its settings.

        Args:
            service: The container's service.
            file: The Compose file.
            needs: The services that it was started after; `docker compose down` requires a container of each.
            oneoff: Whether the container runs a step.
        """
        return {
            **self.common(),
            SERVICE: service,
            NEEDS: ",".join(f"{name}:service_started:false" for name in sorted(needs)),
            "com.docker.compose.container-number": "1",
            ONEOFF: str(oneoff),
            "com.docker.compose.project.config_files": str(file),
            "com.docker.compose.project.working_dir": str(self.root),
        }


def key(id: str, password: str) -> str:
    """Return a 32-bit hash of a stack's id and superuser password.

    The hash distinguishes two projects that were in the same folder at different times. At 32 bits it
    does not reveal the password: too many others have the same hash.
    """
    return hashlib.sha256(f"{id}\0{password}".encode()).hexdigest()[:8]


def is_ours(labels: Mapping[str, str] | None, id: str) -> bool:
    """Return whether a resource with these labels belongs to the stack with that id."""
    return bool(labels) and labels is not None and labels.get(PROJECT) == id and ROOT in labels


def holds_secrets(volume: Mapping[str, Any]) -> bool:
    """Return whether a volume, as the engine lists it, holds passwords and no data."""
    return HOLDS in (volume.get("Labels") or {})
