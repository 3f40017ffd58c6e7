"""The labels by which all that belongs to a stack is found, and by nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlpipes_cli

PROJECT = "com.docker.compose.project"  # Docker Desktop and `docker compose ls` group by it
SERVICE = "com.docker.compose.service"
CONFIG_HASH = "com.docker.compose.config-hash"  # `docker compose ps` passes over what has none
NEEDS = "com.docker.compose.depends_on"
ONEOFF = "com.docker.compose.oneoff"
ROOT = "io.mlpipes.root"
KEY = "io.mlpipes.key"
FINGERPRINT = "io.mlpipes.fingerprint"
IMAGE = "io.mlpipes.image"
RELEASE = "io.mlpipes.release"
HOLDS = "io.mlpipes.holds"  # on a volume of passwords, which goes with the containers


@dataclass(frozen=True)
class StackLabels:
    """What everything of one stack carries.

    Attributes:
        id: The stack's id, which is its Compose project name.
        root: The project's folder, without symbolic links.
        key: Tells whether a ``.env`` is that of the stack (see :func:`key`).
    """

    id: str
    root: Path
    key: str

    def common(self) -> dict[str, str]:
        """For containers, volumes and networks."""
        return {PROJECT: self.id, ROOT: str(self.root), KEY: self.key, RELEASE: mlpipes_cli.__version__}

    def volume(self, name: str, *, secrets: bool = False) -> dict[str, str]:
        """For a volume; ``secrets`` where it holds passwords and no data."""
        holds = {HOLDS: "secrets"} if secrets else {}
        return {**self.common(), **holds, "com.docker.compose.volume": name}

    def volume_name(self, name: str) -> str:
        """What a volume of the Compose file is called on the engine."""
        return f"{self.id}_{name}"

    def network(self, name: str) -> dict[str, str]:
        """For a network."""
        return {**self.common(), "com.docker.compose.network": name}

    def network_name(self, name: str) -> str:
        """What a network of the Compose file is called on the engine."""
        return f"{self.id}_{name}"

    def container(
        self, service: str, file: Path, needs: Iterable[str], *, oneoff: bool = False
    ) -> dict[str, str]:
        """For a container, all but what differs with its settings.

        Args:
            service: Its service.
            file: The Compose file.
            needs: The services that it was started after; `docker compose down` wants a container of each.
            oneoff: Whether it is that of a step.
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
    """A short print of a stack's id and superuser password.

    It tells two projects that were in the same folder at different times apart. At 32 bits nobody
    can read a password off it: too many others have the same print.
    """
    return hashlib.sha256(f"{id}\0{password}".encode()).hexdigest()[:8]


def is_ours(labels: Mapping[str, str] | None, id: str) -> bool:
    """Whether something with these labels belongs to the stack of that id."""
    return bool(labels) and labels is not None and labels.get(PROJECT) == id and ROOT in labels


def holds_secrets(volume: Mapping[str, Any]) -> bool:
    """Whether a volume, as the engine lists it, holds passwords and no data."""
    return HOLDS in (volume.get("Labels") or {})
