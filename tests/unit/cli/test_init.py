"""``mlpipes init`` as a user calls it."""

from __future__ import annotations

from pathlib import Path

from conftest import Cli

from mlpipes_cli.lifecycle.secrets import names
from mlpipes_cli.local_files import env_file


def test_into_a_new_folder(cli: Cli, tmp_path: Path) -> None:
    done = cli("init", "mine", "--example", "credit", cwd=tmp_path).ok()
    lines = done.out.splitlines()
    assert lines[0] == f"created 'mine' in {tmp_path}/mine (example credit)"
    assert lines[-5:] == [
        "  cd mine",
        "  mlpipes up",
        "  mlpipes train experiment.yaml",
        "  mlpipes promote --metric ks",
        "  mlpipes serve",
    ]
    secrets = env_file.read(tmp_path / "mine" / ".env").values()
    assert len(set(secrets)) == len(names())
    assert not [secret for secret in secrets if secret in done.out + done.err]


def test_json_and_here(cli: Cli, tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    made = cli("init", "--json", cwd=here).ok().json
    assert made["project"] == "here"
    assert made["example"] == "breast-cancer"
    wanted = ["mlpipes.yaml", "experiment.yaml", "README.md", "explore.ipynb", ".env", ".gitignore"]
    assert set(made["files"]) == {*wanted, "data/new_rows.csv"}
    assert made["next"][0] == "mlpipes up"
    assert (here / "mlpipes.yaml").is_file()


def test_one_clear_line(cli: Cli, project_dir: Path) -> None:
    for arguments in (["init"], ["init", "below"], ["init", "--example", "iris"]):
        done = cli(*arguments)
        assert done.code == 2
        assert done.out == ""
        assert len(done.err.splitlines()) == 1
    assert [path.name for path in project_dir.iterdir()] == ["mlpipes.yaml"]


def test_from_a_table(cli: Cli, tmp_path: Path) -> None:
    lines = [f"{at},{at % 7},{'yes' if at % 3 else 'no'}" for at in range(60)]
    (tmp_path / "loans.csv").write_text("\n".join(["Loan ID,a,approved", *lines]) + "\n")
    options = ("--data", "loans.csv", "--target")
    for arguments in (["--target", "a"], [*options, "aproved"], [*options, "a", "--example", "credit"]):
        done = cli("init", "mine", *arguments, cwd=tmp_path)
        assert (done.code, done.out, len(done.err.splitlines())) == (2, "", 1)
        assert not [path for path in tmp_path.iterdir() if "init" in path.name or path.name == "mine"]
    done = cli("init", "mine", *options, "approved", cwd=tmp_path).ok()
    first, *others = done.out.splitlines()
    assert first == f"created 'mine' in {tmp_path}/mine (data set loans, binary target 'approved')"
    assert others[-8:] == [
        "  cd mine",
        "  mlpipes up",
        "  mlpipes data load",
        "  mlpipes data prepare",
        "  mlpipes train experiment.yaml",
        "  mlpipes promote --metric ks",
        "  mlpipes serve --detach",
        "  mlpipes predict data/new_rows.csv",
    ]
    secrets = env_file.read(tmp_path / "mine" / ".env").values()
    assert not [secret for secret in secrets if secret in done.out + done.err]
