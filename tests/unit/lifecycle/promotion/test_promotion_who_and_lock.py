"""Who did it, one at a time, and which aliases there may be."""

import subprocess
import sys
from pathlib import Path

import pytest

from mlpipes_cli.cli.console import Console
from mlpipes_cli.errors import MlpipesError, UsageError
from mlpipes_cli.lifecycle.promotion import actor, registry_context
from mlpipes_cli.lifecycle.promotion.promotion_lock import one_at_a_time


def test_the_user_can_be_named():
    assert actor.user({"MLPIPES_USER": " ada "}) == "ada"
    name, _, host = actor.user({}).partition("@")
    assert name and host


def test_git_tells_its_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    assert actor.git_user(tmp_path) == ""
    (tmp_path / ".gitconfig").write_text("[user]\n\tname = Ada\n\temail = ada@example.org\n")
    assert actor.git_user(tmp_path) == "Ada <ada@example.org>"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert actor.git_user(tmp_path) == "", "without git"


def test_the_lock_is_free_again_after_use(tmp_path: Path):
    for _ in range(2):
        with one_at_a_time(tmp_path / "state", Console(), patience=0):
            pass


def test_a_held_lock_is_waited_for_and_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    with (
        one_at_a_time(tmp_path, Console()),
        pytest.raises(MlpipesError, match=r"registry\.lock"),
        one_at_a_time(tmp_path, Console(), patience=0.05),
    ):
        pass
    assert "waiting" in capfd.readouterr().err


def test_a_killed_holder_leaves_no_lock(tmp_path: Path):
    code = (
        "import os, sys, pathlib\n"
        "from mlpipes_cli.cli.console import Console\n"
        "from mlpipes_cli.lifecycle.promotion.promotion_lock import one_at_a_time\n"
        "with one_at_a_time(pathlib.Path(sys.argv[1]), Console()):\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)]).returncode == -9
    with one_at_a_time(tmp_path, Console(), patience=0):
        pass


@pytest.mark.parametrize("alias", ["latest", "Latest", "v1", "V12", "", "a b", "1st", "a/b", "a:b", "é"])
def test_aliases_that_the_registry_refuses(alias: str):
    with pytest.raises(UsageError, match="--to: "):
        registry_context.check_alias(alias)


@pytest.mark.parametrize("alias", ["production", "staging", "v1-beta", "Blue_2"])
def test_aliases_that_it_takes(alias: str):
    assert registry_context.check_alias(alias) == alias
