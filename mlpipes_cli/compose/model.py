"""The content of ``compose/compose.yaml`` as plain values. Times are seconds, sizes are bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Condition = Literal["service_started", "service_healthy", "service_completed_successfully"]


@dataclass(frozen=True)
class Build:
    """How an image is built.

    Attributes:
        context: The absolute folder that is sent to the engine.
        dockerfile: The Dockerfile's path below it.
        args: Build arguments.
        parts: Sent in place of the whole folder: files and folders by their path in the build.
    """

    context: Path
    dockerfile: str = "Dockerfile"
    args: Mapping[str, str] = field(default_factory=dict)
    parts: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class PublishedPort:
    """A port of the container that is published on the host.

    Attributes:
        host: The address to listen on.
        host_port: The port there.
        port: The container's TCP port.
    """

    host: str
    host_port: int
    port: int


@dataclass(frozen=True)
class Mount:
    """A named volume and its path in the container."""

    volume: str
    target: str
    read_only: bool = False


@dataclass(frozen=True)
class Healthcheck:
    """The engine's health check of a container.

    Attributes:
        test: ``("CMD", program, argument, …)``, ``("CMD-SHELL", line)`` or ``("NONE",)``.
        interval: Time between two checks.
        timeout: Time limit of one check.
        retries: Number of failures in a row after which the container is unhealthy.
        start_period: Failures within this time after the start do not count.
    """

    test: tuple[str, ...]
    interval: float = 30.0
    timeout: float = 30.0
    retries: int = 3
    start_period: float = 0.0


@dataclass(frozen=True)
class ConfigFile:
    """A file that is put into the container (from Compose ``configs:`` with ``content:``).

    Attributes:
        content: Its content.
        target: Its path.
        mode: Its permissions.
        owner: The number of the account and of the group that own it.
    """

    content: str = field(repr=False)
    target: str
    mode: int = 0o444
    owner: int = 0


@dataclass(frozen=True)
class Service:
    """One service.

    Attributes:
        name: Its key in the file.
        image: ``name:tag`` or ``name:tag@sha256:…``; with ``build``, the name that the built image gets.
        build: How the image is made; None if it is pulled.
        command: Replaces the image's; None keeps that.
        entrypoint: Replaces the image's; None keeps that.
        environment: Added to the image's.
        ports: Published ports.
        volumes: Named volumes.
        tmpfs: File systems in memory: the options (``size=64m,mode=1777`` or empty) by path.
        healthcheck: None keeps the image's.
        depends_on: The required condition, by service, before this one is started.
        cap_drop: Linux capabilities to drop.
        cap_add: Linux capabilities to add back.
        security_opt: In the engine's syntax.
        read_only: Whether the root file system is read-only.
        user: ``user``, ``uid`` or ``uid:gid``; None keeps the image's.
        restart: no, always, on-failure or unless-stopped.
        stop_grace_period: Time between the request to stop and the kill.
        mem_limit: None is no limit.
        memswap_limit: Memory and swap together; None is the engine's default, twice the memory.
        pids_limit: Processes and threads; None is no limit.
        cpus: None is no limit.
        shm_size: Size of /dev/shm; None is the engine's default.
        profiles: The service is started only if one of these is requested; empty is always.
        files: Files put into the container.
        secrets: Files with passwords, put into the volume ``secret_volume``.
        secret_volume: The named volume for these files alone; it is removed with the container.
        labels: Added to those that mlpipes sets.
        step: Name of a one-off step that ``mlpipes up`` does itself; None for a service.
        init: Whether a small init process reaps zombies inside.
        working_dir: None keeps the image's.
        hostname: None is the container's id.
        networks: The stack's networks that it joins; ``default`` exists without a definition.
        network_mode: ``none``, ``service:NAME`` (that container's own network), or None for the stack's.
    """

    name: str
    image: str
    build: Build | None = None
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    ports: tuple[PublishedPort, ...] = ()
    volumes: tuple[Mount, ...] = ()
    tmpfs: Mapping[str, str] = field(default_factory=dict)
    healthcheck: Healthcheck | None = None
    depends_on: Mapping[str, Condition] = field(default_factory=dict)
    cap_drop: tuple[str, ...] = ()
    cap_add: tuple[str, ...] = ()
    security_opt: tuple[str, ...] = ()
    read_only: bool = False
    user: str | None = None
    restart: str = "no"
    stop_grace_period: float = 10.0
    mem_limit: int | None = None
    memswap_limit: int | None = None
    pids_limit: int | None = None
    cpus: float | None = None
    shm_size: int | None = None
    profiles: tuple[str, ...] = ()
    files: tuple[ConfigFile, ...] = field(default=(), repr=False)
    secrets: tuple[ConfigFile, ...] = field(default=(), repr=False)
    secret_volume: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    step: str | None = None
    init: bool = False
    working_dir: str | None = None
    hostname: str | None = None
    networks: tuple[str, ...] = ("default",)
    network_mode: str | None = None


@dataclass(frozen=True)
class Compose:
    """The whole file.

    Attributes:
        name: The project's name in the engine.
        services: By name, in the file's order.
        volumes: The named volumes' keys.
    """

    name: str
    services: Mapping[str, Service]
    volumes: tuple[str, ...] = ()
