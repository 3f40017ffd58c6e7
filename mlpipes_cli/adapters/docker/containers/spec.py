"""Build the engine's container configuration from a Compose service, with a hash of each part."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli.adapters.docker.containers import image_names, labels
from mlpipes_cli.adapters.docker.containers.labels import StackLabels
from mlpipes_cli.compose.secret_files import TARGET

if TYPE_CHECKING:
    from docker.api import APIClient

    from mlpipes_cli.compose.model import ConfigFile, Healthcheck, Service

_LOGS = {"max-size": "10m", "max-file": "3"}


@dataclass(frozen=True)
class ContainerSpec:
    """Describes the desired state of a container.

    Attributes:
        service: The service of the Compose file.
        image: The image's id.
        reference: The image as the Compose file names it.
        marks: The stack's labels.
        file: The Compose file.
        needs: The services of the stack that have to be ready before.
    """

    service: Service = field(repr=False)
    image: str
    reference: str
    marks: StackLabels
    file: Path
    needs: frozenset[str] = frozenset()

    def prints(self) -> dict[str, str]:
        """Return a short hash of each part that is fixed at creation; the hashes reveal no secret."""
        service = self.service
        parts: dict[str, Any] = {
            "image": self.image,
            "environment": sorted(service.environment.items()),
            "ports": [[p.host, p.host_port, p.port] for p in service.ports],
            "command": [
                service.command,
                service.entrypoint,
                service.user,
                service.working_dir,
                service.init,
                service.hostname,
            ],
            "network": [service.networks, service.network_mode],
            "limits": [
                service.mem_limit,
                service.memswap_limit,
                service.pids_limit,
                service.cpus,
                service.shm_size,
            ],
            "volumes": [
                [[m.volume, m.target, m.read_only] for m in service.volumes],
                sorted(service.tmpfs.items()),
            ],
            "security": [service.cap_drop, service.cap_add, service.security_opt, service.read_only],
            "lifecycle": [_health(service.healthcheck), service.restart, service.stop_grace_period],
            "files": [[f.content, f.target, f.mode] for f in service.files],
            "passwords": [[f.content, f.target, f.mode, f.owner] for f in service.secrets],
            "labels": sorted(service.labels.items()),
            "folder": str(self.marks.root),
        }
        return {
            name: hashlib.sha256(json.dumps(part).encode()).hexdigest()[:10] for name, part in parts.items()
        }

    def differences(self, found: Mapping[str, str]) -> list[str]:
        """Return the names of the parts in which a container with these labels differs."""
        written = dict(
            part.split("=", 1) for part in found.get(labels.FINGERPRINT, "").split(",") if "=" in part
        )
        return [name for name, print in self.prints().items() if written.get(name) != print]

    def labels(self) -> dict[str, str]:
        """Return all labels of the container."""
        service = self.service
        fingerprint = ",".join(f"{name}={print}" for name, print in self.prints().items())
        return {
            **service.labels,
            **self.marks.container(service.name, self.file, self.needs, oneoff=service.step is not None),
            labels.IMAGE: self.reference,
            labels.FINGERPRINT: fingerprint,
            labels.CONFIG_HASH: hashlib.sha256(fingerprint.encode()).hexdigest(),
        }

    def create(self, api: APIClient, name: str) -> str:
        """Create the container in the first of its networks (see :meth:`join`), without starting it.

        Raises:
            docker.errors.APIError: The engine refuses; no container is left.
        """
        made = image_names.make_by_name(
            api, self.image, self.reference, lambda image: self._make(api, image, name)
        )
        try:
            self.fill(api, made)
        except BaseException:
            api.remove_container(made, force=True, v=True)
            raise
        return made

    def fill(self, api: APIClient, container: str) -> None:
        """Write the files into a stopped container; the call that created it may have been killed.

        Raises:
            docker.errors.APIError: The engine refuses.
        """
        if self.service.files:
            api.put_archive(container, "/", _archive(self.service.files, "/"))
        if self.service.secrets:  # a volume is writable even if the root file system is read-only
            api.put_archive(container, TARGET, _archive(self.service.secrets, TARGET))

    def _make(self, api: APIClient, image: str, name: str) -> str:
        service = self.service
        first = self.marks.network_name(service.networks[0])
        alias: Any = {first: api.create_endpoint_config(aliases=[service.name])}
        joined = None if service.network_mode else api.create_networking_config(alias)
        made = api.create_container(
            image,
            name=name,
            command=None if service.command is None else list(service.command),
            entrypoint=None if service.entrypoint is None else list(service.entrypoint),
            environment=dict(service.environment),
            labels=self.labels(),
            ports=[port.port for port in service.ports],
            user=service.user,
            working_dir=service.working_dir,
            hostname=service.hostname,
            healthcheck=_health(service.healthcheck),
            stop_timeout=max(1, round(service.stop_grace_period)),
            host_config=self._host(api),
            networking_config=joined,
            use_config_proxy=False,  # the services communicate only with each other
        )
        return str(made["Id"])

    def join(self, api: APIClient, container: str) -> None:
        """Connect the container to all of its networks before it is started.

        Engines before API 1.44 accept one network when a container is created, and a call may be killed
        before the others are connected, so this runs before each start.

        Raises:
            docker.errors.APIError: The engine refuses.
        """
        if self.service.network_mode or len(self.service.networks) == 1:
            return
        found = api.inspect_container(container)["NetworkSettings"]["Networks"]
        for network in map(self.marks.network_name, self.service.networks):
            if network not in found:
                api.connect_container_to_network(container, network, aliases=[self.service.name])

    def _host(self, api: APIClient) -> Any:
        from docker.types import LogConfig

        service = self.service
        bindings: dict[int | str, Any] = {}
        for port in service.ports:
            bindings.setdefault(f"{port.port}/tcp", []).append((port.host, port.host_port))
        return api.create_host_config(
            port_bindings=bindings,
            binds=self._binds(),
            tmpfs=dict(service.tmpfs),
            cap_add=list(service.cap_add),
            cap_drop=list(service.cap_drop),
            security_opt=list(service.security_opt),
            read_only=service.read_only,
            mem_limit=service.mem_limit,
            memswap_limit=service.memswap_limit,
            pids_limit=service.pids_limit,
            nano_cpus=round(service.cpus * 1e9) if service.cpus else None,
            shm_size=service.shm_size,
            init=service.init or None,
            network_mode=self._network_mode(),
            restart_policy={"Name": "" if service.restart == "no" else service.restart},
            log_config=LogConfig(type="json-file", config=_LOGS),
        )

    def _binds(self) -> dict[str, Mapping[str, str]]:
        service, own = self.service, self.marks.volume_name
        found: dict[str, Mapping[str, str]] = {
            own(m.volume): {"bind": m.target, "mode": "ro" if m.read_only else "rw"} for m in service.volumes
        }
        if service.secret_volume:  # the engine cannot copy files into a read-only container
            found[own(service.secret_volume)] = {"bind": TARGET, "mode": "rw"}
        return found

    def _network_mode(self) -> str | None:
        kind, _, service = (self.service.network_mode or "").partition(":")
        return f"container:{self.marks.id}-{service}-1" if service else kind or None


def _archive(files: Sequence[ConfigFile], folder: str) -> bytes:
    """Return the files as a tar archive, to be unpacked in that folder."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for file in files:
            content = file.content.encode()
            entry = tarfile.TarInfo(file.target.removeprefix(folder).lstrip("/"))
            entry.size, entry.mode = len(content), file.mode
            entry.uid = entry.gid = file.owner
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def in_words(parts: Sequence[str]) -> str:
    """Return a phrase that says that these parts differ."""
    verb = "differ" if len(parts) > 1 or parts[0].endswith("s") else "differs"
    return f"{', '.join(parts)} {verb}"


def _health(check: Healthcheck | None) -> dict[str, Any] | None:
    """Return the engine's health check configuration, with times in nanoseconds."""
    if check is None:
        return None
    return {
        "test": list(check.test),
        "interval": round(check.interval * 1e9),
        "timeout": round(check.timeout * 1e9),
        "retries": check.retries,
        "start_period": round(check.start_period * 1e9),
    }
