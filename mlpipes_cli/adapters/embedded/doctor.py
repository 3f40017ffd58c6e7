"""Run the doctor checks of an embedded stack; the checks change nothing."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence

from mlpipes_cli.adapters.doctor_checks import accounts, common, home, memory, service, tried
from mlpipes_cli.adapters.embedded import cluster
from mlpipes_cli.adapters.embedded.account import find_account
from mlpipes_cli.adapters.embedded.layout import StackLayout
from mlpipes_cli.adapters.embedded.status import read_status
from mlpipes_cli.adapters.processes import ports, process
from mlpipes_cli.adapters.processes.local_services import LocalServices
from mlpipes_cli.local_files import file_locks
from mlpipes_cli.ports import Check, ServiceStatus
from mlpipes_cli.services import catalog
from mlpipes_cli.services.catalog import MLFLOW


def examine(parts: StackLayout, local: LocalServices) -> Sequence[Check]:
    """Run all checks; a check that raises an error is a fault with its reason."""
    project = parts.project
    checks = [
        *common(project, [*parts.secrets()]),
        tried("memory", memory),
        tried("other accounts", lambda: accounts(parts.auth)),
        tried("file locks", lambda: _locks(parts)),
        tried("postgres program", lambda: _program(parts)),
    ]
    rows = read_status(parts)
    checks += [_port(parts, row) for row in rows]
    checks += [service(row) for row in (*rows, *local.statuses())]
    checks.append(_strays(parts, rows, local))
    return checks


def _locks(parts: StackLayout) -> Check:
    with tempfile.NamedTemporaryFile(dir=home(parts.project), prefix=".doctor-") as file:
        try:
            file_locks.lock(file.fileno())
        except OSError as error:
            return Check(
                "file locks", "fault", f"refused ({error.strerror})", "put the project on a local disk"
            )
    return Check("file locks", "ok", "supported")


def _program(parts: StackLayout) -> Check:
    path = cluster.program("postgres")
    done = subprocess.run([str(path), "--version"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        output = " ".join(done.stderr.split())
        return Check(
            "postgres program", "fault", f"does not run: {output}", "install the library named there"
        )
    account = find_account(path, home(parts.project))
    how = ", run by another account" if account.way else ""
    return Check("postgres program", "ok", f"{done.stdout.strip()}{how}")


def _port(parts: StackLayout, row: ServiceStatus) -> Check:
    name = f"{row.name} port"
    wanted = parts.wanted_port(row.name)
    remembered = parts.files.ports().get(row.name)
    port = wanted or remembered or ports.first(catalog.get(row.name).ports[0].default())
    if row.port is not None:
        if wanted and wanted != row.port:
            return Check(name, "warning", f"{row.port}, but mlpipes.yaml says {wanted}", "run `mlpipes up`")
        return Check(name, "ok", f"{row.port}")
    if ports.is_free(port):
        return Check(name, "ok", f"{port} is free")
    owner = ports.holder(port)
    if wanted:
        return Check(
            name,
            "fault",
            f"{port} is taken by {owner}",
            "stop it, or set another port (or auto) in mlpipes.yaml",
        )
    return Check(name, "ok", f"{port} is taken by {owner}; the next free one will be used")


def _strays(parts: StackLayout, rows: Sequence[ServiceStatus], local: LocalServices) -> Check:
    """Check for processes of services that have lost their main process or are not configured."""
    lost = any(row.name == MLFLOW and row.pid is None for row in rows)
    left = [daemon.pid for daemon in process.marked(parts.project.root, MLFLOW)] if lost else []
    server = parts.database()
    left += [member.pid for member in server.members()] if server.find() is None else []
    left += local.strays()
    if left:
        pids = ", ".join(map(str, left))
        return Check(
            "stray processes",
            "fault",
            f"left running: pid {pids}",
            "`mlpipes up` or `mlpipes down` stops them",
        )
    return Check("stray processes", "ok", "none")
