"""A project carried between embedded and docker, and upgraded in containers."""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import carried_data_help
import pytest
from carrying_help import difference, environment, error, fill, picture, predict
from conftest import Cli
from docker_help import container, of_root, remove_images
from reporter_help import Told
from stack_help import services
from waiting import until

from mlpipes_cli import package_files
from mlpipes_cli.adapters import wiring
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.lifecycle.transfer import release
from mlpipes_cli.lifecycle.transfer.upgrade import upgrade
from mlpipes_cli.project import find_project

pytestmark = pytest.mark.slow
FIXED = "project: carried # its name\nruntime: {} # where it runs\n"
LABEL = "mlpipes.tests=carrying"


@pytest.fixture(autouse=True, scope="module")
def _as_clients_do() -> Iterator[None]:
    """What `mlpipes env` tells clients: MLflow hands out the artifacts, not the object store."""
    with pytest.MonkeyPatch.context() as patch:
        for kind in ("DOWNLOAD", "UPLOAD"):
            patch.setenv(f"MLFLOW_ENABLE_PROXY_MULTIPART_{kind}", "false")
        yield


@dataclass(frozen=True)
class Carried:
    root: Path
    cli: Cli
    client: Any
    mlflow: str = ""  # the name of this release's image

    def leave(self) -> None:
        """Nothing of either runtime."""
        self.cli("down", "--volumes", "--yes", cwd=self.root)
        of_root(self.client, self.root).remove()


@pytest.fixture
def project(cli: Cli, make_project: Callable[..., Path], docker_engine: Any) -> Iterator[Carried]:
    made = Carried(make_project(FIXED.format("embedded"), "carried"), cli, docker_engine)
    yield made
    made.leave()


@pytest.fixture(scope="module")
def boxes(tmp_path_factory: pytest.TempPathFactory, docker_engine: Any) -> Iterator[Carried]:
    """A filled stack in containers; each test finds it running, on whatever the one before left it."""
    base = tmp_path_factory.mktemp("boxes")
    root = base / "project"
    root.mkdir()
    (root / "mlpipes.yaml").write_text("project: boxes\nruntime: docker\n")
    made = Carried(root, Cli(base / "home", root), docker_engine)
    try:
        made.cli("up").ok()
        fill(environment(made.cli, root), base / "content")
        yield replace(made, mlflow=docker_engine.images.get(running_on(made)).tags[0])
    finally:
        made.leave()
        remove_images(docker_engine, LABEL)


def test_there_and_back_again(project: Carried, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    cli, root = project.cli, project.root
    cli("up", cwd=root).ok()
    run = fill(environment(cli, root), tmp_path / "content")
    carried_data_help.make(cli, root)
    seen = picture(root)
    done = cli("migrate", "--to", "docker", "--json", cwd=root).ok()
    assert done.json["content"]["data set versions"] == 2
    assert (done.json["source"], done.json["target"], done.json["edited"]) == ("embedded", "docker", True)
    assert done.json["content"]["predictions"] == 50
    assert (root / "mlpipes.yaml").read_text() == FIXED.format("docker")
    assert difference(picture(root), seen) == []
    assert {one["state"] for one in services(cli, root).values()} == {"running"}
    assert "minio" in services(cli, root)
    client = MlflowClient(environment(cli, root)["MLFLOW_TRACKING_URI"])
    assert client.get_model_version_by_alias("credit", "production").run_id == run
    assert client.get_run(run).info.artifact_uri.startswith("mlflow-artifacts:/")
    text = Path(client.download_artifacts(run, "kept/deep/0002 ü.bin", str(tmp_path)))
    assert text.read_bytes() == b"\2" * 1002
    client.log_text(run, "more", "more.txt")
    predict(environment(cli, root)["MLPIPES_DATABASE_URL"], 3)
    carried_data_help.verify(cli, root)
    seen = picture(root)

    again = cli("migrate", "--to", "docker", cwd=root)
    assert (again.code, "already runs on docker" in error(again.err)) == (2, True)
    refused = cli("migrate", "--to", "embedded", cwd=root)
    assert refused.code == 2
    assert "still has this project's data" in error(refused.err)
    assert difference(picture(root), seen) == []
    forgotten = cli("migrate", "--forget", "--yes", "--json", cwd=root).ok()
    assert ".mlpipes/postgres" in forgotten.json["removed"]
    assert difference(picture(root), seen) == []
    assert cli("migrate", "--forget", "--json", cwd=root).ok().json["removed"] == []

    cli("migrate", "--to", "embedded", cwd=root).ok()
    assert difference(picture(root), seen) == []
    carried_data_help.verify(cli, root)
    assert (root / "mlpipes.yaml").read_text() == FIXED.format("embedded")
    assert not of_root(project.client, root).containers
    assert len(of_root(project.client, root).volumes) == 2
    gone = cli("down", "--volumes", "--yes", cwd=root).ok()  # in both runtimes, but for the backups
    assert gone.err.count("volume carried-") == 2
    assert "kept: 2 backups in .mlpipes/backups; `mlpipes down --volumes --backups`" in gone.err
    assert not of_root(project.client, root)
    assert [path.name for path in (root / ".mlpipes").iterdir()] == ["backups"]
    cli("down", "--volumes", "--backups", "--yes", cwd=root).ok()
    assert not (root / ".mlpipes").exists()


def test_backup_and_restore_in_containers(boxes: Carried, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    cli, root = boxes.cli, boxes.root
    seen = picture(root)
    cli("backup", tmp_path / "b.tar.gz").ok()
    there = environment(cli, root)
    predict(there["MLPIPES_DATABASE_URL"], 9)
    client = MlflowClient(there["MLFLOW_TRACKING_URI"])
    client.delete_registered_model("credit")
    client.log_text(client.create_run("0").info.run_id, "x", "x.txt")
    cli("restore", tmp_path / "b.tar.gz", "--yes").ok()
    assert difference(picture(root), seen) == []
    assert {one["state"] for one in services(cli, root).values()} == {"running"}


def test_a_target_that_cannot_be_reached_leaves_the_project_alone(project: Carried) -> None:
    cli, root = project.cli, project.root
    cli("up", cwd=root).ok()
    pids = {name: one["pid"] for name, one in services(cli, root).items()}
    failed = cli("migrate", "--to", "docker", cwd=root, env={"DOCKER_HOST": "tcp://127.0.0.1:9"})
    assert failed.code == 1
    assert "127.0.0.1:9" in error(failed.err)
    assert {name: one["pid"] for name, one in services(cli, root).items()} == pids
    assert (root / "mlpipes.yaml").read_text() == FIXED.format("embedded")


def test_a_killed_migration_leaves_the_project_where_it_was(project: Carried, tmp_path: Path) -> None:
    cli, root = project.cli, project.root
    cli("up", cwd=root).ok()
    fill(environment(cli, root), tmp_path / "content")
    seen = picture(root)
    child = cli.start("migrate", "--to", "docker", cwd=root)
    try:
        until(lambda: of_root(project.client, root).containers or child.poll() is not None, 90)
    finally:
        child.kill()
        child.communicate()
    up = cli("up", cwd=root).ok()
    assert "a migration to docker was interrupted" in up.err
    assert difference(picture(root), seen) == []
    assert not (root / ".mlpipes" / "migrating-to-docker.json").exists()
    cli("migrate", "--to", "docker", "--yes", cwd=root).ok()
    assert difference(picture(root), seen) == []


def test_an_upgrade_takes_this_releases_images_and_keeps_everything(boxes: Carried) -> None:
    older = image(boxes, "older")
    seen = start_on(boxes, older)
    done = boxes.cli("upgrade", "--json").ok()
    (change,) = done.json["changes"]
    assert (change["what"], change["before"]) == ("mlflow", older)
    assert Path(done.json["backup"]).is_file()
    assert running_on(boxes) != older
    assert difference(picture(boxes.root), seen) == []
    assert boxes.cli("upgrade", "--json").ok().json["changes"] == []


ENDS = 'ENTRYPOINT []\nCMD ["sh", "-c", "echo this release is broken >&2; exit 7"]\n'
RUINS = (  # as a migration that fails half way
    "import os, psycopg2; u = open(os.environ['MLFLOW_BACKEND_STORE_URI_FILE']).read(); "
    "u = u.replace('+psycopg2', ''); "
    "c = psycopg2.connect(u); c.autocommit = True; "
    "c.cursor().execute('drop table if exists model_versions cascade'); "
    "raise SystemExit('this release is broken')"
)


@pytest.mark.parametrize(
    "broken", [ENDS, f'ENTRYPOINT []\nCMD ["python", "-c", "{RUINS}"]\n'], ids=["ends", "ruins"]
)
def test_an_upgrade_that_fails_goes_back(
    boxes: Carried, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    from mlpipes_cli.adapters.docker.stack import desired_state

    older = image(boxes, "older")
    seen = start_on(boxes, older)
    files = tmp_path / "compose"
    shutil.copytree(package_files.root() / "compose", files)
    (files / "mlflow" / "Dockerfile").write_text(f"FROM mlpipes-tests-older:1\nLABEL {LABEL}\n{broken}")
    text = (files / "compose.yaml").read_text()
    changed = text.replace("image: mlpipes-mlflow:", f"image: mlpipes-tests-{tmp_path.name}:".lower())
    assert changed != text
    (files / "compose.yaml").write_text(changed)
    monkeypatch.setattr(desired_state, "compose_file", lambda: files / "compose.yaml")
    told = Told()
    with pytest.raises(MlpipesError, match=r"the upgrade failed: mlflow .*this release is broken") as caught:
        upgrade(find_project(boxes.root), told)
    assert "the earlier release is running again" in caught.value.hint
    assert "the upgrade failed; going back to the earlier release" in told.warnings
    assert running_on(boxes) == older
    assert difference(picture(boxes.root), seen) == []
    assert {one["state"] for one in services(boxes.cli, boxes.root).values()} == {"running"}


def image(boxes: Carried, name: str) -> str:
    """An image like this release's MLflow, which reads no files as those before did; its id."""
    text = f"FROM {boxes.mlflow}\nLABEL {LABEL} io.mlpipes.passwords=\n".encode()
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(text)
        tar.addfile(entry, io.BytesIO(text))
    context.seek(0)
    built, _ = boxes.client.images.build(
        fileobj=context, custom_context=True, tag=f"mlpipes-tests-{name}:1", rm=True, forcerm=True
    )
    return str(built.id)


def running_on(boxes: Carried) -> str:
    return str(wiring.make_runtime(find_project(boxes.root)).versions()["mlflow"])


def start_on(boxes: Carried, mlflow: str) -> dict[str, Any]:
    """Have MLflow run on another image, as an older release would; what the stack holds."""
    project = find_project(boxes.root)
    runtime = wiring.make_runtime(project)
    runtime.up(Told(), {**runtime.versions(), "mlflow": mlflow})
    release.note(project, runtime)
    assert running_on(boxes) == mlflow
    told = container(boxes.client, boxes.root, "mlflow").attrs["Config"]["Env"]
    assert {one.partition("=")[0] for one in told} >= {"MLFLOW_BACKEND_STORE_URI", "AWS_SECRET_ACCESS_KEY"}
    return picture(boxes.root)
