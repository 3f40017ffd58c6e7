"""A volume, an image, a port or space that is not there: it is named, and nothing else is touched."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from docker_help import references
from integration.docker.conftest import MINIMAL
from registry_help import serving
from stack_help import query, stranger

import mlpipes_cli
from mlpipes_cli import package_files

if TYPE_CHECKING:
    from integration.docker.conftest import Stack

pytestmark = pytest.mark.slow


@pytest.fixture
def stack(shared: Stack) -> Stack:
    shared.rewrite(MINIMAL)
    shared.up()
    query(shared.cli, shared.root, "create table if not exists raw_data.kept as select 7 as n")
    return shared


def kept(stack: Stack) -> bool:
    return query(stack.cli, stack.root, "select n from raw_data.kept") == [(7,)]


def states(stack: Stack) -> set[str]:
    return {row["state"] for row in stack.status().values()}


@contextlib.contextmanager
def somebody(client: Any, **options: Any) -> Iterator[Any]:
    """A running container that is not ours."""
    image = references()["postgres"].split("@")[0]
    made = client.containers.create(image, ["sleep", "600"], entrypoint="", **options)
    try:
        made.start()
        yield made
    finally:
        made.remove(force=True, v=True)


# -- ports


def test_automatic_ports_give_way_and_their_holders_are_named(stack: Stack) -> None:
    had = {name: row["port"] for name, row in stack.status().items()}
    stack.cli("down", cwd=stack.root).ok()
    foreign = {"80/tcp": ("127.0.0.1", had["minio"])}
    with stranger(had["mlflow"]), somebody(stack.client, name="boxes-stranger", ports=foreign):
        said = stack.up().err
        assert re.search(rf"port {had['mlflow']} .*taken by \S+ \(pid {os.getpid()}\)", said), said
        assert re.search(rf"port {had['minio']} .*taken by the container boxes-stranger", said), said
        now = {name: row["port"] for name, row in stack.status().items()}
        assert now["mlflow"] != had["mlflow"] and now["minio"] != had["minio"]
        assert now["postgres"] == had["postgres"]
        assert states(stack) == {"running"} and kept(stack)
    assert stack.up().json["changes"] == []


# -- images


def binary_with_other_images(folder: Path, **other: str) -> dict[str, str]:
    """An installation whose compose.yaml names other images; what it takes to run that one."""
    package, root = Path(mlpipes_cli.__file__).parent, package_files.root()
    there = folder / "mlpipes_cli"
    shutil.copytree(package, there, ignore=shutil.ignore_patterns("__pycache__", "_bundled"))
    for name in ("compose", "templates"):
        shutil.copytree(root / name, there / "_bundled" / name)
    shutil.copy(root / "mlpipes.yaml.example", there / "_bundled")
    file = there / "_bundled" / "compose" / "compose.yaml"
    text = file.read_text()
    for name, reference in other.items():
        assert references()[name] in text
        text = text.replace(references()[name], reference)
    file.write_text(text)
    return {"PYTHONPATH": str(folder)}


def test_an_image_that_is_gone_is_classed_and_the_stack_goes_on_as_it_was(
    stack: Stack, tmp_path: Path
) -> None:
    before = stack.ids()
    digest = f"sha256:{'0' * 64}"
    with serving() as registry:
        gone = f"{registry.host}/gone/minio:1@{digest}"
        other = binary_with_other_images(tmp_path, minio=gone)
        refused = stack.cli("up", cwd=stack.root, env=other)
    away = stack.cli("up", cwd=stack.root, env=other)
    for told in (refused, away):
        assert told.code == 1
        pulling, *_, line = told.err.strip().splitlines()  # between them, how long it takes
        assert pulling == f"pulling {gone}"
        assert line.startswith(f"error: {gone}: ")
        assert "`docker save` and `docker load`" in line
    assert f"{registry.host} no longer has this repository" in refused.err
    assert f"the engine cannot reach {registry.host}" in away.err
    assert stack.ids() == before
    assert states(stack) == {"running"} and kept(stack)
    assert stack.up().json["changes"] == []


# -- volumes


def test_all_containers_and_the_databases_volume_are_removed_by_hand(stack: Stack) -> None:
    name = next(name for name in stack.volumes() if name.endswith("_postgres"))
    for one in stack.containers().values():
        one.remove(force=True)
    stack.client.volumes.get(name).remove()
    assert states(stack) == {"stopped"}
    said = stack.up().err
    (line,) = [line for line in said.splitlines() if name in line]
    assert f"the volume {name} was removed outside mlpipes, together with its data" in line
    assert "runs, registered models and predictions" in line
    assert "`mlpipes restore FILE`" in line
    assert states(stack) == {"running"}
    assert query(stack.cli, stack.root, "select to_regclass('raw_data.kept')") == [(None,)]
    assert "removed outside mlpipes" not in stack.up().err


# -- space


@contextlib.contextmanager
def bounded(stack: Stack, size: str) -> Iterator[Any]:
    """The database's volume of so much space, held by a container that can fill it."""
    root, id = os.path.realpath(stack.root), "boxes-0a0a0a"
    (stack.root / ".mlpipes").mkdir()
    (stack.root / ".mlpipes" / "docker.json").write_text(json.dumps({"version": 1, "id": id, "root": root}))
    labels = {"com.docker.compose.project": id, "io.mlpipes.root": root}
    options = {"type": "tmpfs", "device": "tmpfs", "o": f"size={size}"}
    volume = stack.client.volumes.create(f"{id}_postgres", driver="local", driver_opts=options, labels=labels)
    with somebody(stack.client, volumes=[f"{volume.name}:/bounded"]) as holder:
        yield holder


def test_a_full_disk_is_named_and_with_space_everything_is_there_again(fresh: Stack) -> None:
    with bounded(fresh, "160m") as holder:
        fresh.up()
        query(fresh.cli, fresh.root, "create table raw_data.kept as select 7 as n")
        holder.exec_run(["dd", "if=/dev/zero", "of=/bounded/filler", "bs=64k"])
        with pytest.raises(psycopg2.Error, match="No space left on device"):
            query(fresh.cli, fresh.root, "create table raw_data.much as select generate_series(1, 200000) n")
        before = fresh.volumes()
        fresh.containers()["postgres"].kill()
        told = fresh.cli("up", cwd=fresh.root)
        assert told.code == 1
        line = told.err.strip().splitlines()[-1]
        assert line.startswith("error: postgres exited while starting"), told.err
        assert "No space left on device" in line
        assert "free disk space on the engine" in line
        assert "Traceback" not in told.err
        assert fresh.volumes() == before
        shown = {name: row["state"] for name, row in fresh.status().items()}
        assert shown["postgres"] == "failed" and shown["minio"] == "running"
        holder.exec_run(["rm", "/bounded/filler"])
        fresh.up()
        assert states(fresh) == {"running"} and kept(fresh)
        query(fresh.cli, fresh.root, "create table raw_data.much as select generate_series(1, 1000) as n")
        used = fresh.cli("down", "--volumes", "--yes", cwd=fresh.root)  # by the one that filled it
        assert used.code == 1
        assert "a container outside this stack uses it" in used.err.strip().splitlines()[-1]
        assert "Traceback" not in used.err
