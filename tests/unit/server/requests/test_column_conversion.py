"""Models as they were saved before booleans were signed as numbers, and what goes to another process."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlpipes_cli.model_process import protocol
from mlpipes_cli.server.models.loader import load
from mlpipes_cli.server.models.served_model import InputColumn, ServedModel
from mlpipes_cli.server.models.signature import Description
from mlpipes_cli.server.requests import request_parser
from mlpipes_cli.server.requests.column_conversion import Unfit, fitted

FRAME = pd.DataFrame(
    {
        "b": pd.Series([True, False, None] * 20, dtype=object),
        "t": pd.Series(pd.date_range("2024-01-01", periods=60), dtype="datetime64[us]"),
        "s": ["x", None, "y"] * 20,
    }
)


def saved(folder: Path, types: dict[str, str]) -> ServedModel:
    """A model of our preprocessing; without ``types``, as it was saved before there were any."""
    import cloudpickle
    import mlflow.sklearn
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema
    from mlflow.types.schema import AnyType
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import Pipeline

    from mlpipes_cli.preprocess import auto, portable

    X = FRAME.astype({"b": "float64"}) if types else FRAME
    y = [3.0, 1.0, 8.0] * 20
    model = Pipeline([("preprocess", auto.build(X, "regression")), ("model", LinearRegression())]).fit(X, y)
    signed: list[Any] = (
        [("double", "b"), (AnyType(), "t")] if types else [("boolean", "b"), ("datetime", "t")]
    )
    columns = [ColSpec(kind, name, False) for kind, name in [*signed, ("string", "s")]]
    for module in portable.modules():
        cloudpickle.register_pickle_by_value(module)
    try:
        mlflow.sklearn.save_model(
            model,
            str(folder),
            serialization_format="cloudpickle",
            pip_requirements=["scikit-learn"],
            signature=ModelSignature(Schema(columns)),
            metadata={"mlpipes": {"task": "regression", "types": types}},
        )
    finally:
        for module in portable.modules():
            cloudpickle.unregister_pickle_by_value(module)
    return load(folder, "fitted", 1, "production")


@pytest.fixture(scope="module", params=[{}, {"b": "boolean", "t": "datetime"}], ids=["before", "now"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ServedModel:
    return saved(tmp_path_factory.mktemp("model") / "m", request.param)


@pytest.mark.parametrize(
    "body", [b'[{"b": null, "t": null, "s": "y"}]', b'[{"s": "y"}]', b'{"b": [null], "s": ["y"]}']
)
def test_a_missing_boolean_is_no_false_one(model: ServedModel, body: bytes) -> None:
    asked = request_parser.read_records(body, "application/json", model, 10)
    assert model.predict(asked.data).raw == pytest.approx([8.0], abs=0.2)
    other = request_parser.read_records(b'[{"b": false, "s": null}]', "application/json", model, 10)
    assert model.predict(other.data).raw == pytest.approx([1.0], abs=0.2)


@pytest.mark.parametrize("kind", ["Application/JSON", "APPLICATION/json; charset=utf-8", None])
def test_the_case_of_a_content_type_says_nothing(model: ServedModel, kind: str | None) -> None:
    assert request_parser.read_records(b'[{"s": "y"}]', kind, model, 10).rows == 1


def test_what_a_model_in_a_process_of_its_own_gets_is_what_was_converted(model: ServedModel) -> None:
    table = FRAME.assign(t=FRAME["t"].astype(str) + "T10:00:00+02:00").head(7)
    sent: list[Any] = []
    model.elsewhere, kept = type("Other", (), {"ask": lambda _, data, params: sent.append(data)})(), None
    try:
        model.predict(fitted(table, model))
    finally:
        model.elsewhere = kept
    ours, theirs = socket.socketpair()
    with ours, theirs:
        protocol.send(ours, "ask", data=sent[0])
        got = protocol.receive(theirs).value["data"]
    pd.testing.assert_frame_equal(got, sent[0])
    assert got["t"].tolist()[0] == pd.Timestamp("2024-01-01T08:00:00")
    if model.columns[0].signed:
        np.testing.assert_array_equal(got["b"].to_numpy(), [1.0, 0.0, np.nan] * 2 + [1.0])
    else:
        assert got["b"].tolist() == [True, False, None] * 2 + [True]


def test_a_column_that_stands_twice_is_named(model: ServedModel) -> None:
    with pytest.raises(Unfit, match="column 'b' appears twice"):
        fitted(pd.DataFrame([[1, 0]], columns=["b", "b"]), model)


def test_numbers_have_the_models_columns_in_its_order(tmp_path: Path) -> None:
    columns = tuple(InputColumn(name, "double", name != "c") for name in "abc")
    described = Description(tmp_path, columns, False, {"task": "regression"}, None, None)
    model = ServedModel(described, None, None, "m", 1, "production")
    table = pd.DataFrame(
        {"c": [3, 30], "other": [0, 0], "b": [True, False], "a": [1.5, np.nan]}, index=[7, 9]
    )
    expected = pd.DataFrame({"a": [1.5, np.nan], "b": [1.0, 0.0], "c": [3.0, 30.0]})
    pd.testing.assert_frame_equal(fitted(table, model), expected)
    gaps = fitted(table.drop(columns="c"), model)
    pd.testing.assert_frame_equal(gaps, expected.assign(c=np.nan))
    with pytest.raises(Unfit, match="column 'b' is missing, expected a number"):
        fitted(table.drop(columns="b"), model)
    with pytest.raises(Unfit, match=r"column 'a': expected a number .* infinite .* in row 1"):
        fitted(table.assign(a=[1.0, np.inf]), model)
