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
from mlpipes_cli.services import catalog

CONTAINERS = [one for one in catalog.built_in() if one.container]
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
    assert always == {"secrets", "postgres", "databases", "minio-owner", "minio", "bucket", "mlflow"}
    behind = {name: service["profiles"] for name, service in services.items() if "profiles" in service}
    tools = [one.name for one in CONTAINERS if one.optional]
    assert behind == {name: [name] for name in ("rustfs", *tools)}
    assert {one.name for one in CONTAINERS} == {
        name for name, service in services.items() if "x-mlpipes-step" not in service
    }


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
    assert len(files) >= 5
    for file in files:
        text = file.read_text(encoding="utf-8")
        (below,) = bases(text, {}).values()
        assert re.findall(r"^FROM .*", text, re.MULTILINE) == ["FROM ${PYTHON_IMAGE}"]
        for reference in (below, *arguments(text).values()):
            assert re.fullmatch(r"python:3\.\d+-slim-bookworm@sha256:[0-9a-f]{64}", reference)
            pins.setdefault(reference.partition("@")[0], set()).add(reference)
    assert sorted(pins) == [f"python:{python}-slim-bookworm" for python in ("3.11", "3.12", "3.13")]
    assert all(len(same) == 1 for same in pins.values())


def test_ports_are_those_of_the_definitions_and_open_on_this_machine_only(services: dict[str, Any]) -> None:
    for one in CONTAINERS:
        assert services[one.name]["ports"] == [
            f"${{MLPIPES_LISTEN:-127.0.0.1}}:${{{port.variable}:-{port.preferred}}}:{port.inside}"
            for port in one.ports
        ]
    assert not any("ports" in service for service in services.values() if "x-mlpipes-step" in service)


def test_limits_are_those_of_the_definitions(services: dict[str, Any]) -> None:
    for one in CONTAINERS:
        service = services[one.name]
        assert service["mem_limit"] == f"${{MLPIPES_{one.variables}_MEMORY:-{one.limits.memory}}}"
        assert service["cpus"] == f"${{MLPIPES_{one.variables}_CPUS:-{one.limits.cpus}}}"


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
    tools = {name for one in CONTAINERS if one.role == "tool" for name in one.secret_names()}
    assert {"JUPYTER_TOKEN", "PGADMIN_PASSWORD"} <= tools
    assert {name for name, _ in used} - optional == tools | {
        "POSTGRES_PASSWORD", "MLFLOW_DB_PASSWORD", "MLPIPES_DB_PASSWORD", "MINIO_ROOT_PASSWORD",
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
            assert service["restart"] == "no", name
            # an engine puts no file into what is read-only
            assert service["read_only"] is ("configs" not in service), name
            continue
        assert service["mem_limit"].startswith("${MLPIPES_"), name
        assert service["cpus"].startswith("${MLPIPES_"), name
        assert service.get("read_only") or name in ("pgadmin", "prometheus"), (
            name
        )  # the engine puts files into it


def test_no_service_is_given_a_secret_where_the_engine_shows_it(services: dict[str, Any]) -> None:
    secret = re.compile(r"\$\{\w*(?:PASSWORD|TOKEN|SECRET|KEY)\w*:?[-?]")
    shown = {name for name, service in services.items() if secret.search(str(service))}
    assert shown == {"mlflow"}
    assert secret.findall(str(services["mlflow"])) == ["${MLPIPES_S3_ACCESS_KEY:-"]  # a user's name


def test_a_secret_goes_to_no_container_that_has_no_use_for_it(services: dict[str, Any]) -> None:
    files = {name: one["content"] for name, one in yaml.safe_load(COMPOSE.read_text())["configs"].items()}
    held: dict[str, set[str]] = {}
    for line in files["passwords"].splitlines():
        service = line.split(" ")[1].split("/")[0]
        held.setdefault(service, set()).update(re.findall(r"\$\{(\w+)", line))
    reader, admin = "MLPIPES_READER_PASSWORD", "MLPIPES_MLFLOW_ADMIN_PASSWORD"
    expected = {
        "postgres": {"POSTGRES_PASSWORD"},
        "minio": {"MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD"},
        "rustfs": {"MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD"},
        "mlflow": {
            "MLFLOW_DB_PASSWORD", "MLPIPES_S3_SECRET_KEY", "MLFLOW_S3_SECRET_KEY", admin,
            "MLPIPES_MLFLOW_SECRET_KEY",
        },
        "jupyter": {"JUPYTER_TOKEN", admin, reader},
        "api": {"MLPIPES_DB_PASSWORD", admin, "MLPIPES_MODEL_KEY"},
        "prometheus": {"MLPIPES_METRICS_KEY"},
        "watch": {"MLPIPES_DB_PASSWORD", admin, "MLPIPES_MODEL_KEY", "MLPIPES_WATCH"},
    }  # fmt: skip
    assert held == {name: expected.get(name) or set(catalog.get(name).secret_names()) for name in held}
    assert expected.keys() <= held.keys()
    given = {
        name: {one["source"] for one in service.get("configs", ())} for name, service in services.items()
    }
    assert {name: found for name, found in given.items() if found} == {
        "secrets": {"passwords"},
        "databases": {"database_passwords"},
        "bucket": {"store_passwords"},
        "pgadmin": {"pgadmin_login", "pgadmin_servers", "pgadmin_passwords"},
        "prometheus": {"prometheus_settings", "prometheus_rules"},
    }
    assert all(f"{name}-secrets:/etc/mlpipes/secrets:ro" in services[name]["volumes"] for name in held)


def test_a_service_is_in_those_networks_alone_that_it_needs(services: dict[str, Any]) -> None:
    mode = {name for name, service in services.items() if "network_mode" in service}
    assert mode == {"secrets", "minio-owner", "bucket"}
    joined = {name: one["networks"] for name, one in services.items() if name not in mode}
    expected = {
        "postgres": ["database"],
        "databases": ["database"],
        "minio": ["store"],
        "rustfs": ["store"],
        "mlflow": ["default", "database", "store"],
        "jupyter": ["default", "database"],
        "api": ["default", "database"],
        "watch": ["default", "database"],
        "pgadmin": ["database"],
    }
    assert {name: joined[name] for name in expected} == expected
    assert all("store" not in joined[name] for name in joined.keys() - expected)  # MLflow alone needs it


def test_whoever_is_waited_for_says_when_it_is_ready(services: dict[str, Any]) -> None:
    for service in services.values():
        for name, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services[name]
            if how["condition"] == "service_completed_successfully":
                assert "x-mlpipes-step" in services[name]
