"""Images from a registry: by digest, with progress, and each way in which a registry can refuse."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docker_help import remove_images
from registry_help import Registry, make_image, serving
from reporter_help import Told
from waiting import until

from mlpipes_cli.adapters.docker.containers.image_names import make_by_name
from mlpipes_cli.adapters.docker.engine.connection import DockerEngine, connect
from mlpipes_cli.adapters.docker.images import service_images
from mlpipes_cli.compose.model import Build, Service
from mlpipes_cli.errors import MlpipesError


@pytest.fixture
def engine(docker_engine: Any) -> Iterator[DockerEngine]:
    found = connect()
    yield found
    remove_images(docker_engine, "mlpipes.tests=registry")
    found.client.close()


@pytest.fixture
def registry(engine: DockerEngine) -> Iterator[Registry]:
    if not engine.local:
        pytest.skip("the engine is on another machine and cannot reach a registry on this one")
    with serving() as found:
        found.images["tiny"] = make_image(found.port)
        yield found


def ensure(engine: DockerEngine, reference: str) -> tuple[service_images.ServiceImage, Told]:
    told = Told()
    return service_images.ensure(engine, [Service("one", reference)], told)["one"], told


def refused(engine: DockerEngine, reference: str) -> str:
    with pytest.raises(MlpipesError) as caught:
        ensure(engine, reference)
    (line,) = caught.value.lines()
    assert line.startswith(f"{reference}: ")
    return line


def test_by_digest_with_a_bar_for_each_layer(engine: DockerEngine, registry: Registry) -> None:
    tiny = registry.images["tiny"]
    reference = f"{registry.host}/tiny:1@{tiny.digest}"
    image, told = ensure(engine, reference)
    assert image.digest_checked
    assert image.reference == reference
    assert told.infos[0] == f"pulling {reference}"
    assert told.infos[1].startswith(f"pulled {registry.host}/tiny:1 (4.0 MB in")
    bars = [task for task in told.tasks if task.total is not None]
    assert {bar.title.split()[0] for bar in bars if "extracting" in bar.title} == {
        layer.removeprefix("sha256:")[:12] for layer in tiny.layers
    }
    assert all(bar.ended and bar.done == pytest.approx(bar.total, abs=0.1) for bar in bars)
    registry.asked.clear()
    again, told = ensure(engine, reference)
    assert (again, told.infos, registry.asked) == (image, [], [])


def test_by_tag(engine: DockerEngine, registry: Registry) -> None:
    image, _ = ensure(engine, f"{registry.host}/tiny:1")
    assert not image.digest_checked
    assert ensure(engine, f"{registry.host}/tiny:1@{registry.images['tiny'].digest}")[0].id == image.id


def test_a_tag_with_another_digest_is_not_used(engine: DockerEngine, registry: Registry) -> None:
    ensure(engine, f"{registry.host}/tiny:1")
    line = refused(engine, f"{registry.host}/tiny:1@sha256:{'0' * 64}")
    assert "has the repository, but no longer this version of the image" in line


def test_an_image_that_came_from_no_registry(engine: DockerEngine, registry: Registry) -> None:
    """As where images are brought by ``docker load``: taken, and said until a container runs on it."""
    name = f"{registry.host}/own:1"
    ensure(engine, f"{registry.host}/tiny:1")
    container = engine.client.api.create_container(f"{registry.host}/tiny:1")
    try:
        engine.client.api.commit(container, f"{registry.host}/own", "1")
    finally:
        engine.client.api.remove_container(container)
    reference = f"{name}@sha256:{'0' * 64}"
    image, told = ensure(engine, reference)
    assert not image.digest_checked
    assert told.infos == [
        f"{name}: using the local image, which was not pulled from a registry (not verified)"
    ]
    container = engine.client.api.create_container(image.id)
    try:
        assert ensure(engine, reference)[1].infos == []
    finally:
        engine.client.api.remove_container(container)


def test_the_base_of_a_build_is_fetched_by_its_digest(
    engine: DockerEngine, registry: Registry, tmp_path: Path
) -> None:
    pinned = f"{registry.host}/tiny:1@{registry.images['tiny'].digest}"
    (tmp_path / "Dockerfile").write_text(f"ARG BELOW={pinned}\nFROM ${{BELOW}}\nLABEL built=1\n")
    name = f"mlpipes-tests-{registry.port}:1"
    told = Told()
    image = service_images.ensure(engine, [Service("one", name, build=Build(tmp_path))], told)["one"]
    assert told.infos[0] == f"pulling {pinned}"
    api = engine.client.api
    base = api.inspect_image(f"{registry.host}/tiny@{pinned.partition('@')[2]}")
    assert api.inspect_image(image.id)["RootFS"]["Layers"] == base["RootFS"]["Layers"]


def shown(engine: DockerEngine, image: str, reference: str) -> str:
    """What `docker ps` says of a container's image."""
    api = engine.client.api
    made = make_by_name(api, image, reference, lambda name: str(api.create_container(name)["Id"]))
    try:
        (row,) = api.containers(all=True, filters={"id": made})
        assert row["ImageID"] == image
        return str(row["Image"])
    finally:
        api.remove_container(made)


def test_a_container_is_made_by_name_and_by_id_where_no_name_stands_for_its_image(
    engine: DockerEngine, registry: Registry
) -> None:
    pinned = f"{registry.host}/tiny:1@{registry.images['tiny'].digest}"
    image = ensure(engine, pinned)[0].id
    assert shown(engine, image, pinned) == pinned
    registry.images["tiny"] = make_image(registry.port + 1)  # the tag moves
    moved = ensure(engine, f"{registry.host}/tiny:1")[0].id
    assert moved != image
    assert shown(engine, moved, f"{registry.host}/tiny:1") == f"{registry.host}/tiny:1"
    assert image.removeprefix("sha256:").startswith(
        shown(engine, image, f"{registry.host}/tiny:1").removeprefix("sha256:")
    )
    assert shown(engine, moved, f"{registry.host}/tiny:1@sha256:{'0' * 64}") == f"{registry.host}/tiny:1"
    engine.client.api.tag(image, f"{registry.host}/tiny", "before")
    assert shown(engine, image, f"{registry.host}/tiny:1") == f"{registry.host}/tiny:before"


def test_a_name_that_moves_while_the_container_is_made(engine: DockerEngine, registry: Registry) -> None:
    name = f"{registry.host}/tiny:1"
    image = ensure(engine, name)[0].id
    api = engine.client.api
    other: list[str] = []

    def make(given: str) -> str:
        if given == name:
            registry.images["tiny"] = make_image(registry.port + 1)
            api.pull(name)
        made = str(api.create_container(given)["Id"])
        other.append(made)
        return made

    made = make_by_name(api, image, name, make)
    try:
        assert len(other) == 2
        assert api.inspect_container(made)["Image"] == image
        assert [row["Id"] for row in api.containers(all=True) if row["Id"] in other] == [made]
    finally:
        api.remove_container(made)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ((401, "UNAUTHORIZED", "authentication required"), "requires a login"),
        ((403, "DENIED", "requested access to the resource is denied"), "requires a login"),
        ((429, "TOOMANYREQUESTS", "too many"), "rejected the pull: too many requests"),
        ((404, "NAME_UNKNOWN", "repository name not known to registry"), "no longer has this repository"),
        ((503, "UNAVAILABLE", "service unavailable"), "returned a server error"),
    ],
)
def test_a_registry_that_refuses(
    engine: DockerEngine, registry: Registry, fault: tuple[int, str, str], words: str
) -> None:
    registry.faults["tiny"] = fault
    line = refused(engine, f"{registry.host}/tiny:1@{registry.images['tiny'].digest}")
    assert words in line
    if fault[0] in (401, 403):
        assert f"`docker login {registry.host}`" in line


def test_a_damaged_layer(engine: DockerEngine, registry: Registry) -> None:
    registry.damaged.add(registry.images["tiny"].layers[1])
    reference = f"{registry.host}/tiny:1@{registry.images['tiny'].digest}"
    assert "the downloaded image is damaged" in refused(engine, reference)
    registry.damaged.clear()
    assert ensure(engine, reference)[0].digest_checked


def test_nobody_at_the_registry(engine: DockerEngine) -> None:
    assert "the engine cannot reach 127.0.0.1:1" in refused(engine, "127.0.0.1:1/x:1")
    line = refused(engine, "registry.invalid/x:1")
    assert "the engine cannot resolve registry.invalid" in line or "proxy" in line
    assert "docker load" in line


_PULL = """
import sys
from mlpipes_cli.adapters.docker.images import service_images as images
from mlpipes_cli.adapters.docker.engine.connection import connect
from mlpipes_cli.cli.console import Console
from mlpipes_cli.compose.model import Build, Service
images.ensure(connect(), [Service("one", sys.argv[1])], Console())
"""


def test_interrupted_and_run_again(engine: DockerEngine, registry: Registry) -> None:
    registry.slow = threading.Event()
    reference = f"{registry.host}/tiny:1@{registry.images['tiny'].digest}"
    process = subprocess.Popen(
        [sys.executable, "-c", _PULL, reference], stderr=subprocess.PIPE, start_new_session=True, text=True
    )
    try:
        until(lambda: sum("/blobs/" in path for path in registry.asked) >= 3)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=120)
    finally:
        process.kill()
        process.wait()
    assert process.returncode != 0
    assert said.rstrip().endswith("KeyboardInterrupt")
    registry.slow.set()
    assert ensure(engine, reference)[0].digest_checked
