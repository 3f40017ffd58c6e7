"""What stands in the way is named and left alone."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from stack_help import stranger

if TYPE_CHECKING:
    from integration.docker.conftest import Stack

pytestmark = pytest.mark.slow
SETTINGS = "project: boxes\nruntime: docker\n"


@contextlib.contextmanager
def somebody(client: Any, **options: Any) -> Iterator[Any]:
    """A container that is not ours."""
    image = next(one for one in client.images.list() if any(t.startswith("postgres:") for t in one.tags))
    made = client.containers.create(image.id, ["sleep", "600"], entrypoint="", **options)
    try:
        yield made
    finally:
        made.remove(force=True, v=True)


def one_line(told: Any) -> str:
    assert told.code == 1
    lines = told.err.strip().splitlines()
    assert len(lines) == 1, told.err
    return str(lines[0])


def test_a_fixed_port_of_a_process_names_the_process(fresh: Stack) -> None:
    with stranger() as port:
        fresh.rewrite(f"{SETTINGS}stack: {{mlflow: {{port: {port}}}}}\n")
        said = one_line(fresh.cli("up", cwd=fresh.root))
    assert f"port {port} of mlflow is taken by {psutil.Process().name()} (pid {os.getpid()})" in said
    assert fresh.containers() == {}


def test_a_fixed_port_of_a_container_names_the_container(fresh: Stack) -> None:
    with stranger() as port:
        pass
    network = fresh.client.networks.create("not-of-mlpipes")
    try:
        places = {"network": network.name, "ports": {"80/tcp": ("127.0.0.1", port)}}
        with somebody(fresh.client, name="not-of-mlpipes", **places) as other:
            other.start()
            fresh.rewrite(f"{SETTINGS}stack: {{postgres: {{port: {port}}}}}\n")
            said = one_line(fresh.cli("up", cwd=fresh.root))
    finally:
        network.remove()
    assert f"port {port} of postgres is taken by the container not-of-mlpipes" in said
    assert fresh.containers() == {}


@pytest.mark.parametrize("kind", ["container", "volume", "network"])
def test_a_foreign_thing_with_our_name_is_named_and_left_alone(fresh: Stack, kind: str) -> None:
    (fresh.root / ".mlpipes").mkdir()
    row = f'{{"id": "boxes-0f0f0f", "root": "{os.path.realpath(fresh.root)}"}}'
    (fresh.root / ".mlpipes" / "docker.json").write_text(row)
    with contextlib.ExitStack() as left:
        if kind == "container":
            thing = left.enter_context(somebody(fresh.client, name="boxes-0f0f0f-mlflow-1"))
        elif kind == "volume":
            thing = fresh.client.volumes.create("boxes-0f0f0f_postgres")
            left.callback(thing.remove)
        else:
            thing = fresh.client.networks.create("boxes-0f0f0f_default")
            left.callback(thing.remove)
        said = one_line(fresh.cli("up", cwd=fresh.root))
        assert f"a {kind} named {thing.name} exists that is not part of this stack" in said
        assert f"docker {'rm' if kind == 'container' else f'{kind} rm'} {thing.name}" in said
        assert fresh.containers() == {}
        fresh.cli("down", "--volumes", "--yes", cwd=fresh.root).ok()
        thing.reload()


def test_a_service_that_ends_shows_its_last_words_and_the_others_stay(fresh: Stack) -> None:
    fresh.up()
    before = fresh.ids()
    fresh.rewrite(f"{SETTINGS}stack: {{mlflow: {{memory: 48m}}}}\n")
    said = one_line(fresh.cli("up", cwd=fresh.root))
    assert "mlflow exited while starting" in said
    assert "its last log lines: " in said
    assert "memory" in said or "mlpipes logs mlflow" in said
    states = {name: row["state"] for name, row in fresh.status().items()}
    assert states == {"postgres": "running", "minio": "running", "mlflow": "failed"}
    assert {name for name, id in fresh.ids().items() if before[name] != id} == {"mlflow"}
    fresh.rewrite(SETTINGS)
    assert len(fresh.up().json["changes"]) == 1
    assert {row["state"] for row in fresh.status().values()} == {"running"}
