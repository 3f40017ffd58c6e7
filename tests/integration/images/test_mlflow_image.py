"""The MLflow image, built as any Docker builds it: migrates, answers, keeps artifacts, asks for passwords."""

from __future__ import annotations

import json
import shutil
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

ROOT = Path(__file__).parents[3]
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
def image(docker_engine: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    name = f"mlpipes-mlflow:test-{uuid.uuid4().hex[:8]}"
    python = f"PYTHON_IMAGE={name_here(docker_engine, 'python')}"
    context = tmp_path_factory.mktemp("context")
    shutil.copytree(ROOT / "compose", context / "compose")
    command = ["docker", "build", "-q", "-t", name, "--build-arg", python]
    command += ["-f", str(context / "compose" / "mlflow" / "Dockerfile"), str(context)]
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


def use_all_of_it(url: str) -> None:
    """What clients and MLflow's pages ask a server for, none of which needs what the image does without."""
    import mlflow
    from mlflow.entities import Metric, Param, RunTag

    client = mlflow.MlflowClient(url)
    experiment = client.create_experiment("whole")
    run = client.create_run(experiment).info
    metrics = [Metric("ks", 0.1 * step, step, step) for step in range(5)]
    client.log_batch(run.run_id, metrics, [Param("c", "1")], [RunTag("t", "x")])
    client.log_table(run.run_id, {"a": [1, 2]}, "table.json")
    assert len(client.get_metric_history(run.run_id, "ks")) == 5
    assert [one.info.run_id for one in client.search_runs([experiment], "metrics.ks > 0.3")] == [run.run_id]
    assert [one.path for one in client.list_artifacts(run.run_id)] == ["table.json"]
    client.create_registered_model("m")
    version = client.create_model_version("m", f"{run.artifact_uri}/model", run.run_id).version
    client.set_registered_model_alias("m", "production", version)
    assert client.get_model_version_by_alias("m", "production").version == version
    span = client.start_trace("asked", inputs={"q": 1}, experiment_id=experiment)
    client.end_trace(span.trace_id, outputs={"a": 2})
    mlflow.flush_trace_async_logging()
    found = until(lambda: client.search_traces(locations=[experiment]))
    assert found[0].data.spans[0].name == "asked"
    client.register_prompt("p", "Say {{word}}")
    client.delete_run(run.run_id)
    asked = {
        "graphql": '{"query": "{mlflowGetExperiment(input: {experimentId: \\"0\\"}) {experiment {name}}}"}',
        "ajax-api/2.0/mlflow/experiments/search-datasets": f'{{"experiment_ids": ["{experiment}"]}}',
    }
    for path, body in asked.items():
        request = urllib.request.Request(f"{url}/{path}", body.encode(), {"Content-Type": "application/json"})
        answer = json.load(urllib.request.urlopen(request))
        assert not answer.get("errors"), answer
    assert b"<div id=" in urllib.request.urlopen(url).read()


_IMPORT_ALL = """
import importlib, json, logging, pkgutil, sys, warnings
warnings.simplefilter("ignore"); logging.disable()
missing = {}
for name in sys.argv[1:]:
    folder = importlib.import_module(name).__path__
    for module in pkgutil.walk_packages(folder, name + ".", onerror=lambda name: None):
        if "migrations.env" not in module.name and "__main__" not in module.name:
            try:
                importlib.import_module(module.name)
            except ModuleNotFoundError as error:
                missing.setdefault((error.name or "").split(".")[0], []).append(module.name)
            except BaseException:
                pass  # consumers of jobs and the like, which want their process
print(json.dumps(missing), file=sys.__stdout__, flush=True)
"""


def test_no_module_of_the_server_wants_what_the_image_does_without(docker_engine: Any, image: str) -> None:
    first = (ROOT / "compose" / "mlflow" / "requirements.in").read_text().splitlines()[0]
    without = set(first.removeprefix("# without: ").split())
    assert {"scipy", "scikit-learn", "pyarrow", "matplotlib"} <= without
    modules = without | {"sklearn", "PIL", "fontTools"}
    parts = ["server", "store", "entities", "tracing", "genai", "gateway", "artifacts", "data", "utils"]
    command = ["python", "-c", _IMPORT_ALL, *(f"mlflow.{part}" for part in parts)]
    container = docker_engine.containers.run(image, command, detach=True)
    try:  # read when it has ended: an engine may end the log that it streams before its last line
        ended = container.wait()
        said, wrong = container.logs(stderr=False).decode(), container.logs(stdout=False).decode()
    finally:
        container.remove(force=True, v=True)
    assert (ended["StatusCode"], bool(said)) == (0, True), wrong
    missing = json.loads(said.splitlines()[-1])
    assert "prometheus_flask_exporter" in missing  # a package that MLflow itself does without
    assert {name: missing[name] for name in modules & missing.keys()} == {}


def test_artifacts_go_through_the_server_and_it_stops_when_told(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD", "false")  # as `mlpipes env` says

    servers.start()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", servers.url)  # where traces go
    client = mlflow.MlflowClient(servers.url)
    run = client.create_run("0")
    assert run.info.artifact_uri.startswith("mlflow-artifacts:/")
    client.log_text(run.info.run_id, "kept", "note.txt")
    path = client.download_artifacts(run.info.run_id, "note.txt", str(tmp_path))
    assert Path(path).read_text() == "kept"
    use_all_of_it(servers.url)
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
