"""The stacks that an engine holds, of all projects, found by their labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mlpipes_cli.adapters.docker import labels, stopping
from mlpipes_cli.adapters.docker.engine import Engine
from mlpipes_cli.adapters.docker.faults import speaking
from mlpipes_cli.adapters.docker.holdings import Holdings
from mlpipes_cli.adapters.docker.labels import Marks
from mlpipes_cli.ports.machine import MachineStack

_ALIVE = ("running", "paused", "restarting")


@dataclass
class _Found:
    root: str
    running: list[str] = field(default_factory=list)
    volumes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class DockerMachine:
    """Implements :class:`mlpipes_cli.ports.machine.Machine` for one engine."""

    engine: Engine

    def stacks(self) -> Sequence[MachineStack]:
        api, wanted = self.engine.client.api, {"label": [labels.ROOT]}
        with speaking("looking for stacks"):
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

    def stop(self, stack: MachineStack) -> None:
        holdings = self._holdings(stack)
        stopping.stop(holdings, holdings.containers(), lambda _: None, remove=True)
        holdings.remove_networks()
        holdings.remove_secrets()

    def remove(self, stack: MachineStack) -> Sequence[str]:
        self.stop(stack)
        return [f"volume {name}" for name in self._holdings(stack).remove_volumes()]

    def _holdings(self, stack: MachineStack) -> Holdings:
        return Holdings(self.engine, Marks(stack.id, stack.root, ""))


def _stack(id: str, found: _Found) -> MachineStack:
    return MachineStack(
        id=id,
        root=Path(found.root),
        runtime="docker",
        state="running" if found.running else "stopped",
        services=tuple(sorted(found.running)),
        volumes=tuple(sorted(found.volumes)),
    )
