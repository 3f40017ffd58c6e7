"""Images that are built from a folder of ours."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from docker.errors import NotFound
from docker_help import name_here, references, remove_images
from reporter_help import Told
from waiting import until

from mlpipes_cli.adapters.docker.engine.connection import DockerEngine, connect
from mlpipes_cli.adapters.docker.images import service_images
from mlpipes_cli.compose.model import Build, Service
from mlpipes_cli.errors import MlpipesError


@pytest.fixture
def engine(docker_engine: Any) -> Iterator[DockerEngine]:
    found = connect()
    yield found
    found.client.close()


@pytest.fixture
def name(docker_engine: Any) -> Iterator[str]:
    repository = f"mlpipes-tests-{uuid.uuid4().hex[:8]}"
    yield f"{repository}:1"
    remove_images(docker_engine, f"mlpipes.tests={repository}")


@pytest.fixture
def base(docker_engine: Any) -> str:
    """An image with a shell that is here."""
    return name_here(docker_engine, "python")


def ensure(engine: DockerEngine, name: str, build: Build) -> tuple[service_images.ServiceImage, Told]:
    told = Told()
    return service_images.ensure(engine, [Service("one", name, build=build)], told)["one"], told


def folder(tmp_path: Path, name: str, dockerfile: str) -> Build:
    first, _, rest = dockerfile.partition("\n")
    label = f"LABEL mlpipes.tests={name.split(':')[0]}"
    (tmp_path / "Dockerfile").write_text(f"{first}\n{label}\n{rest}")
    (tmp_path / "file.txt").write_text("one")
    return Build(tmp_path)


def test_built_once_and_again_after_a_change(engine: DockerEngine, name: str, tmp_path: Path) -> None:
    build = folder(tmp_path, name, "FROM scratch\nARG WORD=none\nLABEL word=$WORD\nCOPY . /x/\n")
    (tmp_path / ".secret").write_text("never sent")
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "x.pyc").write_text("never sent")
    first, told = ensure(engine, name, build)
    assert told.infos[0] == f"building {name}"
    assert told.infos[1].startswith(f"built {name} (")
    assert ensure(engine, name, build) == (first, Told())
    other, _ = ensure(engine, name, Build(tmp_path, args={"WORD": "other"}))
    assert engine.client.api.inspect_image(other.id)["Config"]["Labels"]["word"] == "other"
    (tmp_path / "file.txt").write_text("two")
    changed, told = ensure(engine, name, build)
    assert told.infos
    assert len({first.id, other.id, changed.id}) == 3
    container = engine.client.api.create_container(changed.id, command="x")
    try:
        stream, _ = engine.client.api.get_archive(container, "/x")
        content = b"".join(stream)
    finally:
        engine.client.api.remove_container(container)
    assert b"file.txt" in content
    assert b"secret" not in content
    assert b"pyc" not in content


def test_two_that_build_at_the_same_time_take_the_same_image(
    engine: DockerEngine, name: str, tmp_path: Path, base: str
) -> None:
    script = "echo the first word; sleep 3"
    build = folder(tmp_path, name, f"FROM {base}\nRUN {script} # {uuid.uuid4().hex}\n")
    tolds = []

    def had() -> service_images.ServiceImage:
        own = connect()
        with contextlib.closing(own.client):
            image, told = ensure(own, name, build)
            tolds.append(told)
            return image

    with ThreadPoolExecutor(2) as threads:
        taken = {done.result().id for done in [threads.submit(had) for _ in range(2)]}
    mark = {"label": f"mlpipes.tests={name.split(':')[0]}"}
    assert len(engine.client.api.images(filters=mark)) == 2  # none waited for the other
    for told in tolds:
        (task,) = told.tasks
        assert (task.title, task.every) == (f"building {name}", 10.0)
        assert "step 3/4: the first word" in task.notes
        assert not any("Running in" in note for note in task.notes)
    now, told = ensure(engine, name, build)
    assert taken == {now.id}
    assert told == Told()


def test_a_step_that_fails_shows_its_last_lines(
    engine: DockerEngine, name: str, tmp_path: Path, base: str
) -> None:
    build = folder(tmp_path, name, f"FROM {base}\nRUN echo first; echo the reason >&2; exit 3\n")
    with pytest.raises(MlpipesError) as caught:
        ensure(engine, name, build)
    (line,) = caught.value.lines()
    assert line.startswith(f"building {name}: Step 3/")
    assert "returned a non-zero code: 3" in line
    lines = line.partition("its last lines: ")[2].partition(";")[0]
    assert sorted(lines.split(" | ")) == ["first", "the reason"]
    assert engine.client.images.list(name.split(":")[0]) == []


def test_without_a_network_the_hint_says_so(
    engine: DockerEngine, name: str, tmp_path: Path, base: str
) -> None:
    code = "import urllib.request as r; r.urlopen('http://registry.invalid/')"
    build = folder(tmp_path, name, f'FROM {base}\nRUN ["python", "-c", "{code}"]\n')
    with pytest.raises(MlpipesError) as caught:
        ensure(engine, name, build)
    assert "check it and the proxy" in caught.value.hint


def test_the_image_below_cannot_be_had(engine: DockerEngine, name: str, tmp_path: Path) -> None:
    with pytest.raises(MlpipesError) as caught:
        ensure(engine, name, folder(tmp_path, name, "FROM 127.0.0.1:1/none:5\n"))
    assert f"building {name}: 127.0.0.1:1/none:5: the engine cannot reach 127.0.0.1:1" in caught.value.reason


def test_a_base_that_is_pinned_is_used_by_digest_or_as_the_image_of_this_machine(
    engine: DockerEngine, name: str, tmp_path: Path, base: str
) -> None:
    pin = references()["python"]
    text = f"ARG BELOW={pin}\nFROM ${{BELOW}}\n"
    (tmp_path / "Dockerfile").write_text(f"{text}LABEL mlpipes.tests={name.split(':')[0]}\n")
    image, told = ensure(engine, name, Build(tmp_path))
    layers = engine.client.api.inspect_image(image.id)["RootFS"]["Layers"]
    assert layers == engine.client.api.inspect_image(base)["RootFS"]["Layers"]
    if "@" not in base:
        unchecked = "using the local image, which was not pulled from a registry (not verified)"
        assert told.infos[0] == f"{base}: {unchecked}"
    assert ensure(engine, name, Build(tmp_path)) == (image, Told())


def test_a_base_that_is_pinned_and_cannot_be_had(engine: DockerEngine, name: str, tmp_path: Path) -> None:
    pin = f"127.0.0.1:1/none:5@sha256:{'0' * 64}"
    (tmp_path / "Dockerfile").write_text(f"ARG BELOW={pin}\nFROM ${{BELOW}}\n")
    with pytest.raises(MlpipesError) as caught:
        ensure(engine, name, Build(tmp_path))
    assert f"{pin}: the engine cannot reach 127.0.0.1:1" in caught.value.reason


def test_a_dockerfile_that_is_not_there(engine: DockerEngine, name: str, tmp_path: Path) -> None:
    with pytest.raises(MlpipesError, match="Dockerfile: no such file"):
        ensure(engine, name, Build(tmp_path))


_BUILD = """
import sys
from pathlib import Path
from mlpipes_cli.adapters.docker.images import service_images as images
from mlpipes_cli.adapters.docker.engine.connection import connect
from mlpipes_cli.cli.console import Console
from mlpipes_cli.compose.model import Build, Service
images.ensure(connect(), [Service("one", sys.argv[1], build=Build(Path(sys.argv[2])))], Console())
"""


def test_interrupted_leaves_no_name_and_no_container(
    engine: DockerEngine, name: str, tmp_path: Path, base: str
) -> None:
    mark = uuid.uuid4().hex
    build = folder(tmp_path, name, f"FROM {base}\nRUN sleep 600 # {mark}\n")

    def at_work() -> list[Any]:
        rows = engine.client.api.containers(all=True)
        return [row for row in rows if mark in row["Command"] or mark in str(_command(engine, row["Id"]))]

    process = subprocess.Popen(
        [sys.executable, "-c", _BUILD, name, str(tmp_path)], stderr=subprocess.PIPE, start_new_session=True
    )
    try:
        until(lambda: bool(at_work()))
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
        until(lambda: not at_work())
    finally:
        process.kill()
        process.wait()
    assert engine.client.images.list(name.split(":")[0]) == []
    build = folder(tmp_path, name, "FROM scratch\nCOPY file.txt /\n")
    assert ensure(engine, name, build)[0].reference == name


def _command(engine: DockerEngine, id: str) -> Any:
    try:
        return engine.client.api.inspect_container(id)["Config"]["Cmd"]
    except NotFound:
        return None
