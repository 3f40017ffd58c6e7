"""Find the stacks of all projects on an engine, by their labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mlpipes_cli.adapters.docker.containers import labels, shutdown
from mlpipes_cli.adapters.docker.containers.labels import StackLabels
from mlpipes_cli.adapters.docker.engine.connection import DockerEngine
from mlpipes_cli.adapters.docker.errors.translate import translate_errors
from mlpipes_cli.adapters.docker.stack.resources import StackResources
from mlpipes_cli.ports.all_stacks import FoundStack

_ALIVE = ("running", "paused", "restarting")


@dataclass
class _Found:
    root: str
    running: list[str] = field(default_factory=list)
    volumes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class DockerStacks:
    """Implements :class:`mlpipes_cli.ports.all_stacks.AllStacks` for one engine."""

    engine: DockerEngine

    @property
    def local(self) -> bool:
        return self.engine.local

    def stacks(self) -> Sequence[FoundStack]:
        api, wanted = self.engine.client.api, {"label": [labels.ROOT]}
        with translate_errors("looking for stacks"):
            containers = api.containers(all=True, filters=wanted)
            volumes = api.volumes(filters=wanted).get("Volumes") or []
        found: dict[str, _Found] = {}

        def of(marks: Mapping[str, str]) -> _Found:
            return found.setdefault(marks.get(labels.PROJECT, ""), _Found(marks[labels.ROOT]))

        for row in containers:
            stack = of(row["Labels"])
            if row["State"] in _ALIVE:
                stack.running.append(row["Labels"].get(labels.SERVICE, row["Names"][0].lstrip("/")))
        for row in volumes:
            stack = of(row["Labels"])
            if not labels.holds_secrets(row):
                stack.volumes.append(row["Name"])
        return [_stack(id, one) for id, one in sorted(found.items()) if id]

    def stop(self, stack: FoundStack) -> None:
        resources = self._resources(stack)
        shutdown.stop(resources, resources.containers(), lambda _: None, remove=True)
        resources.remove_networks()
        resources.remove_secrets()

    def remove(self, stack: FoundStack) -> Sequence[str]:
        self.stop(stack)
        return [f"volume {name}" for name in self._resources(stack).remove_volumes()]

    def _resources(self, stack: FoundStack) -> StackResources:
        return StackResources(self.engine, StackLabels(stack.id, stack.root, ""))


def _stack(id: str, found: _Found) -> FoundStack:
    return FoundStack(
        id=id,
        root=Path(found.root),
        runtime="docker",
        state="running" if found.running else "stopped",
        services=tuple(sorted(found.running)),
        volumes=tuple(sorted(found.volumes)),
    )
