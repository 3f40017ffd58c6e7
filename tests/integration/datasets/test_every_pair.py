"""One table of cases for every pair: what one source is trained on, and what every other one is asked with.

A number, a whole number, a flag, a category, a code, a date and a moment, each with a missing value, come
from CSV, Parquet, JSON lines, Excel, a query of PostgreSQL, a function, a data set and a request, and mean
the same.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from conftest import RunningStack
from mlflow.models import infer_signature
from workbook_help import workbook

from mlpipes_cli.api import Project
from mlpipes_cli.config.experiment import Data
from mlpipes_cli.config.yaml_source import parse_yaml
from mlpipes_cli.data import conversion
from mlpipes_cli.data.formats import Formats
from mlpipes_cli.data.origins.sources import read as read_source
from mlpipes_cli.data.prepare import prepare
from mlpipes_cli.lifecycle import secrets
from mlpipes_cli.lifecycle.prediction import model_input, readers
from mlpipes_cli.lifecycle.prediction.scorers import ColumnSpec
from mlpipes_cli.worker.saving import _types

pytestmark = pytest.mark.slow
SOURCE = parse_yaml("experiment: x\ndata:\n  source: x\n  target: y\n", "e.yaml")
ROWS = 24
DAY, MOMENT = pd.Timestamp("2024-05-31"), pd.Timestamp("2024-05-31T08:20:30")
CASES: dict[str, tuple[list[str], list[Any], list[Any]]] = {  # cells, values with types, and what they mean
    "number": (["3.25", "-1e3", ""], [3.25, -1000.0, None], [3.25, -1000.0, None]),
    "whole": (["7", "12", ""], [7, 12, None], [7.0, 12.0, None]),
    "flag": (["true", "False", ""], [True, False, None], [True, False, None]),
    "category": (["Köln", "NA", ""], ["Köln", "NA", None], ["Köln", "NA", None]),
    "code": (["00501", "0042", ""], ["00501", "0042", None], ["00501", "0042", None]),
    "day": (["31.05.2024", "2024-05-31", ""], [DAY, DAY, None], [DAY, DAY, None]),
    "moment": (
        ["2024-05-31T10:20:30+02:00", "2024-05-31 08:20:30", ""],
        [MOMENT, MOMENT, None], [MOMENT, MOMENT, None],
    ),
}  # fmt: skip
FUNCTION = """
import pathlib
import pandas as pd

def fetch():
    yield pd.read_parquet(pathlib.Path(__file__).with_name("rows.parquet"))
"""
FILES = ("rows.csv", "rows.parquet", "rows.jsonl", "rows.xlsx")
TRAINED = (*FILES, "list", "query", "function", "data set")
ASKED = (*FILES, "request")


def write(folder: Path) -> None:
    """Write the rows as each kind of file, beside an id and a target that are never missing."""
    records = [
        {"id": f"r{at:02d}", **{name: case[1][at % 3] for name, case in CASES.items()}, "y": at % 2}
        for at in range(ROWS)
    ]
    cells = [",".join(["id", *CASES, "y"])]
    cells += [
        ",".join([f"r{at:02d}", *(case[0][at % 3] for case in CASES.values()), str(at % 2)])
        for at in range(ROWS)
    ]
    (folder / "rows.csv").write_text("\n".join(cells) + "\n", encoding="utf-8")
    frame = pd.DataFrame(records).astype({"whole": "Int64", "flag": "boolean"})
    frame.to_parquet(folder / "rows.parquet")
    plain = [
        {name: value.isoformat() if isinstance(value, pd.Timestamp) else value for name, value in one.items()}
        for one in records
    ]
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, plain)), encoding="utf-8")
    sheet = [list(records[0]), *([_cell(value) for value in one.values()] for one in records)]
    (folder / "rows.xlsx").write_bytes(workbook(("Rows", sheet)))


def _cell(value: Any) -> Any:
    return value.to_pydatetime() if isinstance(value, pd.Timestamp) else value


@pytest.fixture(scope="module")
def trained(running_stack: RunningStack) -> dict[str, Any]:
    """What training makes of each source: the prepared rows and the formats."""
    root, project = running_stack.root, Project(running_stack.root)
    write(root)
    for name in FILES:
        kind = name.split(".")[1]
        (root / f"{kind}.yaml").write_text(f"dataset: pair_{kind}\nsource: {name}\n")
        assert project.data.load(f"{kind}.yaml").rows == ROWS
    project.data.prepare("csv.yaml")
    owner = running_stack.environment["MLPIPES_DATABASE_URL"]
    password = secrets.read_secrets(root)["MLPIPES_READER_PASSWORD"]
    reader = f"postgresql://mlpipes_reader:{password}@{owner.split('@')[1]}"
    names = ", ".join(["id", *CASES, "y"])
    (root / "rows_of_pairs.py").write_text(FUNCTION)
    sources: dict[str, Any] = {name: name for name in FILES} | {
        "list": ["rows.csv"],
        "function": {"function": "rows_of_pairs:fetch"},
        "query": f"postgres:select {names} from raw_data.pair_csv order by _row",
        "data set": "dataset:pair_csv",
    }
    found: dict[str, Any] = {"root": root, "reader": reader}
    for name, source in sources.items():
        split = {} if name == "data set" else {"split": {"stratify": False}}
        data = Data.model_validate({"source": source, "target": "y", "id": "id", **split})
        table = read_source(data, root, SOURCE, database_url=reader, environ={})
        found[name] = prepare(table.frame, table.data or data, SOURCE), table.formats
    return found


def shown(values: pd.Series) -> list[Any]:
    return [None if pd.isna(value) else value for value in values.tolist()]


@pytest.mark.parametrize("kind", [name.split(".")[1] for name in FILES])
def test_every_file_fills_the_same_table(
    trained: dict[str, Any], running_stack: RunningStack, kind: str
) -> None:
    import psycopg2

    names = ", ".join(["id", *CASES, "y"])
    with psycopg2.connect(running_stack.environment["MLPIPES_DATABASE_URL"]) as link, link.cursor() as cursor:
        cursor.execute(f"select {names} from raw_data.pair_{kind} order by _row")
        rows = cursor.fetchall()
    for at, (name, case) in enumerate(CASES.items(), 1):
        values = [None if row[at] is None else row[at] for row in rows[:3]]
        assert [pd.Timestamp(v) if name in ("day", "moment") and v else v for v in values] == case[2], name


@pytest.mark.parametrize("source", TRAINED)
def test_every_source_is_trained_on_the_same_values(trained: dict[str, Any], source: str) -> None:
    prepared, _ = trained[source]
    frame = prepared.frame.sort_values("id").reset_index(drop=True)
    for name, case in CASES.items():
        assert shown(frame[name])[:3] == case[2], name


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("source", TRAINED)
def test_a_model_of_any_source_is_asked_with_any_other(
    trained: dict[str, Any], source: str, asked: str
) -> None:
    prepared, formats = trained[source]
    types = _types(prepared)
    signature = infer_signature(prepared.X()).inputs.to_dict()
    columns = [ColumnSpec(c["name"], types.get(c["name"], c["type"]), False) for c in signature]
    read = Formats.of_model({"task": "binary", "reading": formats.document()})
    if asked == "request":
        found = {c.name: conversion.convert(_of_request(c.name), c.type, read) for c in columns}
    else:
        model: Any = SimpleNamespace(columns=columns, id="id", target="y", formats=read)
        file = trained["root"] / asked
        kinds = readers.kinds_of({column.name: column.type for column in columns})
        (batch,) = readers.open_table(file).batches(100, kinds, read)
        found = dict(model_input.fit(batch, model, file, 0).items())
    for name, case in CASES.items():
        assert shown(found[name])[:3] == case[2], name


def _of_request(name: str) -> pd.Series:
    """Return the values of a column in JSON's own types."""
    values = [value.isoformat() if isinstance(value, pd.Timestamp) else value for value in CASES[name][1]]
    return pd.Series(values, dtype=object)
