"""What is stored of a slow-path request: the same text, whichever way it is encoded."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlpipes_cli.model_process.output import ModelOutput
from mlpipes_cli.server.predictions import jsonb, stored_rows
from mlpipes_cli.server.predictions.stored_rows import RecordOrigin, StoredAnswer

MODEL: Any = SimpleNamespace(name="m", version=1, alias="production")


def stored(data: Any, raw: Any, scores: list[Any] | None = None) -> StoredAnswer:
    return stored_rows.of_outcome(data, ModelOutput(raw, scores), None, MODEL, RecordOrigin(0.0))


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"a": [0.1, np.nan], "b": [1e300, -0.0]}),
        pd.DataFrame({"a": [0.1, 1e-7], "b": [3.0, 2.5]}, dtype="float32"),
        pd.DataFrame({"a": [2**63 - 1, 1], "b": [-(2**63), 2]}),
        pd.DataFrame({"a": [True, False]}),
        pd.DataFrame({"a": [1.0, np.inf]}),
        pd.DataFrame({"a": [1, 2], "b": [0.5, 1.5]}),
        pd.DataFrame({"a": ["x", None], "b": [0.5, 1.5]}),
        pd.DataFrame({"a": pd.array([1, None], dtype="Int64")}),
        pd.DataFrame({"nul \0": [1.0, 2.0], 7: [3.0, 4.0]}),
        pd.DataFrame({"a": []}),
    ],
)
def test_the_rows_of_a_frame(frame: pd.DataFrame) -> None:
    rows = stored(frame, np.zeros(len(frame))).rows
    expected = [jsonb.plain(row) for row in frame.to_dict("records")]
    assert [json.loads(row.inputs) for row in rows] == expected


@pytest.mark.parametrize("value", [0, -3, 2**70, 0.1, 1e300, float("nan"), float("inf"), True, "a\0", None])
def test_a_prediction_and_its_score(value: Any) -> None:
    (row,) = stored(pd.DataFrame({"a": [1.0]}), [value], [value]).rows
    assert json.loads(row.prediction) == jsonb.plain(value)
    assert row.scores is not None
    assert json.loads(row.scores) == jsonb.plain(value)


def test_an_answer_shows_no_values() -> None:
    answer = stored(pd.DataFrame({"a": [123.456]}), [789])
    assert repr(answer) == f"StoredAnswer({answer.prediction_ids[0]})"
