"""What the machine lacks is told before anything starts, all of it at once."""

from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from mlpipes_cli.adapters.environments import EnvironmentStore
from mlpipes_cli.errors import Several
from mlpipes_cli.lifecycle.training import plan, preflight
from mlpipes_cli.lifecycle.training.environments import EnvironmentBuilds, of_runs

FILE = """\
experiment: tests
data: {source: "sklearn:breast_cancer", target: target}
runs:
  - name: plain
    trainer: sklearn
    estimator: sklearn.linear_model.LogisticRegression
    resources: {memory: 4096T}
  - name: automl
    trainer: h2o_automl
    params: {max_mem_size: 8000T}
  - name: other
    trainer: sklearn
    estimator: sklearn.linear_model.LogisticRegression
    environment: {python: "3.12", requirements: [six]}
"""


def look(folder: Path, only: tuple[str, ...] = (), text: str = FILE) -> list[str]:
    """The warnings."""
    (folder / "experiment.yaml").write_text(text)
    experiment = plan.read(folder / "experiment.yaml", "experiment.yaml")
    warnings: list[str] = []
    store = EnvironmentStore({"HOME": str(folder), "PATH": "/nowhere"}, folder / "environments")
    with EnvironmentBuilds(store, of_runs(experiment.config.runs, only), warnings.append) as environments:
        preflight.check(experiment, environments, only, warnings.append)
    return warnings


def test_nothing_is_said_where_nothing_is_missing(tmp_path: Path) -> None:
    assert look(tmp_path, ("plain",), FILE.replace("4096T", "1M")) == []


def test_all_that_is_missing_is_told_with_its_line_and_the_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: namedtuple("Usage", "total used free")(9, 9, 2**20))
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
    monkeypatch.setattr(EnvironmentStore, "interpreter", lambda *_: None)
    with pytest.raises(Several) as caught:
        look(tmp_path)
    first, second, third, fourth = caught.value.lines()
    assert first.startswith("experiment.yaml:7: runs -> 0 -> resources -> memory: 4096T is more memory than")
    assert second.startswith("experiment.yaml:10: runs -> 1 -> params -> max_mem_size: 8000T is more memory")
    assert third.startswith("experiment.yaml:14: runs -> 2 -> environment -> python: there is no Python 3.12")
    assert "pyenv install 3.12" in third
    assert fourth.startswith("experiment.yaml: the environments to be built (sklearn with six) need")
    assert "MLPIPES_CACHE" in fourth


def test_what_is_not_asked_for_is_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: namedtuple("Usage", "total used free")(9, 9, 0))
    with pytest.raises(Several):
        look(tmp_path, ("other",))
    look(tmp_path, ("plain",), FILE.replace("4096T", "1M"))


def test_little_memory_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import psutil

    there = namedtuple("Memory", "available total")(2**28, 2**60)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: there)
    [said] = look(tmp_path, ("automl",))
    assert said.startswith("automl needs about 0.8 GiB of memory, and 0.2 GiB are free")
