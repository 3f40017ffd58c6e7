"""Only what differs is changed, what is broken is repaired, and the data stays."""

from __future__ import annotations

import os
import pty
import re
import select
import struct
import subprocess
import termios
import threading
from fcntl import ioctl
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from stack_help import http, query, stranger
from waiting import until

from mlpipes_cli.adapters.docker.containers.spec import ContainerSpec
from mlpipes_cli.adapters.docker.engine.connection import DockerEngine
from mlpipes_cli.adapters.docker.stack import one_off
from mlpipes_cli.adapters.docker.stack.identity import StackIdentity
from mlpipes_cli.adapters.docker.stack.stack import DockerStack
from mlpipes_cli.compose.model import Service
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.project import find_project

if TYPE_CHECKING:
    from conftest import Result
    from integration.docker.conftest import Stack

pytestmark = pytest.mark.slow
_ROW = "select n from raw_data.kept"


def keep(stack: Stack) -> None:
    query(stack.cli, stack.root, "create table if not exists raw_data.kept as select 7 as n")


def changed(stack: Stack) -> list[str]:
    return list(stack.up().json["changes"])


def test_another_port_makes_one_new_container(stack: Stack) -> None:
    before = stack.ids()
    with stranger() as port:
        pass
    stack.rewrite(f"project: boxes\nruntime: docker\nstack: {{mlflow: {{port: {port}}}}}\n")
    assert changed(stack) == [f"mlflow: recreated (ports differ) on port {port}"]
    after = stack.ids()
    assert {name for name in before if before[name] != after[name]} == {"mlflow"}
    assert stack.status()["mlflow"]["url"] == f"http://127.0.0.1:{port}"


def test_other_limits_make_a_new_container_and_keep_the_data(stack: Stack) -> None:
    keep(stack)
    stack.rewrite("project: boxes\nruntime: docker\nstack: {postgres: {memory: 900m}}\n")
    done = changed(stack)
    assert len(done) == 1
    assert done[0].startswith("postgres: recreated (limits differ)")
    assert stack.containers()["postgres"].attrs["HostConfig"]["Memory"] == 900 * 1024**2
    assert query(stack.cli, stack.root, _ROW) == [(7,)]
    assert stack.status()["mlflow"]["state"] == "running"


def test_a_step_that_fails_says_why_and_leaves_no_container(stack: Stack) -> None:
    project, engine = find_project(stack.root), DockerEngine(stack.client, "127.0.0.1", True, "here")
    marks = StackIdentity(project).known(engine)
    assert marks is not None
    place = DockerStack(project, engine, marks, {}, False)
    image = stack.containers()["postgres"].image.id

    def step(line: str) -> ContainerSpec:
        words = {"entrypoint": ("sh", "-c"), "command": (line,), "network_mode": "none"}
        return ContainerSpec(
            Service("broken", image, step="owner", **words), image, image, marks, Path("compose.yaml")
        )

    assert one_off.run(place, step("echo one; ls /sys/class/net")) == "one lo"
    with pytest.raises(MlpipesError, match="the step broken failed with exit code 3") as failed:
        one_off.run(place, step("echo no room >&2; exit 3"))
    assert failed.value.hint == "no room"
    left = step("true").create(
        place.resources.api, place.resources.container("broken")
    )  # of a call that was killed
    assert "broken" not in stack.status()
    assert changed(stack) == []
    assert sorted(stack.containers()) == ["minio", "mlflow", "postgres"]
    assert place.resources.inspect(left) is None


@pytest.mark.parametrize("service", ["postgres", "minio", "mlflow"])
def test_a_killed_container_is_started_again(stack: Stack, service: str) -> None:
    keep(stack)
    stack.containers()[service].kill()
    until(lambda: stack.containers()[service].status == "exited")
    assert stack.status()[service]["state"] == "failed"
    assert "exit code 137" in stack.status()[service]["detail"]
    assert changed(stack) == [
        f"{service}: started again (exit code 137, killed) on port {stack.status()[service]['port']}"
    ]
    assert query(stack.cli, stack.root, _ROW) == [(7,)]


def test_passwords_that_a_killed_call_did_not_write_are_written_before_the_start(stack: Stack) -> None:
    stack.up()
    before = stack.ids()
    stack.cli("stop", "minio").ok()
    image = stack.containers()["minio"].image.id
    (volume,) = [one for one in stack.volumes(secrets=True) if one.endswith("_minio-secrets")]
    emptied = ["-c", "rm /s/* && ! ls /s/* 2>/dev/null"]
    stack.client.containers.run(
        image, emptied, entrypoint="sh", user="0", volumes={volume: {"bind": "/s"}}, remove=True
    )
    stack.up()
    assert stack.ids() == before
    assert stack.status()["minio"]["health"] == "healthy"


def test_a_paused_and_a_removed_container_are_brought_back(stack: Stack) -> None:
    keep(stack)
    stack.containers()["postgres"].pause()
    stack.containers()["mlflow"].remove(force=True)
    assert "paused" in stack.status()["postgres"]["detail"]
    assert sorted(line.split(" on ")[0] for line in changed(stack)) == [
        "mlflow: started", "postgres: resumed, since it was paused",
    ]  # fmt: skip
    assert query(stack.cli, stack.root, _ROW) == [(7,)]


def test_a_volume_removed_by_hand_is_missed_aloud(stack: Stack) -> None:
    name = next(name for name in stack.volumes() if name.endswith("_minio"))
    stack.cli("down", cwd=stack.root).ok()
    stack.client.volumes.get(name).remove()
    told = stack.up()
    assert f"the volume {name} was removed outside mlpipes, together with its data" in told.err
    assert name in stack.volumes()
    tracking = stack.cli("env", "--json", cwd=stack.root).json["MLFLOW_TRACKING_URI"]
    http(f"{tracking}/api/2.0/mlflow-artifacts/artifacts/0/in-the-new-bucket", "PUT", b"stored")
    assert "removed outside mlpipes" not in stack.up().err


def test_passwords_changed_in_the_file_are_applied(stack: Stack) -> None:
    keep(stack)
    file = stack.root / ".env"
    old = file.read_text()
    secrets = dict(line.split("=", 1) for line in old.splitlines())
    new = {name: f"changed-{value[8:]}" for name, value in secrets.items()}
    try:
        file.write_text("".join(f"{name}={value}\n" for name, value in new.items()))
        done = changed(stack)
        assert [line.split(" on ")[0] for line in done] == [
            f"{name}: recreated (passwords differ)" for name in ("postgres", "minio", "mlflow")
        ]
        assert query(stack.cli, stack.root, _ROW) == [(7,)]
        tracking = stack.cli("env", "--json", cwd=stack.root).json["MLFLOW_TRACKING_URI"]
        http(f"{tracking}/api/2.0/mlflow-artifacts/artifacts/0/with-new-password", "PUT", b"stored")
    finally:
        file.write_text(old)
        stack.up()
    assert query(stack.cli, stack.root, _ROW) == [(7,)]


def test_the_second_store_is_refused_while_the_first_has_the_artifacts(stack: Stack) -> None:
    before = stack.ids()
    stack.rewrite("project: boxes\nruntime: docker\nstack: {object_store: {engine: rustfs}}\n")
    refused = stack.cli("up", cwd=stack.root)
    assert refused.code == 1
    assert len(refused.err.strip().splitlines()) == 1
    assert "artifacts are in minio" in refused.err
    assert "mlpipes backup" in refused.err and "mlpipes migrate" in refused.err
    assert stack.ids() == before


def test_mlflow_uses_its_own_user_which_sees_one_bucket(stack: Stack) -> None:
    import boto3
    from botocore.exceptions import ClientError

    secret = dict(line.split("=", 1) for line in (stack.root / ".env").read_text().splitlines())
    port = stack.status()["minio"]["port"]

    def client(user: str, key: str) -> object:
        return boto3.client(
            "s3", endpoint_url=f"http://127.0.0.1:{port}", region_name="us-east-1",
            aws_access_key_id=user, aws_secret_access_key=key,
        )  # fmt: skip

    root = client("mlpipes", secret["MINIO_ROOT_PASSWORD"])
    root.create_bucket(Bucket="private")
    own = client("mlflow", secret["MLFLOW_S3_SECRET_KEY"])
    own.put_object(Bucket="mlflow", Key="allowed", Body=b"x")
    own.delete_object(Bucket="mlflow", Key="allowed")
    for refused in (
        lambda: own.put_object(Bucket="private", Key="k", Body=b"x"),
        lambda: own.list_objects_v2(Bucket="private"),
        lambda: own.create_bucket(Bucket="another"),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            refused()
    root.delete_bucket(Bucket="private")
    held = stack.containers()["mlflow"].attrs["Config"]["Env"]
    assert "AWS_ACCESS_KEY_ID=mlflow" in held


def test_a_log_is_followed_over_a_restart_until_nobody_reads(stack: Stack) -> None:
    tracking = stack.cli("env", "--json", cwd=stack.root).json["MLFLOW_TRACKING_URI"]
    following = stack.cli.start("logs", "mlflow", "--follow", "--tail", "0", cwd=stack.root)
    seen: list[str] = []

    def read() -> None:
        assert following.stdout is not None
        seen.extend(iter(following.stdout.readline, ""))

    reader = threading.Thread(target=read)
    reader.start()
    try:

        def noticed() -> bool:
            http(f"{tracking}/api/2.0/mlflow/experiments/search", "POST", b'{"max_results": 1}')
            return any(re.search(r"POST .*experiments/search.* 200", line) for line in seen)

        until(noticed, 60)
        assert following.poll() is None
        stack.cli("restart", "mlflow", cwd=stack.root).ok()
        seen.clear()
        until(noticed, 60)  # the log of the service goes on after its restart
        assert following.poll() is None
    finally:
        following.kill()
        reader.join(30)
        following.communicate(timeout=120)


def test_a_command_runs_in_a_container_with_our_input_and_output(stack: Stack) -> None:
    def shell(*words: str, stdin: str = "") -> Result:
        return stack.cli("shell", *words, cwd=stack.root, stdin=stdin)

    own = shell("postgres", "--", "sh", "-c", "hostname; echo aside >&2; exit 7")
    assert (own.out.strip(), own.err, own.code) == (stack.containers()["postgres"].short_id, "aside\n", 7)
    large = "0123456789\n" * 50_000
    assert shell("minio", "--", "cat", stdin=large).ok().out == large
    assert shell("mlflow", stdin="echo $(( 6 * 7 )); exit 3\n").out == "42\n"
    missing = shell("minio", "--", "no-such-program")
    assert missing.code in (126, 127) and "no-such-program" in missing.out + missing.err
    stack.cli("stop", "minio", cwd=stack.root).ok()
    idle = shell("minio", "--", "ls")
    assert (idle.code, idle.err) == (1, "error: minio is not running; start it with `mlpipes start minio`\n")


def test_a_shell_in_a_container_has_the_terminal_and_its_keys(stack: Stack) -> None:
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 101, 0, 0))
    command, database = stack.cli.command("shell", "postgres"), stack.containers()["postgres"]
    environment = {**stack.cli.environment, "TERM": "xterm"}
    with subprocess.Popen(
        command, cwd=stack.root, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        seen = bytearray()

        def said(words: bytes) -> bool:
            if select.select([ours], [], [], 0.1)[0]:
                seen.extend(os.read(ours, 65536))
            return words in seen

        try:
            os.write(ours, b"stty size; echo $TERM-$((6*7))\n")
            until(lambda: said(b"xterm-42"))
            assert b"33 101" in seen
            os.write(ours, b"sleep 600\n")
            until(lambda: said(b"sleep 600"))
            until(lambda: ["sleep", "600"] in [row[-1].split() for row in database.top()["Processes"]])
            os.write(ours, b"\x03echo after-$((7*7))\n")  # Ctrl-C ends what runs there, not us
            until(lambda: said(b"after-49"))
            os.write(ours, b"exit 5\n")
            assert process.wait(60) == 5
        finally:
            process.kill()
            os.close(ours)
