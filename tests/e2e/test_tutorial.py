"""The tutorial, executed as it stands, in a fresh environment with the package installed by pip."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import sealed_environment
from e2e import test_readme as readme

pytestmark = pytest.mark.slow
PAGE = (readme.ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
LAST = "mlpipes down\n"


def checkout(folder: Path) -> None:
    """What Git knows of the repository, as a clone has it."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=readme.ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        if (readme.ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(readme.ROOT / name, folder / name)


def environment(home: Path) -> dict[str, str]:
    """Nothing of this test's own environment on the PATH; versions as they are locked."""
    pins = home / "pins.txt"
    lines = (readme.ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    sealed = sealed_environment(home)
    pins.write_text("\n".join(line.removesuffix(" \\") for line in lines if line[:1].isalnum()))
    ours = str(Path(sys.executable).parent)
    path = os.pathsep.join(part for part in os.environ["PATH"].split(os.pathsep) if part != ours)
    base = str(Path(sys.base_prefix) / "bin")
    cache = os.environ.get("PIP_CACHE_DIR") or str(Path.home() / ".cache" / "pip")
    return sealed | {"PATH": f"{base}{os.pathsep}{path}", "PIP_CONSTRAINT": str(pins), "PIP_CACHE_DIR": cache}


def test_the_tutorial_runs_in_a_clean_environment(tmp_path: Path) -> None:
    checkout(tmp_path / "mlpipes")
    environ = environment(tmp_path / "home")
    found = readme.blocks(PAGE)
    assert found[-1].body == LAST and len(found) >= 12
    look = "mlpipes models --json > models.json\nmlpipes performance --json > performance.json\n"
    script = readme.script(PAGE).removesuffix(LAST) + look + LAST
    project = tmp_path / "churn"
    try:
        done = subprocess.run(
            ["bash", "-c", script], cwd=tmp_path, env=environ, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=1000,
        )  # fmt: skip
    finally:
        if (project / "mlpipes.yaml").exists():
            binary = tmp_path / "venv" / "bin" / "mlpipes"
            subprocess.run(
                [binary, "down", "--volumes", "--yes"], cwd=project, env=environ, capture_output=True
            )
    assert done.returncode == 0, done.stdout[-5000:]
    assert len((project / "scored.csv").read_text().splitlines()) == 301
    ((line,),) = [json.loads((project / "performance.json").read_text())["lines"]]
    assert line["with_truth"] == 300 and line["metrics"]["roc_auc"] > 0.7
    assert "production" in (project / "models.json").read_text()
