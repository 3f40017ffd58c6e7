"""What a runtime has done with a stack's containers: start all of them, or one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlpipes_cli.adapters.docker.stack.desired_state import DesiredState
from mlpipes_cli.adapters.docker.stack.driver import ContainerDriver
from mlpipes_cli.adapters.docker.stack.port_allocator import PortAllocator
from mlpipes_cli.adapters.docker.stack.prerequisites import prepare, refuse_other_store
from mlpipes_cli.adapters.docker.stack.resources import Container
from mlpipes_cli.adapters.docker.stack.settings import port_settings
from mlpipes_cli.adapters.docker.stack.stack import DockerStack
from mlpipes_cli.adapters.reconcile.driver import Progress
from mlpipes_cli.adapters.reconcile.reconciler import Reconciler


@dataclass
class StackOperations:
    """Changes the containers of a stack in one call.

    Attributes:
        desired: The desired state.
        allocator: Chooses ports.
        progress: Receives what happens.
    """

    desired: DesiredState
    allocator: PortAllocator
    progress: Progress

    @property
    def stack(self) -> DockerStack:
        """The stack."""
        return self.desired.stack

    def everything(self, versions: Mapping[str, str] | None = None) -> None:
        """Start all services, and remove containers that are not configured.

        Raises:
            MlpipesError: A service does not start; the others stay as they are.
        """
        found = self.stack.resources.containers()
        refuse_other_store(self.stack)
        self._choose_ports(frozenset(self.desired.names), found)
        driver = self._driver(found, versions)
        self._end_unwanted(found)
        Reconciler(driver, driver.services, self.progress).run()

    def restart(self, name: str) -> None:
        """Restart one service, whatever its state; the others are not changed.

        Raises:
            MlpipesError: The service does not start.
        """
        self._some(frozenset({name}), restarted=name)

    def one(self, name: str) -> None:
        """Reconcile one service; the others are not changed.

        Raises:
            MlpipesError: The service does not start.
        """
        self._some(frozenset({name}))

    def resume(self, name: str) -> None:
        """Reconcile one service, after those of its dependencies that do not run.

        Raises:
            MlpipesError: A service does not start.
        """
        self._some(self._idle_needs(name) | {name})

    def _idle_needs(self, name: str) -> frozenset[str]:
        """Return the service and its direct and indirect dependencies, as far as they do not run."""
        compose, found = self.desired.compose({}), self.stack.resources.containers()
        seen, left = set[str](), {name}
        while left:
            seen |= left
            left = {needed for name in left for needed in self.desired.needs(compose, name)} - seen
        return frozenset(name for name in seen if name not in found or found[name].state != "running")

    def _some(self, names: frozenset[str], restarted: str = "") -> None:
        found = self.stack.resources.containers()
        self._choose_ports(names, found)
        for container in found.values():
            self._keep_ports(container)
        driver = self._driver(found, None)
        driver.services = [service for service in driver.services if service.name in names]
        for service in driver.services:
            service.needs &= names
        if restarted in found:
            self.progress.note(f"stopping {restarted}")
            self.stack.resources.stop(found[restarted])
        driver.found, driver.restarted = self.stack.resources.containers(), restarted
        Reconciler(driver, driver.services, self.progress).run()

    def _choose_ports(self, names: frozenset[str], found: Mapping[str, Container]) -> None:
        wanted = [setting for setting in port_settings(self.stack.project.config) if setting.service in names]
        self.allocator.choose(wanted, found)

    def _keep_ports(self, container: Container) -> None:
        for setting in port_settings(self.stack.project.config):
            if setting.service == container.service and setting.inside in container.ports:
                self.allocator.chosen.setdefault(setting.name, container.ports[setting.inside])

    def _driver(self, found: Mapping[str, Container], versions: Mapping[str, str] | None) -> ContainerDriver:
        driver = ContainerDriver(self.desired, self.allocator, self.progress, found=found)
        driver.services = prepare(self.desired, driver.compose(), found, versions, self.progress.reporter)
        return driver

    def _end_unwanted(self, found: Mapping[str, Container]) -> None:
        for name in sorted(found.keys() - set(self.desired.names)):
            self.stack.resources.stop(found[name])
            self.stack.resources.remove(found[name].id)
            if not found[name].oneoff:
                self.progress.changes.append(f"{name}: removed, since it is no longer configured")
