"""The manifests and the chart under Kubernetes' own programs, none of which needs a cluster."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cluster_tools import ClusterTools, documents
from conftest import Cli
from unit.lifecycle.export.test_kubernetes import FULL, PIPELINE, SMALL, exported

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[4]
NAMES = {"small": "credit", "full": "credit-risk"}


@pytest.fixture(params=["small", "full"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    """The name of the project, and its folder with both exports."""
    cli = Cli(tmp_path / "home", tmp_path)
    for kind in ("kubernetes", "helm"):
        settings, pipeline = {"small": (SMALL, ""), "full": (FULL, PIPELINE)}[request.param]
        exported(cli, settings, kind, pipeline=pipeline).ok()
    return NAMES[request.param], tmp_path


def by_name(found: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(one["kind"], one["metadata"]["name"]): one for one in found}


def test_both_are_valid_and_the_same(project: tuple[str, Path], cluster_tools: ClusterTools) -> None:
    name, folder = project
    said = cluster_tools.run("helm", "lint", "--strict", folder / "helm")
    assert "0 chart(s) failed" in said
    texts = {
        "base": cluster_tools.run("kubectl", "kustomize", folder / "kubernetes" / "base"),
        "staging": cluster_tools.run("kubectl", "kustomize", folder / "kubernetes" / "overlays" / "staging"),
        "production": cluster_tools.run(
            "kubectl", "kustomize", folder / "kubernetes" / "overlays" / "production"
        ),
        "chart": cluster_tools.run("helm", "template", name, folder / "helm"),
        "chart-staging": cluster_tools.run(
            "helm", "template", name, folder / "helm", "-f", folder / "helm" / "values-staging.yaml"
        ),
    }
    for kind, text in texts.items():
        (folder / f"{kind}.yaml").write_text(text)
    passed = cluster_tools.validated(*(folder / f"{kind}.yaml" for kind in texts))
    known = [
        f"{one['kind'].lower()}/{one['metadata']['name']}"
        for text in texts.values()
        for one in documents(text)
        if one["kind"] != "ServiceMonitor"  # which is not of Kubernetes itself
    ]
    assert sorted(passed) == sorted(known)
    if name == "credit-risk":
        every = [one for text in texts.values() for one in documents(text)]
        assert cluster_tools.monitors(every) == [""] * len(texts)
        (monitor, *_) = [one for one in every if one["kind"] == "ServiceMonitor"]
        monitor["spec"]["endpoints"][0]["interval"] = "often"
        assert "interval must match pattern" in cluster_tools.monitors([monitor])[0]

    plain, chart = by_name(documents(texts["base"])), by_name(documents(texts["chart"]))
    hook = chart["Job", f"{name}-migrate"]["metadata"].pop("annotations")
    assert hook["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert chart == plain

    staging = by_name(documents(texts["staging"]))
    space = staging["Namespace", f"{'credit-staging' if name == 'credit' else 'ml-test'}"]
    assert space["metadata"]["labels"] == {"pod-security.kubernetes.io/enforce": "restricted"}
    others = [one for key, one in staging.items() if key[0] != "Namespace"]
    assert {one["metadata"]["namespace"] for one in others} == {space["metadata"]["name"]}
    for found in (staging, by_name(documents(texts["chart-staging"]))):
        bounds = found["HorizontalPodAutoscaler", f"{name}-api"]["spec"]
        assert (bounds["minReplicas"], bounds["maxReplicas"]) == (1, 2)


def test_the_chart_takes_and_checks_values(tmp_path: Path, cluster_tools: ClusterTools) -> None:
    exported(Cli(tmp_path / "home", tmp_path), SMALL, "helm").ok()
    chart = tmp_path / "helm"
    text = cluster_tools.run(
        "helm", "template", "one", chart, "--set", "image=other.example/x:9", "--set", "serviceMonitor=true",
        "--set", "clients={ingress-nginx}", "--set", "allowedHosts={a.example.com,b.example.com}",
    )  # fmt: skip
    found = by_name(documents(text))
    assert ("ServiceMonitor", "one-api") in found
    assert ("NetworkPolicy", "one-api-clients") in found
    (container,) = found["Deployment", "one-api"]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "other.example/x:9"
    env = {one["name"]: one.get("value") for one in container["env"]}
    hosts = '["one-api.$(NAMESPACE)", "a.example.com", "b.example.com"]'
    assert env["MLPIPES_SERVER_SETTINGS"] == f'{{"allowed_hosts": {hosts}}}'
    for wrong in ("replicas.min=0", "image=", "databasePort=70000", "imgae=x", 'allowedHosts={a"b}'):
        assert "values" in cluster_tools.refused("helm", "template", "one", chart, "--set", wrong)


def test_the_page_on_it(tmp_path: Path, cluster_tools: ClusterTools) -> None:
    """The settings of the page, and its commands in their order."""
    text = (ROOT / "docs" / "how-to" / "automation" / "kubernetes.md").read_text(encoding="utf-8")
    (settings,) = re.findall(r"^```yaml\n(.*?)^```$", text, re.M | re.S)
    (commands,) = re.findall(r"^```bash\n(.*?)^```$", text, re.M | re.S)
    (tmp_path / "mlpipes.yaml").write_text(f"project: credit\n{settings}")
    cli = Cli(tmp_path / "home", tmp_path)
    said = []
    for line in commands.splitlines():
        program, *words = shlex.split(line)
        if program == "mlpipes":
            cli(*words).ok()
        else:
            said.append(cluster_tools.run(program, *words, cwd=tmp_path))
    kustomized, _, chart = said
    shown = {(one["kind"], one["metadata"]["name"]) for one in documents(kustomized)}
    assert shown == {(one["kind"], one["metadata"]["name"]) for one in documents(chart)} | {
        ("Namespace", "credit-staging")
    }
    named = set(re.findall(r"^\| (?:CronJob|Job) `(credit-[a-z]+)`", text, re.M)) - {"credit-pipeline"}
    assert named <= {name for _, name in shown}  # there is no pipeline.yaml


@pytest.mark.skipif(shutil.which("terraform") is None, reason="Terraform is not installed")
def test_the_terraform_examples_are_well_formed() -> None:
    """Their format, for which each file is parsed; providers, which `validate` needs, are not at hand."""
    folder = ROOT / "docs" / "how-to" / "automation" / "terraform"
    assert len(list(folder.glob("*/main.tf"))) == 2
    done = subprocess.run(
        ["terraform", "fmt", "-check", "-diff", "-recursive", str(folder)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_validator_finds_a_mistake(tmp_path: Path, cluster_tools: ClusterTools) -> None:
    exported(Cli(tmp_path / "home", tmp_path), SMALL).ok()
    file = tmp_path / "kubernetes" / "base" / "autoscaler.yaml"
    file.write_text(file.read_text().replace("minReplicas: 2", "minReplicas: two"))
    with pytest.raises(AssertionError, match="two"):
        cluster_tools.validated(file)
