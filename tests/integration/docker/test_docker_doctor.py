"""``mlpipes doctor`` on a stack in containers: each trouble is a line with its fix."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mlpipes_cli.lifecycle.secrets import ensure_secrets

if TYPE_CHECKING:
    from conftest import Stack

pytestmark = pytest.mark.slow
SERVICES = ("postgres", "minio", "mlflow")


def doctor(stack: Stack, **environment: str) -> dict[str, dict[str, Any]]:
    """The checks by name; one that stands twice is its worst."""
    done = stack.cli("doctor", "--json", cwd=stack.root, env=environment)
    order = ("ok", "warning", "fault")
    rows: dict[str, dict[str, Any]] = {}
    for row in sorted(done.json["checks"], key=lambda row: order.index(row["level"])):
        rows[row["name"]] = row
        assert bool(row["fix"]) == (row["level"] != "ok"), row
    worst = max((order.index(row["level"]) for row in rows.values()), default=0)
    assert done.code == (1 if worst == 2 else 0), done.err
    return rows


def test_a_whole_stack(stack: Stack) -> None:
    found = doctor(stack)
    assert {name for name, row in found.items() if row["level"] == "fault"} == set()
    for name in (
        *SERVICES,
        *(f"{one} port" for one in SERVICES),
        "docker engine",
        "docker machine",
        "secrets",
    ):
        assert found[name]["level"] == "ok", found[name]
    assert "socket" in found["docker engine"]["found"] or "DOCKER_HOST" in found["docker engine"]["found"]
    assert found["postgres data"]["found"].startswith("volume ")
    frozen = found["object store"]
    assert (frozen["level"], "frozen" in frozen["found"]) == ("warning", True)
    for word in ("engine: rustfs", "mlpipes backup", "mlpipes restore", "cannot read MinIO's files"):
        assert word in frozen["fix"]


def test_before_the_first_start(fresh: Stack) -> None:
    found = doctor(fresh)
    assert all(row["level"] != "fault" for row in found.values()), found
    assert found["secrets"]["found"] == ".env does not exist yet"


def test_a_service_that_was_killed(stack: Stack) -> None:
    stack.containers()["minio"].kill()
    found = doctor(stack)
    assert found["minio"]["level"] == "fault"
    assert "exit code 137" in found["minio"]["found"]
    assert "`mlpipes up` repairs it" in found["minio"]["fix"]
    assert found["postgres"]["level"] == "ok"


def test_a_volume_that_is_gone(stack: Stack) -> None:
    minio = stack.containers()["minio"]
    minio.remove(force=True)
    (name,) = [one for one in stack.volumes() if one.endswith("_minio")]
    stack.client.volumes.get(name).remove()
    found = doctor(stack)
    assert found["minio data"]["level"] == "fault"
    assert found["minio data"]["found"] == f"the volume {name} does not exist"
    assert "mlpipes restore" in found["minio data"]["fix"]


def test_a_fixed_port_that_somebody_has(fresh: Stack) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        fresh.rewrite(f"project: boxes\nruntime: docker\nstack: {{mlflow: {{port: {port}}}}}\n")
        ensure_secrets(fresh.root)
        found = doctor(fresh)
    assert found["mlflow port"]["level"] == "fault"
    assert found["mlflow port"]["found"].startswith(f"{port} is taken by ")
    assert found["postgres port"]["level"] == "ok"


def test_secrets_that_others_can_read(stack: Stack) -> None:
    env = stack.root / ".env"
    env.chmod(0o644)
    try:
        assert "chmod 600 .env" in doctor(stack)["secrets"]["fix"]
    finally:
        env.chmod(0o600)


def test_a_password_in_the_settings(stack: Stack) -> None:
    stack.rewrite(
        "project: boxes\nruntime: docker\nstack:\n  mlflow:\n    database_url: postgresql://me:secret@box/mlflow\n"
    )
    found = doctor(stack)["settings"]
    assert (found["level"], found["found"]) == ("warning", "mlpipes.yaml:5 contains a password")
    assert "secret" not in found["found"].replace("secrets", "")


def test_open_to_the_network_without_a_login(stack: Stack) -> None:
    stack.rewrite("project: boxes\nruntime: docker\nstack: {listen: 0.0.0.0}\n")
    assert doctor(stack)["listening"]["level"] == "warning"
    assert "--auth" in doctor(stack)["listening"]["fix"]


def test_a_stack_whose_folder_is_gone_is_found_and_removed(stack: Stack, tmp_path: Path) -> None:
    image = stack.containers()["postgres"].image.id
    labels = {"io.mlpipes.root": str(tmp_path / "gone"), "com.docker.compose.project": "gone-000000"}
    volume = stack.client.volumes.create("gone-000000_postgres", labels=labels)
    stack.client.containers.create(image, labels=labels | {"com.docker.compose.service": "postgres"})
    try:
        found = doctor(stack)["leftovers"]
        assert found["level"] == "warning" and "gone-000000" in found["found"]
        other = tmp_path / "embedded"
        other.mkdir()
        (other / "mlpipes.yaml").write_text("project: other\nruntime: embedded\n")
        checks = stack.cli("doctor", "--json", cwd=other).json["checks"]
        assert found in checks  # a project on another runtime is told of it, too
        assert "mlpipes projects --remove" in found["fix"]
        rows = {row["id"]: row for row in stack.cli("projects", "--json", cwd=tmp_path).ok().json}
        gone = rows["gone-000000"]
        assert (gone["state"], gone["orphaned"], gone["volumes"]) == ("stopped", True, [volume.name])
        own = next(row for row in rows.values() if row["root"] == str(stack.root))
        assert (own["runtime"], own["state"], own["orphaned"]) == ("docker", "running", False)
        assert {"postgres", "minio", "mlflow"} <= set(own["services"])

        refused = stack.cli("projects", "--remove", "gone-000000", cwd=tmp_path)
        assert refused.code == 2 and "add --yes" in refused.err
        near = stack.cli("projects", "--stop", "gone-00000", cwd=tmp_path)
        assert near.code == 2 and "did you mean 'gone-000000'?" in near.err
        done = stack.cli("projects", "--remove", "gone-000000", "--yes", "--json", cwd=tmp_path).ok().json
        assert done == {"id": "gone-000000", "removed": [f"volume {volume.name}"]}
        listed = stack.cli("projects", "--json", cwd=tmp_path).ok().json
        assert "gone-000000" not in {row["id"] for row in listed}
        assert stack.containers().keys() >= {"postgres", "minio", "mlflow"}
    finally:
        for one in stack.client.containers.list(
            all=True, filters={"label": "com.docker.compose.project=gone-000000"}
        ):
            one.remove(v=True)
        for one in stack.client.volumes.list(filters={"label": "com.docker.compose.project=gone-000000"}):
            one.remove()


def test_no_engine(stack: Stack, tmp_path: Path) -> None:
    found = doctor(stack, DOCKER_HOST=f"unix://{tmp_path}/none.sock")
    assert found["docker engine"]["level"] == "fault"
    assert "does not exist" in found["docker engine"]["found"]
    assert found["python"]["level"] == "ok"
