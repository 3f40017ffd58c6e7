"""Served rows as the prepared data has its rows: types, labels, what does not fit."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd

from mlpipes_cli.config.experiment import Data
from mlpipes_cli.config.yaml_source import parse_yaml
from mlpipes_cli.data.formats import Formats
from mlpipes_cli.data.prepare import prepare
from mlpipes_cli.data.prepared import Prepared
from mlpipes_cli.data.rows import hash_rows
from mlpipes_cli.lifecycle.retraining.served import framed
from mlpipes_cli.ports.retraining.served_rows import ServedRow

SOURCE = parse_yaml("experiment: x\ndata: {source: data.csv, target: y}\n", "e.yaml")


def source(target: Any) -> Prepared:
    days = pd.to_datetime("2026-01-01") + pd.to_timedelta(np.arange(20), "D")
    frame = pd.DataFrame(
        {
            "age": [*range(19), None], "city": ["Köln", "Roma"] * 10, "member": [True, False] * 10,
            "since": days, "y": target,
        }
    )  # fmt: skip
    return prepare(frame, Data.model_validate({"source": "data.csv", "target": "y"}), SOURCE)


def row(truth: Any, caller: str | None = None, **inputs: Any) -> ServedRow:
    return ServedRow(json.dumps(inputs), json.dumps(truth), caller)


def test_a_served_row_of_the_source_has_the_hash_of_that_row() -> None:
    """Whole numbers, true and false, and moments come as JSON has them."""
    base = source(["yes", "no"] * 10)
    rows = [
        row("yes", "7", age=0, city="Köln", member=True, since="2026-01-01T00:00:00"),
        row("no", None, age=1.0, city="Roma", member=False, since="2026-01-02"),
        row("no", None, city="Roma", member=0, since="2026-01-20", more=5),
    ]
    made, misfits = framed(base, [rows[:2], rows[2:]], Formats())
    columns = base.hashed_columns
    assert list(hash_rows(made.frame, columns)) == list(hash_rows(base.frame.iloc[[0, 1, 19]], columns))
    assert (made.callers, made.unusable, misfits) == (["7", None, None], 0, {})
    assert dict(made.frame.dtypes) == dict(base.frame[list(columns)].dtypes)


def test_truths_that_the_target_does_not_know_are_counted() -> None:
    inputs = {"age": 1, "city": "Roma", "member": True, "since": "2026-01-01"}
    labels, _ = framed(
        source([1, 0] * 10),
        [[row(1, **inputs), row(1.0, **inputs), row(2, **inputs), row("1", **inputs)]],
        Formats(),
    )
    assert (labels.frame["y"].tolist(), labels.unusable) == ([1, 1, 1], 1)
    base = source(np.arange(20) * 1.37)
    assert base.task == "regression"
    numbers, _ = framed(base, [[row(2, **inputs), row("x", **inputs), row(True, **inputs)]], Formats())
    assert (numbers.frame["y"].tolist(), numbers.unusable) == ([2.0], 2)


def test_a_value_of_another_type_is_missing_and_counted() -> None:
    made, misfits = framed(
        source([1, 0] * 10), [[row(1, age="old", city="Roma", member=True, since="2026-01-01")]], Formats()
    )
    assert misfits == {"age": 1}
    assert np.isnan(made.frame["age"].iloc[0])


def test_no_rows_are_an_empty_frame() -> None:
    made, misfits = framed(source([1, 0] * 10), [], Formats())
    assert (len(made.frame), list(made.callers), misfits) == (0, [], {})
