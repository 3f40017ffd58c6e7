"""A stack that others run: MLflow with a login, a database of their PostgreSQL, a bucket of an S3 server."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import pytest
from conftest import Cli
from s3_help import KEYS, RCLONE, s3_server

ANALYST = "s:me p@ss/word"  # characters that an address has to carry by their numbers


@dataclass(frozen=True)
class Theirs:
    """What its administrator would tell us."""

    cli: Cli
    root: Path
    mlflow: str
    password: str
    database: str  # host and port
    superuser: str
    s3: str

    def sql(self, statement: str, database: str = "shared") -> list[tuple[object, ...]]:
        with contextlib.closing(psycopg2.connect(f"{self.superuser}/{database}")) as link:
            link.autocommit = True
            with link.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="session")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theirs]:
    if RCLONE is None:
        pytest.skip("rclone is not installed")
    base = tmp_path_factory.mktemp("theirs")
    root = base / "project"
    root.mkdir()
    (root / "mlpipes.yaml").write_text("project: theirs\nruntime: embedded\n")
    cli = Cli(base / "home", root)
    try:
        cli("up", "--auth").ok()
        told = cli("status", "--show-secrets", "--json").ok().json
        secrets = told["secrets"]
        port = next(row["port"] for row in told["status"]["services"] if row["name"] == "postgres")
        superuser = f"postgresql://postgres:{secrets['POSTGRES_PASSWORD']}@127.0.0.1:{port}"
        with s3_server(root / ".mlpipes") as s3:  # the folder of MLflow's artifacts is a bucket of it
            made = Theirs(
                cli, root, secrets["MLFLOW_TRACKING_URI"], secrets["MLFLOW_ADMIN_PASSWORD"],
                f"127.0.0.1:{port}", superuser, s3,
            )  # fmt: skip
            made.sql(f"create role analyst login password '{ANALYST}'", "postgres")
            made.sql("create database shared", "postgres")
            yield made
    finally:
        cli("down", "--volumes", "--yes").ok()


@pytest.fixture
def shared(theirs: Theirs) -> Iterator[Theirs]:
    """Their database, empty, with the rights that a user of it needs."""
    theirs.sql("drop database shared with (force)", "postgres")
    theirs.sql("create database shared", "postgres")
    theirs.sql("grant create, connect on database shared to analyst")
    theirs.sql("grant usage, create on schema public to analyst")
    yield theirs


Write = Callable[..., Path]


@pytest.fixture
def write(shared: Theirs) -> Write:
    """Has a project's folder use their stack; what is given replaces what they told."""

    def settings(folder: Path, **changed: str) -> Path:
        told = {
            "mlflow": f"{shared.mlflow}",
            "postgres": f"postgresql://analyst:${{DB_PASSWORD}}@{shared.database}/shared",
            "object_store": f"{{url: {shared.s3}, bucket: artifacts}}",
            "env": "",
        } | changed
        (folder / "mlpipes.yaml").write_text(
            "project: ours\nruntime: remote\nstack:\n"
            f"  mlflow: {{url: {told['mlflow']!r}}}\n"
            f"  postgres: {{url: {told['postgres']!r}}}\n"
            f"  object_store: {told['object_store']}\n"
        )
        values = {
            "DB_PASSWORD": ANALYST,
            "MLFLOW_TRACKING_USERNAME": "admin",
            "MLFLOW_TRACKING_PASSWORD": shared.password,
            "AWS_ACCESS_KEY_ID": KEYS[0],
            "AWS_SECRET_ACCESS_KEY": KEYS[1],
        }
        values |= dict(line.split("=", 1) for line in told["env"].splitlines())
        text = "".join(f"{name}={value}\n" for name, value in values.items() if value)
        (folder / ".env").write_text(text)
        (folder / ".env").chmod(0o600)
        return folder

    return settings
