"""``init``: whole projects or nothing, and templates that the models accept."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlpipes_cli.config.experiment import load_experiment
from mlpipes_cli.data.origins.sources import check_columns_cheaply, load
from mlpipes_cli.data.prepare import prepare
from mlpipes_cli.errors import ConfigError, MlpipesError, UsageError
from mlpipes_cli.lifecycle import scaffold
from mlpipes_cli.lifecycle.examples import EXAMPLES
from mlpipes_cli.project import find_project


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("made")
    for name in EXAMPLES:
        scaffold.make_project(base / name, name)
    return {name: base / name for name in EXAMPLES}


@pytest.mark.parametrize("name", EXAMPLES)
def test_templates_are_what_the_models_take(made: dict[str, Path], name: str) -> None:
    folder = made[name]
    project = find_project(folder)
    experiment, _ = load_experiment(folder / "experiment.yaml")
    assert project.config.project == name
    assert project.config.serving.model == experiment.model_name
    assert project.config.promotion.gates
    trainers = [run.trainer for run in experiment.runs]
    assert trainers == ["keras", "keras"] if name == "captcha" else trainers.count("sklearn") == 4
    texts = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".png"]
    assert not [path for path in texts if "@project@" in path.read_text()]
    readme = (folder / "README.md").read_text()
    assert "@" not in readme.replace("mlpipes", "")
    assert (folder / "data").is_dir()


@pytest.mark.parametrize("name", ["breast-cancer", "credit"])
def test_the_data_is_there_and_fits(made: dict[str, Path], name: str) -> None:
    experiment, source = load_experiment(made[name] / "experiment.yaml")
    check_columns_cheaply(experiment.data, made[name], source)
    frame = load(experiment.data, made[name], source, database_url=None, environ={})
    prepared = prepare(frame, experiment.data, source)
    assert prepared.task == "binary"
    assert not prepared.warnings
    rows = pd.read_csv(made[name] / "data" / "new_rows.csv")
    assert set(prepared.feature_names) <= set(rows.columns)
    assert experiment.data.target not in rows.columns


def test_creditcard_says_where_to_get_the_file(made: dict[str, Path]) -> None:
    experiment, source = load_experiment(made["creditcard"] / "experiment.yaml", "experiment.yaml")
    with pytest.raises(ConfigError) as caught:
        check_columns_cheaply(experiment.data, made["creditcard"], source)
    (line,) = caught.value.lines()
    assert line.startswith(
        "experiment.yaml:9: data -> source: data/creditcard.csv: no such file; download it"
    )
    assert "https://www.kaggle.com/datasets/mlg-ulb/creditcardfraud" in line
    assert "openml:1597" in line


def test_secrets_are_generated_and_closed(made: dict[str, Path]) -> None:
    texts = [(folder / ".env").read_text() for folder in made.values()]
    assert len(set(texts)) == len(made)
    for folder in made.values():
        assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600
        ignored = (folder / ".gitignore").read_text().splitlines()
        assert {".env", ".mlpipes/"} <= set(ignored)


def test_the_notebook_is_one(made: dict[str, Path]) -> None:
    for name, folder in made.items():
        book = json.loads((folder / "explore.ipynb").read_text())
        assert (book["nbformat"], book["nbformat_minor"]) == (4, 5)
        ids = [cell["id"] for cell in book["cells"]]
        assert len(set(ids)) == len(ids)
        for cell in book["cells"]:
            assert cell["cell_type"] in {"code", "markdown"}
            if cell["cell_type"] == "code":
                assert cell["outputs"] == []
                compile("".join(cell["source"]), cell["id"], "exec")
        assert EXAMPLES[name].model in json.dumps(book)
        assert f'metric=\\"{EXAMPLES[name].metric}\\"' in json.dumps(book)


# --- the generator -----------------------------------------------------------------------------


def run_generator(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "generate.py", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=dict(os.environ))


def test_generator_makes_other_sizes(tmp_path: Path) -> None:
    folder = scaffold.make_project(tmp_path / "p", "credit").directory
    first = (folder / "data" / "credit.csv").read_bytes()
    assert run_generator(folder).returncode == 0
    assert (folder / "data" / "credit.csv").read_bytes() == first
    assert run_generator(folder, "--rows", "5000", "--positives", "0.002", "--seed", "3").returncode == 0
    frame = pd.read_csv(folder / "data" / "credit.csv")
    assert frame.columns.tolist() == ["Time", *[f"V{k}" for k in range(1, 29)], "Amount", "Class"]
    assert len(frame) == 5000
    assert frame["Class"].sum() == 10
    assert frame["Time"].is_monotonic_increasing
    assert not frame.isna().any().any()
    assert sorted(path.name for path in (folder / "data").iterdir()) == ["credit.csv", "new_rows.csv"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--positives", "0.3"], "give a share from 0.002 (0.2 %) to 0.05 (5 %)"),
        (["--rows", "100"], "at least 500 rows"),
        (["--rows", "1000", "--positives", "0.002"], "10 of them fraud"),
        (["--seed", "-1"], "give 0 or more"),
    ],
)
def test_generator_refuses(made: dict[str, Path], arguments: list[str], said: str) -> None:
    done = run_generator(made["credit"], *arguments)
    assert done.returncode == 2
    assert said in done.stderr.splitlines()[-1]


def test_generated_transactions_look_like_some(made: dict[str, Path]) -> None:
    frame = pd.read_csv(made["credit"] / "data" / "credit.csv")
    amounts = frame["Amount"]
    assert amounts.mean() > 2 * amounts.median()  # heavy tail
    assert amounts.quantile(0.999) > 40 * amounts.median()
    values = frame.filter(regex=r"^V")
    correlation = np.abs(np.corrcoef(values.to_numpy().T)[np.triu_indices(28, 1)])
    assert 0.2 < correlation.max() < 0.9
    assert values.std().iloc[:7].mean() > 2 * values.std().iloc[-7:].mean()


@pytest.mark.slow
def test_models_can_tell_and_not_all(made: dict[str, Path]) -> None:
    from scipy.stats import ks_2samp
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    from mlpipes_cli.preprocess.auto import build

    experiment, source = load_experiment(made["credit"] / "experiment.yaml")
    found = prepare(pd.read_csv(made["credit"] / "data" / "credit.csv"), experiment.data, source)
    X, y = found.X(found.train), found.y(found.train)
    for model in (LogisticRegression(max_iter=1000), HistGradientBoostingClassifier(random_state=0)):
        fitted = make_pipeline(build(X, "binary"), model).fit(X, y)
        scores, truth = fitted.predict_proba(found.X(found.holdout))[:, 1], found.y(found.holdout).to_numpy()
        assert 0.6 < ks_2samp(scores[truth == 1], scores[truth == 0]).statistic < 0.9


# --- where it is made --------------------------------------------------------------------------


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else b"" for p in folder.rglob("*")}


def test_an_empty_folder_and_one_with_other_files(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b" / "data").mkdir(parents=True)
    (tmp_path / "b" / "data" / "mine.csv").write_text("x")
    (tmp_path / "b" / "notes.txt").write_text("y")
    one = scaffold.make_project(tmp_path / "a")
    two = scaffold.make_project(tmp_path / "b")
    new = scaffold.make_project(tmp_path / "deep" / "er" / "c")
    assert one.files == two.files == new.files
    assert set(tree(one.directory)) == set(tree(new.directory))
    assert set(tree(two.directory)) - set(tree(one.directory)) == {"data/mine.csv", "notes.txt"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "deep"]


@pytest.mark.parametrize("file", ["README.md", ".env", "data/new_rows.csv", "experiment.yaml"])
def test_nothing_is_overwritten(tmp_path: Path, file: str) -> None:
    (tmp_path / "p" / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "p" / file).write_text("mine")
    before = tree(tmp_path)
    with pytest.raises(UsageError) as caught:
        scaffold.make_project(tmp_path / "p")
    assert caught.value.lines() == [
        f"{tmp_path}/p: already contains {file}; nothing was written; choose another folder"
    ]
    assert tree(tmp_path) == before


def test_projects_do_not_nest(tmp_path: Path) -> None:
    scaffold.make_project(tmp_path / "p")
    before = tree(tmp_path)
    for where, said in (("p", "already contains a project"), ("p/data/q", "is inside the project")):
        with pytest.raises(UsageError, match=said):
            scaffold.make_project(tmp_path / where)
    assert tree(tmp_path) == before


def test_what_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    before = tree(tmp_path)
    with pytest.raises(UsageError, match="is a file"):
        scaffold.make_project(tmp_path / "file")
    with pytest.raises(MlpipesError, match="cannot be written"):
        scaffold.make_project(tmp_path / "file" / "below")
    with pytest.raises(UsageError) as caught:
        scaffold.make_project(tmp_path / "x", "credits")
    assert caught.value.lines() == ["unknown example 'credits'; did you mean 'credit'?"]
    assert tree(tmp_path) == before


@pytest.mark.parametrize("existing", [False, True])
@pytest.mark.parametrize("step", ["ensure_secrets", "_copy", "_listed", "_module"])
def test_an_interrupted_call_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, existing: bool
) -> None:
    if existing:
        (tmp_path / "deep" / "p").mkdir(parents=True)
    before = tree(tmp_path)

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(scaffold, step, stopped)
    with pytest.raises(KeyboardInterrupt):
        scaffold.make_project(tmp_path / "deep" / "p", "credit")
    assert tree(tmp_path) == before


def test_a_move_that_breaks_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "notes.txt").write_text("x")
    before = tree(tmp_path)
    rename = Path.rename

    def full(path: Path, target: Path) -> Path:
        if target.name == "mlpipes.yaml":
            raise OSError(28, "No space left on device")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(MlpipesError, match="no space left on device"):
        scaffold.make_project(tmp_path / "p")
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("My Project!", "my-project"),
        ("___", "project"),
        ("Ünï", "n"),
        ("a" * 99, "a" * 63),
        ("credit_2", "credit_2"),
    ],
)
def test_names(tmp_path: Path, folder: str, name: str) -> None:
    assert scaffold.project_name(tmp_path / folder) == name
    scaffold.make_project(tmp_path / folder)
    assert find_project(tmp_path / folder).config.project == name


def test_captcha_draws_the_same_images_each_time(made: dict[str, Path], tmp_path: Path) -> None:
    experiment, source = load_experiment(made["captcha"] / "experiment.yaml")
    frame = load(experiment.data, made["captcha"], source, database_url=None, environ={})
    prepared = prepare(frame, experiment.data, source)
    assert (prepared.task, prepared.images, len(prepared.frame)) == ("multiclass", ("image",), 720)
    assert len(prepared.classes) == 12 and not prepared.warnings
    scaffold.make_project(tmp_path / "again", "captcha")
    again = load(experiment.data, tmp_path / "again", source, database_url=None, environ={})
    assert again["image"].tolist() == frame["image"].tolist()


def test_a_folder_of_many_files_is_one_line(tmp_path: Path) -> None:
    made = scaffold.make_project(tmp_path / "pictures", "captcha")
    assert "720 images" in made.files["data/characters/"]
    assert len(made.files) < 15
    assert made.next[-2] == "mlpipes promote --metric f1_macro"
