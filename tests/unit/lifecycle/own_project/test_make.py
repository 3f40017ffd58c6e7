"""``init --data``: a project from a table of the user's own, for each kind of target."""

from __future__ import annotations

import importlib
import json
import random
import stat
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from reporter_help import Told

import mlpipes_cli as mlpipes
from mlpipes_cli.config.dataset.config import load_dataset
from mlpipes_cli.config.experiment import load_experiment
from mlpipes_cli.data.prepare import prepare
from mlpipes_cli.errors import MlpipesError, UsageError
from mlpipes_cli.lifecycle import secrets
from mlpipes_cli.lifecycle.new_project import new_project
from mlpipes_cli.lifecycle.own_project import files, source
from mlpipes_cli.lifecycle.scaffold import NewProject
from mlpipes_cli.preprocess.auto import build
from mlpipes_cli.project import find_project

ROWS = 120
OF_EXAMPLES = ("tumour", "malignant", "benign", "breast", "cancer", "fraud", "card transaction", "example")


def houses(path: Path) -> Path:
    """Write a table with a class of two, one of three, and a quantity; ``;`` and decimal commas."""
    draw = random.Random(3)
    lines = [";House No;Living Area (m²);Town;order;Sold;Condition;Price;Empty"]
    for at in range(ROWS):
        area = "" if at % 15 == 7 else f"{draw.uniform(40, 200):.1f}".replace(".", ",")
        cells = (at, f"H{at:03d}", area, draw.choice(["Köln", "Bonn"]), at % 5, "no" if at % 3 else "yes")
        price = f"{draw.uniform(1e5, 9e5):.2f}".replace(".", ",")
        lines.append(";".join(map(str, (*cells, ["good", "fair", "fair", "poor"][at % 4], price, ""))))
    path.write_text("\n".join(lines) + "\n", encoding="cp1252")
    return path


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return houses(tmp_path / "Houses 2024.csv")


def made(
    table: Path, target: str, name: str = "mine", told: Told | None = None, **options: Any
) -> NewProject:
    told = told or Told()
    base = table.parent
    return new_project(base / name, told, data=str(table), target=target, base=base, **options)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else b"" for p in folder.rglob("*")}


CASES = {
    "Sold": ("binary", "ks", [{"metric": "roc_auc", "min": 0.55}]),
    "Condition": ("multiclass", "f1_macro", [{"metric": "f1_macro", "min": 0.23}]),
    "Price": ("regression", "rmse", [{"metric": "r2", "min": 0.0}]),
}


@pytest.mark.parametrize("target", CASES)
def test_each_kind_of_target(table: Path, target: str) -> None:
    task, metric, gates = CASES[target]
    project = made(table, target)
    folder, column = project.directory, target.lower()
    assert (project.task, project.target, project.dataset) == (task, column, "houses_2024")
    settings = find_project(folder).config
    assert (settings.project, settings.serving.model) == ("mine", "houses_2024")
    assert [gate.model_dump(exclude_none=True) for gate in settings.promotion.gates] == gates
    assert settings.promotion.metric == metric

    dataset, _ = load_dataset(folder / "dataset.yaml")
    assert (dataset.source, dataset.separator, dataset.decimal) == ("data/Houses 2024.csv", ";", ",")
    assert (folder / "data" / table.name).read_bytes() == table.read_bytes()
    assert dataset.key == ("house_no",)
    assert dataset.split.stratify == (None if task == "regression" else column)
    assert not dataset.clean
    assert dataset.columns["Unnamed: 0"].drop
    assert dataset.columns["order"].rename == "order_"

    experiment, where = load_experiment(folder / "experiment.yaml")
    assert experiment.model_name == settings.serving.model
    assert (experiment.data.source, experiment.data.target) == ("dataset:houses_2024", column)
    assert (experiment.data.id, experiment.metric) == ("house_no", metric)
    assert experiment.data.positive == ("yes" if task == "binary" else None)

    # What the candidates are told is what their libraries take, on these rows.
    frame = pd.read_csv(table, sep=";", decimal=",", encoding="cp1252").drop(columns=["Unnamed: 0", "Empty"])
    frame.columns = ["house_no", "living_area_m2", "town", "order_", "sold", "condition", "price"]
    assert sorted(frame.columns) == sorted(
        one.rename for one in dataset.columns.values() if one.rename is not None
    )
    split = experiment.data.model_copy(update={"source": "x.csv"})
    rows = prepare(frame, split, where)
    assert rows.task == task
    X, y = rows.X(rows.train), rows.y(rows.train)
    prepared = build(X, task).fit_transform(X)
    for run in experiment.runs:
        module, name = run.estimator.rsplit(".", 1)
        params = dict(run.params)
        if run.search is not None:
            params |= {key: values[0] for key, values in run.search.space.items()}
        getattr(importlib.import_module(module), name)(**params).fit(prepared, y)
    assert len(experiment.runs) == 3

    new = pd.read_csv(folder / "data" / "new_rows.csv")
    assert list(new.columns) == [name for name in frame.columns if name != column]
    pd.testing.assert_frame_equal(new, frame.head(10).drop(columns=column), check_dtype=False)


def test_no_word_is_of_another_project(table: Path) -> None:
    for target in CASES:
        folder = made(table, target, target).directory
        for path in folder.rglob("*"):
            text = path.read_text("cp1252").casefold() if path.is_file() else ""
            assert [word for word in OF_EXAMPLES if word in text] == [], path
            assert "@" not in text or path.name == ".env", path
        book = json.loads((folder / "explore.ipynb").read_text(encoding="utf-8"))
        ids = [cell["id"] for cell in book["cells"]]
        assert ids[:4] == ["about", "connect", "rows-about", "rows"]
        for cell in book["cells"]:
            if cell["cell_type"] == "code":
                compile("".join(cell["source"]), cell["id"], "exec")
        assert ("crosstab" in json.dumps(book)) == (target != "Price")
        assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600
        assert {".env", ".mlpipes/"} <= set((folder / ".gitignore").read_text().splitlines())


@pytest.mark.parametrize(
    ("labels", "positive", "why"),
    [
        (["true", "false"], True, "it is true"),
        (["0", "1", "1"], 1, "it is the larger"),
        (["Yes", "No", "Yes"], "Yes", "it means yes"),
        (["b", "a", "b"], "a", "it is the rarer"),
        (["a", "b"], "b", "it is the last by the alphabet"),
    ],
)
def test_the_positive_label(tmp_path: Path, labels: list[str], positive: Any, why: str) -> None:
    lines = [f"{at % 7},{labels[at % len(labels)]}" for at in range(30)]
    (tmp_path / "x.csv").write_text("\n".join(["a,y", *lines]) + "\n")
    folder = made(tmp_path / "x.csv", "y").directory
    text = (folder / "experiment.yaml").read_text()
    assert yaml.safe_load(text)["data"]["positive"] == positive
    (line,) = (line for line in text.splitlines() if "positive:" in line)
    assert line.endswith(f"# the label whose score counts: {why}")
    assert "id:" not in text


def test_names_that_yaml_takes_for_something_else(tmp_path: Path) -> None:
    """Such a file, and such a column."""
    lines = [f"{at},{at % 5},{at % 2}" for at in range(30)]
    (tmp_path / "no.csv").write_text("\n".join(["y,a,yes", *lines]) + "\n")
    folder = made(tmp_path / "no.csv", "yes").directory
    experiment, _ = load_experiment(folder / "experiment.yaml")
    assert experiment.model_name == find_project(folder).config.serving.model == "no_model"
    data = experiment.data
    assert (data.source, data.target, data.id) == ("dataset:no", "yes", "y")
    assert load_dataset(folder / "dataset.yaml")[0].dataset == "no"


def test_gaps_in_the_target_are_left_out_by_a_step(tmp_path: Path) -> None:
    lines = [f"{at % 7},{'' if at % 10 == 3 else at % 3}" for at in range(60)]
    (tmp_path / "x.csv").write_text("\n".join(["a,Class Of", *lines]) + "\n")
    project = made(tmp_path / "x.csv", "Class Of")
    dataset, _ = load_dataset(project.directory / "dataset.yaml")
    assert [step.where for step in dataset.clean] == ["class_of is not null"]
    assert project.task == "multiclass"


def test_the_id_that_is_named(tmp_path: Path) -> None:
    lines = [f"{at},u{at},{at // 2},{at % 2}" for at in range(30)]
    (tmp_path / "x.csv").write_text("\n".join(["number,Client,team,y", *lines]) + "\n")
    keys, told = {}, Told()
    for name in (None, "Client", "team"):
        folder = made(tmp_path / "x.csv", "y", f"p{name}", told, id_=name).directory
        settings = [
            yaml.safe_load((folder / f"{file}.yaml").read_text()) for file in ("dataset", "experiment")
        ]
        keys[name] = (settings[0].get("key"), settings[1]["data"]["id"])
    assert keys == {None: (["number"], "number"), "Client": (["client"], "client"), "team": (None, "team")}
    assert any(line.startswith("--id: 'team' is not known to be different") for line in told.warnings)


def test_where_the_rows_stay(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large file is not copied; one in the project's folder is named from there."""
    inside = table.parent / "mine" / "raw"
    inside.mkdir(parents=True)
    houses(inside / "new_rows.csv")
    base = table.parent
    folder = new_project(
        base / "mine", Told(), data="mine/raw/new_rows.csv", target="Sold", base=base
    ).directory
    assert load_dataset(folder / "dataset.yaml")[0].source == "raw/new_rows.csv"
    monkeypatch.setattr(source, "MOST_COPIED", 1000)
    other = made(table, "Sold", "other").directory
    assert load_dataset(other / "dataset.yaml")[0].source == str(table)
    assert [path.name for path in (other / "data").iterdir()] == ["new_rows.csv"]
    assert str(table) not in (other / "README.md").read_text()


def test_the_data_may_be_called_as_the_rows_to_score(tmp_path: Path) -> None:
    project = made(houses(tmp_path / "new_rows.csv"), "Sold")
    assert {"data/new_rows.csv", "data/rows_to_score.csv"} <= set(project.files)
    assert project.next[-1] == "mlpipes predict data/rows_to_score.csv"


NO_FILE = "no such file; did you mean 'Houses.csv'? give a table's file"
NO_DATA = "is for a table of your own; give its file: --data FILE"
NO_OTHER = "there is no other column to predict 'y' from; see --data"
BAD = [
    ({"data": "House.csv"}, f"--data: House.csv: {NO_FILE}"),
    ({"target": "sold"}, "no column 'sold'; did you mean 'Sold'? see --target"),
    ({"target": "Empty"}, "--target: 'Empty' has no value in any row, so there is nothing to learn"),
    ({"target": "one"}, "--target: 'one' is 'x' in every row, so there is nothing to learn"),
    ({"target": "day"}, "--target: 'day' contains dates, which cannot be a target"),
    ({"target": "Unnamed: 0"}, "--target: 'Unnamed: 0' only numbers the rows; choose the column to predict"),
    ({"id_": "Solt"}, "no column 'Solt'; did you mean 'Sold'? see --id"),
    ({"id_": "Sold"}, "--id and --target are both 'Sold'; choose another --id"),
    ({"id_": "Empty"}, "--id: 'Empty' only numbers the rows, or is empty; choose another --id"),
    ({"target": None}, "--data needs --target; name the column to predict: --target NAME"),
    ({"data": None}, f"--target {NO_DATA} --target NAME"),
    ({"data": None, "target": None, "id_": "a"}, f"--id {NO_DATA} --id NAME"),
    ({"example": "credit"}, "--example and --data exclude each other; leave one of them out"),
    ({"data": "bare.csv", "target": "y"}, f"--target: {NO_OTHER}"),
    ({"data": "head.csv", "target": "y"}, "--data: head.csv has no rows"),
]  # fmt: skip


@pytest.mark.parametrize(("changed", "line"), BAD)
def test_one_clear_line_and_nothing_is_written(tmp_path: Path, changed: dict[str, Any], line: str) -> None:
    lines = [f"{at},{at % 2},,x,2024-01-{at % 28 + 1:02d}" for at in range(40)]
    (tmp_path / "Houses.csv").write_text("\n".join([",Sold,Empty,one,day", *lines]) + "\n")
    (tmp_path / "bare.csv").write_text("y\n1\n0\n1\n")
    (tmp_path / "head.csv").write_text("x,y\n")
    before, told = tree(tmp_path), Told()
    options = {"data": "Houses.csv", "target": "Sold", "base": tmp_path} | changed
    with pytest.raises(UsageError) as caught:
        new_project(tmp_path / "p", told, **options)
    assert caught.value.lines() == [line]
    assert (told.infos, told.warnings) == ([], [])
    assert tree(tmp_path) == before


def test_a_folder_in_use(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = table.parent / "mine"
    folder.mkdir()
    (folder / "dataset.yaml").write_text("mine")
    before = tree(table.parent)
    with pytest.raises(UsageError, match=r"already contains dataset\.yaml; nothing was written"):
        made(table, "Sold")
    assert tree(table.parent) == before

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for step in (files, "ensure_secrets"), (files.shutil, "copyfile"):
        with monkeypatch.context() as patch:
            patch.setattr(*step, full)
            with pytest.raises(MlpipesError, match="no space left on device"):
                made(table, "Sold", "new")
        assert tree(table.parent) == before
    made(table, "Sold", "new")
    with pytest.raises(UsageError, match="already contains a project"):
        made(table, "Sold", "new")


def test_from_python(table: Path) -> None:
    events: list[mlpipes.Event] = []
    project = mlpipes.init(
        table.parent / "py", data=table, target="Sold", id="House No", on_event=events.append
    )
    assert project.root == table.parent / "py"
    assert "id: house_no" in (project.root / "experiment.yaml").read_text()
    assert set(secrets.read_secrets(project.root)) == set(secrets.names())
    assert any("dates" not in event.text and "separator ';'" in event.text for event in events)
