from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from mlpipes_cli.lifecycle.records.arrow import Layout
from mlpipes_cli.ports.prediction_records import LogSnapshot, StoredPrediction

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def row(prediction: Any, inputs: Any = None, scores: Any = None, truth: Any = None) -> StoredPrediction:
    return StoredPrediction(
        "id", None, NOW, "m", 1, "production", json.dumps(inputs), json.dumps(prediction),
        None if scores is None else json.dumps(scores), 1.5, None, None,
        None if truth is None else json.dumps(truth), None, None,
    )  # fmt: skip


def table(
    rows: list[StoredPrediction],
    prediction: set[str],
    truth: set[str] = frozenset(),  # type: ignore[assignment]
    inputs: Mapping[str, set[str]] | None = None,
) -> pa.Table:
    kinds = {"prediction": frozenset(prediction), "truth": frozenset(truth)}
    named = {name: frozenset(found) for name, found in (inputs or {}).items()}
    layout = Layout(LogSnapshot(len(rows), kinds, named, iter(())), flat=inputs is not None)
    made = layout.table(rows)
    assert made.schema == layout.schema
    return made


def column(made: pa.Table, name: str) -> tuple[str, list[Any]]:
    return str(made.schema.field(name).type), made.column(name).to_pylist()


def test_values_of_one_kind_have_its_type() -> None:
    assert column(table([row(1), row(0)], {"integer"}), "prediction") == ("int64", [1, 0])
    assert column(table([row(1), row(0.5)], {"integer", "float"}), "prediction") == ("double", [1.0, 0.5])
    assert column(table([row(10**30)], {"float"}), "prediction") == ("double", [1e30])
    assert column(table([row(True)], {"boolean"}), "prediction") == ("bool", [True])
    assert column(table([row("東京"), row(None)], {"string", "null"}), "prediction") == (
        "string",
        ["東京", None],
    )
    assert column(table([row(1)], {"integer"}), "truth") == ("string", [None])
    assert column(table([row(1, truth=0), row(1)], {"integer"}, {"integer"}), "truth") == ("int64", [0, None])


def test_values_of_several_kinds_stay_json() -> None:
    mixed = table([row(1), row("yes"), row({"a": [1]})], {"integer", "string", "object"})
    assert column(mixed, "prediction") == ("string", ["1", '"yes"', '{"a": [1]}'])


def test_one_score_or_one_a_class() -> None:
    made = table([row(1, scores=0.25), row(1, scores=[0.1, 0.9]), row(1)], {"integer"})
    assert column(made, "score") == ("double", [0.25, None, None])
    assert made.column("scores").to_pylist() == [None, [0.1, 0.9], None]


def test_inputs_as_text_or_as_columns() -> None:
    rows = [row(1, {"a": 1, "b": "x"}), row(1, {"a": 2.5, "c": [1, 2]}), row(1, [1, 2])]
    assert column(table(rows, {"integer"}), "inputs")[1] == [
        '{"a": 1, "b": "x"}',
        '{"a": 2.5, "c": [1, 2]}',
        "[1, 2]",
    ]
    flat = table(rows, {"integer"}, inputs={"a": {"integer", "float"}, "b": {"string"}, "c": {"array"}})
    assert column(flat, "input_a") == ("double", [1.0, 2.5, None])
    assert column(flat, "input_b") == ("string", ["x", None, None])
    assert column(flat, "input_c") == ("string", [None, "[1, 2]", None])
    assert "inputs" not in flat.column_names
