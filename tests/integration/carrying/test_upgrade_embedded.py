"""MLflow's tables of an older, a newer and a broken release under the embedded stack."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pytest
from carrying_help import difference, environment, error, fill, picture, storage
from conftest import MINIMAL, Cli
from reporter_help import Told
from stack_help import services

from mlpipes_cli.adapters.mlflow import schema
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.lifecycle.transfer import replace, upgrade, upgrade_rollback
from mlpipes_cli.project import find_project

pytestmark = pytest.mark.slow
NEWEST = schema.newest()
OLDER = str(schema.revisions()[NEWEST])
# MLflow's own migrations, stopped one before the last
MAKE_OLDER = """
import os, sys, sqlalchemy as sa
from alembic import command
from mlflow.store.db.utils import _get_alembic_config, create_sqlalchemy_engine
from mlflow.store.tracking.dbmodels import initial_models
engine = create_sqlalchemy_engine(os.environ["ADDRESS"])
with engine.begin() as link:
    link.execute(sa.text("drop schema public cascade"))
    link.execute(sa.text("create schema public"))
initial_models.Base.metadata.create_all(engine)
config = _get_alembic_config(str(engine.url))
with engine.begin() as link:
    config.attributes["connection"] = link
    command.upgrade(config, sys.argv[1])
with engine.begin() as link:
    link.execute(sa.text("insert into experiments"
                         " (experiment_id, name, artifact_location, lifecycle_stage, workspace)"
                         " values (0, 'Default', 'mlflow-artifacts:/0', 'active', 'default')"))
    link.execute(sa.text("insert into runs (run_uuid, name, experiment_id, lifecycle_stage, artifact_uri)"
                         " values ('old', 'old', 0, 'active', 'mlflow-artifacts:/0/old/artifacts')"))
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    base = tmp_path_factory.mktemp("upgrading")
    folder = base / "project"
    folder.mkdir()
    (folder / "mlpipes.yaml").write_text(MINIMAL)
    cli = Cli(base / "home", folder)
    try:
        cli("up").ok()
        fill(environment(cli, folder), base / "content")
        yield folder
    finally:
        cli("down", "--volumes", "--yes").ok()


@pytest.fixture
def here(root: Path, cli: Cli) -> Cli:
    return Cli(cli.cwd.parent / "home", root)


def execute(root: Path, statement: str) -> list[tuple[object, ...]]:
    url = storage(root).databases["mlflow"]
    with contextlib.closing(psycopg2.connect(url)) as link, link, link.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def revision(root: Path) -> object:
    return execute(root, "select version_num from alembic_version")[0][0]


def make_older(root: Path) -> None:
    address = storage(root).databases["mlflow"].replace("postgresql://", "postgresql+psycopg2://")
    environment = os.environ | {"ADDRESS": address}
    subprocess.run(
        [sys.executable, "-c", MAKE_OLDER, OLDER], env=environment, check=True, capture_output=True
    )
    assert revision(root) == OLDER
    assert urlsplit(address).port


def test_nothing_to_do(root: Path, here: Cli) -> None:
    pids = {name: one["pid"] for name, one in services(here, root).items()}
    done = here("upgrade", "--json").ok()
    assert done.json["changes"] == []
    assert done.json["backup"] is None
    assert "everything is up to date with this release" in done.err
    assert {name: one["pid"] for name, one in services(here, root).items()} == pids


class Refusing:
    """``replace`` with an object store that does not give what it holds yet."""

    def __init__(self, times: int, then: Callable[[], None] = lambda: None) -> None:
        self.left, self.then = times, then

    def __call__(self, *arguments: Any) -> None:
        self.left -= 1
        if self.left >= 0:
            self.then()
            raise MlpipesError("cannot read s3://mlflow/x: InternalError", "try again later")
        replace.replace(*arguments)


def ruined(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on an upgrade has something to do, loses data, and notices."""

    def damage(*_: object) -> None:
        execute(root, "delete from registered_model_aliases")
        raise MlpipesError("after the upgrade 2 aliases are missing")

    note = root / ".mlpipes" / "release.json"
    note.write_text(json.dumps(json.loads(note.read_text()) | {"mlpipes": "0.0.1"}))
    monkeypatch.setattr(upgrade, "_want_healthy", damage)


def test_going_back_waits_for_a_storage_that_does_not_give_yet(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The storage of this release never does; that of the release before does after a while."""
    before, told = picture(root), Told()
    ruined(root, monkeypatch)
    refusing = Refusing(3, then=lambda: monkeypatch.setattr(upgrade_rollback, "_PATIENCE", 60.0))
    monkeypatch.setattr(upgrade_rollback, "replace", refusing)
    monkeypatch.setattr(upgrade_rollback, "_PATIENCE", 0.0)
    monkeypatch.setattr(upgrade_rollback, "_PAUSE", 0.01)
    with pytest.raises(MlpipesError, match="the upgrade failed: after the upgrade 2 aliases are missing"):
        upgrade.upgrade(find_project(root), told)
    assert (
        sum(
            "restoring the earlier data failed" in line and "trying once more" in line
            for line in told.warnings
        )
        == 1
    )
    assert sum("is not restored yet" in line for line in told.details) == 2
    assert difference(picture(root), before) == []


def test_data_that_cannot_be_put_back_is_told(root: Path, here: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    before = picture(root)
    ruined(root, monkeypatch)
    monkeypatch.setattr(upgrade_rollback, "replace", Refusing(9))
    monkeypatch.setattr(upgrade_rollback, "_PATIENCE", 0.0)
    with pytest.raises(MlpipesError) as caught:
        upgrade.upgrade(find_project(root), Told())
    assert "the upgrade failed: after the upgrade 2 aliases are missing" in caught.value.reason
    assert (
        "the earlier release is running again, but restoring the earlier data failed" in caught.value.reason
    )
    assert "InternalError" in caught.value.reason
    assert difference(picture(root), before) == ["mlflow.public.registered_model_aliases"]
    command, path = caught.value.hint.split("`")[1].rsplit(" ", 1)
    assert (command, "mlpipes 0.0.1 again" in caught.value.hint) == ("mlpipes restore", True)
    here("restore", path, "--yes").ok()
    assert difference(picture(root), before) == []


def test_tables_that_cannot_be_migrated_leave_the_data_and_say_so(root: Path, here: Cli) -> None:
    before = picture(root)
    execute(
        root, f"update alembic_version set version_num = '{OLDER}'"
    )  # whose migration meets its own tables
    failed = here("upgrade")
    assert failed.code == 1
    said = error(failed.err)
    assert "neither this release nor the earlier one starts" in said
    assert "already exists" in said
    assert ".mlpipes/backups/upgrade-" in said
    assert here("status", "--json").ok().json["services"][0]["state"] == "running"
    execute(root, f"update alembic_version set version_num = '{NEWEST}'")
    here("up").ok()
    assert difference(picture(root), before) == []


def test_tables_of_a_newer_release_are_left_alone(root: Path, here: Cli) -> None:
    before = picture(root)
    execute(root, "update alembic_version set version_num = 'ffffffffffff'")
    failed = here("restart", "mlflow")
    assert failed.code == 1
    assert "from a newer release (version ffffffffffff)" in error(failed.err)
    assert revision(root) == "ffffffffffff"
    execute(root, f"update alembic_version set version_num = '{NEWEST}'")
    here("up").ok()
    assert difference(picture(root), before) == []


def test_a_backup_of_a_newer_release_is_refused(root: Path, here: Cli, tmp_path: Path) -> None:
    before = picture(root)
    execute(root, "update alembic_version set version_num = 'ffffffffffff'")
    here("backup", tmp_path / "new.tar").ok()
    execute(root, f"update alembic_version set version_num = '{NEWEST}'")
    failed = here("restore", tmp_path / "new.tar", "--yes")
    assert failed.code == 1
    assert "newer than this release knows" in error(failed.err)
    assert difference(picture(root), before) == []


def test_an_upgrade_migrates_after_a_backup(root: Path, here: Cli) -> None:
    make_older(root)
    shown = here("upgrade", "--dry-run", "--json").ok()
    wanted = {"what": "mlflow's tables", "before": OLDER, "after": NEWEST}
    assert shown.json["changes"] == [wanted]
    assert revision(root) == OLDER
    done = here("upgrade", "--json").ok()
    assert done.json["changes"] == [wanted]
    assert revision(root) == NEWEST
    assert execute(root, "select run_uuid from runs") == [("old",)]
    assert {one["state"] for one in services(here, root).values()} == {"running"}
    backup = Path(done.json["backup"])
    assert backup.is_relative_to(root / ".mlpipes" / "backups")
    restored = here("restore", backup, "--yes", "--json").ok()  # an older backup, migrated at the start
    assert json.loads(restored.out)["content"]["runs"] == 1
    assert revision(root) == NEWEST


@pytest.mark.parametrize("stopped", [True, False])
def test_an_up_migrates_too(root: Path, here: Cli, stopped: bool) -> None:
    make_older(root)
    if stopped:
        here("down").ok()
        done = here("up").ok()
        assert "mlflow: its tables were upgraded to this release's version" in done.err
    else:
        here("restart", "mlflow").ok()
    assert revision(root) == NEWEST
