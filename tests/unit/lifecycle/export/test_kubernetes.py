"""Manifests and charts: what is in them, and what is done with files that are there."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import Cli, Result

from mlpipes_cli.lifecycle.export.kubernetes import values

SMALL = 'project: credit\nkubernetes: {image: "registry.example/team/credit:3"}\n'
DIGEST = f"sha256:{'a' * 64}"
FULL = f"""
project: credit_risk
serving: {{workers: 3, on_log_failure: spool, spool_size: 2g, allowed_hosts: [credit.example.com]}}
monitoring:
  schedule: 1h
  alerts: [{{name: team, webhook: $TEAM_WEBHOOK}}]
stack: {{api: {{memory: 1500m, cpus: 2.5}}}}
kubernetes:
  image: "registry.example:5000/team/credit@{DIGEST}"
  replicas: {{min: 3, max: 9, cpu: 60}}
  namespaces: {{staging: ml-test, production: ml}}
  secret: passwords
  database_port: 6432
  clients: [ingress-nginx, monitoring]
  pull_secrets: [registry]
  service_monitor: true
  jobs: {{image: "registry.example:5000/team/jobs:7", memory: 4g, cpus: 1.5, secrets: [TEAM_WEBHOOK]}}
"""
PIPELINE = """
pipeline: loans
schedule: "0 3 * * *"
timezone: Europe/Berlin
steps:
  - {name: load, run: "true"}
  - {name: Train_all, train: experiment.yaml, needs: [load], retries: 2, timeout: 600}
  - {name: one, train: {file: experiment.yaml, only: ["a {{b}}"], parallel: 1}, needs: [load],
     env: {HOOK: "${TEAM_WEBHOOK}/x"}}
"""
OWN = "# Written by `mlpipes export kubernetes`"


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return Cli(tmp_path / "home", tmp_path)


def exported(cli: Cli, settings: str, kind: str = "kubernetes", *more: str, pipeline: str = "") -> Result:
    if pipeline:
        (cli.cwd / "experiment.yaml").touch()
        (cli.cwd / "pipeline.yaml").write_text(pipeline)
    (cli.cwd / "mlpipes.yaml").write_text(settings)
    return cli("export", kind, "--json", *more)


def base(folder: Path) -> dict[str, dict[str, Any]]:
    """The resources of the base, by the names of their files."""
    return {
        file.stem: yaml.safe_load(file.read_text())
        for file in (folder / "kubernetes" / "base").glob("*.yaml")
    }


def pods(found: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    bodies = [one["spec"] for one in found.values() if "spec" in one]
    bodies = [body.get("jobTemplate", {}).get("spec", body) for body in bodies]
    return [body["template"]["spec"] for body in bodies if "template" in body]


def test_every_pod_keeps_to_the_restricted_standard(cli: Cli) -> None:
    exported(cli, FULL).ok()
    found = pods(base(cli.cwd))
    assert len(found) == 3  # the API, the migration and the watch
    for pod in found:
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] == 10004
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        assert pod["imagePullSecrets"] == [{"name": "registry"}]
        for container in (*pod["containers"], *pod.get("initContainers", [])):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert {"cpu", "memory"} == set(container["resources"]["limits"])
            assert "/tmp" in [mount["mountPath"] for mount in container["volumeMounts"]]


def test_a_small_project(cli: Cli) -> None:
    done = exported(cli, SMALL).ok()
    found = base(cli.cwd)
    assert set(found) == {
        "migration", "service-account", "deployment", "service", "autoscaler", "disruption-budget",
        "network-policy", "kustomization",
    }  # fmt: skip
    assert done.json["folder"] == "kubernetes"
    assert {f"base/{name}.yaml" for name in found} < set(done.json["files"])
    (container,) = found["deployment"]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.example/team/credit:3"
    assert container["resources"] == {
        "requests": {"cpu": "1", "memory": "2Gi"},
        "limits": {"cpu": "2", "memory": "2Gi"},
    }
    assert "replicas" not in found["deployment"]["spec"]  # which the autoscaler sets
    bounds = found["autoscaler"]["spec"]
    assert (bounds["minReplicas"], bounds["maxReplicas"]) == (2, 6)
    ending = found["deployment"]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    leaving = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert ending >= leaving + 30 + 15  # the server's own time, and that of its workers
    staging = yaml.safe_load((cli.cwd / "kubernetes/overlays/staging/kustomization.yaml").read_text())
    assert (staging["namespace"], staging["images"]) == (
        "credit-staging",
        [{"name": "registry.example/team/credit", "newTag": "3"}],
    )


def test_all_that_can_be_set(cli: Cli) -> None:
    exported(cli, FULL).ok()
    found = base(cli.cwd)
    assert {"statefulset", "network-policy-clients", "service-monitor", "project", "job-watch"} < set(found)
    spec = found["statefulset"]["spec"]
    (claim,) = spec["volumeClaimTemplates"]
    assert claim["spec"]["resources"]["requests"] == {"storage": "3Gi"}  # the spool, and 1 GiB
    assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    (container,) = spec["template"]["spec"]["containers"]
    env = {one["name"]: one.get("value") for one in container["env"]}
    assert json.loads(env["MLPIPES_SERVER_SETTINGS"] or "") == {
        "allowed_hosts": ["credit-risk-api.$(NAMESPACE)", "credit.example.com"]
    }
    assert env["WORKERS"] == "3"
    assert container["resources"] == {
        "requests": {"cpu": "2500m", "memory": "1500Mi"},
        "limits": {"cpu": "2500m", "memory": "1500Mi"},
    }
    assert found["autoscaler"]["spec"]["scaleTargetRef"]["kind"] == "StatefulSet"
    assert found["network-policy"]["spec"]["egress"][1]["ports"] == [{"protocol": "TCP", "port": 6432}]
    job = found["job-watch"]["spec"]
    assert job["schedule"] == "*/15 * * * *"  # a check an hour is due
    (call,) = job["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert call["command"] == ["mlpipes", "watch", "--once", "--json"]
    assert call["resources"]["limits"] == {"cpu": "1500m", "memory": "4Gi"}
    settings = yaml.safe_load(found["project"]["data"]["mlpipes.yaml"])
    assert (settings["runtime"], settings["project"]) == ("remote", "credit_risk")
    assert settings["stack"] == {
        "mlflow": {"url": "$MLFLOW_TRACKING_URI"},
        "postgres": {"url": "$MLPIPES_DATABASE_URL"},
    }
    production = yaml.safe_load((cli.cwd / "kubernetes/overlays/production/kustomization.yaml").read_text())
    assert production["namespace"] == "ml"
    assert {"name": "registry.example:5000/team/credit", "digest": DIGEST} in production["images"]
    assert {"name": "registry.example:5000/team/jobs", "newTag": "7"} in production["images"]


def test_the_pipeline_and_its_training_steps_are_jobs(cli: Cli) -> None:
    exported(cli, FULL, pipeline=PIPELINE).ok()
    found = base(cli.cwd)
    whole, first, second = (
        found[f"job-{name}"]["spec"] for name in ("pipeline", "train-train-all", "train-one")
    )
    assert (whole["schedule"], whole["timeZone"], whole["suspend"]) == ("0 3 * * *", "Europe/Berlin", False)
    assert (first["suspend"], second["suspend"]) == (True, True)
    commands = []
    for spec in (whole, first, second):
        (call,) = spec["jobTemplate"]["spec"]["template"]["spec"]["containers"]
        commands.append(call["command"])
    assert commands == [
        ["mlpipes", "run", "pipeline.yaml", "--json"],
        ["mlpipes", "--json", "train", "experiment.yaml"],
        ["mlpipes", "--json", "train", "experiment.yaml", "--only", "a {{b}}", "--parallel", "1"],
    ]
    job = first["jobTemplate"]["spec"]
    assert (job["backoffLimit"], job["activeDeadlineSeconds"]) == (2, 600)
    assert {"name": "HOOK", "value": "$(TEAM_WEBHOOK)/x"} in call["env"]


def test_a_pipeline_without_an_image_for_jobs_is_said_to_be_left_out(cli: Cli) -> None:
    done = exported(cli, SMALL, pipeline=PIPELINE).ok()
    (line,) = done.json["left_out"]
    assert line in done.err
    assert line.startswith("pipeline.yaml is left out: `kubernetes: {jobs:")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("train-ALL", "two steps would both be the job credit-risk-train-train-all"),
        ("a" * 40, "has more than the 52 characters of a CronJob"),
    ],
)
def test_names_that_a_cluster_does_not_allow(cli: Cli, name: str, words: str) -> None:
    refused = exported(cli, FULL, pipeline=PIPELINE.replace("name: one", f"name: {name}"))
    assert refused.code == 2
    assert "pipeline.yaml: " in refused.err
    assert words in refused.err
    assert not (cli.cwd / "kubernetes").exists()


def test_what_jobs_read_is_a_project(cli: Cli) -> None:
    """The file in the ConfigMap is one that the command line takes."""
    from mlpipes_cli.config.project import load_project_config

    exported(cli, FULL).ok()
    path = cli.cwd / "in-the-cluster.yaml"
    path.write_text(base(cli.cwd)["project"]["data"]["mlpipes.yaml"])
    config = load_project_config(path)
    assert (config.serving.workers, config.monitoring.alerts[0].name) == (3, "team")


@pytest.mark.parametrize("kind", ["kubernetes", "helm"])
def test_secrets_are_names_only(cli: Cli, kind: str) -> None:
    (cli.cwd / ".env").write_text(
        "MLPIPES_MODEL_KEY=a-key-that-nobody-may-see\nTEAM_WEBHOOK=https://a-hook\n"
    )
    exported(cli, FULL, kind).ok()
    written = [file for file in (cli.cwd / kind).rglob("*") if file.is_file()]
    assert not [file for file in written if b"nobody-may-see" in file.read_bytes()]
    assert not [file for file in written if b"a-hook" in file.read_bytes()]
    secret = yaml.safe_load((cli.cwd / kind / "secret.example.yaml").read_text())
    assert secret["metadata"]["name"] == "passwords"
    assert secret["stringData"] == dict.fromkeys(
        ("MLPIPES_DATABASE_URL", "MLPIPES_METRICS_KEY", "MLPIPES_MODEL_KEY", "MLFLOW_TRACKING_URI",
         "TEAM_WEBHOOK"), "",
    )  # fmt: skip


def test_own_files_are_replaced_overlays_kept_and_others_refused(cli: Cli) -> None:
    exported(cli, FULL).ok()
    overlay = cli.cwd / "kubernetes" / "overlays" / "staging" / "kustomization.yaml"
    overlay.write_text("mine: true\n")
    again = exported(cli, SMALL).ok().json
    assert overlay.read_text() == "mine: true\n"
    assert "overlays/staging/kustomization.yaml" in again["kept"]
    gone = {"statefulset", "network-policy-clients", "service-monitor", "project", "job-watch"}
    assert {f"base/{name}.yaml" for name in gone} <= set(again["removed"])
    assert not gone & set(base(cli.cwd))

    mine = cli.cwd / "kubernetes" / "base" / "service.yaml"
    mine.write_text("mine: true\n")
    before = {file: file.read_bytes() for file in (cli.cwd / "kubernetes").rglob("*") if file.is_file()}
    refused = exported(cli, FULL)
    assert refused.code == 2
    path = "kubernetes/base/service.yaml"
    assert f"{path}: exists already, and is not a file of `mlpipes export kubernetes`" in refused.err
    after = {file: file.read_bytes() for file in (cli.cwd / "kubernetes").rglob("*") if file.is_file()}
    assert after == before
    exported(cli, FULL, "kubernetes", "--force").ok()
    assert mine.read_text().startswith(OWN)
    assert "mine" not in overlay.read_text()


def test_the_image_of_the_command_line_comes_first(cli: Cli) -> None:
    exported(cli, SMALL, "kubernetes", "--image", "other.example/credit:9").ok()
    (container,) = base(cli.cwd)["deployment"]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "other.example/credit:9"


@pytest.mark.parametrize(
    ("settings", "more", "words"),
    [
        ("project: credit\n", (), "the API's image is not known"),
        (SMALL, ("--image", "credit"), "--image: 'credit' is not an image with a tag or a digest"),
        (
            SMALL.replace("credit:3", "credit"),
            (),
            "mlpipes.yaml:2: kubernetes -> image: 'registry.example/team/credit' is not an image with a tag",
        ),
        (SMALL.replace("credit\n", "a" * 41 + "\n", 1), (), "has 41 characters"),
        (SMALL.replace("{image", "{replicas: {min: 3, max: 2}, image"), (), "min 3 is above max 2"),
        (SMALL, ("--output", "no/where"), "no: no such folder"),
        (SMALL, ("--output", "mlpipes.yaml"), "mlpipes.yaml"),
    ],
)
def test_mistakes_are_one_line(cli: Cli, settings: str, more: tuple[str, ...], words: str) -> None:
    refused = exported(cli, settings, "kubernetes", *more)
    assert refused.code == 2
    assert words in refused.err
    assert not (cli.cwd / "kubernetes").exists()


@pytest.mark.parametrize(
    ("between", "schedule"),
    [
        (timedelta(days=1), "7 * * * *"),
        (timedelta(hours=1), "*/15 * * * *"),
        (timedelta(minutes=30), "*/5 * * * *"),
        (timedelta(seconds=10), "*/1 * * * *"),
    ],
)
def test_the_watcher_is_started_often_enough_for_the_schedule(between: timedelta, schedule: str) -> None:
    assert values._watch_schedule(between) == schedule
