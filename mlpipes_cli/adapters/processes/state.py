"""What is written down of a stack: what runs, what should run, and which ports it had."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlpipes_cli.adapters.processes.json_files import read_json, write_json
from mlpipes_cli.adapters.processes.process import ProcessIdentity
from mlpipes_cli.ports import ServiceSpec


@dataclass(frozen=True)
class RunningProcess:
    """A service that was started.

    Attributes:
        identity: Its main process.
        port: Where it listens.
        fingerprint: Differs when it would be started differently today.
    """

    identity: ProcessIdentity
    port: int
    fingerprint: str


@dataclass(frozen=True)
class StateFiles:
    """The files below ``.mlpipes/``; each is replaced whole, and a damaged one counts as empty.

    ``state.json`` only speeds up what can be found out again from the processes themselves.
    """

    folder: Path

    @property
    def _state(self) -> Path:
        return self.folder / "state.json"

    @property
    def wanted_file(self) -> Path:
        """The added services that ``up`` brings back."""
        return self.folder / "services.json"

    @property
    def _ports(self) -> Path:
        return self.folder / "ports.json"

    def root(self) -> Path | None:
        """Where the project was when the stack was last started."""
        root = read_json(self._state).get("root")
        return Path(root) if isinstance(root, str) else None

    def running(self) -> dict[str, RunningProcess]:
        """What was started, by service; whether it still runs is another question."""
        found = read_json(self._state).get("services")
        rows = found.items() if isinstance(found, dict) else ()
        return {name: record for name, row in rows if (record := _record(row))}

    def write_running(self, root: Path, services: Mapping[str, RunningProcess]) -> None:
        """Write down what runs."""
        rows = {
            name: {
                "pid": one.identity.pid,
                "created": one.identity.created,
                "port": one.port,
                "fingerprint": one.fingerprint,
            }
            for name, one in services.items()
        }
        write_json(self._state, {"version": 1, "root": str(root), "services": rows})

    def forget_running(self) -> None:
        """Nothing runs."""
        self._state.unlink(missing_ok=True)

    def wanted(self) -> dict[str, ServiceSpec]:
        """The added services that ``up`` brings back, by name."""
        return {name: spec for name, row in read_json(self.wanted_file).items() if (spec := _spec(row))}

    def write_wanted(self, specs: Mapping[str, ServiceSpec]) -> None:
        """Write down the added services."""
        write_json(self.wanted_file, {name: dataclasses.asdict(spec) for name, spec in specs.items()})

    def ports(self) -> dict[str, int]:
        """The ports that services had the last time."""
        return {n: p for n, p in read_json(self._ports).items() if type(p) is int and 0 < p < 65536}

    def write_ports(self, ports: Mapping[str, int]) -> None:
        """Remember ports."""
        if ports != self.ports():
            write_json(self._ports, ports)


def _record(row: Any) -> RunningProcess | None:
    try:
        identity = ProcessIdentity(int(row["pid"]), float(row["created"]))
        return RunningProcess(identity, int(row["port"]), str(row["fingerprint"]))
    except (KeyError, TypeError, ValueError):
        return None


def _spec(row: Any) -> ServiceSpec | None:
    try:
        return ServiceSpec(**{**row, "command": tuple(row["command"])})
    except (KeyError, TypeError):
        return None
