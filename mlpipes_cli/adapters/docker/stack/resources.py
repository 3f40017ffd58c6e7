"""Find, create and remove a stack's containers, volumes and networks, by their labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlpipes_cli.adapters.docker.containers import labels
from mlpipes_cli.adapters.docker.containers.labels import StackLabels
from mlpipes_cli.adapters.docker.errors.translate import is_missing, translate_errors
from mlpipes_cli.errors import MlpipesError

if TYPE_CHECKING:
    from docker.api import APIClient

    from mlpipes_cli.adapters.docker.engine.connection import DockerEngine


@dataclass(frozen=True)
class Container:
    """Describes a container of the stack, as the engine lists it.

    Attributes:
        id: The container's id.
        name: The container's name.
        service: The service that it runs.
        state: created, running, paused, restarting, exited or dead.
        image: The image's id.
        ports: The host's ports by the container's; empty while it does not run.
        published: The published ports as text.
        labels: All labels.
    """

    id: str
    name: str
    service: str
    state: str
    image: str
    ports: Mapping[int, int]
    published: tuple[str, ...]
    labels: Mapping[str, str]

    @property
    def needs(self) -> tuple[str, ...]:
        """The services (and steps) that it was started after."""
        return tuple(part.partition(":")[0] for part in self.labels.get(labels.NEEDS, "").split(",") if part)

    @property
    def oneoff(self) -> bool:
        """Whether the container runs a step, after which it is removed."""
        return self.labels.get(labels.ONEOFF) == "True"


@dataclass(frozen=True)
class StackResources:
    """Accesses the resources of one stack on one engine."""

    engine: DockerEngine
    marks: StackLabels

    @property
    def api(self) -> APIClient:
        """The engine's API client."""
        return self.engine.client.api

    def volume(self, name: str) -> str:
        """Return the engine's name of a volume."""
        return self.marks.volume_name(name)

    def container(self, service: str) -> str:
        """Return the name of a service's container."""
        return f"{self.marks.id}-{service}-1"

    def _label(self) -> list[str]:
        return [f"{labels.PROJECT}={self.marks.id}", labels.ROOT]

    # -- queries

    def containers(self) -> dict[str, Container]:
        """Return the containers by service.

        Raises:
            MlpipesError: The engine does not answer.
        """
        with translate_errors("inspecting the stack"):
            rows = self.api.containers(all=True, filters={"label": [*self._label(), labels.SERVICE]})
            if self.engine.is_podman:
                rows = [self._with_all_ports(row) for row in rows]
        found = [_container(row) for row in rows]
        return {container.service: container for container in found}

    def _with_all_ports(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return Podman's listing with all ports: it lists only the first of several consecutive ports."""
        if row["State"] != "running":
            return row
        known = (self.inspect(row["Id"]) or {}).get("NetworkSettings", {}).get("Ports") or {}
        ports = [
            {
                "IP": port.get("HostIp", ""),
                "PublicPort": int(port["HostPort"]),
                "PrivatePort": int(inside.partition("/")[0]),
                "Type": inside.partition("/")[2],
            }
            for inside, published in known.items()
            for port in published or []
        ]
        return {**row, "Ports": ports}

    def volumes(self) -> list[str]:
        """Return the full names of the volumes with data."""
        return sorted(row["Name"] for row in self._volumes() if not labels.holds_secrets(row))

    def _volumes(self) -> list[Mapping[str, Any]]:
        with translate_errors("inspecting the volumes"):
            return list(self.api.volumes(filters={"label": self._label()}).get("Volumes") or [])

    def inspect(self, container: str) -> dict[str, Any] | None:
        """Return the engine's details of a container; None if it does not exist."""
        from docker.errors import APIError

        with translate_errors("inspecting a container"):
            try:
                return dict(self.api.inspect_container(container))
            except APIError as error:
                if is_missing(error):
                    return None
                raise

    # -- creation

    def lacks_network(self, name: str) -> bool:
        """Return whether there is no such network yet.

        Raises:
            MlpipesError: A network of that name does not belong to the stack.
        """
        full = self.marks.network_name(name)
        with translate_errors(f"looking for the network {full}"):
            rows = [network for network in self.api.networks(names=[full]) if network["Name"] == full]
        if rows and not any(labels.is_ours(row.get("Labels"), self.marks.id) for row in rows):
            raise _not_ours("network", full, "docker network rm")
        return not rows

    def make_network(self, name: str) -> None:
        """Create a network, or use one that the engine created for a killed call."""
        from docker.errors import APIError

        full, marks = self.marks.network_name(name), self.marks.network(name)
        with translate_errors(f"creating the network {full}"):
            try:
                self.api.create_network(full, driver="bridge", labels=marks, check_duplicate=True)
            except APIError as error:
                if error.status_code != 409 or self.lacks_network(name):
                    raise

    def lacks_volume(self, name: str) -> bool:
        """Return whether there is no such volume yet.

        Raises:
            MlpipesError: A volume of that name does not belong to the stack.
        """
        from docker.errors import APIError

        full = self.volume(name)
        with translate_errors(f"looking for the volume {full}"):
            try:
                found = self.api.inspect_volume(full)
            except APIError as error:
                if not is_missing(error):
                    raise
                return True
        if not labels.is_ours(found.get("Labels"), self.marks.id):
            raise _not_ours("volume", full, "docker volume rm")
        return False

    def make_volume(self, name: str, *, secrets: bool = False) -> None:
        """Create a volume; ``secrets`` if it is to hold passwords and no data."""
        with translate_errors(f"creating the volume {self.volume(name)}"):
            self.api.create_volume(self.volume(name), labels=self.marks.volume(name, secrets=secrets))

    def foreign_container(self, name: str) -> MlpipesError | None:
        """Return the error for a container of that name that does not belong to the stack, or None."""
        found = self.inspect(name)
        if found is None or labels.is_ours(found["Config"].get("Labels"), self.marks.id):
            return None
        return _not_ours("container", name, "docker rm")

    # -- removal

    def stop(self, container: Container) -> None:
        """Stop a container, and kill it after its grace period; a missing container is not an error."""
        from docker.errors import APIError

        found = self.inspect(container.id)
        grace = int((found or {}).get("Config", {}).get("StopTimeout") or 10)
        with translate_errors(f"stopping {container.service}"):
            try:
                if container.state == "paused":
                    self.api.unpause(container.id)
                self.api.stop(container.id, timeout=grace)
            except APIError as error:
                if not is_missing(error):
                    raise

    def remove(self, container: str) -> None:
        """Remove a container, whatever its state; a missing container is not an error."""
        from docker.errors import APIError

        with translate_errors("removing a container"):
            try:
                self.api.remove_container(container, force=True, v=True)
            except APIError as error:
                if not is_missing(error) and "already in progress" not in str(error):
                    raise

    def remove_networks(self) -> None:
        """Remove the networks, except those that containers of others use."""
        from docker.errors import APIError

        with translate_errors("removing the networks"):
            for row in self.api.networks(filters={"label": self._label()}):
                try:
                    self.api.remove_network(row["Id"])
                except APIError as error:
                    if not is_missing(error) and "active endpoints" not in str(error):
                        raise

    def remove_volumes(self) -> list[str]:
        """Remove the volumes with their data; return their names."""
        names = self.volumes()
        self._remove_volumes(names)
        return names

    def remove_secrets(self) -> None:
        """Remove the volumes with passwords, which are not needed without containers."""
        names = sorted(row["Name"] for row in self._volumes() if labels.holds_secrets(row))
        self._remove_volumes(names, left=409)  # a container of others uses it

    def _remove_volumes(self, names: Sequence[str], left: int | None = None) -> None:
        from docker.errors import APIError

        with translate_errors("removing the volumes"):
            for name in names:
                try:
                    self.api.remove_volume(name)
                except APIError as error:
                    if not is_missing(error) and error.status_code != left:
                        raise


def _container(row: Mapping[str, Any]) -> Container:
    found = sorted(
        (port for port in row.get("Ports") or [] if port.get("PublicPort")),
        key=lambda port: (port["PrivatePort"], port.get("IP", "")),
    )
    return Container(
        id=row["Id"],
        name=(row.get("Names") or ["/?"])[0].lstrip("/"),
        service=row["Labels"][labels.SERVICE],
        state=row["State"],
        image=row["ImageID"],
        ports={port["PrivatePort"]: port["PublicPort"] for port in found},
        published=tuple(
            f"{port.get('IP', '')}:{port['PublicPort']}->{port['PrivatePort']}/{port['Type']}"
            for port in found
        ),
        labels=row["Labels"],
    )


def _not_ours(what: str, name: str, remove: str) -> MlpipesError:
    return MlpipesError(
        f"a {what} named {name} exists that is not part of this stack; it was not changed",
        f"rename it, or remove it with `{remove} {name}`, then `mlpipes up` again",
    )
