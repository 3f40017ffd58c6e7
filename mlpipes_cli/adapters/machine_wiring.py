"""Chooses the adapters for resources of the whole machine; every import happens on demand."""

from __future__ import annotations

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
