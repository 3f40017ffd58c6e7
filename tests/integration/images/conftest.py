"""Containers as compose/compose.yaml confines them, on a network of the test's own."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docker_help import ROOT_LABEL, of_root, references

CAPABILITIES = {"postgres": ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"]}


class Boxes:
    """Starts containers that belong to a folder, and nothing else."""

    def __init__(self, client: Any, root: Path) -> None:
        self.client = client
        self.id = f"images-{uuid.uuid4().hex[:8]}"
        self.labels = {ROOT_LABEL: str(root.resolve())}
        self.network = client.networks.create(self.id, labels=self.labels)

    def start(self, name: str, environment: dict[str, str], **options: Any) -> Any:
        """A container called ``name`` on the network, of the image of that name unless ``image`` is given."""
        image = options.pop("image", None) or references()[name].split("@")[0]
        volumes = {self.volume(one): {"bind": path} for one, path in options.pop("volumes", {}).items()}
        created = self.client.containers.create(
            image, name=f"{self.id}-{name}", labels=self.labels, environment=environment, volumes=volumes,
            cap_drop=["ALL"], cap_add=CAPABILITIES.get(name, []), security_opt=["no-new-privileges:true"],
            read_only=True, tmpfs={"/tmp": "", "/var/run/postgresql": ""}, mem_limit="2g", **options,
        )  # fmt: skip
        self.network.connect(created, aliases=[name])
        created.start()
        return created

    def volume(self, name: str) -> str:
        """The full name of a volume, which is made if it is not there."""
        return str(self.client.volumes.create(f"{self.id}-{name}", labels=self.labels).name)

    @staticmethod
    def port(container: Any, inside: int) -> int:
        """Where a published port is reached on this machine."""
        container.reload()
        return int(container.ports[f"{inside}/tcp"][0]["HostPort"])


@pytest.fixture
def boxes(docker_engine: Any, tmp_path: Path) -> Iterator[Boxes]:
    made = Boxes(docker_engine, tmp_path)
    try:
        yield made
    finally:
        of_root(docker_engine, tmp_path).remove()
