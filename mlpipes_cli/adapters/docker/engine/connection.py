"""Connect to the Docker engine."""

from __future__ import annotations

import functools
import ipaddress
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mlpipes_cli.adapters.docker.engine import ssh
from mlpipes_cli.adapters.docker.engine.contexts import EngineCandidate, candidates
from mlpipes_cli.adapters.docker.engine.ping import EngineUnreachable, PingAnswer, ask
from mlpipes_cli.adapters.docker.errors.translate import translate_errors
from mlpipes_cli.adapters.docker.errors.unreachable import MINIMUM_API, explain, too_old
from mlpipes_cli.errors import MlpipesError

if TYPE_CHECKING:
    import docker

_LOOPBACK = "127.0.0.1"
_PATIENCE, _SSH_PATIENCE, _QUICK = 10.0, 30.0, 1.6
_SILENCE = 120


@dataclass(frozen=True)
class DockerEngine:
    """Holds the connection to a Docker engine that answered.

    Attributes:
        client: The SDK client, in the newest API version that the engine supports.
        host: The host at which this machine reaches the engine's published ports.
        local: Whether the engine runs on this machine (or in a virtual machine of it).
        how: How the engine was found, for messages.
    """

    client: docker.DockerClient
    host: str
    local: bool
    how: str

    @functools.cached_property
    def is_podman(self) -> bool:
        """Whether the engine is Podman, some of whose API responses differ.

        Raises:
            MlpipesError: The engine does not answer.
        """
        with translate_errors("reading its version"):
            api: Any = self.client.api
            components = api.version(api_version=False).get("Components") or []
        return any("podman" in str(component.get("Name", "")).lower() for component in components)

    @functools.cached_property
    def digests_every_image(self) -> bool:
        """Whether built or loaded images have a digest too, so that a digest does not prove a registry pull.

        This is so with Podman, and with Docker if containerd stores the images.

        Raises:
            MlpipesError: The engine does not answer.
        """
        if self.is_podman:
            return True
        with translate_errors("reading its image store"):
            info = self.client.api.info()
        return "io.containerd.snapshotter" in str(info.get("DriverStatus"))


def connect(environ: Mapping[str, str] = os.environ) -> DockerEngine:
    """Connect to the engine that the user chose, else to the first of the usual sockets that answers.

    Raises:
        MlpipesError: No engine answers, or it is too old; the message has the addresses and the fix.
    """
    candidate, answer = _first(candidates(environ), None)
    host, local = _host(candidate)
    return DockerEngine(_client(candidate, answer), host, local, candidate.how)


def available(environ: Mapping[str, str] = os.environ) -> tuple[bool, str]:
    """Return whether an engine answers within two seconds, and which one, or the reason why not."""
    try:
        candidate, _ = _first(candidates(environ), _QUICK)
    except MlpipesError as error:
        return False, error.reason
    return True, candidate.how


def _first(candidates: list[EngineCandidate], budget: float | None) -> tuple[EngineCandidate, PingAnswer]:
    """Return the first candidate that answers, within ``budget`` seconds in all (None: no total limit)."""
    deadline = None if budget is None else time.monotonic() + budget
    tried: list[tuple[EngineCandidate, EngineUnreachable]] = []
    for candidate in candidates:
        patience = _SSH_PATIENCE if candidate.scheme == "ssh" else _PATIENCE
        if deadline is not None:
            patience = max(
                0.05, min(patience, (deadline - time.monotonic()) * (1.0 if candidate.chosen else 0.5))
            )
        try:
            answer = ask(candidate, patience) if deadline is None else _ask_within(candidate, patience)
        except EngineUnreachable as failure:
            tried.append((candidate, failure))
            continue
        if _number(answer.api) < _number(MINIMUM_API):
            raise too_old(candidate, answer.api)
        return candidate, answer
    raise explain(tried)


def _ask_within(candidate: EngineCandidate, patience: float) -> PingAnswer:
    """Call :func:`ask` with a timeout that also holds if a name server does not answer."""
    found: list[PingAnswer | EngineUnreachable] = []

    def work() -> None:
        try:
            found.append(ask(candidate, patience))
        except EngineUnreachable as failure:
            found.append(failure)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(patience + 0.2)
    if not found:
        raise EngineUnreachable("silent")
    if isinstance(found[0], EngineUnreachable):
        raise found[0]
    return found[0]


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def _host(candidate: EngineCandidate) -> tuple[str, bool]:
    """Return the host at which published ports are reached, and whether the engine is on this machine."""
    if candidate.scheme == "unix":
        return _LOOPBACK, True
    if candidate.scheme == "ssh":
        name = ssh.hostname(candidate.url)
        return (_LOOPBACK if _is_loopback(name) else name), False
    name = urlsplit(candidate.url).hostname or _LOOPBACK
    return (_LOOPBACK, True) if _is_loopback(name) else (name, False)


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def _client(candidate: EngineCandidate, answer: PingAnswer) -> docker.DockerClient:
    if candidate.scheme == "ssh":
        from mlpipes_cli.adapters.docker.engine.ssh_client import SshDockerClient

        return SshDockerClient(candidate.url, answer.api, _SILENCE)
    import docker
    from docker.tls import TLSConfig

    if candidate.tls is None:
        return _straight(docker.DockerClient(candidate.url, version=answer.api, timeout=_SILENCE))
    tls = candidate.tls
    pair = (str(tls.cert), str(tls.key)) if tls.cert and tls.key else None
    config = TLSConfig(client_cert=pair, ca_cert=str(tls.ca) if tls.ca else None, verify=tls.verify)
    return _straight(docker.DockerClient(candidate.url, version=answer.api, timeout=_SILENCE, tls=config))


def _straight(client: docker.DockerClient) -> docker.DockerClient:
    """Return the client without the environment's proxies and certificates, which are for the web.

    ``REQUESTS_CA_BUNDLE`` would take precedence over the engine's own ``ca.pem``.
    """
    client.api.trust_env = False
    return client
