"""Stop containers in the order of their dependencies: dependents first."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor

from mlpipes_cli.adapters.docker.stack.resources import Container, StackResources
from mlpipes_cli.services import catalog
from mlpipes_cli.services.catalog import DATABASE, STORES

_STEPS = {"databases": (DATABASE,), "bucket": STORES}


def rounds(containers: Mapping[str, Container]) -> list[list[Container]]:
    """Group containers into rounds that may stop together: dependents stop before their dependencies.

    The dependencies are read from the containers' labels, so that no file is needed.
    """
    left = dict(containers)
    found: list[list[Container]] = []
    while left:
        needed = {
            name for container in left.values() for name in needs(container) if name != container.service
        }
        now = [container for name, container in left.items() if name not in needed] or list(left.values())
        found.append(now)
        for container in now:
            del left[container.service]
    return found


def needs(container: Container) -> set[str]:
    """Return the services that a container depends on; a step's dependencies count as the container's."""
    found = {needed for name in container.needs for needed in _STEPS.get(name, (name,))}
    known = catalog.find(container.service)
    return found.union(known.needs if known else ())


def stop(
    resources: StackResources,
    containers: Mapping[str, Container],
    note: Callable[[str], None],
    *,
    remove: bool,
) -> list[str]:
    """Stop containers, and remove them if requested; return the services that ran before.

    Raises:
        MlpipesError: The engine refuses, or does not answer.
    """
    ran = []
    for group in rounds(containers):
        note(f"stopping {', '.join(container.service for container in group)}")
        with ThreadPoolExecutor(len(group)) as threads:
            for _ in threads.map(lambda container: _end(resources, container, remove=remove), group):
                pass
        ran += [
            container.service for container in group if container.state in ("running", "paused", "restarting")
        ]
    return ran


def only(containers: Mapping[str, Container], names: Collection[str]) -> dict[str, Container]:
    """Return the containers of the services ``names``."""
    return {name: container for name, container in containers.items() if name in names}


def _end(resources: StackResources, container: Container, *, remove: bool) -> None:
    if container.state in ("running", "paused", "restarting"):
        resources.stop(container)
    if remove:
        resources.remove(container.id)


def remove_everything(resources: StackResources, note: Callable[[str], None]) -> list[str]:
    """Stop and remove the stack's containers, networks, secrets and volumes.

    Args:
        resources: Those of the stack.
        note: Receives the services that are being stopped.

    Returns:
        What was removed and held data, in words.
    """
    stop(resources, resources.containers(), note, remove=True)
    resources.remove_networks()
    resources.remove_secrets()
    return [f"volume {name}" for name in resources.remove_volumes()]
