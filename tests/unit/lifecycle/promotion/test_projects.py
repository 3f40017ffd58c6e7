"""The folder that --to-project names, and whose secrets count there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlpipes_cli.adapters.mlflow.client import Connection
from mlpipes_cli.errors import MlpipesError, UsageError
from mlpipes_cli.lifecycle.promotion.projects import address
from mlpipes_cli.project import ProjectFolder, find_project

KEY = "k" * 32


@pytest.fixture
def two(tmp_path: Path) -> tuple[ProjectFolder, ProjectFolder]:
    found = []
    for name in ("staging", "my prod"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mlpipes.yaml").write_text("project: any\nruntime: embedded\n")
        found.append(find_project(tmp_path / name))
    return found[0], found[1]


@pytest.mark.parametrize("given", ["../my prod", "{root}", "file://{url}", "file://localhost{url}"])
def test_a_path_or_a_file_url(two: tuple[ProjectFolder, ProjectFolder], given: str):
    here, there = two
    url = str(there.root).replace(" ", "%20")
    text = given.format(root=there.root, url=url)
    assert address.find(text, here.root, here).root == there.root


def test_a_folder_below_another_project_is_not_taken_for_it(two: tuple[ProjectFolder, ProjectFolder]):
    (two[1].root / "below").mkdir()
    with pytest.raises(UsageError, match=r"there is no mlpipes\.yaml in .*below"):
        address.find("../my prod/below", two[0].root, two[0])


def test_the_other_projects_env_file_comes_first(
    two: tuple[ProjectFolder, ProjectFolder], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "of staging")
    monkeypatch.setenv("MLPIPES_MODEL_KEY", "of staging")
    monkeypatch.setenv("PROD_URL", "given")
    two[1].env_file.write_text(f"MLPIPES_MODEL_KEY={KEY}\nOWN=1\n")
    with address.own_secrets(two[1]):
        assert os.environ["MLPIPES_MODEL_KEY"] == KEY and os.environ["OWN"] == "1"
        assert "MLFLOW_TRACKING_PASSWORD" not in os.environ
        assert os.environ["PROD_URL"] == "given"
    assert os.environ["MLPIPES_MODEL_KEY"] == os.environ["MLFLOW_TRACKING_PASSWORD"] == "of staging"
    assert "OWN" not in os.environ


def test_no_key_is_made_for_the_other_project(two: tuple[ProjectFolder, ProjectFolder]):
    with pytest.raises(MlpipesError, match="'any' has no MLPIPES_MODEL_KEY"), address.own_secrets(two[1]):
        pytest.fail("entered")
    assert not two[1].env_file.exists()


def test_a_server_never_gets_the_login_of_another_one(monkeypatch: pytest.MonkeyPatch):
    name = "MLFLOW_TRACKING_PASSWORD"
    monkeypatch.delenv(name, raising=False)
    guarded = Connection("http://127.0.0.1:1", login={name: "secret"})
    plain = Connection("http://127.0.0.1:2")
    with guarded.asked("anything"):
        assert os.environ[name] == "secret"
    with plain.asked("anything"):
        assert name not in os.environ
    with guarded.asked("anything"):
        assert os.environ[name] == "secret"
    with plain.asked("anything"):
        assert name not in os.environ
