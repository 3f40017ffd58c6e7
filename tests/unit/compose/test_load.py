"""Reading a Compose file: all that we carry out, and no key beyond it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlpipes_cli import package_files
from mlpipes_cli.compose.load import load, start_order
from mlpipes_cli.compose.model import Build, Compose, ConfigFile, Healthcheck, Mount, PublishedPort, Service
from mlpipes_cli.errors import ConfigError, UsageError
from mlpipes_cli.services import catalog

WHOLE = """\
name: ${NAME:-stack}
x-common: &common
  cap_drop: [ALL]
  restart: unless-stopped
  mem_limit: 1g
services:
  db:
    <<: *common
    image: postgres:17@sha256:abc
    mem_limit: ${DB_MEMORY:-2g}
    environment: {PASSWORD: "${SECRET:?is missing}", NUMBER: 5}
    ports: ["127.0.0.1:${PORT:-5432}:5432"]
    volumes: [data:/var/lib/data, "more:/more:ro"]
    tmpfs: /tmp:size=64m
    healthcheck: {test: ["CMD", "true"], interval: 5s, timeout: 1m30s, retries: 2, start_period: 1m}
    cap_add: [CHOWN]
    networks: [default, back]
    security_opt: ["no-new-privileges:true"]
    read_only: true
    user: 1000:1000
    stop_grace_period: 1m
    cpus: "1.5"
    shm_size: 128m
    memswap_limit: 2g
    pids_limit: 100
    init: true
    working_dir: /srv
    hostname: db
    labels: [a=b]
    x-anything: {is: fine}
  once:
    x-mlpipes-step: tables
    image: postgres:17
    entrypoint: sh -euc
    command: ["echo $$HOME"]
    depends_on: {db: {condition: service_healthy}}
    network_mode: service:db
  web:
    image: web:local
    build: {context: ./web, dockerfile: Other, args: {VERSION: "1"}}
    depends_on: [db, once]
    profiles: [extra]
    configs:
      - {source: settings, target: /etc/web.conf, mode: 0440}
      - settings
configs:
  settings:
    content: |
      secret=${SECRET}
networks:
  back:
volumes:
  data:
  more: {}
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "compose.yaml"
    path.write_text(text)
    return path


def problems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, **variables: str) -> list[str]:
    path = write(tmp_path, text)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        load(path, variables)
    return caught.value.problems


def test_everything_that_we_carry_out(tmp_path: Path) -> None:
    compose = load(write(tmp_path, WHOLE), {"SECRET": "s3cret"})
    assert (compose.name, compose.volumes) == ("stack", ("data", "more"))
    assert compose.services["db"] == Service(
        "db",
        "postgres:17@sha256:abc",
        environment={"PASSWORD": "s3cret", "NUMBER": "5"},
        ports=(PublishedPort("127.0.0.1", 5432, 5432),),
        volumes=(Mount("data", "/var/lib/data"), Mount("more", "/more", read_only=True)),
        tmpfs={"/tmp": "size=64m"},
        healthcheck=Healthcheck(("CMD", "true"), 5.0, 90.0, 2, 60.0),
        cap_drop=("ALL",),
        cap_add=("CHOWN",),
        security_opt=("no-new-privileges:true",),
        read_only=True,
        user="1000:1000",
        restart="unless-stopped",
        stop_grace_period=60.0,
        mem_limit=2 * 2**30,
        memswap_limit=2 * 2**30,
        pids_limit=100,
        cpus=1.5,
        shm_size=128 * 2**20,
        labels={"a": "b"},
        init=True,
        working_dir="/srv",
        hostname="db",
        networks=("default", "back"),
    )
    once = compose.services["once"]
    assert (once.step, once.entrypoint, once.command) == ("tables", ("sh", "-euc"), ("echo $HOME",))
    assert once.network_mode == "service:db"
    assert once.depends_on == {"db": "service_healthy"}
    web = compose.services["web"]
    assert web.build == Build(tmp_path / "web", "Other", {"VERSION": "1"})
    assert web.depends_on == {"db": "service_started", "once": "service_started"}
    content = "secret=s3cret\n"
    assert web.files == (
        ConfigFile(content, "/etc/web.conf", 0o440),
        ConfigFile(content, "/settings"),
    )
    assert "s3cret" not in repr(compose)


def test_the_real_file_is_read() -> None:
    names = catalog.secrets(catalog.built_in(), auth=False).keys() - {
        "MLPIPES_READER_PASSWORD"
    }  # an older .env
    compose = load(package_files.compose() / "compose.yaml", dict.fromkeys(names, "x"))
    assert start_order(compose, ["mlflow", "postgres", "minio"]) == ["postgres", "minio", "mlflow"]
    assert start_order(compose, ["mlflow", "postgres", "rustfs"])[-1] == "mlflow"
    assert {one.name for one in compose.services.values() if one.step} == {
        "databases",
        "minio-owner",
        "secrets",
        "bucket",
    }


def test_all_mistakes_at_once_with_their_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = """\
name: stack
services:
  db:
    image: postgres:17
    privileged: true
    mem_limits: 1g
    ports: [22:22]
    environment:
      PASSWORD: ${SECRET:?is missing}
    healthcheck:
      test: ["CMD", "true"]
      start_interval: 1s
    depends_on: [dbb, web]
  web:
    build: .
    volumes: ["dat:/x"]
secrets:
  front:
"""
    found = problems(tmp_path, monkeypatch, text)
    begins = [
        "compose.yaml:5: services -> db -> privileged: unknown key",
        "compose.yaml:6: services -> db -> mem_limits: unknown key; did you mean 'mem_limit'?",
        "compose.yaml:9: services -> db -> environment -> PASSWORD: variable SECRET is missing",
        "compose.yaml:12: services -> db -> healthcheck -> start_interval: unknown key",
        "compose.yaml:14: services -> web: 'image' is missing",
        "compose.yaml:17: secrets: unknown key",
    ]
    assert len(found) == len(begins)
    for line, begin in zip(found, begins, strict=True):
        assert line.startswith(begin), line


def test_names_that_stand_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = """\
name: stack
services:
  db:
    image: postgres:17
    volumes: ["dat:/x"]
    configs: [conf]
    depends_on:
      dc: {condition: service_healthy}
    network_mode: service:dd
    networks: [fronts]
networks:
  front:
volumes:
  data:
"""
    assert problems(tmp_path, monkeypatch, text) == [
        "compose.yaml:5: services -> db -> volumes -> 0: 'dat' is not defined under `volumes`"
        "; did you mean 'data'?",
        "compose.yaml:6: services -> db -> configs -> 0: 'conf' is not defined under `configs`",
        "compose.yaml:8: services -> db -> depends_on -> dc: no such service",
        "compose.yaml:9: services -> db -> network_mode: no such service: 'dd'",
        "compose.yaml:10: services -> db -> networks -> 0: 'fronts' is not among the file's networks"
        "; did you mean 'front'?",
    ]


def test_merged_keys_are_shown_where_they_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = """\
name: stack
x-a: &a
  privilege: true
  restart: always
x-b: &b
  restarts: 5
services:
  db:
    <<: [*a, *b]
    image: postgres:17
    restart: sometimes
"""
    assert [
        line.split(": ")[0] + ": " + line.split(": ")[1] for line in problems(tmp_path, monkeypatch, text)
    ] == [
        "compose.yaml:3: services -> db -> privilege",
        "compose.yaml:6: services -> db -> restarts",
        "compose.yaml:11: services -> db -> restart",
    ]


def test_a_part_that_contains_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (line,) = problems(tmp_path, monkeypatch, "name: &a [*a]\n")
    assert line == "compose.yaml:1: YAML: a part of the file contains itself"


def test_circle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = """\
name: stack
services:
  a: {image: x, depends_on: [b]}
  b: {image: x, depends_on: [c]}
  c: {image: x, depends_on: [a]}
"""
    assert problems(tmp_path, monkeypatch, text) == [
        "compose.yaml:3: services -> a -> depends_on: circular dependency between services: a -> b -> c -> a"
    ]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        load(tmp_path / "none.yaml", {})


def compose_of(**needs: tuple[str, ...]) -> Compose:
    services = {
        name: Service(
            name,
            "x",
            depends_on=dict.fromkeys(needed, "service_started"),
            step="work" if name.startswith("step") else None,
        )
        for name, needed in needs.items()
    }
    return Compose("x", services)


def test_order() -> None:
    compose = compose_of(web=("db", "step"), store=(), db=(), step=("store",), other=())
    assert start_order(compose, ["web"]) == ["db", "web"]
    assert start_order(compose, ["web", "store"]) == ["db", "store", "web"]
    assert start_order(compose, ["other", "web"]) == ["db", "web", "other"]
    with pytest.raises(UsageError, match="no service 'wb'; did you mean 'web'"):
        start_order(compose, ["wb"])
