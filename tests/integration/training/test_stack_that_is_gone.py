"""`train` on a stack whose MLflow is gone says so before any candidate starts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from conftest import Cli
from stack_help import processes_of, services

pytestmark = pytest.mark.slow

MODULE = """
from pathlib import Path

def fits(X, y):
    Path(__file__).with_name("started").touch()
    raise RuntimeError("never to be run")
"""
EXPERIMENT = """
experiment: gone
data: {source: "sklearn:breast_cancer", target: target}
runs: [{name: one, trainer: python, function: "gone_module:fits"}]
"""


@pytest.fixture
def project(cli: Cli, project_dir: Path) -> Iterator[Path]:
    (project_dir / "gone_module.py").write_text(MODULE)
    (project_dir / "experiment.yaml").write_text(EXPERIMENT)
    cli("up").ok()
    yield project_dir
    cli("down", "--volumes", "--yes").ok()


def test_mlflow_does_not_answer_and_then_was_killed(cli: Cli, project: Path) -> None:
    main = psutil.Process(services(cli, project)["mlflow"]["pid"])
    assert main.children(recursive=True) == []  # one process, which serves
    main.suspend()
    failed = cli("train", "experiment.yaml")
    assert failed.code == 1
    assert len(failed.err.strip().splitlines()) == 1, failed.err
    assert "MLflow does not answer" in failed.err and "mlpipes up" in failed.err
    assert "candidates" not in failed.err
    assert not (project / ".mlpipes" / "cache").exists()  # no data was read, no candidate was handed out

    main.kill()
    failed = cli("train", "experiment.yaml")
    assert failed.code == 1
    assert len(failed.err.strip().splitlines()) == 1, failed.err
    assert "mlflow is not running; start it with `mlpipes up`" in failed.err

    assert not (project / "started").exists()
    cli("up").ok()
    assert cli("train", "experiment.yaml").code == 1
    assert (project / "started").exists()
    assert cli("down").ok()
    assert processes_of(project) == []
