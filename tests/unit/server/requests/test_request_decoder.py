"""The fast lane: what it takes, what it leaves to the slow one, and that both mean the same."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mlpipes_cli.server.http.api_error import ApiError
from mlpipes_cli.server.models.loader import load
from mlpipes_cli.server.models.served_model import ServedModel
from mlpipes_cli.server.models.signature import InputColumn
from mlpipes_cli.server.requests import request_decoder, request_parser
from mlpipes_cli.server.requests.request_decoder import RequestDecoder
from mlpipes_cli.server.requests.strict_json import surely_once

ROW: dict[str, Any] = {"d": 1.25, "f": 0.1, "l": 5, "i": 3, "b": True, "s": "a"}
KINDS = dict(zip("dflibs", ("double", "float", "long", "integer", "boolean", "string"), strict=True))
COLUMNS = [InputColumn(name, kind, True) for name, kind in KINDS.items()]


@pytest.fixture(scope="module", params=["required", "optional", "trained"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ServedModel:
    """A model with a column of each type that the fast lane knows, and an id column.

    Training makes columns optional in which values are missing, and signs booleans as numbers.
    """
    import mlflow.sklearn
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema
    from sklearn.dummy import DummyClassifier

    kinds = KINDS | ({"b": "double"} if request.param == "trained" else {})
    types = {"types": {"b": "boolean"}} if request.param == "trained" else {}
    folder: Path = tmp_path_factory.mktemp("model") / "m"
    mlflow.sklearn.save_model(
        DummyClassifier().fit([[0], [1]], [0, 1]),
        str(folder),
        serialization_format="cloudpickle",
        pip_requirements=["scikit-learn"],
        signature=ModelSignature(
            Schema([ColSpec(kind, name, request.param == "required") for name, kind in kinds.items()])
        ),
        metadata={"mlpipes": {"task": "binary", "classes": [0, 1], "positive": 1, "id": "ID", **types}},
    )
    return load(folder, "kinds", 1, "production")


def same(model: ServedModel, body: bytes, path: str) -> bool:
    """Whether the fast lane took the body; what it made of it has to be what the slow one makes."""
    assert model.lane is not None
    quick = model.lane.invocations(body) if path == "/invocations" else model.lane.predict(body)
    if quick is None:
        return False
    read = request_parser.read_invocations if path == "/invocations" else request_parser.read_records
    slow = read(body, "application/json", model, 10_000)
    pd.testing.assert_frame_equal(model.frame(quick.rows), slow.data)
    assert quick.ids == slow.ids
    assert len(quick.rows) == slow.rows
    return True


def forms(records: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    """The records in every form that the fast lane takes."""
    names = list(records[0])
    return [
        ("/invocations", {"dataframe_records": records}),
        ("/invocations", {"dataframe_split": {"columns": names, "data": [[*r.values()] for r in records]}}),
        ("/predict", records),
        ("/predict", {name: [record[name] for record in records] for name in names}),
        *[("/predict", record) for record in records[:1]],
    ]


@pytest.mark.parametrize("count", [1, 3])
def test_the_usual_forms_are_taken(model: ServedModel, count: int) -> None:
    for path, document in forms([ROW] * count):
        assert same(model, json.dumps(document).encode(), path), (path, document)


@pytest.mark.parametrize("ids", [["a", "b"], [1, -(2**62)], ["", "東京"]])
def test_the_callers_identifiers_come_along(model: ServedModel, ids: list[Any]) -> None:
    for name in ("ID", "id"):
        records = [{**ROW, name: value} for value in ids]
        for path, document in forms(records)[2:4]:
            assert same(model, json.dumps(document).encode(), path)
    both = [{**ROW, "id": "other", "ID": value} for value in ids]
    assert model.lane is not None
    found = model.lane.predict(json.dumps(both).encode())
    assert found is not None and found.ids == ids


LEFT: dict[str, Any] = {
    "text for a number": {**ROW, "d": "1.5"},
    "truth for a number": {**ROW, "d": True},
    "number for a truth": {**ROW, "b": 1},
    "number for text": {**ROW, "s": 1},
    "fraction for a whole number": {**ROW, "l": 1.5},
    "null for a whole number": {**ROW, "l": None},
    "null for a truth": {**ROW, "b": None},
    "more than a float64 holds exactly": {**ROW, "l": 2**53 + 1},
    "more than 32 bits": {**ROW, "i": 2**31},
    "NUL": {**ROW, "s": "a\0b"},
    "a list": {**ROW, "d": [1.0]},
    "missing": {name: value for name, value in ROW.items() if name != "s"},
    "an identifier that is a float": {**ROW, "ID": 1.5},
    "an identifier that is null": {**ROW, "ID": None},
}


@pytest.mark.parametrize("name", LEFT)
def test_what_is_unusual_is_left_to_the_slow_lane(model: ServedModel, name: str) -> None:
    for path, document in (("/invocations", {"dataframe_records": [LEFT[name]]}), ("/predict", LEFT[name])):
        if path == "/invocations" and "identifier" in name:
            continue
        gap = name == "null for a truth" and model.columns[4].signed is not None
        assert same(model, json.dumps(document).encode(), path) is gap


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"5",
        b"\xff",
        b"\xef\xbb\xbf{}",
        b'{"dataframe_records": []}',
        b'{"dataframe_split": {"columns": ["d"], "data": [[1]]}}',
        b'{"dataframe_records": [{}], "params": {}}',
        b'{"inputs": [1]}',
        b"[" * 5000,
        json.dumps({"dataframe_records": [{**ROW, "d": math.nan}]}).encode(),
        json.dumps([ROW, 5]).encode(),
        json.dumps([{**ROW, "ID": 1}, ROW]).encode(),
        json.dumps({**{name: [value] for name, value in ROW.items()}, "d": [1.0, 2.0]}).encode(),
        json.dumps({**{name: [value] for name, value in ROW.items()}, "more": [1]}).encode(),
    ],
)
def test_what_is_no_such_document_is_left_too(body: bytes) -> None:
    lane = RequestDecoder(COLUMNS, ["ID"])
    assert lane.invocations(body) is None
    assert lane.predict(body) is None


def test_columns_of_other_types_have_no_fast_lane() -> None:
    assert RequestDecoder.of([InputColumn("t", "datetime", True)], []) is None
    assert RequestDecoder.of([], []) is None


def test_an_optional_column_that_is_not_there_is_left_to_the_slow_lane() -> None:
    lane = RequestDecoder.of([InputColumn("x", "double", False), InputColumn("y", "double", True)], [])
    assert lane is not None
    assert lane.predict(b'{"x": null, "y": 1}') is not None
    for body in (b'{"y": 1}', b'[{"x": 1, "y": 1}, {"y": 1}]', b'{"y": [1]}'):
        assert lane.predict(body) is None
    assert lane.invocations(b'{"dataframe_split": {"columns": ["y"], "data": [[1]]}}') is None


values = st.fixed_dictionaries(
    {
        "d": st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False), st.integers()),
        "f": st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False, width=32)),
        "l": st.integers(-(2**53), 2**53),
        "i": st.integers(-(2**31), 2**31 - 1),
        "b": st.one_of(st.none(), st.booleans()),
        "s": st.one_of(st.none(), st.text()),
    }
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=st.lists(values, min_size=1, max_size=4), at=st.integers(0, 4))
@example(records=[{**ROW, "d": -0.0, "l": 2**53}], at=0)
def test_both_lanes_mean_the_same(model: ServedModel, records: list[dict[str, Any]], at: int) -> None:
    path, document = forms(records)[at]
    try:
        same(model, json.dumps(document).encode(), path)
    except ApiError as fault:  # the slow lane refuses what the fast one took
        raise AssertionError(fault.message) from fault


def test_a_key_twice_is_left_to_the_slow_lane_which_refuses_it(model: ServedModel) -> None:
    assert model.lane is not None
    text = json.dumps(ROW)[:-1] + ', "s": "b"}'
    lists = json.dumps({name: [value] for name, value in ROW.items()})[:-1] + ', "s": ["b"]}'
    table = f'"columns": {json.dumps([*ROW])}, "data": {json.dumps([[*ROW.values()]])}'
    for path, body in (
        ("/predict", text),
        ("/predict", f"[{text}]"),
        ("/predict", lists),
        ("/predict", json.dumps({**ROW, "ID": "a"})[:-1] + ', "ID": "b"}'),
        ("/invocations", f'{{"dataframe_records": [{text}]}}'),
        ("/invocations", f'{{"dataframe_split": {{{table}, "data": [[1.0, 1.0, 1, 1, true, "b"]]}}}}'),
    ):
        lane = model.lane.predict if path == "/predict" else model.lane.invocations
        read = request_parser.read_records if path == "/predict" else request_parser.read_invocations
        assert lane(body.encode()) is None, body
        with pytest.raises(ApiError, match="appears twice in an object"):
            read(body.encode(), "application/json", model, 10)


def test_colons_in_texts_and_columns_that_are_passed_over_are_no_keys_twice(model: ServedModel) -> None:
    record = {**ROW, "s": 'a: "b": "b": c', "extra": {"a": 1}, "ID": "x:y"}
    for path, document in (("/predict", record), ("/invocations", {"dataframe_records": [record] * 2})):
        assert same(model, json.dumps(document).encode(), path)
    assert model.lane is not None
    long = json.dumps([{**record, "extra": {"a": "x" * 70_000}}]).encode()
    assert model.lane.predict(long) is None  # too much to look at twice in the event loop


def test_a_body_of_any_size_may_have_columns_that_the_model_does_not_know(model: ServedModel) -> None:
    """The first one teaches the schema their names; the next, and those without them, mean the same."""
    record = {**ROW, "ID": "x", "s": "at 10:30 : b"}
    for others in ({"extra": "y: z"}, {"": 1, "東京": [1, [2]], "more": None}, {}, {'a"b': 1}, {"a\nb": 1}):
        for count in (1, 2, 1500):
            records = [{**record, **others}] * count
            for path, document in (("/predict", records), ("/invocations", {"dataframe_records": records})):
                for spaced in (None, 1):
                    body = json.dumps(document, ensure_ascii=False, indent=spaced).encode()
                    for _ in range(2):
                        assert same(model, body, path), (others, count, path)


@pytest.mark.parametrize("filler", ["", "x" * 70_000], ids=["small", "large"])
@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize("twice", ["s", "ID", "extra"])
def test_a_key_that_stands_twice_beside_unknown_columns_is_left_to_the_slow_lane(
    filler: str, learned: bool, twice: str
) -> None:
    lane = RequestDecoder(COLUMNS, ["ID"])
    text = json.dumps({**ROW, "ID": "x", "extra": "y", "filler": filler})
    less = json.dumps({**ROW, "ID": "x", "filler": filler})  # keys: as many as in two whole rows
    bad = text[:-1] + f', "{twice}": "z"}}'
    if learned:
        assert lane.predict(text.encode()) is not None
    for body in (bad, f"[{bad}]", f"[{bad}, {less}]", f"[{less}, {bad}]"):
        assert lane.predict(body.encode()) is None
        if body[0] == "[":
            assert lane.invocations(f'{{"dataframe_records": {body}}}'.encode()) is None
    two = f'{{"dataframe_records": [{text}], "dataframe_records": [{text}]}}'
    assert lane.invocations(two.encode()) is None
    assert lane.predict(text.encode()) is not None


def test_only_so_many_unknown_columns_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_decoder, "_PAUSE", 0.0)
    lane = RequestDecoder(COLUMNS, ["ID"])
    for at in range(40):
        body = json.dumps({**ROW, **{f"x{at}-{k}": 1 for k in range(5)}}).encode()
        assert lane.predict(body) is not None
        assert {f"x{at}-{k}" for k in range(5)} <= lane._others
        assert len(lane._others) <= 16
    wide = json.dumps({**ROW, **{f"y{k}": 1 for k in range(65)}}).encode()
    assert lane.predict(wide) is not None
    assert len(lane._others) <= 16


def test_schemas_are_made_once_a_second_at_most() -> None:
    lane = RequestDecoder(COLUMNS, ["ID"])
    made = []
    for at in range(50):
        assert lane.predict(json.dumps({**ROW, f"x{at}": 1}).encode()) is not None
        made.append(lane._records)
    assert len({id(decoder) for decoder in made}) <= 5


def test_what_stands_for_a_missing_value_is_left_to_the_slow_lane(model: ServedModel) -> None:
    lane = RequestDecoder.of(model.columns, model.id_names, ("-999", "n.b."))
    assert lane is not None
    for changed in ({"d": -999}, {"d": -999.0}, {"s": "n.b."}, {"s": "-999"}, {"l": -999}):
        assert lane.predict(json.dumps({**ROW, **changed}).encode()) is None, changed
        assert lane.predict(json.dumps([ROW, {**ROW, **changed}]).encode()) is None, changed
    assert lane.predict(json.dumps(ROW).encode()) is not None


@pytest.mark.parametrize(
    ("body", "once"),
    [
        (b'{"a":1,"x":3}', True),
        (b'{"a":1,"a":2,"x":3}', False),
        (b'[{"a":1,"x":2},{"a":1,"x":3,"x":4}]', False),
        (b'{"a":"b:c","x":1}', True),
        (b'{"a":1,"x":{"y":1,"y":2}}', False),
        (b'{"a":"x\\":","a":2}', False),
        (b'{"a":1,"x":1e999}', True),
    ],
)
def test_a_key_that_stands_twice_is_found_whatever_else_there_is(body: bytes, once: bool) -> None:
    assert surely_once(body) is once
