"""Record the containers that ``start`` added to a stack, with the settings that they were started with."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager

from mlpipes_cli.adapters.processes.state import StateFiles
from mlpipes_cli.config.serving import Serving
from mlpipes_cli.ports import ServiceSpec
from mlpipes_cli.project import ProjectFolder
from mlpipes_cli.services.catalog import API


def containers(project: ProjectFolder) -> tuple[str, ...]:
    """Return the names of the added services that run as containers."""
    return tuple(name for name, spec in StateFiles(project.state).wanted().items() if spec.container)


def as_started(project: ProjectFolder) -> ProjectFolder:
    """Return the project with the settings that its prediction API was started with, not the file's."""
    found = StateFiles(project.state).wanted().get(API)
    if found is None or not (found.container and found.settings):
        return project
    serving = Serving.model_validate_json(found.settings)
    return dataclasses.replace(project, config=project.config.model_copy(update={"serving": serving}))


@contextmanager
def remembered(project: ProjectFolder, spec: ServiceSpec) -> Iterator[None]:
    """Record a service; if the context raises an error, restore the previous record."""
    files = StateFiles(project.state)
    before = files.wanted()
    files.write_wanted({**before, spec.name: spec})
    try:
        yield
    except BaseException:
        files.write_wanted(before)
        raise
