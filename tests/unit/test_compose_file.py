"""The Compose file: valid, pinned, on loopback, without a default for any password."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlpipes_cli.adapters.docker.images.base_images import arguments, bases

COMPOSE = Path(__file__).parents[2] / "compose" / "compose.yaml"


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return dict(yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"])


def test_it_is_a_compose_file() -> None:
    command = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        "vendor.compose-spec",
        str(COMPOSE),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_describes_the_stack(services: dict[str, Any]) -> None:
    always = {name for name, service in services.items() if "profiles" not in service}
    assert always == {"postgres", "databases", "minio-owner", "minio", "bucket", "mlflow"}
    behind = {name: service["profiles"] for name, service in services.items() if "profiles" in service}
    assert behind == {name: [name] for name in ("rustfs", "jupyter", "pgadmin", "api")}


def test_images_are_pinned_by_digest_or_built_here(services: dict[str, Any]) -> None:
    for service in services.values():
        if "build" in service:
            assert re.fullmatch(r"mlpipes-\w+:\$\{MLPIPES_MLFLOW_TAG:-local\}", service["image"])
            dockerfile = service["build"].get("dockerfile", "Dockerfile")
            assert (COMPOSE.parent / service["build"]["context"] / dockerfile).is_file()
        else:
            assert re.fullmatch(r"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}", service["image"])


def test_every_dockerfile_builds_on_an_image_that_is_pinned_by_digest() -> None:
    pins: dict[str, set[str]] = {}
    files = sorted(COMPOSE.parent.glob("*/*Dockerfile"))
    assert len(files) == 5
    for file in files:
        text = file.read_text(encoding="utf-8")
        (below,) = bases(text, {}).values()
        assert re.findall(r"^FROM .*", text, re.MULTILINE) == ["FROM ${PYTHON_IMAGE}"]
        for reference in (below, *arguments(text).values()):
            assert re.fullmatch(r"python:3\.\d+-slim-bookworm@sha256:[0-9a-f]{64}", reference)
            pins.setdefault(reference.partition("@")[0], set()).add(reference)
    assert sorted(pins) == [f"python:{python}-slim-bookworm" for python in ("3.11", "3.12", "3.13")]
    assert all(len(same) == 1 for same in pins.values())


def test_ports_are_open_on_this_machine_only(services: dict[str, Any]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert len(ports) == 9
    assert all(port.startswith("${MLPIPES_LISTEN:-127.0.0.1}:${MLPIPES_") for port in ports)


def test_no_secret_has_a_default() -> None:
    used = re.findall(r"\$\{(\w*(?:PASSWORD|TOKEN|SECRET)\w*)(:?[-?+])", COMPOSE.read_text(encoding="utf-8"))
    optional = {name for name, how in used if how != ":?"}
    may_be_missing = {
        "MLPIPES_S3_SECRET_KEY",
        "MLFLOW_S3_SECRET_KEY",  # the bucket's step alone, after which MLflow would not start
        "MLPIPES_READER_PASSWORD",  # a project of an earlier release has none
        "MLPIPES_MLFLOW_ADMIN_PASSWORD",
        "MLPIPES_MLFLOW_SECRET_KEY",
    }
    assert optional == may_be_missing
    assert {name for name, _ in used} - optional == {
        "POSTGRES_PASSWORD", "MLFLOW_DB_PASSWORD", "MLPIPES_DB_PASSWORD", "MINIO_ROOT_PASSWORD",
        "JUPYTER_TOKEN", "PGADMIN_PASSWORD",
    }  # fmt: skip


def test_every_service_is_confined(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["memswap_limit"] == service["mem_limit"], name
        assert 0 < service["pids_limit"] <= 2048, name
        folders = dict(row.split(":", 1) for row in service["tmpfs"])
        assert "/tmp" in folders, name
        for options in folders.values():
            assert options.startswith("size=") and options.endswith(",noexec,nosuid,nodev"), name
        if "x-mlpipes-step" in service:
            assert (service["restart"], service["read_only"]) == ("no", True), name
            continue
        assert service["mem_limit"].startswith("${MLPIPES_"), name
        assert service["cpus"].startswith("${MLPIPES_"), name
        assert service.get("read_only") or name == "pgadmin", name


def test_a_secret_goes_to_no_container_that_has_no_use_for_it(services: dict[str, Any]) -> None:
    superuser = {name for name, service in services.items() if "{POSTGRES_PASSWORD" in str(service)}
    assert superuser == {"postgres", "databases"}
    assert {name for name, service in services.items() if "JUPYTER_TOKEN" in str(service)} == {"jupyter"}
    assert {name for name, service in services.items() if "{PGADMIN_PASSWORD" in str(service)} == {"pgadmin"}
    owner = {name for name, service in services.items() if "MLPIPES_DB_PASSWORD" in str(service)}
    assert owner == {"databases", "api"}  # and pgAdmin, by a file
    root = {name for name, service in services.items() if "MINIO_ROOT_PASSWORD" in str(service)}
    assert root == {"minio", "rustfs", "bucket"}


def test_only_mlflow_reaches_the_object_store(services: dict[str, Any]) -> None:
    within = {name: service.get("networks", ["default"]) for name, service in services.items()}
    assert {name for name, found in within.items() if "store" in found} == {"minio", "rustfs", "mlflow"}
    assert {name for name, found in within.items() if "default" not in found} == {"minio", "rustfs"}


def test_whoever_is_waited_for_says_when_it_is_ready(services: dict[str, Any]) -> None:
    for service in services.values():
        for name, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services[name]
            if how["condition"] == "service_completed_successfully":
                assert "x-mlpipes-step" in services[name]
