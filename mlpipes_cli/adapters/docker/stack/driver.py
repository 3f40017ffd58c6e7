"""Drive the stack's containers for the reconciler."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlpipes_cli.adapters.docker.containers.spec import ContainerSpec, in_words
from mlpipes_cli.adapters.docker.errors import startup
from mlpipes_cli.adapters.docker.errors.translate import port_in_use, refused, translate_errors
from mlpipes_cli.adapters.docker.stack import one_off
from mlpipes_cli.adapters.docker.stack.container_service import ContainerService, uptime
from mlpipes_cli.adapters.docker.stack.desired_state import DesiredState
from mlpipes_cli.adapters.docker.stack.port_allocator import PortAllocator
from mlpipes_cli.adapters.docker.stack.provisioning import Provisioner
from mlpipes_cli.adapters.docker.stack.resources import Container, StackResources
from mlpipes_cli.adapters.docker.stack.settings import port_settings
from mlpipes_cli.adapters.reconcile.driver import Progress, TryAgain
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.services.catalog import DATABASE, STORES

if TYPE_CHECKING:
    from mlpipes_cli.adapters.docker.stack.stack import DockerStack
    from mlpipes_cli.compose.model import Compose

_GRACE = 5.0  # for a service that has run for long and does not answer at once
_PAUSE = 0.05


@dataclass
class ContainerDriver:
    """Implements :class:`mlpipes_cli.adapters.reconcile.driver.Driver` for containers.

    Attributes:
        desired: The desired state.
        allocator: Chooses ports.
        progress: Receives what happens.
        services: The services of this call, each after its dependencies.
        found: The containers that existed before, by service.
        restarted: The service that is restarted whatever its state, if one is.
    """

    desired: DesiredState
    allocator: PortAllocator
    progress: Progress
    services: Sequence[ContainerService] = ()
    found: Mapping[str, Container] = field(default_factory=dict)
    restarted: str = ""

    @property
    def stack(self) -> DockerStack:
        """The stack."""
        return self.desired.stack

    @property
    def resources(self) -> StackResources:
        """The stack's resources on the engine."""
        return self.stack.resources

    @property
    def _provisioner(self) -> Provisioner:
        reporter = self.progress.reporter
        return Provisioner(self.stack, reporter.info, reporter.detail)

    def compose(self) -> Compose:
        """Return the Compose file with the chosen ports."""
        return self.desired.compose(self.allocator.chosen)

    # -- the reconciler's steps

    def observe(self, service: ContainerService) -> None:
        """Keep a container that is in the desired state; remove one that differs or is dead."""
        self._compare(service)
        if service.name == self.restarted:
            service.change = "restarted"

    def _compare(self, service: ContainerService) -> None:
        found = self.found.get(service.name)
        if found is None:
            return
        differs = service.spec.differences(found.labels)
        if differs or found.state in ("dead", "removing"):
            self.progress.note(f"stopping {service.name}")
            self.resources.stop(found)
            self.resources.remove(found.id)
            service.change = f"recreated ({in_words(differs) if differs else 'the container was dead'})"
            return
        service.container, service.stage = found.id, "created"
        state = (self.resources.inspect(found.id) or {}).get("State", {})
        if found.state == "paused":
            with translate_errors(f"waking {service.name}"):
                self.resources.api.unpause(found.id)
            service.change = "resumed, since it was paused"
        if found.state in ("running", "paused"):
            service.adopted(max(_GRACE, service.timeout - uptime(state)))
            return
        service.change = f"started again ({startup.ended(state)})"
        if found.state == "restarting":
            self.resources.stop(found)

    def create(self, service: ContainerService) -> None:
        from docker.errors import APIError

        name = self.resources.container(service.name)
        deadline = time.monotonic() + _GRACE
        while not service.container:
            with translate_errors(f"creating the container {name}"):
                try:
                    service.container = service.spec.create(self.resources.api, name)
                except APIError as error:
                    strange = self.resources.foreign_container(name)
                    if strange or error.status_code != 409 or time.monotonic() > deadline:
                        raise strange or refused(f"creating the container {name}", error) from None
                    self.resources.remove(name)  # left by a call that was interrupted meanwhile
                    time.sleep(_PAUSE)
        service.stage = "created"
        service.fresh = True

    def start(self, service: ContainerService) -> None:
        """Start a container; if its port was taken meanwhile, remove it and choose another port."""
        from docker.errors import APIError

        if service.stage == "absent":
            self.create(service)
        if service.before:  # also for an existing container: an earlier call may have been killed
            self._step(service.before)
        fresh, service.fresh = service.fresh, False  # after an interruption it may run
        with translate_errors(f"starting {service.name}"):
            try:
                if not fresh:
                    service.spec.fill(self.resources.api, service.container)
                service.spec.join(self.resources.api, service.container)
                self.resources.api.start(service.container)
                return
            except APIError as error:
                service.fresh = fresh
                port = port_in_use(error)
                if port is None:
                    raise
        self._move(service, port)

    def _step(self, spec: ContainerSpec) -> None:
        self.progress.note(f"running the step {spec.service.name}")
        if output := one_off.run(self.stack, spec):
            self.progress.reporter.info(output)

    def _move(self, service: ContainerService, port: int) -> None:
        wanted = [
            setting for setting in port_settings(self.stack.project.config) if setting.service == service.name
        ]
        try:
            if not wanted:  # a user's own service, whose ports are in its file
                raise self.allocator.taken(service.name, port or min(service.ports.values(), default=0))
            self.allocator.replace(wanted, port)
        finally:
            self._drop(service)
        raise TryAgain(
            MlpipesError(f"{service.name}: no free port found", "set a fixed port in mlpipes.yaml")
        )

    def _drop(self, service: ContainerService) -> None:
        self.resources.remove(service.container)
        service.container, service.stage = "", "absent"

    def answers(self, service: ContainerService) -> bool:
        if service.name == DATABASE:
            service.problem = self._provisioner.database(
                service.container, service.ports, touched=service.touched
            )
        elif service.name in STORES:
            service.problem = self._provisioner.store(service.ports)
        if service.name in (DATABASE, *STORES):
            return not service.problem
        answer = self.stack.answers(service.name, service.ports)
        if answer is None:
            return startup.read_startup_state(self.resources, service).healthy
        return answer

    def has_exited(self, service: ContainerService) -> bool:
        service.state = startup.read_startup_state(self.resources, service)
        return service.state.ended

    def exited(self, service: ContainerService) -> None:
        """Start a container that has exited since this call began, perhaps without a dependency."""
        if service.touched:
            raise startup.report(self.stack, service)
        found = self.resources.containers().get(service.name)
        if found is None:
            service.container, service.stage = "", "absent"
            return
        self.resources.stop(found)  # else the engine might start it too
        service.change, service.stage = f"started again ({service.state.words})", "created"

    def silent(self, service: ContainerService) -> None:
        """Restart a container that this call did not start."""
        if service.touched:
            raise startup.report(self.stack, service)
        with translate_errors(f"restarting {service.name}"):
            grace = max(1, round(service.spec.service.stop_grace_period))
            self.resources.api.restart(service.container, timeout=grace)
        service.change = "restarted, since it did not answer"
        service.started()

    def finish(self, service: ContainerService) -> None:
        """Create MLflow's own user in the store while MLflow starts, which needs it only later."""
        own = self.stack.keys.own
        self._provisioner.store_user(service.container, service.name, service.spec.image, service.ports)
        if self.stack.keys.own != own:
            self.replan(self.services)  # MLflow gets other keys than planned

    def replan(self, services: Sequence[ContainerService]) -> None:
        """Update the container specs; remove containers that differ and are not ready, to recreate them."""
        compose = self.compose()
        for service in services:
            before = service.spec.labels()
            service.plan(self.desired.plan(compose, compose.services[service.name]))
            differs = service.spec.differences(before)
            if differs and service.stage in ("created", "started"):
                if service.stage == "started":
                    service.change = f"recreated ({in_words(differs)})"
                self._drop(service)

    def undo(self, service: ContainerService) -> None:
        """Remove a container that was created and never started."""
        if service.fresh and service.stage == "created":
            self._drop(service)
