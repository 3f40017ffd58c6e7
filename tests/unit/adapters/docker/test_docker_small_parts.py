"""Pieces of the container runtime that need no engine."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from mlpipes_cli.adapters.docker.containers import labels, logs, shutdown
from mlpipes_cli.adapters.docker.containers.labels import StackLabels
from mlpipes_cli.adapters.docker.containers.spec import ContainerSpec
from mlpipes_cli.adapters.docker.engine.connection import DockerEngine
from mlpipes_cli.adapters.docker.errors import translate
from mlpipes_cli.adapters.docker.stack import addresses, variables
from mlpipes_cli.adapters.docker.stack.port_allocator import PortAllocator
from mlpipes_cli.adapters.docker.stack.resources import Container
from mlpipes_cli.adapters.docker.stack.settings import PortSetting
from mlpipes_cli.adapters.processes import ports
from mlpipes_cli.adapters.processes.ports import PortReservations
from mlpipes_cli.adapters.processes.state import StateFiles
from mlpipes_cli.compose.model import ConfigFile, Mount, PublishedPort, Service
from mlpipes_cli.errors import MlpipesError

MARKS = StackLabels("credit-0a1b2c", Path("/projects/credit"), "12345678")
SERVICE = Service(
    "postgres",
    "postgres:17",
    environment={"POSTGRES_PASSWORD": "hush-hush-hush"},
    secrets=(ConfigFile("hush-hush-hush", "/s/PASSWORD", 0o400, 999),),
    ports=(PublishedPort("127.0.0.1", 5432, 5432),),
    volumes=(Mount("postgres", "/data"),),
)
REMOTE = DockerEngine(None, "db.example.org", False, "DOCKER_HOST=ssh://db.example.org")  # type: ignore[arg-type]


def plan(service: Service = SERVICE, image: str = "sha256:1", marks: StackLabels = MARKS) -> ContainerSpec:
    return ContainerSpec(service, image, service.image, marks, Path("/compose/compose.yaml"))


def container(service: str, needs: str = "") -> Container:
    found = {labels.NEEDS: needs}
    return Container(f"id-{service}", service, service, "running", "sha256:1", {}, (), found)


def test_the_same_plan_differs_in_nothing_and_shows_no_secret() -> None:
    written = plan().labels()
    assert plan().differences(written) == []
    assert "hush-hush-hush" not in str(written) + repr(plan())
    assert written[labels.PROJECT] == "credit-0a1b2c"
    assert written[labels.SERVICE] == "postgres"


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"environment": {"POSTGRES_PASSWORD": "another"}}, ["environment"]),
        ({"ports": (PublishedPort("127.0.0.1", 5433, 5432),)}, ["ports"]),
        ({"ports": (PublishedPort("0.0.0.0", 5432, 5432),)}, ["ports"]),
        ({"mem_limit": 1024**3}, ["limits"]),
        ({"memswap_limit": 1024**3}, ["limits"]),
        ({"pids_limit": 100}, ["limits"]),
        ({"network_mode": "none"}, ["network"]),
        ({"networks": ("default", "store")}, ["network"]),
        ({"secrets": (ConfigFile("another", "/s/PASSWORD", 0o400, 999),)}, ["passwords"]),
        ({"tmpfs": {"/tmp": "size=64m"}}, ["volumes"]),
        ({"command": ("postgres", "-c", "fsync=off")}, ["command"]),
        ({"cap_drop": ("ALL",), "restart": "always"}, ["security", "lifecycle"]),
    ],
)
def test_a_change_is_named_by_its_part(change: dict[str, object], parts: list[str]) -> None:
    assert plan(dataclasses.replace(SERVICE, **change)).differences(plan().labels()) == parts


def test_another_image_or_folder_is_a_change_and_a_foreign_label_is_one_in_all() -> None:
    assert plan(image="sha256:2").differences(plan().labels()) == ["image"]
    moved = dataclasses.replace(MARKS, root=Path("/elsewhere"))
    assert plan(marks=moved).differences(plan().labels()) == ["folder"]
    assert plan().differences({labels.FINGERPRINT: "nonsense"}) == list(plan().prints())


def test_a_key_tells_stacks_and_passwords_apart() -> None:
    keys = {labels.key(id, word) for id in ("a-000000", "a-000001") for word in ("x", "y")}
    assert len(keys) == 4
    assert {len(key) for key in keys} == {8}


@pytest.mark.parametrize(
    ("said", "port"),
    [
        ("Bind for 127.0.0.1:5432 failed: port is already allocated", 5432),
        ("driver failed: listen tcp4 0.0.0.0:9000: bind: address already in use", 9000),
        ("listen tcp6 [::]:9001: bind: address already in use", 9001),
        ("Ports are not available: somebody has it", 0),
        ("no space left on device", None),
    ],
)
def test_a_taken_port_is_read_from_what_the_engine_says(said: str, port: int | None) -> None:
    assert translate.port_in_use(Exception(said)) == port


def test_lines_come_whole_whatever_the_pieces() -> None:
    text = "erste Zeile\nzweite: äöü €\r\n\nletzte ohne Ende"
    whole = ["erste Zeile", "zweite: äöü €", "", "letzte ohne Ende"]
    coded = text.encode()
    for size in (1, 2, 3, 7, len(coded)):
        assert list(logs.lines(coded[i : i + size] for i in range(0, len(coded), size))) == whole
    assert list(logs.lines([])) == []


def test_who_needs_another_ends_before_it() -> None:
    needs = "postgres:service_healthy:false,databases:x:false,bucket:x:false"
    found = {
        "postgres": container("postgres"),
        "minio": container("minio"),
        "mlflow": container("mlflow", needs),
        "jupyter": container("jupyter", "mlflow:service_healthy:false"),
    }
    rounds = [sorted(one.service for one in group) for group in shutdown.rounds(found)]
    assert rounds == [["jupyter"], ["mlflow"], ["minio", "postgres"]]


def test_containers_that_need_each_other_end_all_the_same() -> None:
    found = {"a": container("a", "b:x:false"), "b": container("b", "a:x:false")}
    assert [sorted(one.service for one in group) for group in shutdown.rounds(found)] == [["a", "b"]]


def test_mlflow_gets_the_roots_keys_only_where_it_has_no_own() -> None:
    secrets = {"MINIO_ROOT_PASSWORD": "root-secret", "MLFLOW_S3_SECRET_KEY": "own-secret"}
    assert variables.store_keys(secrets, own=True).mlflow == ("mlflow", "own-secret")
    assert variables.store_keys(secrets, own=False).mlflow == ("mlpipes", "root-secret")
    assert variables.store_keys({"MINIO_ROOT_USER": "me"}, own=True).mlflow == ("me", "")
    assert "secret" not in repr(variables.store_keys(secrets, own=True))


def test_loopback_of_another_machine_is_refused_before_anything_is_done() -> None:
    with pytest.raises(MlpipesError, match=r"another machine .*ssh://db.example.org"):
        addresses.host(REMOTE, "127.0.0.1")
    assert addresses.host(REMOTE, "0.0.0.0") == "db.example.org"
    assert addresses.host(REMOTE, "10.0.0.7") == "10.0.0.7"
    here = dataclasses.replace(REMOTE, host="127.0.0.1", local=True)
    assert addresses.host(here, "127.0.0.1") == addresses.host(here, "0.0.0.0") == "127.0.0.1"
    assert addresses.in_url("::1") == "[::1]"


def test_the_server_may_be_asked_under_the_names_that_clients_use() -> None:
    assert addresses.allowed_hosts("127.0.0.1", "127.0.0.1") == "localhost:*,127.0.0.1:*,mlflow:*"
    assert "db.example.org:*" in addresses.allowed_hosts("db.example.org", "0.0.0.0").split(",")
    assert "*" not in addresses.allowed_hosts("127.0.0.1", "0.0.0.0").split(",")


def publishing(tmp_path: Path, held: PortReservations, said: list[str]) -> PortAllocator:
    return PortAllocator(REMOTE, StateFiles(tmp_path), held, said.append)


def test_on_another_machine_the_next_port_is_taken_when_the_engine_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.delenv(ports.OFFSET, raising=False)
    monkeypatch.setattr(PortAllocator, "holder", lambda self, port: "the container other")
    first = PortSetting("minio", "minio", 9000, 9000, None)
    second = PortSetting("minio_console", "minio", 9001, 9001, None)
    with PortReservations() as held:
        one = publishing(tmp_path, held, said)
        one.choose([first, second], {})
        assert one.chosen == {"minio": 9000, "minio_console": 9001}
        one.replace([first, second], 9000)
        assert one.chosen == {"minio": 9002, "minio_console": 9001}
        assert StateFiles(tmp_path).ports() == one.chosen
    assert said == ["port 9000 of minio was taken by the container other; trying another"]


def test_a_fixed_port_that_the_engine_refuses_is_an_error_with_its_holder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PortAllocator, "holder", lambda self, port: "the container other")
    fixed = PortSetting("mlflow", "mlflow", 5000, 5000, 5000)
    with PortReservations() as held:
        one = publishing(tmp_path, held, [])
        one.choose([fixed], {})
        with pytest.raises(MlpipesError, match="port 5000 of mlflow is taken by the container other"):
            one.replace([fixed], 5000)


def test_a_port_that_our_running_container_has_is_kept(tmp_path: Path) -> None:
    setting = PortSetting("mlflow", "mlflow", 5000, 5000, None)
    running = dataclasses.replace(container("mlflow"), ports={5000: 5017})
    with PortReservations() as held:
        one = publishing(tmp_path, held, [])
        one.choose([setting], {"mlflow": running})
        assert one.chosen == {"mlflow": 5017}


def test_a_container_carries_all_that_compose_asks_for() -> None:
    """What Compose 2 filters containers by (`ls`, `ps`, `logs`, `down`)."""
    found = plan().labels()
    wanted = {"project", "service", "oneoff", "container-number", "config-hash", "project.working_dir"}
    assert wanted <= {name.removeprefix("com.docker.compose.") for name in found}
    assert found["com.docker.compose.oneoff"] == "False"
    assert re.fullmatch(r"[0-9a-f]{64}", found["com.docker.compose.config-hash"])
    assert found == plan().labels()
