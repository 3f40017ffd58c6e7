"""Check and provide the prerequisites of the containers: images, networks and volumes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mlpipes_cli.adapters.docker.stack.container_service import ContainerService
from mlpipes_cli.adapters.docker.stack.desired_state import DesiredState
from mlpipes_cli.adapters.docker.stack.resources import Container, StackResources
from mlpipes_cli.adapters.docker.stack.stack import DockerStack
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.services import catalog
from mlpipes_cli.services.catalog import STORES

if TYPE_CHECKING:
    from mlpipes_cli.compose.model import Compose, Service
    from mlpipes_cli.ports import Reporter


def prepare(
    desired: DesiredState,
    compose: Compose,
    found: Mapping[str, Container],
    versions: Mapping[str, str] | None,
    reporter: Reporter,
) -> list[ContainerService]:
    """Provide images, networks and volumes; return the services to start, each after its dependencies.

    Args:
        draft: The desired state; its images are filled in.
        compose: The Compose file.
        found: The existing containers.
        versions: Ids of images to use instead of this release's, by service.
        reporter: Receives messages.

    Raises:
        MlpipesError: A container, network or volume with a name of the stack belongs to another owner, or
            an image is not available; no network or volume was created.
    """
    from mlpipes_cli.adapters.docker.engine import capabilities

    resources = desired.stack.resources
    services = desired.services(compose)
    _refuse_strangers(resources, services, found)
    missing = [name for name in _volumes(services) if resources.lacks_volume(name)]
    secret = [service.secret_volume for service in services if service.secret_volume]
    secret = [name for name in secret if resources.lacks_volume(name)]
    networks = [name for name in _networks(services) if resources.lacks_network(name)]
    if any(service.name not in found for service in services):
        capabilities.check(desired.stack.engine, services, reporter)
    desired.fetch(services, versions, reporter)
    _make_volumes(desired.stack, missing, reporter)
    for name in secret:
        resources.make_volume(name, secrets=True)
    for name in networks:
        resources.make_network(name)
    return [_tracked(desired, compose, service) for service in services]


def _tracked(desired: DesiredState, compose: Compose, service: Service) -> ContainerService:
    spec = desired.plan(compose, service)
    tracked = ContainerService(
        name=service.name,
        timeout=catalog.timeout(service.name),
        needs=spec.needs,
        finished=service.name not in STORES,
        spec=spec,
        before=desired.before(compose, service),
    )
    tracked.plan(spec)
    return tracked


def _make_volumes(stack: DockerStack, names: Sequence[str], reporter: Reporter) -> None:
    """Create volumes; warn about a volume that existed before."""
    once = stack.identity.note("volumes")
    for name in names:
        stack.resources.make_volume(name)
        full = stack.resources.volume(name)
        if once.get(name):
            reporter.warn(
                f"the volume {full} was removed outside mlpipes, together with its data{_lost(name)}; "
                "mlpipes creates a new, empty volume (`mlpipes restore FILE` restores a backup)"
            )
        else:
            reporter.detail(f"volume {full} created")
    stack.identity.write_note("volumes", {**once, **dict.fromkeys(names, True)})


def _lost(volume: str) -> str:
    """Return what a volume contained, as text."""
    found = catalog.find(volume)
    return f" ({found.data})" if found and found.data else ""


def refuse_other_store(stack: DockerStack) -> None:
    """Reject a change of the object store's engine, since one store cannot read the other's data.

    Raises:
        MlpipesError: The artifacts are in the object store that is not configured.
    """
    resources, store = stack.resources, stack.store
    volumes = resources.volumes()
    holder = next((name for name in STORES if name != store and resources.volume(name) in volumes), None)
    if holder and resources.volume(store) not in volumes:
        raise MlpipesError(
            f"this stack's artifacts are in {holder}, which {store} cannot read",
            f"write `engine: {holder}` again; or move the data: `mlpipes backup FILE`, "
            f"`mlpipes down --volumes`, `engine: {store}`, `mlpipes up`, `mlpipes restore FILE` "
            "(`mlpipes migrate` moves a project to another runtime)",
        )


def _refuse_strangers(
    resources: StackResources, services: Sequence[Service], found: Mapping[str, Container]
) -> None:
    names = [resources.container(service.name) for service in services if service.name not in found]
    strange = next((error for name in names if (error := resources.foreign_container(name))), None)
    if strange:
        raise strange


def _networks(services: Sequence[Service]) -> list[str]:
    return list(dict.fromkeys(network for service in services for network in service.networks))


def _volumes(services: Sequence[Service]) -> list[str]:
    return list(dict.fromkeys(mount.volume for service in services for mount in service.volumes))
