"""Help, and every mistake in a file, answer without the heavy packages.

How long that takes is measured by ``benchmarks/startup``; here is only what makes it quick.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {
    "boto3", "docker", "fastapi", "h2o", "httpx", "matplotlib", "mlflow", "numpy", "pandas", "psutil",
    "psycopg2", "pyarrow", "requests", "scipy", "sklearn", "sqlalchemy", "uvicorn",
}  # fmt: skip
PROBE = """
import json, sys
from mlpipes_cli.cli.app import run
code = run(sys.argv[1:])
sys.stdout.flush()
print("\\n" + json.dumps({"code": code, "modules": sorted({name.split(".")[0] for name in sys.modules})}))
"""
GOOD_PROJECT = "project: tests\nruntime: embedded\n"
GOOD_EXPERIMENT = """\
experiment: tests
data: {source: rows.csv, target: y}
runs:
  - {name: one, trainer: sklearn, estimator: sklearn.linear_model.LogisticRegression}
"""


def probe(folder: Path, *arguments: str) -> tuple[int, set[str], str]:
    """The exit code, the top-level modules that were imported, and what a person was told."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments], cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    return found["code"], set(found["modules"]), done.stderr


def commands() -> list[str]:
    from mlpipes_cli.cli import app, commands

    commands.register(app.app)
    return sorted(str(command.name or command.callback.__name__) for command in app.app.registered_commands)


def test_the_probe_sees_what_is_imported(tmp_path: Path) -> None:
    _, modules, _ = probe(tmp_path, "--help")
    assert {"typer", "mlpipes_cli"} <= modules


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], *([name, "--help"] for name in commands())])
def test_help_imports_nothing_heavy(tmp_path: Path, arguments: list[str]) -> None:
    code, modules, _ = probe(tmp_path, *arguments)
    assert code == 0
    assert not modules & HEAVY


@pytest.mark.parametrize(
    ("project", "experiment", "said"),
    [
        ("projct: tests\n", GOOD_EXPERIMENT, "mlpipes.yaml:1: projct: unknown key; did you mean 'project'?"),
        ("project: [\n", GOOD_EXPERIMENT, "mlpipes.yaml:"),
        (GOOD_PROJECT, "experiment: tests\nrns: []\n", "experiment.yaml:2: rns: unknown key"),
        (GOOD_PROJECT, GOOD_EXPERIMENT.replace("sklearn, est", "sklern, est"), "did you mean 'sklearn'?"),
        (GOOD_PROJECT, GOOD_EXPERIMENT + "  - {name: two\n", "YAML syntax"),
        (GOOD_PROJECT, "", "experiment.yaml:1: the file is empty"),
        (
            GOOD_PROJECT,
            GOOD_EXPERIMENT.replace("target: y", "target: yy"),
            "experiment.yaml:2: data -> target: no column 'yy'",
        ),
    ],
    ids=[
        "unknown-key",
        "syntax",
        "unknown-experiment-key",
        "unknown-trainer",
        "experiment-syntax",
        "empty",
        "column",
    ],
)
def test_a_mistake_in_a_file_imports_nothing_heavy(
    tmp_path: Path, project: str, experiment: str, said: str
) -> None:
    (tmp_path / "mlpipes.yaml").write_text(project)
    (tmp_path / "experiment.yaml").write_text(experiment)
    (tmp_path / "rows.csv").write_text("x,y\n1,0\n2,1\n")
    code, modules, told = probe(tmp_path, "train", "experiment.yaml")
    assert (code, said in told) == (2, True), told
    assert not modules & HEAVY
