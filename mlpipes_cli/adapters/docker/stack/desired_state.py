"""Build the desired containers from the settings and the Compose file."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlpipes_cli.adapters.docker.containers import labels, secrets
from mlpipes_cli.adapters.docker.containers.spec import ContainerSpec
from mlpipes_cli.adapters.docker.engine import capabilities
from mlpipes_cli.adapters.docker.errors.translate import is_missing, translate_errors
from mlpipes_cli.adapters.docker.stack import addresses
from mlpipes_cli.adapters.docker.stack.one_off import OWNER
from mlpipes_cli.adapters.docker.stack.settings import compose_file, core
from mlpipes_cli.adapters.docker.stack.stack import DockerStack
from mlpipes_cli.adapters.docker.stack.variables import variables
from mlpipes_cli.compose import override, packages
from mlpipes_cli.compose.load import load, start_order
from mlpipes_cli.errors import MlpipesError, UsageError
from mlpipes_cli.hostnames import names_of
from mlpipes_cli.services import catalog
from mlpipes_cli.services.catalog import DATABASE, STORES

if TYPE_CHECKING:
    from mlpipes_cli.compose.model import Compose, Service
    from mlpipes_cli.ports import Reporter


@dataclass
class DesiredState:
    """Builds the desired services and containers of one project.

    Attributes:
        place: The stack.
        extra: Services beside the core.
        images: The images' ids by service, once they are available.
        environment_only: Services whose images take passwords from the environment alone.
    """

    stack: DockerStack
    extra: Sequence[str]
    images: dict[str, str] = field(default_factory=dict)
    environment_only: set[str] = field(default_factory=set)

    @functools.cached_property
    def _facts(self) -> capabilities.EngineCapabilities:
        return capabilities.read_capabilities(self.stack.engine)

    @property
    def names(self) -> tuple[str, ...]:
        """The services that should run."""
        return (*core(self.stack.project.config), *self.extra)

    def compose(self, ports: Mapping[str, int]) -> Compose:
        """Return the Compose file with this project's values.

        Raises:
            ConfigError: The Compose file, or that of the user's own services, is not valid.
            UsageError: One of the additional services does not exist.
        """
        stack = self.stack
        config = stack.project.config
        values = variables(
            config,
            stack.secrets,
            id=stack.marks.id,
            ports=ports,
            hosts=addresses.allowed_hosts(stack.address, config.stack.listen),
            names=(*names_of(stack.address), *names_of(config.stack.listen)),
            keys=stack.keys,
            auth=stack.auth,
        )
        compose = load(compose_file(), values)
        known = list(catalog.optional())
        for definition in catalog.added():
            if definition.name in self.extra and definition.compose:
                compose = packages.extend(compose, definition, definition.compose, values)
        own = stack.project.root / override.NAME
        if own.is_file():
            ours = [name for name in self.names if name in compose.services]
            compose = override.extend(compose, own, values, ours)
            known += override.names(stack.project.root)
        wrong = next((name for name in self.extra if name not in known), None)
        if wrong:
            raise UsageError(
                f"--with: there is no service {wrong!r}",
                f"choose from: {', '.join(known)}; `mlpipes up --with none` drops those added before",
            )
        return compose

    def services(self, compose: Compose) -> list[Service]:
        """Return the services that should run, each after its dependencies."""
        return [compose.services[name] for name in start_order(compose, self.names) if name in self.names]

    def needs(self, compose: Compose, name: str) -> set[str]:
        """Return the services that have to be ready before a service, also those of its steps."""
        found: set[str] = set()
        for needed in compose.services[name].depends_on:
            if compose.services[needed].step:
                found |= self.needs(compose, needed)
            else:
                found.add(self.stack.store if needed in STORES else needed)
        return found & set(self.names)

    def fetch(
        self, services: Sequence[Service], versions: Mapping[str, str] | None, reporter: Reporter
    ) -> None:
        """Provide all images.

        Raises:
            MlpipesError: An image is not available.
        """
        from mlpipes_cli.adapters.docker.images import service_images

        kept = {
            service.name: versions[service.name]
            for service in services
            if versions and service.name in versions
        }
        for service in services:
            if service.name in kept:
                image = self._require(service.name, kept[service.name])
                if service.build and image.labels.get(labels.PASSWORDS) != "files":
                    self.environment_only.add(service.name)
        missing = [service for service in services if service.name not in kept]
        found = service_images.ensure(self.stack.engine, missing, reporter) if missing else {}
        self.images = {**kept, **{name: image.id for name, image in found.items()}}

    def _require(self, service: str, id: str) -> Any:
        """Return the engine's image."""
        from docker.errors import APIError

        with translate_errors(f"looking for the image of {service}"):
            try:
                return self.stack.engine.client.images.get(id)
            except APIError as error:
                if not is_missing(error):
                    raise
                raise MlpipesError(
                    f"the image of {service} no longer exists ({id})",
                    "`mlpipes up` uses this release's image",
                ) from None

    def before(self, compose: Compose, service: Service) -> ContainerSpec | None:
        """Return the container of the step that changes the owner of a service's volume, or None."""
        needed = (compose.services[name] for name in service.depends_on)
        step = next((step for step in needed if step.step == OWNER), None)
        return self.plan(compose, step) if step else None

    def plan(self, compose: Compose, service: Service) -> ContainerSpec:
        """Return the desired state of a service's container; steps use the database's image."""
        image = self.images[DATABASE if service.step else service.name]
        needs = frozenset(self.needs(compose, service.name))
        service = capabilities.without_unsupported(self._facts, service)
        if service.name in self.environment_only:
            service = secrets.in_environment(service)
        return ContainerSpec(service, image, service.image, self.stack.marks, compose_file(), needs)
