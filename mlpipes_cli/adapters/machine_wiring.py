"""Chooses the adapters for resources of the whole machine; every import happens on demand."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlpipes_cli.ports.all_stacks import AllStacks
    from mlpipes_cli.ports.image_store import ImageStore


def docker_stacks() -> AllStacks:
    """Return the stacks of all projects on the Docker engine.

    Raises:
        MlpipesError: No engine answers.
    """
    from mlpipes_cli.adapters.docker.engine.all_stacks import DockerStacks
    from mlpipes_cli.adapters.docker.engine.connection import connect

    return DockerStacks(connect())


def process_stacks() -> AllStacks:
    """Return the stacks of all projects that run as processes."""
    from mlpipes_cli.adapters.processes.all_stacks import ProcessStacks

    return ProcessStacks()


def docker_images() -> ImageStore:
    """Return the images that mlpipes has built on the Docker engine.

    Raises:
        MlpipesError: No engine answers.
    """
    from mlpipes_cli.adapters.docker.engine.connection import connect
    from mlpipes_cli.adapters.docker.images.store import DockerImageStore

    return DockerImageStore(connect())


@contextlib.contextmanager
def serving_port(
    wanted: int | None, remembered: int | None, preference: int, say: Callable[[str], None]
) -> Iterator[int]:
    """Yield a port for a server in this process, held until the context ends.

    Raises:
        MlpipesError: The requested port is in use; the message names its holder.
    """
    from mlpipes_cli.adapters.processes import ports
    from mlpipes_cli.errors import MlpipesError

    if wanted is not None:  # the process that starts us as a service may hold it for us already
        if not ports.is_free(wanted):
            holder = ports.holder(wanted)
            raise MlpipesError(
                f"port {wanted} is taken by {holder}", "stop it, or choose another with --port"
            )
        yield wanted
        return
    with ports.PortReservations() as reservations:
        yield ports.choose(
            "the API", reservations, wanted=None, remembered=remembered, preference=preference, say=say
        )
