"""Explain in one line why no Docker engine answers, with a hint."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from mlpipes_cli.adapters.docker.engine.contexts import EngineCandidate
from mlpipes_cli.adapters.docker.engine.ping import EngineUnreachable
from mlpipes_cli.errors import MlpipesError

MINIMUM_API = "1.41"
_WITHOUT = "or use `--runtime embedded`, which needs no Docker"


def explain(tried: Sequence[tuple[EngineCandidate, EngineUnreachable]]) -> MlpipesError:
    """Return the error for the failed candidates; of several, the most informative one."""
    if not tried[0][0].chosen and all(failure.kind == "missing" for _, failure in tried):
        sockets = ", ".join(str(candidate.socket) for candidate, _ in tried[:4])
        others = f" or {len(tried) - 4} other paths" if len(tried) > 4 else ""
        return MlpipesError(
            f"no Docker engine found: no socket at {sockets}{others}",
            f"{_install()}, {_WITHOUT}",
        )
    return explain_one(*min(tried, key=_telling))


def _telling(attempt: tuple[EngineCandidate, EngineUnreachable]) -> int:
    kind = attempt[1].kind
    return 2 if kind == "missing" else 1 if kind == "refused" else 0


def explain_one(candidate: EngineCandidate, failure: EngineUnreachable) -> MlpipesError:
    """Return the error for one candidate."""
    where, message = candidate.how, failure.message
    if failure.kind == "missing":
        return MlpipesError(
            f"{where}: the socket {candidate.socket} does not exist",
            f"{_start(candidate)}, or choose another engine (`docker context use default`, DOCKER_HOST)",
        )
    if failure.kind == "permission":
        return MlpipesError(
            f"{where}: this user has no permission to use the Docker engine",
            f"run `sudo usermod -aG docker $USER` and log in again, {_WITHOUT}",
        )
    if failure.kind == "refused":
        return MlpipesError(f"{where}: the Docker engine is not running", f"{_start(candidate)}, {_WITHOUT}")
    if failure.kind == "silent":
        return MlpipesError(
            f"{where}: accepts connections but does not answer", f"restart Docker ({_start(candidate)})"
        )
    if failure.kind == "unknown host":
        return MlpipesError(f"{where}: unknown host ({message})", "check the address and the network")
    if failure.kind == "tls":
        return MlpipesError(f"{where}: the TLS connection failed ({message})", _tls_hint(candidate))
    if failure.kind == "ssh":
        machine = candidate.url.removeprefix("ssh://")
        return MlpipesError(
            f"{where}: ssh failed: {message or 'it exited without a message'}",
            f"make `ssh {candidate.url} docker version` work without a prompt for {machine}",
        )
    return MlpipesError(f"{where}: no Docker engine answers at this address ({message})", "check the address")


def too_old(candidate: EngineCandidate, api: str) -> MlpipesError:
    """Return the error for an engine whose API version is too old."""
    return MlpipesError(
        f"{candidate.how}: the Docker engine supports API {api}; at least {MINIMUM_API} is required",
        "update Docker to 20.10 or newer (Podman to 4.0)",
    )


def _tls_hint(candidate: EngineCandidate) -> str:
    if candidate.tls is None:
        return "set DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH to the folder of ca.pem, cert.pem and key.pem"
    lacking = [
        name
        for name, path in (("ca.pem", candidate.tls.ca), ("cert.pem", candidate.tls.cert))
        if path is None
    ]
    if lacking:
        return f"put {' and '.join(lacking)} in the folder that DOCKER_CERT_PATH or the context names"
    return "check that the certificates belong to that engine and are still valid"


def _install() -> str:
    if sys.platform == "darwin":
        return "start Docker Desktop, `colima start` or OrbStack (or install one of them)"
    return "start Docker (`sudo systemctl start docker`) or install it"


def _start(candidate: EngineCandidate) -> str:
    url = candidate.url
    for part, how in (
        ("colima", "run `colima start`"),
        ("orbstack", "start OrbStack"),
        ("/.rd/", "start Rancher Desktop"),
        ("podman", "run `systemctl --user start podman.socket`"),
        ("/.docker/", "start Docker Desktop"),
        ("/run/user/", "run `systemctl --user start docker`"),
    ):
        if part in url:
            return how
    if candidate.scheme == "tcp":
        return "start the engine on that machine and check the port"
    return (
        "start Docker Desktop or `colima start`"
        if sys.platform == "darwin"
        else ("start it with `sudo systemctl start docker`")
    )
