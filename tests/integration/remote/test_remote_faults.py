"""What `up` and `doctor` say of a remote stack that cannot be used."""

from __future__ import annotations

import contextlib
import http.server
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg2
import pytest
from conftest import Cli

from mlpipes_cli.adapters.remote import postgres

from .conftest import ANALYST, Theirs, Write

pytestmark = pytest.mark.slow
MakeProject = Callable[..., Path]


@pytest.fixture
def root(make_project: MakeProject, write: Write, cli: Cli) -> Iterator[Path]:
    folder = make_project(name="ours")
    write(folder)
    yield folder
    cli("down", "--volumes", "--yes", cwd=folder)


@pytest.fixture
def nobody() -> Iterator[int]:
    """A port on which nobody listens for as long as the test lasts."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def test_all_that_fails_is_told_at_once(root: Path, write: Write, cli: Cli, nobody: int) -> None:
    write(
        root,
        mlflow=f"http://127.0.0.1:{nobody}",
        postgres=f"postgresql://analyst@127.0.0.1:{nobody}/shared",
        object_store=f"{{url: 'http://127.0.0.1:{nobody}', bucket: artifacts}}",
    )
    refused = cli("up", cwd=root)
    assert refused.code == 1
    lines = refused.err.splitlines()
    assert [line.split(":")[1].strip() for line in lines] == ["postgres", "mlflow", "object store"]
    assert all(f"{nobody}" in line or "refused" in line for line in lines)
    seen = cli("doctor", "--json", cwd=root)
    assert seen.code == 1
    faults = [check["name"] for check in seen.json["checks"] if check["level"] == "fault"]
    assert faults == ["postgres", "mlflow", "object store"]
    assert {row["state"] for row in cli("status", "--json", cwd=root).ok().json["services"]} == {"failed"}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"env": "DB_PASSWORD=wrong"}, ["the database does not answer (password", "MLPIPES_DB_PASSWORD"]),
        ({"env": "MLFLOW_TRACKING_PASSWORD=wrong"}, ["mlflow: it rejected our credentials (401)"]),
        ({"env": "MLFLOW_TRACKING_PASSWORD="}, ["mlflow: it rejected our credentials (401)"]),
        ({"env": "AWS_SECRET_ACCESS_KEY=wrong"}, ["object store:", "SignatureDoesNotMatch", "secret key"]),
        ({"env": "AWS_ACCESS_KEY_ID=wrong"}, ["object store:", "InvalidAccessKeyId", "access key"]),
    ],
)  # fmt: skip
def test_credentials_that_are_wrong(
    root: Path, write: Write, cli: Cli, changed: dict[str, str], words: list[str]
) -> None:
    write(root, **changed)
    refused = cli("up", cwd=root)
    assert refused.code == 1
    assert len(refused.err.splitlines()) == 1, refused.err
    assert all(word in refused.err for word in words), refused.err


def test_a_bucket_that_is_missing(root: Path, write: Write, shared: Theirs, cli: Cli) -> None:
    write(root, object_store=f"{{url: {shared.s3}, bucket: nobodys}}")
    refused = cli("up", cwd=root)
    assert "NoSuchBucket" in refused.err
    assert "create the bucket" in refused.err


def test_a_database_that_is_missing(root: Path, write: Write, shared: Theirs, cli: Cli) -> None:
    write(root, postgres=f"postgresql://analyst:$DB_PASSWORD@{shared.database}/nobodys")
    assert "create the database" in cli("up", cwd=root).err


def test_rights_that_are_missing_are_named_with_their_grants(root: Path, shared: Theirs, cli: Cli) -> None:
    shared.sql("revoke create on database shared from analyst")
    shared.sql("revoke create on schema public from analyst")
    refused = cli("up", cwd=root)
    assert refused.code == 1
    assert "grant create on database shared to analyst" in refused.err
    assert "grant usage, create on schema public to analyst" in refused.err
    assert shared.sql("select count(*) from pg_namespace where nspname = 'raw_data'") == [(0,)]
    for name in ("raw_data", "clean_data", "serving", "monitoring", "pipelines"):
        shared.sql(f"create schema {name}")
        shared.sql(f"grant usage, create on schema {name} to analyst")
    shared.sql("grant create on schema public to analyst")
    cli("up", cwd=root).ok()


def test_airflow_needs_a_database_beside_the_projects(root: Path, shared: Theirs, cli: Cli) -> None:
    refused = cli("up", "--with", "airflow", cwd=root)
    assert refused.code == 1
    assert "airflow needs the database shared_airflow, which its role may not create" in refused.err
    assert "create database shared_airflow owner analyst" in refused.err
    assert "downloaded" not in refused.err
    shared.sql("alter role analyst createdb")
    try:
        url = f"postgresql://analyst:{quote(ANALYST, safe='')}@{shared.database}/shared"
        for _ in range(2):
            address = postgres.make_own_database(url, "airflow")
            assert address == f"{url}_airflow"
            with contextlib.closing(psycopg2.connect(address)) as link, link.cursor() as cursor:
                cursor.execute("create table if not exists mine ()")
    finally:
        shared.sql("alter role analyst nocreatedb")
        shared.sql("drop database if exists shared_airflow")


def test_a_server_that_is_no_mlflow(root: Path, write: Write, cli: Cli) -> None:
    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>hello</html>")

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        write(root, mlflow=f"http://127.0.0.1:{server.server_port}")
        refused = cli("up", cwd=root)
        server.shutdown()
    assert "is not MLflow" in refused.err


def test_an_mlflow_that_sends_clients_to_the_store_themselves(
    root: Path, write: Write, shared: Theirs, cli: Cli
) -> None:
    shared.sql("update experiments set artifact_location = 's3://elsewhere/0'", "mlflow")
    try:
        refused = cli("up", cwd=root)
    finally:
        shared.sql(
            "update experiments set artifact_location = 'mlflow-artifacts:/' || experiment_id", "mlflow"
        )
    assert "clients would need direct access to s3:" in refused.err
    assert "--serve-artifacts" in refused.err


def test_missing_addresses_and_variables_are_named(make_project: MakeProject, cli: Cli) -> None:
    folder = make_project(
        "project: ours\nruntime: remote\nstack:\n  postgres: {url: 'postgresql://me:$NOWHERE@db/x'}\n",
        "empty",
    )
    refused = cli("up", cwd=folder)
    assert refused.code == 2
    assert "stack -> mlflow -> url: is missing; the remote runtime requires it" in refused.err
    assert "stack -> postgres -> url: the variable NOWHERE is not set" in refused.err
    assert len(refused.err.splitlines()) == 2
    assert cli("doctor", cwd=folder).code == 1


@pytest.mark.parametrize(
    "url", ["db.example", "mysql://me@db/x", "postgresql://db/x", "postgresql://me@db:x/y"]
)
def test_what_is_no_address_is_told(make_project: MakeProject, cli: Cli, url: str) -> None:
    folder = make_project(
        "project: ours\nruntime: remote\nstack:\n  mlflow: {url: http://m}\n"
        f"  postgres: {{url: '{url}'}}\n",
        "wrong",
    )
    refused = cli("env", cwd=folder)
    assert refused.code == 2
    assert "stack -> postgres -> url" in refused.err
    assert "postgresql://user@host" in refused.err


def test_doctor_warns_of_a_password_in_the_file(root: Path, write: Write, shared: Theirs, cli: Cli) -> None:
    literal = ANALYST.replace(":", "%3A").replace(" ", "%20").replace("@", "%40").replace("/", "%2F")
    write(root, postgres=f"postgresql://analyst:{literal}@{shared.database}/shared")
    seen = cli("doctor", cwd=root).ok()
    assert "mlpipes.yaml contains a password: stack -> postgres -> url" in seen.out
    cli("up", cwd=root).ok()


def test_without_keys_the_object_store_is_not_looked_at(root: Path, write: Write, cli: Cli) -> None:
    write(root, env="AWS_SECRET_ACCESS_KEY=\nAWS_ACCESS_KEY_ID=")
    up = cli("up", "--json", cwd=root).ok()
    assert "the object store is not checked" in up.err
    assert [row["name"] for row in up.json["services"]] == ["postgres", "mlflow"]
    assert "not checked" in cli("doctor", cwd=root).ok().out
    for option in (["--with", "jupyter"], ["--auth"]):
        assert cli("up", *option, cwd=root).code == 2
