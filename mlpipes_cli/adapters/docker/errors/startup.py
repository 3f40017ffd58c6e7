"""Explain why a service did not start: its state, its last log lines and a hint."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlpipes_cli.adapters.docker.errors.translate import translate_errors
from mlpipes_cli.adapters.docker.stack.container_service import StartupState
from mlpipes_cli.adapters.reconcile.driver import startup_error
from mlpipes_cli.compose import override
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.services import catalog

if TYPE_CHECKING:
    from mlpipes_cli.adapters.docker.stack.container_service import ContainerService
    from mlpipes_cli.adapters.docker.stack.resources import StackResources
    from mlpipes_cli.adapters.docker.stack.stack import DockerStack

_TO_PROBES = re.compile(r"FATAL: +the database system is ")  # logged for early probes
_LINES = 6
_HINTS = (
    (
        "could not find the database system",
        "its first start was interrupted; there is no data yet: `mlpipes down --volumes`, then `mlpipes up`",
    ),
    ("no space left", "free disk space on the engine (`docker system df`)"),
    (
        "could not translate host name",
        "the engine's DNS may be failing: run `mlpipes down`, then `mlpipes up`",
    ),
    (
        "incompatible with server",
        "the data was written by another version; restore a backup into a new stack",
    ),
)


def read_startup_state(resources: StackResources, service: ContainerService) -> StartupState:
    """Return the state of a service's container."""
    found = resources.inspect(service.container)
    if found is None:
        return StartupState(True, False, "its container was removed", False)
    state = found["State"]
    restarts = int(found.get("RestartCount") or 0)
    service.restarts = restarts if service.restarts is None else service.restarts
    ended_ = state["Status"] in ("exited", "dead", "restarting") or restarts > service.restarts
    health = (state.get("Health") or {}).get("Status", "healthy")
    healthy = state["Status"] == "running" and health == "healthy"
    return StartupState(ended_, healthy, ended(state) if ended_ else health, bool(state.get("OOMKilled")))


def ended(state: Mapping[str, Any]) -> str:
    """Return how a container ended, as text."""
    if state.get("OOMKilled"):
        return "it ran out of memory"
    if state.get("Status") == "created":
        return "it was never started"
    code = state.get("ExitCode", 0)
    killed = ", killed" if code == 137 else ""
    return f"exit code {code}{killed}"


def last_log_lines(resources: StackResources, container: str, lines: int = _LINES) -> str:
    """Return the last lines of a container's log as one line."""
    with contextlib.suppress(MlpipesError), translate_errors("reading a log"):
        output = resources.api.logs(container, tail=lines * 20).decode(errors="replace")
        rows = [" ".join(row.split()) for row in output.splitlines() if row.strip()]
        rows = [row for row in rows if not _TO_PROBES.search(row)] or rows
        return " | ".join(rows[-lines:])
    return ""


def report(stack: DockerStack, service: ContainerService) -> MlpipesError:
    """Return the error to raise; stop but keep a container that the engine would restart for ever."""
    output = last_log_lines(stack.resources, service.container)
    for secret in stack.secrets.values():
        if len(secret) >= 8:
            output = output.replace(secret, "…")
    name, state = service.name, service.state
    if state.ended:
        what = f"exited while starting ({state.words})"
        with contextlib.suppress(MlpipesError), translate_errors("stopping it"):
            stack.resources.api.stop(service.container, timeout=1)
    else:
        why = f", {service.problem}" if service.problem else ""
        what = f"did not answer within {service.timeout:.0f} s (it runs{why})"
    return startup_error(name, what, output, _hint(name, output, state))


def more_memory(name: str) -> str:
    """Return the hint where a service's memory limit is set."""
    found = catalog.find(name)
    if found is None:
        return f"give it more memory: a higher `mem_limit:` in {override.NAME}"
    return f"give it more memory in mlpipes.yaml: `stack: {{{found.section}: {{memory: 4g}}}}`"


def _hint(name: str, output: str, state: StartupState) -> str:
    if state.oom:
        return more_memory(name)
    found = next((hint for words, hint in _HINTS if words in output.lower()), "")
    return found or f"see `mlpipes logs {name}` and `mlpipes doctor`; the other services are unchanged"
