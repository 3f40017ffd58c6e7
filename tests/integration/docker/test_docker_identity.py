"""Whose containers and volumes are: after moving, copying and cleaning out a project's folder."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2
import pytest
from stack_help import http, query
from waiting import until

from mlpipes_cli.adapters.wiring import make_runtime
from mlpipes_cli.local_files import env_file
from mlpipes_cli.project import find_project

if TYPE_CHECKING:
    from integration.docker.conftest import Stack

pytestmark = pytest.mark.slow


def identity(stack: Stack) -> str:
    return str(json.loads((stack.root / ".mlpipes" / "docker.json").read_text())["id"])


def test_everything_is_labelled_and_no_label_holds_a_secret(stack: Stack) -> None:
    id = identity(stack)
    wanted = {"label": f"com.docker.compose.project={id}"}
    containers = stack.client.containers.list(all=True, filters=wanted)
    assert sorted(one.name for one in containers) == [f"{id}-{n}-1" for n in ("minio", "mlflow", "postgres")]
    volumes = stack.client.volumes.list(filters=wanted)
    assert sorted(one.name for one in volumes) == [
        f"{id}_{name}"
        for name in ("minio", "minio-secrets", "mlflow-secrets", "postgres", "postgres-secrets")
    ]
    networks = stack.client.networks.list(filters=wanted)
    assert sorted(one.name for one in networks) == [
        f"{id}_{name}" for name in ("database", "default", "store")
    ]
    shown = json.dumps(
        [one.attrs["Labels"] for one in (*volumes, *networks)] + [c.labels for c in containers]
    )
    secrets = env_file.read(stack.root / ".env").values()
    assert [secret for secret in secrets if secret in shown] == []


def test_each_container_holds_only_the_secrets_that_it_needs_and_the_engine_shows_none(stack: Stack) -> None:
    secrets = env_file.read(stack.root / ".env")
    containers = stack.containers()
    shown = json.dumps([one.attrs for one in containers.values()])
    assert [key for key, value in secrets.items() if value in shown] == []
    read = ["sh", "-c", "cd /etc/mlpipes/secrets && stat -c '%a %u' * && cat *"]
    said = {name: one.exec_run(read)[1].decode() for name, one in containers.items()}
    held = {name: {key for key, value in secrets.items() if value in text} for name, text in said.items()}
    assert held == {
        "postgres": {"POSTGRES_PASSWORD"},
        "minio": {"MINIO_ROOT_PASSWORD"},
        "mlflow": {"MLFLOW_DB_PASSWORD", "MLFLOW_S3_SECRET_KEY"},
    }
    for name, account in {"postgres": "999", "minio": "10005", "mlflow": "10002"}.items():
        rights = [line for line in said[name].splitlines() if line.startswith("400 ")]
        assert rights and {*rights} == {f"400 {account}"}, name
        stranger = containers[name].exec_run(["sh", "-c", "cat /etc/mlpipes/secrets/*"], user="54321")
        assert stranger[0] != 0 and b"Permission denied" in stranger[1], name


def test_passwords_outlive_the_engines_own_restarts_and_end_with_the_containers(stack: Stack) -> None:
    before = stack.ids()
    for one in stack.containers().values():
        stack.client.api.restart(one.id)
    until(lambda: {row["state"] for row in stack.status().values()} == {"running"}, 60)
    assert (stack.up().json["changes"], stack.ids()) == ([], before)
    stack.cli("down", cwd=stack.root).ok()
    id = identity(stack)
    assert stack.volumes(secrets=True) == [f"{id}_minio", f"{id}_postgres"]
    stack.up()


def test_users_queries_run_as_a_role_that_reads_and_up_makes_it_for_an_older_stack(stack: Stack) -> None:
    def reader() -> str | None:
        return make_runtime(find_project(stack.root)).endpoints().reader_url

    query(stack.cli, stack.root, "create table raw_data.seen as select 1 as n")
    text = (stack.root / ".env").read_text()
    older = [line for line in text.splitlines() if not line.startswith("MLPIPES_READER_PASSWORD")]
    (stack.root / ".env").write_text("\n".join(older) + "\n")
    assert reader() is None
    assert {row["state"] for row in stack.status().values()} == {"running"}
    before = stack.ids()
    stack.up()
    assert stack.ids() == before
    with contextlib.closing(psycopg2.connect(reader())) as link, link.cursor() as cursor:
        cursor.execute("select current_user, n from raw_data.seen")
        assert cursor.fetchall() == [("mlpipes_reader", 1)]
        with pytest.raises(psycopg2.Error, match="read-only"):
            cursor.execute("delete from raw_data.seen")


def test_containers_have_no_power_and_bounded_resources(stack: Stack) -> None:
    for name, one in stack.containers().items():
        host = one.attrs["HostConfig"]
        assert host["CapDrop"] == ["ALL"], name
        assert host["SecurityOpt"] == ["no-new-privileges:true"], name
        assert host["ReadonlyRootfs"] is True, name
        assert host["Privileged"] is False, name
        mounts = one.exec_run(["cat", "/proc/mounts"])[1].decode()
        (memory,) = [line.split()[3].split(",") for line in mounts.splitlines() if " /tmp tmpfs " in line]
        assert {"nosuid", "nodev", "noexec"} < {*memory}, name
        assert any(option.startswith("size=") for option in memory), name
        assert host["Memory"] > 0 and host["NanoCpus"] > 0, name
        assert host["MemorySwap"] == host["Memory"], name  # and no swap beside it
        assert 0 < host["PidsLimit"] <= 2048, name
        assert host["LogConfig"]["Config"] == {"max-size": "10m", "max-file": "3"}, name
        published = [binding["HostIp"] for row in host["PortBindings"].values() for binding in row]
        assert set(published) == {"127.0.0.1"}, name


def test_the_store_works_without_root_and_takes_over_an_earlier_releases_files(stack: Stack) -> None:
    env = stack.cli("env", "--json", cwd=stack.root).ok().json
    file = f"{env['MLFLOW_TRACKING_URI']}/api/2.0/mlflow-artifacts/artifacts/kept.txt"
    http(file, "PUT", b"kept")
    minio, (volume,) = stack.containers()["minio"], [name for name in stack.volumes() if "minio" in name]
    assert minio.attrs["Config"]["User"] == "10005:10005"
    assert minio.exec_run(["id", "-u"])[1] == b"10005\n"
    image = stack.containers()["postgres"].image.id
    minio.stop()  # a container that is there, too: a killed `up` may have made it and done no more
    as_root = {"entrypoint": ["sh", "-c"], "user": "root", "remove": True, "volumes": [f"{volume}:/data"]}
    stack.client.containers.run(image, ["chown -R 0:0 /data && chmod -R go= /data"], **as_root)
    said = [line for line in stack.up().err.splitlines() if "10005" in line]
    assert said == ["minio: its files are handed to the account 10005, which it runs as now"]
    assert until(lambda: reads(file)) == b"kept"
    others = stack.client.containers.run(image, ["find /data ! -user 10005 -o ! -group 10005"], **as_root)
    assert others == b""
    stack.containers()["minio"].remove(force=True)
    assert "10005" not in stack.up().err
    assert sorted(stack.containers()) == ["minio", "mlflow", "postgres"]


def reads(url: str) -> bytes:
    """What is there; empty while the server's store does not answer."""
    try:
        return http(url)
    except OSError:
        return b""


def test_only_mlflow_reaches_the_object_store(stack: Stack) -> None:
    found, id = stack.containers(), identity(stack)
    within = {name: {*one.attrs["NetworkSettings"]["Networks"]} for name, one in found.items()}
    assert within == {
        "postgres": {f"{id}_database"},
        "minio": {f"{id}_store"},
        "mlflow": {f"{id}_default", f"{id}_database", f"{id}_store"},
    }
    assert found["mlflow"].exec_run(["getent", "hosts", "minio"])[0] == 0
    assert found["postgres"].exec_run(["getent", "hosts", "minio"])[0] == 2
    address = found["minio"].attrs["NetworkSettings"]["Networks"][f"{id}_store"]["IPAddress"]
    ask = ["timeout", "3", "bash", "-c", f"</dev/tcp/{address}/9000"]
    assert found["mlflow"].exec_run(ask)[0] == 0
    assert found["postgres"].exec_run(ask)[0] != 0


def test_a_state_removed_by_hand_is_found_again_by_label(stack: Stack) -> None:
    query(stack.cli, stack.root, "create table if not exists raw_data.found (n int)")
    id, before = identity(stack), stack.ids()
    shutil.rmtree(stack.root / ".mlpipes")
    assert {row["state"] for row in stack.status().values()} == {"running"}
    told = stack.up()
    assert f"found this project's stack again by its labels: {id}" in told.err
    assert identity(stack) == id
    assert stack.ids() == before
    assert query(stack.cli, stack.root, "select count(*) from raw_data.found") == [(0,)]


def test_a_moved_folder_takes_its_stack_along(stack: Stack) -> None:
    query(stack.cli, stack.root, "create table if not exists raw_data.moved (n int)")
    id, there = identity(stack), stack.root.with_name("moved")
    stack.root.rename(there)
    moved = stack.at(there)
    try:
        told = moved.up()
        assert "the project folder was moved" in told.err
        assert identity(moved) == id
        assert query(stack.cli, there, "select count(*) from raw_data.moved") == [(0,)]
        assert sorted(moved.containers()) == ["minio", "mlflow", "postgres"]
        assert stack.containers() == {}
    finally:
        there.rename(stack.root)
        stack.up()
    assert identity(stack) == id


def test_a_copied_folder_is_a_project_of_its_own(stack: Stack, tmp_path: Path) -> None:
    before, volumes = stack.ids(), stack.volumes()
    copy = stack.at(tmp_path / "copy")
    shutil.copytree(stack.root, copy.root, ignore=shutil.ignore_patterns("lock"))
    assert {row["state"] for row in copy.status().values()} == {"stopped"}
    refused = stack.cli("env", cwd=copy.root)
    assert refused.code == 1
    stack.cli("down", "--volumes", "--yes", cwd=copy.root).ok()
    assert stack.ids() == before
    assert stack.volumes() == volumes
    assert {row["state"] for row in stack.status().values()} == {"running"}


def test_a_new_project_in_an_old_ones_place_gets_nothing_of_it(stack: Stack) -> None:
    """The folder's name is the same, but its passwords are not."""
    old, id, away = stack.volumes(), identity(stack), stack.root.with_name("away")
    stack.cli("down", cwd=stack.root).ok()
    stack.root.rename(away)
    try:
        stack.root.mkdir()
        stack.rewrite((away / "mlpipes.yaml").read_text())
        (stack.root / ".env").write_text("POSTGRES_PASSWORD=of-somebody-else-entirely\n")
        assert stack.cli("logs", "postgres", cwd=stack.root).code == 1
        stack.cli("down", "--volumes", "--yes", cwd=stack.root).ok()
        assert stack.volumes() == old
    finally:
        shutil.rmtree(stack.root)
        away.rename(stack.root)
    assert identity(stack) == id
    stack.up()
