"""Runs a pod as its manifest describes it under the Docker engine, and balances connections over several.

What stands in for a cluster is in this file alone: environment, secrets, volumes, user, limits and the end of
a pod are taken from the manifest.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

_UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


@dataclass(frozen=True)
class Cluster:
    """What a pod finds around it.

    Attributes:
        client: The engine's client.
        network: The engine's network that pods are in.
        namespace: The name of the namespace.
        secrets: The keys and values of each Secret.
        folder: A folder for files that are mounted.
        labels: Labels of all containers.
    """

    client: Any
    network: str
    namespace: str
    secrets: Mapping[str, Mapping[str, str]]
    folder: Path
    labels: Mapping[str, str]

    def start(self, pod: dict[str, Any]) -> Pod:
        """Start the one container of a pod."""
        (spec,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        limits = spec["resources"]["limits"]
        mounted = {one["name"]: one for one in spec["volumeMounts"]}
        tmpfs, binds = {}, {}
        for volume in pod["volumes"]:
            path = mounted[volume["name"]]["mountPath"]
            if "emptyDir" in volume:
                tmpfs[path] = f"size={_bytes(volume['emptyDir']['sizeLimit'])},mode=1777,exec"
            else:
                binds[str(self._files(volume["secret"], pod))] = {"bind": path, "mode": "ro"}
        context = spec["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        container = self.client.containers.run(
            spec["image"], spec.get("command"), detach=True, network=self.network,
            environment=self._environment(spec["env"]), labels=dict(self.labels), tmpfs=tmpfs, volumes=binds,
            user=f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}",
            read_only=context["readOnlyRootFilesystem"], cap_drop=context["capabilities"]["drop"],
            security_opt=["no-new-privileges:true"], mem_limit=_bytes(limits["memory"]),
            nano_cpus=int(float(limits["cpu"]) * 1e9),
            ports={f"{one['containerPort']}/tcp": ("127.0.0.1", None) for one in spec.get("ports", [])},
        )  # fmt: skip
        return Pod(container, pod, spec)

    def _environment(self, given: Sequence[dict[str, Any]]) -> dict[str, str]:
        found: dict[str, str] = {}
        for one in given:
            source = one.get("valueFrom", {})
            if "fieldRef" in source:
                assert source["fieldRef"]["fieldPath"] == "metadata.namespace"
                found[one["name"]] = self.namespace
            elif "secretKeyRef" in source:
                key = source["secretKeyRef"]
                found[one["name"]] = self.secrets[key["name"]][key["key"]]
            else:
                found[one["name"]] = re.sub(
                    r"\$\((\w+)\)", lambda name: found.get(name[1], name[0]), one["value"]
                )
        return found

    def _files(self, secret: dict[str, Any], pod: dict[str, Any]) -> Path:
        """A folder with the keys of a Secret as files that the pod's group may read."""
        folder = self.folder / secret["secretName"]
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
        for item in secret["items"]:
            file = folder / item["path"]
            file.write_text(self.secrets[secret["secretName"]][item["key"]])
            if os.geteuid() == 0:
                os.chown(file, 0, pod["securityContext"]["fsGroup"])
                file.chmod(secret["defaultMode"])
        return folder


@dataclass
class Pod:
    """A running pod."""

    container: Any
    pod: dict[str, Any]
    spec: dict[str, Any]

    @property
    def address(self) -> tuple[str, int]:
        self.container.reload()
        (port,) = self.spec["ports"]
        return "127.0.0.1", int(self.container.ports[f"{port['containerPort']}/tcp"][0]["HostPort"])

    def passes(self, probe: str) -> bool:
        """Whether a probe says so; the container has to run."""
        self.container.reload()
        assert self.container.status == "running", self.container.logs().decode()
        asked, address = self.spec[probe], self.address
        try:
            url = f"http://{address[0]}:{address[1]}{asked['httpGet']['path']}"
            return httpx.get(url, timeout=asked["timeoutSeconds"], trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    def end(self) -> int:
        """End it as a node does: preStop, SIGTERM, and SIGKILL after the grace period; the exit code."""
        began = time.monotonic()
        hook = self.spec["lifecycle"]["preStop"]["exec"]["command"]
        assert self.container.exec_run(hook).exit_code == 0
        left = self.pod["terminationGracePeriodSeconds"] - (time.monotonic() - began)
        self.container.stop(timeout=int(left))
        self.container.reload()
        return int(self.container.attrs["State"]["ExitCode"])

    def finished(self, seconds: int = 120) -> tuple[int, str]:
        """Wait for its end; the exit code and what it printed to standard output."""
        code = self.container.wait(timeout=seconds)["StatusCode"]
        return int(code), self.container.logs(stdout=True, stderr=False).decode()


class Balancer:
    """Gives each new connection to one of the addresses that are known at that moment, as a Service does."""

    def __init__(self, addresses: Sequence[tuple[str, int]]) -> None:
        self.addresses = list(addresses)
        self._turn = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._accept, "127.0.0.1", 0), self._loop
        ).result()
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._turn += 1
        to = self.addresses[self._turn % len(self.addresses)]
        try:
            answers, asks = await asyncio.open_connection(*to)
            await asyncio.gather(_pump(reader, asks), _pump(answers, writer))
        except OSError:
            writer.transport.abort()

    def close(self) -> None:
        async def closed() -> None:
            self._server.close()
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()

        asyncio.run_coroutine_threadsafe(closed(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


@dataclass
class Callers:
    """Threads that ask with a connection for each request, and keep every answer and every failure."""

    port: int
    row: dict[str, Any]
    threads: int = 3
    ids: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _running: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Callers:
        self._running = [threading.Thread(target=self._ask) for _ in range(self.threads)]
        for one in self._running:
            one.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for one in self._running:
            one.join()

    def _ask(self) -> None:
        body = json.dumps(self.row)
        while not self._over.is_set():
            try:
                link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
                link.request(
                    "POST", "/predict", body, {"Content-Type": "application/json", "Connection": "close"}
                )
                answer = link.getresponse()
                text = answer.read().decode()
                link.close()
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                continue
            if answer.status == 200:
                self.ids += json.loads(text)["prediction_ids"]
            else:
                self.failures.append(f"{answer.status}: {text}")


def _bytes(quantity: str) -> int:
    return int(quantity[:-2]) * _UNITS[quantity[-2:]]
