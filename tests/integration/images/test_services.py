"""What the stack relies on in the images of its services, official or standing in for them."""

from __future__ import annotations

import io
import json
import os
from typing import Any

import boto3
import psycopg2
import pytest
from botocore.exceptions import BotoCoreError, ClientError
from docker_help import need_images
from waiting import until

KEYS = ("mlpipes", "a-long-secret")
OWN = ("mlflow", "another-long-secret")
STORES = {
    "minio": (
        {"MINIO_ROOT_USER": KEYS[0], "MINIO_ROOT_PASSWORD": KEYS[1]},
        ["server", "/data", "--console-address", ":9001"],
    ),
    "rustfs": (
        {"RUSTFS_ACCESS_KEY": KEYS[0], "RUSTFS_SECRET_KEY": KEYS[1], "RUSTFS_VOLUMES": "/data",
         "RUSTFS_ADDRESS": ":9000", "RUSTFS_CONSOLE_ADDRESS": ":9001"},
        None,
    ),
}  # fmt: skip
pytestmark = pytest.mark.slow


def connect(port: int, password: str = "right") -> Any:
    return psycopg2.connect(f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres", connect_timeout=5)


def answers(port: int) -> bool:
    try:
        connect(port).close()
    except psycopg2.OperationalError:
        return False
    return True


def test_postgres_asks_for_the_password_and_keeps_its_data(boxes: Any) -> None:
    server = boxes.start(
        "postgres", {"POSTGRES_PASSWORD": "right"},
        ports={"5432/tcp": ("127.0.0.1", None)}, volumes={"postgres": "/var/lib/postgresql/data"},
    )  # fmt: skip
    until(lambda: answers(boxes.port(server, 5432)))
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        connect(boxes.port(server, 5432), "wrong")
    with connect(boxes.port(server, 5432)) as session, session.cursor() as cursor:
        cursor.execute("create table kept (value int); insert into kept values (7)")
    session.close()
    server.kill()
    server.start()
    until(lambda: answers(boxes.port(server, 5432)))
    with connect(boxes.port(server, 5432)) as session, session.cursor() as cursor:
        cursor.execute("select value, current_setting('server_version_num')::int / 10000 from kept")
        assert cursor.fetchall() == [(7, 17)]
    session.close()


def test_postgres_without_a_password_does_not_start(boxes: Any) -> None:
    server = boxes.start("postgres", {})
    assert server.wait(timeout=60)["StatusCode"] != 0
    assert b"POSTGRES_PASSWORD" in server.logs()


class Store:
    def __init__(self, boxes: Any, name: str) -> None:
        environment, command = STORES[name]
        self.boxes = boxes
        self.box = boxes.start(
            name, environment, command=command,
            ports={"9000/tcp": ("127.0.0.1", None), "9001/tcp": ("127.0.0.1", None)}, volumes={name: "/data"},
        )  # fmt: skip
        until(self.is_up)

    def client(self, keys: tuple[str, str] = KEYS) -> Any:
        address = f"http://127.0.0.1:{self.boxes.port(self.box, 9000)}"
        return boto3.client(
            "s3", endpoint_url=address, region_name="us-east-1",
            aws_access_key_id=keys[0], aws_secret_access_key=keys[1],
        )  # fmt: skip

    def is_up(self) -> bool:
        try:
            self.client().list_buckets()
        except (ClientError, BotoCoreError):
            return False
        return True

    def gives(self, key: str) -> bytes | None:
        """The object, or None where the server says that it cannot give it now."""
        try:
            return bytes(self.client().get_object(Bucket="mlflow", Key=key)["Body"].read())
        except (ClientError, BotoCoreError):
            return None


@pytest.mark.parametrize("name", STORES)
def test_an_object_store_keeps_what_it_took(boxes: Any, docker_engine: Any, name: str) -> None:
    need_images(docker_engine, name)
    store = Store(boxes, name)
    body = os.urandom(20 * 1024 * 1024)
    store.client().create_bucket(Bucket="mlflow")
    store.client().upload_fileobj(io.BytesIO(body), "mlflow", "a/big")
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        store.client((KEYS[0], "not-the-secret")).list_buckets()
    store.box.kill()
    store.box.start()
    until(lambda: store.gives("a/big") is not None)
    assert store.gives("a/big") == body
    assert [
        one["Key"] for one in store.client().list_objects_v2(Bucket="mlflow", Prefix="a/")["Contents"]
    ] == ["a/big"]


def test_minio_makes_a_user_for_one_bucket(boxes: Any) -> None:
    store = Store(boxes, "minio")
    mc = {"MC_HOST_local": f"http://{KEYS[0]}:{KEYS[1]}@127.0.0.1:9000", "MC_CONFIG_DIR": "/tmp/mc"}

    def run(*command: str) -> None:
        code, said = store.box.exec_run(list(command), environment=mc)
        assert code == 0, said

    run("mc", "ready", "local")
    run("mc", "mb", "--ignore-existing", "local/mlflow")
    run("mc", "mb", "--ignore-existing", "local/mlflow")
    run("mc", "mb", "--ignore-existing", "local/other")
    resources = ["arn:aws:s3:::mlflow", "arn:aws:s3:::mlflow/*"]
    statement = {"Effect": "Allow", "Action": ["s3:*"], "Resource": resources}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    run("sh", "-c", f"cat >/tmp/policy.json <<'END'\n{policy}\nEND")
    run("mc", "admin", "user", "add", "local", *OWN)
    run("mc", "admin", "policy", "create", "local", "mlflow", "/tmp/policy.json")
    run("mc", "admin", "policy", "attach", "local", "mlflow", "--user", OWN[0])
    own = store.client(OWN)
    own.put_object(Bucket="mlflow", Key="mine", Body=b"1")
    assert own.get_object(Bucket="mlflow", Key="mine")["Body"].read() == b"1"
    for call in (lambda: own.list_objects_v2(Bucket="other"), lambda: own.create_bucket(Bucket="third")):
        with pytest.raises(ClientError, match="AccessDenied"):
            call()
