"""What the binary answers when the machine or the stack is in a bad way: one line, nothing half-written."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Cli, Result, RunningStack

EXPERIMENT = """\
experiment: surroundings
data: {source: data.csv, target: y}
runs:
  - {name: one, trainer: sklearn, estimator: sklearn.linear_model.LogisticRegression}
"""


def can(*command: str) -> bool:
    return bool(shutil.which("unshare")) and subprocess.run(command, capture_output=True).returncode == 0


needs_user_namespace = pytest.mark.skipif(
    not can("unshare", "-U", "--map-user=65534", "--map-group=65534", "true"),
    reason="no user namespaces: a superuser cannot be refused a file here",
)
needs_mount_namespace = pytest.mark.skipif(
    not can("unshare", "-rm", "sh", "-c", "mount -t tmpfs tmpfs /mnt"),
    reason="no mount namespaces: a full disk cannot be made here",
)


@pytest.fixture
def project(project_dir: Path) -> Path:
    (project_dir / "experiment.yaml").write_text(EXPERIMENT)
    rows = "".join(f"{i * 0.37 % 5:.3f},{i % 2}\n" for i in range(60))
    (project_dir / "data.csv").write_text(f"x,y\n{rows}")
    return project_dir


def within(prefix: list[str], cli: Cli, *args: str, cwd: Path) -> Result:
    from conftest import Result

    done = subprocess.run(
        [*prefix, *cli.command(*args)],
        cwd=cwd,
        env=cli.environment,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=120,
    )
    return Result(done.returncode, done.stdout, done.stderr)


def one_line(result: Result, code: int, *words: str) -> None:
    """Exactly one error line, with these words in it, and no traceback."""
    assert result.code == code, result.err
    errors = [line for line in result.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, result.err
    assert "Traceback" not in result.err
    for word in words:
        assert word in errors[0]


ORDINARY = ["unshare", "-U", "--map-user=65534", "--map-group=65534"]


@needs_user_namespace
@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("mlpipes.yaml", ("status",)),
        ("experiment.yaml", ("train", "experiment.yaml", "--dry-run")),
        ("data.csv", ("train", "experiment.yaml", "--dry-run")),
    ],
)
def test_no_permission_to_read_a_file(project: Path, cli: Cli, name: str, command: tuple[str, ...]) -> None:
    (project / name).chmod(0)
    one_line(within(ORDINARY, cli, *command, cwd=project), 2, name)


@needs_user_namespace
def test_no_permission_to_write_into_the_project(project: Path, cli: Cli) -> None:
    empty = project.parent / "empty"
    empty.mkdir()
    for folder in (project, empty):
        folder.chmod(0o555)
    try:
        one_line(within(ORDINARY, cli, "up", cwd=project), 1, "ermission")
        one_line(within(ORDINARY, cli, "init", "new", cwd=empty), 1, "ermission")
    finally:
        for folder in (project, empty):
            folder.chmod(0o755)
    assert list(empty.iterdir()) == []
    assert sorted(path.name for path in project.iterdir()) == ["data.csv", "experiment.yaml", "mlpipes.yaml"]


def on_a_small_disk(size: str, cli: Cli, project: Path, *args: str) -> Result:
    """Run in a copy of the project on a disk of its own, which lasts as long as the command."""
    script = (
        'mount -t tmpfs -o size="$1" tmpfs "$2" && cp -r "$3"/. "$2" && cd "$2" && shift 3 && "$@"; code=$?; '
    )
    script += 'find . -name "*.part" -o -name "*.tmp" -o -name ".mlpipes-init-*" >&2; exit $code'
    disk = project.parent / "disk"
    disk.mkdir()
    prefix = ["unshare", "-rm", "sh", "-c", script, "sh", size, str(disk), str(project)]
    return within(prefix, cli, *args, cwd=project.parent)


@needs_mount_namespace
def test_the_disk_is_full_at_init(project: Path, cli: Cli) -> None:
    (project / "mlpipes.yaml").unlink()
    result = on_a_small_disk("60k", cli, project, "init", "new", "--example", "credit")
    one_line(result, 1, "space")
    assert len(result.err.strip().splitlines()) == 1


@needs_mount_namespace
def test_the_disk_is_full_at_up(project: Path, cli: Cli) -> None:
    one_line(on_a_small_disk("16m", cli, project, "up"), 1, "space")


@needs_mount_namespace
def test_the_disk_is_full_when_data_is_prepared(project: Path, cli: Cli) -> None:
    rows = "".join(f"{i * 0.377 % 5:.9f},{i % 2}\n" for i in range(40_000))
    (project / "data.csv").write_text(f"x,y\n{rows}")
    result = on_a_small_disk("700k", cli, project, "train", "experiment.yaml", "--dry-run")
    if result.code:  # a dry run may do without writing
        one_line(result, 1, "space")


STACK_COMMANDS = [
    ("train", "experiment.yaml"),
    ("leaderboard",),
    ("models",),
    ("promote", "--metric", "ks"),
    ("history",),
    ("rollback",),
    ("serve",),
    ("serve", "--engine", "mlflow"),
    ("predict", "data.csv", "--offline"),
    ("env",),
]


@pytest.mark.parametrize("command", STACK_COMMANDS, ids=" ".join)
def test_the_stack_is_not_up(project: Path, cli: Cli, command: tuple[str, ...]) -> None:
    before = sorted(path.name for path in project.iterdir())
    result = cli(*command)
    one_line(result, 1, "mlpipes up")
    assert result.out == ""
    assert sorted(path.name for path in project.iterdir() if path.name != ".mlpipes") == before


def test_the_api_is_not_up(project: Path, cli: Cli) -> None:
    one_line(cli("predict", "data.csv"), 1, "mlpipes serve", "--offline")


@pytest.mark.parametrize("command", ["up", "down", "status", "doctor", "env", "models", "promote", "serve"])
def test_there_is_no_project(tmp_path: Path, cli: Cli, command: str) -> None:
    one_line(cli(command, cwd=tmp_path), 2, "mlpipes.yaml", "mlpipes init")


WRONG_WORDS = {
    "unknown runtime": (("up", "--runtime", "podmn"), "podmn"),
    "unknown example": (("init", "x", "--example", "titanic"), "titanic"),
    "unknown service": (("logs", "mlflw"), "mlflw"),
    "unknown engine": (("serve", "--engine", "flask"), "flask"),
    "port that is none": (("serve", "--port", "99999"), "--port"),
    "no workers": (("serve", "--workers", "0"), "workers"),
    "no candidate of that name": (("train", "experiment.yaml", "--only", "onne"), "onne"),
    "no parallel": (("train", "experiment.yaml", "--parallel", "0"), "parallel"),
    "unknown metric": (("leaderboard", "--metric", "kss"), "kss"),
    "unknown metric to promote by": (("promote", "--metric", "kss"), "kss"),
    "reserved alias": (("promote", "--metric", "ks", "--to", "latest"), "latest"),
    "file to predict is missing": (("predict", "none.csv"), "none.csv"),
    "volumes without an answer": (("down", "--volumes"), "--yes"),
}


@pytest.mark.parametrize("kind", WRONG_WORDS)
def test_wrong_words(project: Path, cli: Cli, kind: str) -> None:
    words, named = WRONG_WORDS[kind]
    one_line(cli(*words), 2, named)


@pytest.mark.slow
def test_what_does_not_exist_on_a_running_stack(running_stack: RunningStack) -> None:
    cli = running_stack.cli
    one_line(cli("leaderboard", "--experiment", "no-such"), 2, "no-such")
    one_line(cli("serve", "--port", "0"), 2, "--port")
    for command in ("serve", "rollback"):
        result = cli(command, "--model", "no-such")
        one_line(result, result.code, "model")
        assert result.code in {1, 2}  # 1 while there is no model at all, 2 for a wrong name
