"""The image of the jobs of a cluster, by the Dockerfile that `mlpipes export kubernetes` writes."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import Cli
from docker.errors import BuildError
from docker_help import name_here

pytestmark = pytest.mark.slow
SETTINGS = "project: boxes\nkubernetes: {image: a.example/api:1, jobs: {image: a.example/jobs:1}}\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with its manifests."""
    root = tmp_path / "project"
    (root / "data").mkdir(parents=True)
    (root / "mlpipes.yaml").write_text(SETTINGS)
    (root / "data" / "rows.csv").write_text("a\n1\n")
    Cli(tmp_path / "home", root)("export", "kubernetes").ok()
    return root


@pytest.fixture
def tag(docker_engine: Any) -> Iterator[str]:
    name = f"mlpipes-tests-jobs:{uuid.uuid4().hex[:8]}"
    yield name
    for image in docker_engine.images.list(name=name):
        docker_engine.images.remove(image.id, force=True)


def build(client: Any, project: Path, tag: str) -> Any:
    """Build it with a package that is there already in the place of mlpipes, which takes minutes."""
    arguments = {"PYTHON": name_here(client, "python"), "MLPIPES": "pip"}
    file = "kubernetes/jobs.Dockerfile"
    return client.images.build(path=str(project), dockerfile=file, tag=tag, buildargs=arguments, rm=True)[0]


def test_it_has_the_project_and_no_secret_and_a_job_can_write_to_its_copy(
    docker_engine: Any, project: Path, tag: str
) -> None:
    (project / ".env").write_text("MLPIPES_MODEL_KEY=secret\n")
    with pytest.raises(BuildError) as refused:  # by a builder that does not read jobs.Dockerfile.dockerignore
        build(docker_engine, project, tag)
    said = "".join(str(line.get("stream", "")) for line in refused.value.build_log)
    assert ".env would be in the image: build with BuildKit" in said
    (project / ".env").unlink()
    image = build(docker_engine, project, tag)
    assert image.attrs["Config"]["User"] == "mlpipes"

    base = project / "kubernetes" / "base"
    job = yaml.safe_load((base / "job-watch.yaml").read_text())["spec"]["jobTemplate"]["spec"]
    pod = job["template"]["spec"]
    (first,) = pod["initContainers"]
    settings = project.parent / "settings"
    settings.mkdir()
    text = yaml.safe_load((base / "project.yaml").read_text())["data"]["mlpipes.yaml"]
    (settings / "mlpipes.yaml").write_text(text)
    mounted = {one["name"]: one["mountPath"] for one in first["volumeMounts"]}
    shell, option, script = first["command"]
    look = f"{script} && cd {mounted['work']} && touch written && cat mlpipes.yaml && ls data && id -u"
    shown = docker_engine.containers.run(
        image.id, [shell, option, look], remove=True, read_only=True, network_mode="none",
        user=f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}",
        cap_drop=first["securityContext"]["capabilities"]["drop"],
        security_opt=["no-new-privileges:true"],
        tmpfs={mounted["work"]: "mode=1777", mounted["tmp"]: "mode=1777"},
        volumes={str(settings): {"bind": mounted["settings"], "mode": "ro"}},
    )  # fmt: skip
    assert shown.decode() == f"{text}rows.csv\n10004\n"
