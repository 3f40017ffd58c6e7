"""The MLflow image, built as any Docker builds it: migrates, answers, keeps artifacts, asks for passwords."""

from __future__ import annotations

import subprocess
import urllib.error
import urllib.request
import uuid
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import sqlalchemy
from docker_help import name_here
from waiting import until

CONTEXT = Path(__file__).parents[3] / "compose" / "mlflow"
BEFORE_THE_LAST = "75868b020152"
SETTINGS = {
    "MLFLOW_BACKEND_STORE_URI": "postgresql+psycopg2://postgres:right@postgres:5432/mlflow",
    "MLFLOW_ARTIFACTS_DESTINATION": "s3://mlflow",
    "MLFLOW_S3_ENDPOINT_URL": "http://minio:9000",
    "AWS_ACCESS_KEY_ID": "mlpipes",
    "AWS_SECRET_ACCESS_KEY": "a-long-secret",
    "MLFLOW_SERVER_ALLOWED_HOSTS": "127.0.0.1:*,mlflow:*",
    "MLFLOW_AUTH_ADMIN_PASSWORD": "",
    "MLFLOW_FLASK_SERVER_SECRET_KEY": "",
}
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def image(docker_engine: Any) -> Iterator[str]:
    name = f"mlpipes-mlflow:test-{uuid.uuid4().hex[:8]}"
    python = f"PYTHON_IMAGE={name_here(docker_engine, 'python')}"
    command = ["docker", "build", "-q", "-t", name, "--build-arg", python, str(CONTEXT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    try:
        yield name
    finally:
        docker_engine.images.remove(name)


class Servers:
    def __init__(self, boxes: Any, image: str) -> None:
        self.boxes, self.image = boxes, image
        self.database = boxes.start(
            "postgres", {"POSTGRES_PASSWORD": "right", "POSTGRES_DB": "mlflow"},
            ports={"5432/tcp": ("127.0.0.1", None)},
        )  # fmt: skip
        self.store = boxes.start(
            "minio", {"MINIO_ROOT_USER": "mlpipes", "MINIO_ROOT_PASSWORD": "a-long-secret"},
            command=["server", "/data", "--console-address", ":9001"], volumes={"minio": "/data"},
        )  # fmt: skip
        login = {"MC_HOST_local": "http://mlpipes:a-long-secret@127.0.0.1:9000", "MC_CONFIG_DIR": "/tmp/mc"}
        assert self.store.exec_run(["mc", "ready", "local"])[0] == 0
        until(lambda: self.store.exec_run(["mc", "mb", "-p", "local/mlflow"], environment=login)[0] == 0)
        until(self.database_answers)
        self.box: Any = None

    def address(self) -> str:
        return f"postgresql+psycopg2://postgres:right@127.0.0.1:{self.boxes.port(self.database, 5432)}/mlflow"

    def database_answers(self) -> bool:
        try:
            psycopg2.connect(self.address().replace("+psycopg2", ""), connect_timeout=5).close()
        except psycopg2.OperationalError:
            return False
        return True

    def revision(self) -> str:
        engine = sqlalchemy.create_engine(self.address())
        with engine.connect() as connection:
            found = connection.execute(
                sqlalchemy.text("select version_num from alembic_version")
            ).scalar_one()
        engine.dispose()
        return str(found)

    def start(self, **settings: str) -> None:
        if self.box is not None:
            self.box.remove(force=True, v=True)
        self.box = self.boxes.start(
            "mlflow", SETTINGS | settings, image=self.image, ports={"5000/tcp": ("127.0.0.1", None)}
        )
        until(lambda: self.ask("/health") == 200, 120)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.boxes.port(self.box, 5000)}"

    def ask(self, path: str, login: str = "", host: str = "") -> int:
        self.box.reload()
        assert self.box.status == "running", self.box.logs().decode()
        headers = {"Authorization": f"Basic {b64encode(login.encode()).decode()}"} if login else {}
        headers |= {"Host": host} if host else {}
        try:
            return int(
                urllib.request.urlopen(urllib.request.Request(self.url + path, headers=headers)).status
            )
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0


@pytest.fixture
def servers(boxes: Any, image: str) -> Servers:
    return Servers(boxes, image)


SEARCH = "/api/2.0/mlflow/experiments/get-by-name?experiment_name=Default"


def test_a_database_of_an_older_mlflow_is_migrated(servers: Servers) -> None:
    from alembic import command
    from mlflow.store.db.utils import _get_alembic_config
    from mlflow.store.tracking.dbmodels.initial_models import Base

    engine = sqlalchemy.create_engine(servers.address())
    Base.metadata.create_all(engine)
    config = _get_alembic_config(servers.address())
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, BEFORE_THE_LAST)
    engine.dispose()
    assert servers.revision() == BEFORE_THE_LAST
    servers.start()
    assert servers.ask(SEARCH) == 200
    assert (servers.ask(SEARCH, host="evil.example"), servers.ask(SEARCH, host="mlflow:5000")) == (403, 200)
    said = servers.box.logs().decode()
    assert f"migrating the database from revision {BEFORE_THE_LAST} to {servers.revision()}" in said
    assert servers.revision() != BEFORE_THE_LAST


def test_artifacts_go_through_the_server_and_it_stops_when_told(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD", "false")  # as `mlpipes env` says

    servers.start()
    client = mlflow.MlflowClient(servers.url)
    run = client.create_run("0")
    assert run.info.artifact_uri.startswith("mlflow-artifacts:/")
    client.log_text(run.info.run_id, "kept", "note.txt")
    path = client.download_artifacts(run.info.run_id, "note.txt", str(tmp_path))
    assert Path(path).read_text() == "kept"
    servers.box.stop(timeout=30)
    servers.box.reload()
    assert servers.box.attrs["State"]["ExitCode"] == 0


def test_with_authentication_nobody_else_gets_in_and_the_password_can_change(servers: Servers) -> None:
    key = {"MLFLOW_FLASK_SERVER_SECRET_KEY": "a-key-for-cookies"}
    servers.start(MLFLOW_AUTH_ADMIN_PASSWORD="the-first-password", **key)
    assert servers.ask(SEARCH) == 401
    assert servers.ask(SEARCH, "admin:not-the-password") == 401
    assert servers.ask(SEARCH, "admin:the-first-password") == 200
    servers.start(MLFLOW_AUTH_ADMIN_PASSWORD="the-second-password", **key)
    assert servers.ask(SEARCH, "admin:the-first-password") == 401
    assert servers.ask(SEARCH, "admin:the-second-password") == 200
    servers.start()
    assert servers.ask(SEARCH) == 200


def test_it_says_why_it_cannot_start(boxes: Any, image: str) -> None:
    box = boxes.start("mlflow", SETTINGS, image=image)
    assert box.wait(timeout=60)["StatusCode"] == 1
    last = box.logs().decode().splitlines()[-1]
    assert last.startswith("mlpipes: cannot start: no connection to the database at postgres:5432/mlflow: ")
