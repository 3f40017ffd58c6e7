"""Which adapter stands behind what belongs to the whole machine; every import happens on demand."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlpipes_cli.ports.image_store import ImageStore
    from mlpipes_cli.ports.machine import Machine


def docker_machine() -> Machine:
    """The stacks of all projects on the Docker engine.

    Raises:
        MlpipesError: No engine answers.
    """
    from mlpipes_cli.adapters.docker.engine import connect
    from mlpipes_cli.adapters.docker.machine import DockerMachine

    return DockerMachine(connect())


def process_machine() -> Machine:
    """The stacks of all projects that run as processes."""
    from mlpipes_cli.adapters.processes.machine import ProcessMachine

    return ProcessMachine()


def docker_images() -> ImageStore:
    """The images that mlpipes has built on the Docker engine.

    Raises:
        MlpipesError: No engine answers.
    """
    from mlpipes_cli.adapters.docker.engine import connect
    from mlpipes_cli.adapters.docker.image_store import DockerImageStore

    return DockerImageStore(connect())
