"""Read and write the state files of a stack: running processes, configured services, ports."""

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
    """Records a service that was started.

    Attributes:
        identity: The main process.
        port: The TCP port that it listens on.
        fingerprint: A hash of the settings that it was started with.
    """

    identity: ProcessIdentity
    port: int
    fingerprint: str


@dataclass(frozen=True)
class StateFiles:
    """Reads and writes the files in ``.mlpipes/``; writes are atomic, and a damaged file counts as empty.

    ``state.json`` is only a cache: its content can be recovered from the processes themselves.
    """

    folder: Path

    @property
    def _state(self) -> Path:
        return self.folder / "state.json"

    @property
    def wanted_file(self) -> Path:
        """The file of the added services that ``up`` starts."""
        return self.folder / "services.json"

    @property
    def _ports(self) -> Path:
        return self.folder / "ports.json"

    def root(self) -> Path | None:
        """Return the project's path when the running processes were last recorded, or None."""
        root = read_json(self._state).get("root")
        return Path(root) if isinstance(root, str) else None

    def running(self) -> dict[str, RunningProcess]:
        """Return the recorded processes by service; a recorded process may have exited since."""
        found = read_json(self._state).get("services")
        rows = found.items() if isinstance(found, dict) else ()
        return {name: record for name, row in rows if (record := _record(row))}

    def write_running(self, root: Path, services: Mapping[str, RunningProcess]) -> None:
        """Record the running processes, by service."""
        rows = {
            name: {
                "pid": service.identity.pid,
                "created": service.identity.created,
                "port": service.port,
                "fingerprint": service.fingerprint,
            }
            for name, service in services.items()
        }
        write_json(self._state, {"version": 1, "root": str(root), "services": rows})

    def forget_running(self) -> None:
        """Remove the record of running processes."""
        self._state.unlink(missing_ok=True)

    def wanted(self) -> dict[str, ServiceSpec]:
        """Return the added services that ``up`` starts, by name."""
        return {name: spec for name, row in read_json(self.wanted_file).items() if (spec := _spec(row))}

    def write_wanted(self, specs: Mapping[str, ServiceSpec]) -> None:
        """Record the added services."""
        write_json(self.wanted_file, {name: dataclasses.asdict(spec) for name, spec in specs.items()})

    def ports(self) -> dict[str, int]:
        """Return the ports that services had the last time, by service."""
        return {n: p for n, p in read_json(self._ports).items() if type(p) is int and 0 < p < 65536}

    def write_ports(self, ports: Mapping[str, int]) -> None:
        """Record the ports, if they have changed."""
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
