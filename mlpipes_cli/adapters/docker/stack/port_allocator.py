"""Choose each service's host port: the current, the remembered, the preferred or the next free one."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlpipes_cli.adapters.docker.errors.translate import translate_errors
from mlpipes_cli.adapters.docker.stack.resources import Container
from mlpipes_cli.adapters.docker.stack.settings import PortSetting
from mlpipes_cli.adapters.processes import ports
from mlpipes_cli.adapters.processes.ports import PortReservations
from mlpipes_cli.adapters.processes.state import StateFiles
from mlpipes_cli.compose import override
from mlpipes_cli.errors import MlpipesError

if TYPE_CHECKING:
    from mlpipes_cli.adapters.docker.engine.connection import DockerEngine

_GRACE = 3.0  # seconds
_PAUSE = 0.05


@dataclass
class PortAllocator:
    """Chooses host ports, and other ones if the engine finds them taken.

    Attributes:
        engine: The engine that publishes the ports.
        files: The state files with the remembered ports.
        held: Ports that are reserved until the services listen.
        say: Called with a message if a port changes.
        chosen: Ports by name.
        refused: Ports that the engine could not publish.
    """

    engine: DockerEngine
    files: StateFiles
    held: PortReservations
    say: Callable[[str], None]
    chosen: dict[str, int] = field(default_factory=dict)
    refused: set[int] = field(default_factory=set)

    def choose(self, settings: Sequence[PortSetting], containers: Mapping[str, Container]) -> None:
        """Choose a port for each setting; the port of a running container of the stack is kept.

        Raises:
            MlpipesError: A fixed port is taken; the message names its holder.
        """
        for setting in settings:
            container = containers.get(setting.service)
            kept = container.ports.get(setting.inside) if container else None
            if kept is None and container is not None:
                kept = self._back(setting, container)
            if kept is None or setting.wanted not in (None, kept):
                kept = self._free(setting)
            self._remember(setting, kept)

    def replace(self, settings: Sequence[PortSetting], port: int) -> None:
        """Choose again after the engine could not publish one of these ports (0: it did not report which).

        Raises:
            MlpipesError: The port is fixed.
        """
        for setting in settings:
            had = self.chosen[setting.name]
            if port not in (0, had):
                continue
            if setting.wanted is not None:
                raise self._taken(setting, had)
            self.say(f"port {had} of {setting.name} was taken by {self.holder(had)}; trying another")
            self.refused.add(had)  # it also stays reserved, so that it is not chosen again
            self._remember(setting, self._free(setting))

    def _back(self, setting: PortSetting, container: Container) -> int | None:
        """Return the port of a stopped container that the engine is starting again by itself right now.

        After its own start the engine starts our containers: a container's port is in use before the engine
        lists the container as running.
        """
        port = self.files.ports().get(setting.name)
        if port is None or not self.engine.local:
            return None
        end = time.monotonic() + _GRACE
        while not ports.is_free(port) and time.monotonic() < end:
            with translate_errors(f"looking up who uses port {port}"):
                found = self.engine.client.api.containers()
            of_it = [row.get("Ports") or [] for row in found if row["Id"] == container.id]
            if any(it.get("PublicPort") == port for rows in of_it for it in rows):
                return port
            time.sleep(_PAUSE)
        return None

    def _remember(self, setting: PortSetting, port: int) -> None:
        self.chosen[setting.name] = port
        self.files.write_ports(self.files.ports() | {setting.name: port})

    def _free(self, setting: PortSetting) -> int:
        remembered = self.files.ports().get(setting.name)
        if self.engine.local:
            return ports.choose(
                setting.name,
                self.held,
                wanted=setting.wanted,
                remembered=None if remembered in self.refused else remembered,
                preference=setting.preferred,
                say=self.say,
                owner_of=self.holder,
            )
        if setting.wanted is not None:
            return setting.wanted
        return self._next(remembered or ports.first(setting.preferred))

    def _next(self, first: int) -> int:
        """Return the first port from ``first`` on that is neither chosen nor refused."""
        used = {*self.refused, *self.chosen.values()}
        return next(port for port in range(first, 65536) if port not in used)

    def _taken(self, setting: PortSetting, port: int) -> MlpipesError:
        return MlpipesError(
            f"port {port} of {setting.name} is taken by {self.holder(port)}",
            f"stop it, or set another port (or auto) for {setting.name} in mlpipes.yaml",
        )

    def taken(self, service: str, port: int) -> MlpipesError:
        """Return the error for a user's own service whose port is taken."""
        return MlpipesError(
            f"port {port} of {service} is taken by {self.holder(port)}",
            f"stop it, or write another port for {service} in {override.NAME}",
        )

    def holder(self, port: int) -> str:
        """Describe the holder of a port: a container, else a process."""
        with translate_errors(f"looking up who uses port {port}"):
            found = self.engine.client.api.containers()  # Podman does not filter by port
        for row in found:
            if any(published.get("PublicPort") == port for published in row.get("Ports") or []):
                return f"the container {row['Names'][0].lstrip('/')} (image {row['Image']})"
        return ports.holder(port) if self.engine.local else "another program on that machine"
