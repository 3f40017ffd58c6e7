"""Versions of data sets as the source of an experiment, in a real PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psycopg2
import pytest
from conftest import RunningStack
from dataset_version_help import make_version, prune_version

from mlpipes_cli.config.experiment import Data
from mlpipes_cli.config.yaml_source import parse_yaml
from mlpipes_cli.data.origins.files import Read
from mlpipes_cli.data.origins.sources import read
from mlpipes_cli.data.prepare import prepare
from mlpipes_cli.data.rows import hash_rows
from mlpipes_cli.errors import ConfigError, MlpipesError
from mlpipes_cli.lifecycle import secrets
from mlpipes_cli.ports.data_sets.datasets import SPLIT

pytestmark = pytest.mark.slow
SOURCE = parse_yaml("experiment: x\ndata:\n  source: dataset:odd\n  target: y\n", "e.yaml")
AT = "e.yaml:3: data -> source: "
TYPES = {
    "whole": "integer",
    "long": "integer",
    "number": "number",
    "gaps": "number",
    'Na"me; ü': "text",
    "empty": "text",
    "flag": "boolean",
    "maybe": "boolean",
    "day": "date",
    "at": "datetime",
    "w": "number",
    "group": "integer",
    "y": "integer",
}
ROWS = 60
PARTS = (["train"] * 6 + ["validation"] * 2 + ["test"] * 2) * (ROWS // 10)


def odd() -> pd.DataFrame:
    """Return rows whose values are easily changed on the way."""
    number = np.arange(ROWS)
    texts = ["a", "", "with, comma", 'a "quote"', "two\nlines", "\\N", "NULL", "ünï", " ", None, "t", "\\."]
    frame = pd.DataFrame(
        {
            "whole": number - 30,
            "long": (1 << 60) + number,
            "number": np.where(number % 7 == 0, 0.1 + 0.2, number / 3.0) * 10.0 ** (number - 30),
            "gaps": np.where(number % 5 == 0, np.nan, -number * 1e-300),
            'Na"me; ü': pd.Series([texts[n % len(texts)] for n in number], dtype="str"),
            "empty": pd.Series([None] * ROWS, dtype="str"),
            "flag": number % 3 == 0,
            "maybe": pd.Series([None if n % 4 == 0 else bool(n % 2) for n in number], dtype="object"),
            "day": pd.Timestamp("1899-12-30") + pd.to_timedelta(number, unit="D"),
            "at": pd.Timestamp("2024-02-29T23:59:59.999999") + pd.to_timedelta(number, unit="h"),
            "w": 0.5 + number,
            "group": number % 11,
            "y": number % 2,
        }
    )
    return frame.astype({"day": "datetime64[us]", "at": "datetime64[us]"})


@pytest.fixture(scope="module")
def urls(running_stack: RunningStack) -> Iterator[dict[str, str]]:
    owner = running_stack.environment["MLPIPES_DATABASE_URL"]
    password = secrets.read_secrets(running_stack.root)["MLPIPES_READER_PASSWORD"]
    reader = f"postgresql://mlpipes_reader:{password}@{owner.split('@')[1]}"
    settings = {"split": {"group": "group", "validation": 0.2}, "weights": "w", "key": ["whole"]}
    make_version(owner, "odd", 1, odd(), TYPES, PARTS)
    make_version(owner, "odd", 2, odd(), TYPES, PARTS, settings)
    make_version(owner, "odd", 3, odd().iloc[::-1], TYPES, PARTS[::-1], settings)
    prune_version(owner, "odd", 1)
    with closing(psycopg2.connect(owner)) as link, link, link.cursor() as cursor:
        cursor.execute("update clean_data._odd_3 set _row = 61 - _row")  # stored in the reverse order
        cursor.execute(
            "insert into raw_data._loads (dataset, mode, source, fingerprint, rows, added, updated,"
            " unchanged, set_aside, columns, settings, actor, started_at) values"
            " ('raw_only', 'replace', 'x', 'f', 1, 1, 0, 0, 0, '[]', '{}', 'test', now())"
        )
    yield {"owner": owner, "reader": reader}
    with closing(psycopg2.connect(owner)) as link, link, link.cursor() as cursor:
        cursor.execute("drop table clean_data._odd_2, clean_data._odd_3")
        cursor.execute("delete from clean_data._versions where dataset = 'odd'")
        cursor.execute("delete from raw_data._loads where dataset = 'raw_only'")


def loaded(url: str | None, source: str, base: Path = Path(), **data: Any) -> Read:
    settings = Data.model_validate({"source": source, "target": "y", **data})
    return read(settings, base, SOURCE, database_url=url, environ={})


def refused(url: str | None, source: str) -> str:
    with pytest.raises(ConfigError) as caught:
        loaded(url, source)
    (line,) = caught.value.lines()
    return line


def test_the_values_and_types_are_those_of_a_file(urls: dict[str, str], tmp_path: Path) -> None:
    odd().to_parquet(tmp_path / "odd.parquet")
    file = loaded(None, "odd.parquet", tmp_path).frame
    for source in ("dataset:odd@2", "dataset:odd@3"):
        found = loaded(urls["reader"], source).frame
        assert found.pop(SPLIT).tolist() == PARTS
        assert {name: str(kind) for name, kind in found.dtypes.items()} == {
            name: str(kind) for name, kind in file.dtypes.items()
        }
        pd.testing.assert_frame_equal(found, file)
        assert np.array_equal(hash_rows(found, list(found)), hash_rows(file, list(file)))


def test_a_version_says_how_its_rows_are_split_weighted_grouped_and_named(urls: dict[str, str]) -> None:
    read_ = loaded(urls["reader"], "dataset:odd")
    assert read_.data is not None
    assert read_.data.source == "dataset:odd@3"
    found = prepare(read_.frame, read_.data, SOURCE)
    assert [PARTS[row] for row in found.train] == ["train"] * 36
    assert [PARTS[row] for row in found.validation] == ["validation"] * 12
    assert [PARTS[row] for row in found.holdout] == ["test"] * 12
    assert found.id_name == "whole"
    assert {"w", "group", "whole", "y"}.isdisjoint(found.feature_names)
    assert len(found.feature_names) == 9
    weights, groups = found.weights(found.holdout), found.groups(found.holdout)
    assert weights is not None
    assert groups is not None
    assert weights.tolist() == (found.holdout + 0.5).tolist()
    assert len(set(groups.tolist())) == len(set((found.holdout % 11).tolist()))


def test_settings_of_the_experiment_come_before_those_of_the_version(urls: dict[str, str]) -> None:
    read_ = loaded(urls["reader"], "dataset:odd@2", weights=False)
    assert read_.data is not None
    found = prepare(read_.frame, read_.data, SOURCE)
    assert found.weights(found.train) is None
    assert "w" not in found.feature_names


def test_one_clear_line(urls: dict[str, str]) -> None:
    reader = urls["reader"]
    assert refused(reader, "dataset:od") == AT + "there is no data set 'od'; did you mean 'odd'?"
    assert (
        refused(reader, "dataset:raw_onyl")
        == AT + "there is no data set 'raw_onyl'; did you mean 'raw_only'?"
    )
    assert refused(reader, "dataset:zzzzzz") == AT + (
        "there is no data set 'zzzzzz'; load it first with `mlpipes data load`, and make a version with"
        " `mlpipes data prepare`"
    )
    no_version = "the data set 'raw_only' has no version yet; `mlpipes data prepare` makes one"
    assert refused(reader, "dataset:raw_only") == AT + no_version
    assert refused(reader, "dataset:odd@7") == AT + "odd has no version 7; use one of 1, 2, 3"
    gone = "the rows of odd@1 were removed by a prune; use one of 2, 3"
    assert refused(reader, "dataset:odd@1") == AT + gone
    with pytest.raises(MlpipesError, match=r"e\.yaml:3: .*has no read-only role yet"):
        loaded(None, "dataset:odd")
    nowhere = "postgresql://mlpipes_reader:secret@127.0.0.1:9/mlpipes"
    with pytest.raises(MlpipesError, match=r"e\.yaml:3: .*does not answer") as caught:
        loaded(nowhere, "dataset:odd")
    assert "secret" not in str(caught.value)


DATASET = """
dataset: loans
source: {source}
load: {{mode: append}}
columns:
  Weight: {{rename: w}}
  Amount: {{rename: amount}}
clean:
  - {{fill: {{amount: median}}}}
split: {{validation: 0.2, test: 0.2, seed: {seed}, stratify: y}}
weights: w
"""
EXPERIMENT = """
experiment: loans
data:
  source: dataset:loans
  target: y
  id: number
metric: roc_auc
threshold: f1
cross_validate: 3
runs:
  - name: boosted
    trainer: sklearn
    estimator: sklearn.ensemble.HistGradientBoostingClassifier
    params: {{max_iter: 60, early_stopping: true, learning_rate: {rate}}}
    search: {{max_leaf_nodes: [3, 7]}}
"""


def loans(rows: int, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    frame = pd.DataFrame({"Amount": random.normal(size=rows), "b": random.normal(size=rows)})
    frame["y"] = (frame["Amount"] + frame["Amount"] * frame["b"] + random.normal(size=rows) > 0.3).astype(int)
    frame.loc[::10, "Amount"] = np.nan
    frame["Weight"] = random.uniform(0.5, 2.0, rows)
    return frame.assign(number=np.arange(rows) + seed * 100_000)


def prepared(stack: RunningStack, source: str, seed: int) -> dict[str, Any]:
    (stack.root / "dataset.yaml").write_text(DATASET.format(source=source, seed=seed))
    stack.cli("data", "load", "--json").ok()
    return dict(stack.cli("data", "prepare", "--json").ok().json)


def trained(stack: RunningStack, rate: float) -> dict[str, Any]:
    (stack.root / "loans.yaml").write_text(EXPERIMENT.format(rate=rate))
    done = stack.cli("train", "loans.yaml", "--json").ok()
    assert "the data set's steps fill changed these rows; rows to score do not go through them" in done.err
    report = done.json
    assert report["runs"][0]["status"] == "FINISHED", report["runs"][0]["error"]
    return dict(report["runs"][0])


def parts_of(url: str, version: int) -> dict[int, str]:
    """Return the part of each row, by its number."""
    with closing(psycopg2.connect(url)) as link, link.cursor() as cursor:
        cursor.execute(f"select number, _split from clean_data._loans_{version} order by _row")
        return dict(cursor.fetchall())


def test_from_a_version_to_the_next_one(running_stack: RunningStack, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    stack, url = running_stack, running_stack.environment["MLPIPES_DATABASE_URL"]
    client = MlflowClient(stack.environment["MLFLOW_TRACKING_URI"])
    loans(1000, 1).to_csv(stack.root / "first.csv", index=False)
    loans(400, 2).to_csv(stack.root / "more.csv", index=False)

    assert prepared(stack, "first.csv", seed=1)["version"] == 1
    first = parts_of(url, 1)
    run = trained(stack, 0.05)
    stored = client.get_run(run["run_id"])
    assert stored.data.tags["mlpipes.dataset"] == "loans@1"
    assert run["cross_validated"]["roc_auc"] == stored.data.metrics["cv_roc_auc"]
    assert set(run["cross_validated"]) == set(run["metrics"])
    (line,) = stack.cli("leaderboard", "--experiment", "loans", "--json").ok().json["runs"]
    assert line["cross_validated"] == run["cross_validated"]
    (given,) = stored.inputs.dataset_inputs
    assert given.dataset.name == "loans@1"
    assert json.loads(given.dataset.source)["tags"]["mlpipes.source"] == "dataset:loans@1"
    assert len(list((stack.root / ".mlpipes/cache/data/versions").glob("*.json"))) == 1, "kept for next time"
    columns = [one["name"] for one in json.loads(given.dataset.schema)["mlflow_colspec"]]
    assert columns == ["amount", "b", "y"], "the weights are not a feature"

    def artifact(name: str) -> Path:
        return Path(client.download_artifacts(run["run_id"], name, str(tmp_path)))

    folds = [name for name in pd.read_csv(artifact("search_results.csv")).columns if name.startswith("split")]
    assert folds == ["split0_roc_auc"], "validation rows judge the trials"
    for name, part in (("out_of_fold", "validation"), ("holdout_predictions", "test")):
        ids = pd.read_parquet(artifact(f"{name}.parquet"))["id"].tolist()
        assert ids == [number for number, its in first.items() if its == part]
    again = artifact("experiment.resolved.yaml").read_text()
    assert "source: dataset:loans@1\n" in again
    assert "weights: w\n" in again
    assert "split:" not in again
    assert stack.cli("promote", "--experiment", "loans", "--json").ok().json["outcome"] == "promoted"

    # The next version deals all rows anew, so that rows which the incumbent has seen come into its test part.
    assert prepared(stack, "more.csv", seed=2)["version"] == 2
    second = parts_of(url, 2)
    assert len(second) == 1400
    plan = stack.cli("train", "loans.yaml", "--dry-run", "--json").ok().json
    assert plan["dataset"] == "loans@2"
    assert plan["roles"] == {"id": "number", "weights": "w"}
    assert plan["validation"] == list(second.values()).count("validation")
    run = trained(stack, 0.2)
    assert client.get_run(run["run_id"]).data.tags["mlpipes.dataset"] == "loans@2"
    tested = [number for number, part in second.items() if part == "test"]
    seen = [number for number in tested if first.get(number) in {"train", "validation"}]
    assert {"train", "validation"} == {first[number] for number in seen}
    verdict = stack.cli("promote", "--experiment", "loans", "--dry-run", "--json").json
    assert verdict["incumbent"]["version"] == 1
    assert verdict["rows_left_out"] == len(seen)
    assert verdict["comparison"]["rows"] == len(tested) - len(seen)


NEXT = """
experiment: {name}
data: {{source: "dataset:{name}", target: y}}
metric: roc_auc
runs: [{{name: it, trainer: sklearn, estimator: sklearn.linear_model.LogisticRegression}}]
"""


def grown(name: str, rows: int) -> tuple[pd.DataFrame, list[str]]:
    """Return the first rows of a growing table, and their parts: by whole groups, or by time."""
    draw = np.random.default_rng(5)
    frame = pd.DataFrame({"a": draw.normal(size=1200), "b": draw.normal(size=1200)})
    frame["y"] = (frame["a"] + draw.normal(size=1200) > 0).astype(int)
    number = np.arange(1200)
    frame["place"] = number % 60 if name == "grouped" else number
    frame["number"] = number + 1
    frame = frame.iloc[:rows]
    at = (frame["place"] * 7 + rows // 200) % 10 if name == "grouped" else frame["place"] * 10 // rows
    names = np.array(["train"] * 7 + ["validation"] + ["test"] * 2, dtype=object)
    return frame, names[at.to_numpy()].tolist()


@pytest.mark.parametrize("name", ["grouped", "timed"])
def test_rows_that_the_incumbent_has_seen_are_left_out(running_stack: RunningStack, name: str) -> None:
    """200 rows are appended; the next version deals groups anew, or its test part begins later in time."""
    stack, url = running_stack, running_stack.environment["MLPIPES_DATABASE_URL"]
    types = {"a": "number", "b": "number", "y": "integer", "place": "integer", "number": "integer"}
    split = {"group" if name == "grouped" else "by": "place", "validation": 0.1, "test": 0.2}
    parts = []
    for version, rows in ((1, 1000), (2, 1200)):
        frame, its = grown(name, rows)
        filled = frame.assign(b=frame["b"].where(frame["number"] % 5 > 0, float(version)))  # a gap's median
        make_version(url, name, version, filled, types, its, {"split": split, "key": ["number"]})
        parts.append(dict(zip(frame["number"], its, strict=True)))
        (stack.root / "next.yaml").write_text(NEXT.format(name=name))
        (run,) = stack.cli("train", "next.yaml", "--json").ok().json["runs"]
        assert run["status"] == "FINISHED", run["error"]
        if version == 1:
            assert stack.cli("promote", "--experiment", name, "--json").ok().json["outcome"] == "promoted"
    tested = [number for number, part in parts[1].items() if part == "test"]
    seen = [number for number in tested if parts[0].get(number) in {"train", "validation"}]
    assert (len(seen) > 50) == (name == "grouped")
    verdict = stack.cli("promote", "--experiment", name, "--dry-run", "--json").json
    assert verdict["incumbent"]["version"] == 1
    assert verdict["rows_left_out"] == len(seen)
    assert verdict["comparison"]["rows"] == len(tested) - len(seen)
