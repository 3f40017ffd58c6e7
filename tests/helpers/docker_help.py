"""A real Docker engine for tests: a fixture that skips where there is none, a look at what a stack has."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mlpipes_cli.adapters.docker.images.base_images import bases

ROOT_LABEL = "io.mlpipes.root"
PROJECT_LABEL = "com.docker.compose.project"
COMPOSE = Path(__file__).parents[2] / "compose"
ADDED = Path(__file__).parents[1] / "integration" / "docker" / "added"  # services that a test adds to those
CORE = ("postgres", "minio", "python")  # what every stack in containers is made of
BUILD = "tests/images/build provides them"


def references() -> dict[str, str]:
    """The images that those files name and do not build, by the last part of their name."""
    files = (COMPOSE / "compose.yaml", *ADDED.glob("*.yaml"))
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    found = re.findall(r"^\s+image:\s*([^\s$]+)$", text, re.MULTILINE)
    for dockerfile in sorted(COMPOSE.glob("*/Dockerfile")):
        found += bases(dockerfile.read_text(), {}).values()
    return {reference.split("@")[0].rsplit("/", 1)[-1].split(":")[0]: reference for reference in found}


def name_here(client: Any, name: str) -> str:
    """By which name the engine has one of these images: with its digest, or, built here, by its tag."""
    repository, _, digest = references()[name].partition("@")
    pinned = f"{repository.rpartition(':')[0]}@{digest}"
    return pinned if is_present(client, pinned) else repository


def is_present(client: Any, reference: str) -> bool:
    """Whether an image is there, by its digest or, built here, by its tag."""
    import docker.errors

    for name in (reference, reference.split("@")[0]):
        with contextlib.suppress(docker.errors.ImageNotFound):
            client.images.get(name)
            return True
    return False


def need_images(client: Any, *names: str) -> None:
    """Skip the test if one of these (``minio``, ``pgadmin4``, ...) is missing."""
    known = references()
    missing = [known[name].split("@")[0] for name in names if not is_present(client, known[name])]
    if missing:
        pytest.skip(f"images are missing: {', '.join(missing)}; {BUILD}")


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[Any]:
    """A client of the machine's engine, with the images of a stack present; skips where there is none."""
    import docker
    from docker.errors import DockerException

    try:
        client = docker.from_env(timeout=120)
        client.ping()
    except DockerException as error:
        pytest.skip(f"no Docker engine answers: {error}")
    with contextlib.closing(client):
        need_images(client, *CORE)
        yield client


@dataclass(frozen=True)
class Belongings:
    """What carries a label: docker-py's objects."""

    containers: list[Any]
    networks: list[Any]
    volumes: list[Any]

    def __bool__(self) -> bool:
        return bool(self.containers or self.networks or self.volumes)

    def remove(self) -> None:
        """All of it, whatever state it is in; what somebody else removes meanwhile is no mistake."""
        from docker.errors import NotFound

        for container in self.containers:
            with contextlib.suppress(NotFound):
                container.remove(force=True, v=True)
        for other in (*self.networks, *self.volumes):
            with contextlib.suppress(NotFound):
                other.remove()


def belongings(client: Any, label: str) -> Belongings:
    """Everything with a label (``name`` or ``name=value``), stopped containers too."""
    wanted = {"label": label}
    return Belongings(
        client.containers.list(all=True, filters=wanted, ignore_removed=True),
        client.networks.list(filters=wanted),
        client.volumes.list(filters=wanted),
    )


def of_root(client: Any, root: Path) -> Belongings:
    """What belongs to the project in a folder."""
    return belongings(client, f"{ROOT_LABEL}={root.resolve()}")


def of_project(client: Any, id: str) -> Belongings:
    """What belongs to a Compose project."""
    return belongings(client, f"{PROJECT_LABEL}={id}")


def container(client: Any, root: Path, service: str) -> Any:
    """The one container of a service."""
    found = [one for one in of_root(client, root).containers if _service(one) == service]
    assert len(found) == 1, f"{len(found)} containers of {service} for {root}"
    return found[0]


def _service(one: Any) -> str:
    return str(one.labels.get("com.docker.compose.service", ""))


def remove_images(client: Any, label: str) -> None:
    """Every image with a label, named or not, and all that only they were made of."""
    from docker.errors import APIError

    left = -1
    while rows := client.images.list(all=True, filters={"label": label}):
        assert len(rows) != left, f"these stay: {rows}"
        left = len(rows)
        for one in rows:
            with contextlib.suppress(APIError):  # it went with another, or another stands on it
                client.images.remove(one.id, force=True)
