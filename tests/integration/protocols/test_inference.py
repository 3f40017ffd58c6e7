"""The Open Inference Protocol, with Triton's own client and by raw HTTP."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import protocol_models
import pytest
import serving_help
import tritonclient.http as triton
from protocol_help import Api
from tritonclient.utils import InferenceServerException

pytestmark = pytest.mark.slow
TYPES = {
    "amount": "FP64",
    "ratio": "FP32",
    "age": "INT64",
    "level": "INT32",
    "member": "BOOL",
    "city": "BYTES",
}
INFER = "/v2/models/train/infer"


@pytest.fixture
def train(api: Callable[[str], Api]) -> Api:
    return api("train")


@pytest.fixture
def client(train: Api) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(f"127.0.0.1:{train.port}") as made:
        yield made


def given(name: str, array: Any, datatype: str, *, binary: bool = True) -> triton.InferInput:
    made = triton.InferInput(name, list(array.shape), datatype)
    return made.set_data_from_numpy(array, binary_data=binary)


def columns(rows: int, *, binary: bool = True, matrix: bool = False) -> list[triton.InferInput]:
    frame = protocol_models.table(rows)
    arrays = {name: frame[name].to_numpy() for name in TYPES}
    if matrix:
        arrays = {name: array.reshape(-1, 1) for name, array in arrays.items()}
    return [given(name, arrays[name], kind, binary=binary) for name, kind in TYPES.items()]


def by_mlflow(train: Api, rows: int) -> Any:
    frame = protocol_models.table(rows)
    return train.client.post("/predict", content=frame.to_json(orient="records")).json()


def tensor(name: str, datatype: str, data: Any, shape: Any = None, **more: Any) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape or [len(data)], "data": data, **more}


PLAIN: dict[str, Any] = {
    "amount": 120.5, "ratio": 0.25, "age": 40, "level": 3, "member": True, "city": "Paris",
}  # fmt: skip


def body(**changes: Any) -> dict[str, Any]:
    """A request of one row; a change is a tensor, or None to leave the input out."""
    inputs = {name: tensor(name, kind, [PLAIN[name]]) for name, kind in TYPES.items()} | changes
    return {"inputs": [entry for entry in inputs.values() if entry is not None]}


def test_the_server_and_its_models_describe_themselves(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("train") and client.is_model_ready("train", "3")
    assert not client.is_model_ready("other") and not client.is_model_ready("train", "4")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    index = [{"name": "train", "version": "3", "state": "READY", "reason": ""}]
    assert client.get_model_repository_index() == index
    described = client.get_model_metadata("train", "3")
    assert (described["name"], described["versions"]) == ("train", ["3"])
    assert {entry["name"]: entry["datatype"] for entry in described["inputs"]} == TYPES
    assert all(entry["shape"] == [-1] for entry in described["inputs"])
    outputs = {entry["name"]: (entry["datatype"], entry["shape"]) for entry in described["outputs"]}
    assert outputs == {
        "predict": ("INT64", [-1]),
        "score": ("FP64", [-1]),
        "predict_proba": ("FP64", [-1, 2]),
        "prediction_ids": ("BYTES", [-1]),
    }


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("matrix", [True, False])
@pytest.mark.parametrize("rows", [1, 30])
def test_tritons_client_gets_what_the_other_routes_answer(
    train: Api, client: triton.InferenceServerClient, rows: int, matrix: bool, binary: bool
) -> None:
    expected = by_mlflow(train, rows)
    result = client.infer("train", columns(rows, binary=binary, matrix=matrix), request_id="r7")
    assert result.get_response()["id"] == "r7" and result.get_response()["model_version"] == "3"
    assert result.as_numpy("predict").tolist() == expected["predictions"]
    scores = result.as_numpy("score")
    np.testing.assert_allclose(scores, expected["scores"], rtol=1e-9)
    table = result.as_numpy("predict_proba")
    assert table.shape == (rows, 2)
    assert table[:, 1].tolist() == scores.tolist() and np.allclose(table.sum(axis=1), 1)
    identifiers = [value.decode() for value in result.as_numpy("prediction_ids")]
    frame = protocol_models.table(rows)
    for position in (0, rows - 1):
        row = train.stored(identifiers[position])
        assert (row["model_name"], row["model_version"]) == ("train", 3)
        assert row["prediction"] == expected["predictions"][position]
        assert row["inputs"]["city"] == frame["city"][position]
        assert row["inputs"]["age"] == frame["age"][position]


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_requests_may_be_compressed(client: triton.InferenceServerClient, coding: str) -> None:
    plain, packed = (
        client.infer("train", columns(5), request_compression_algorithm=coding or None).as_numpy("score")
        for coding in ("", coding)
    )
    assert plain.tolist() == packed.tolist()


def test_outputs_may_be_chosen_each_as_bytes_or_json(client: triton.InferenceServerClient) -> None:
    wanted = [
        triton.InferRequestedOutput("score", binary_data=False),
        triton.InferRequestedOutput("predict", binary_data=True),
    ]
    result = client.infer("train", columns(3), outputs=wanted)
    score, predict = result.get_response()["outputs"]
    assert score["name"] == "score" and len(score["data"]) == 3 and "parameters" not in score
    assert predict["parameters"] == {"binary_data_size": 24} and "data" not in predict
    assert result.as_numpy("prediction_ids") is None


def test_the_callers_identifiers_are_kept(train: Api, client: triton.InferenceServerClient) -> None:
    names = np.array(["a-1", "ü-2"], dtype=object)
    result = client.infer("train", [*columns(2), given("ID", names, "BYTES")])
    rows = [train.stored(value.decode()) for value in result.as_numpy("prediction_ids")]
    assert [row["caller_id"] for row in rows] == ["a-1", "ü-2"]
    assert "ID" not in rows[0]["inputs"]


@pytest.mark.parametrize("version", ["", "3"])
def test_a_version_may_be_named(client: triton.InferenceServerClient, version: str) -> None:
    assert client.infer("train", columns(1), model_version=version).as_numpy("predict").shape == (1,)


@pytest.mark.parametrize(("name", "version"), [("other", ""), ("train", "4"), ("train", "x"), ("train", "0")])
def test_an_unknown_model_is_404(client: triton.InferenceServerClient, name: str, version: str) -> None:
    with pytest.raises(InferenceServerException) as refused:
        client.infer(name, columns(1), model_version=version)
    assert refused.value.status() == "404" and refused.value.message()


def test_what_triton_has_and_we_have_not_is_refused_in_its_form(client: triton.InferenceServerClient) -> None:
    for ask in (
        lambda: client.get_model_config("train"),
        lambda: client.get_inference_statistics("train"),
        lambda: client.load_model("train"),
        lambda: client.infer(
            "train", columns(1), outputs=[triton.InferRequestedOutput("predict", class_count=2)]
        ),
    ):
        with pytest.raises(InferenceServerException) as refused:
            ask()
        assert refused.value.status() in ("400", "404", "405") and refused.value.message()


def test_dates_travel_as_text(api: Callable[[str], Api]) -> None:
    mixed = api("mixed")
    row = {"amount": 120.5, "age": 40, "city": "Paris", "member": True, "since": "2021-05-06T00:00:00"}
    kinds = {"amount": "FP64", "age": "INT64", "city": "BYTES", "member": "BOOL", "since": "BYTES"}
    inputs = [tensor(name, kind, [row[name]]) for name, kind in kinds.items()]
    answer = mixed.client.post("/v2/models/mixed/infer", json={"inputs": inputs})
    expected = mixed.client.post("/predict", json=row).json()
    outputs = {entry["name"]: entry["data"] for entry in answer.json()["outputs"]}
    assert outputs["predict"] == expected["predictions"] and outputs["score"] == expected["scores"]
    assert mixed.stored(outputs["prediction_ids"][0])["inputs"]["since"] == row["since"]
    wrong = tensor("since", "BYTES", ["yesterday-ish"])
    inputs = [*(tensor(name, kinds[name], [row[name]]) for name in kinds if name != "since"), wrong]
    answer = mixed.client.post("/v2/models/mixed/infer", json={"inputs": inputs})
    assert answer.status_code == 400 and "since" in answer.json()["error"]
    assert "yesterday" not in answer.text


def test_more_than_two_classes_have_a_probability_each(api: Callable[[str], Api]) -> None:
    many = api("multiclass")
    answer = many.client.post("/v2/models/multiclass/infer", json=body()).json()
    outputs = {entry["name"]: entry for entry in answer["outputs"]}
    expected = many.client.post("/predict", json=PLAIN).json()
    assert outputs["predict"]["datatype"] == "BYTES" and outputs["predict"]["data"] == expected["predictions"]
    assert outputs["predict_proba"]["shape"] == [1, 3] and "score" not in outputs
    np.testing.assert_allclose(outputs["predict_proba"]["data"], expected["scores"][0], rtol=1e-9)
    described = many.client.get("/v2/models/multiclass").json()["outputs"]
    assert [(entry["name"], entry["datatype"]) for entry in described] == [
        (entry["name"], entry["datatype"]) for entry in answer["outputs"]
    ]


def test_a_matrix_stands_for_all_columns(api: Callable[[str], Api]) -> None:
    """Where all columns are numbers; whole ones may come as decimals."""
    powers = api("params")
    asked = {"inputs": [tensor("input", "FP32", [[2.0], [3.0]], [2, 1])], "parameters": {"power": 3, "y": 1}}
    answer = powers.client.post("/v2/models/params/infer", json=asked).json()
    assert answer["outputs"][0]["data"] == ["8.500000", "27.500000"]


def test_parameters_of_the_signature_reach_the_model(api: Callable[[str], Api]) -> None:
    powers = api("params")
    asked = {"inputs": [tensor("x", "FP64", [2.0])], "parameters": {"power": "no"}}
    answer = powers.client.post("/v2/models/params/infer", json=asked)
    assert answer.status_code == 400 and "power" in answer.json()["error"]


def test_a_frame_is_answered_as_a_tensor_a_column(api: Callable[[str], Api]) -> None:
    frames = api("pyfunc")
    asked = {"inputs": [tensor("text", "BYTES", ["ab", None]), tensor("count", "INT64", [1, 2])]}
    outputs = frames.client.post("/v2/models/pyfunc/infer", json=asked).json()["outputs"]
    assert [(entry["name"], entry["data"]) for entry in outputs[:2]] == [
        ("size", [2.0, 0.0]),
        ("even", [True, True]),
    ]
    assert outputs[1]["datatype"] == "BOOL" and outputs[2]["name"] == "first"


@pytest.mark.parametrize("kind", ["tensor", "unsigned"])
def test_a_model_of_tensors_takes_its_tensor(api: Callable[[str], Api], kind: str) -> None:
    found = api(kind)
    with triton.InferenceServerClient(f"127.0.0.1:{found.port}") as client:
        data = np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]])
        result = client.infer(kind, [given("x", data, "FP64")])
        expected = found.client.post("/invocations", json={"inputs": data.tolist()}).json()["predictions"]
        assert result.as_numpy("predict").tolist() == expected
        assert client.get_model_metadata(kind)["outputs"][0]["name"] == "predict"


ALL = list(PLAIN)
WRONG: dict[str, tuple[Any, str]] = {
    "no inputs": ({}, "inputs"),
    "empty inputs": ({"inputs": []}, "inputs"),
    "inputs of no kind": ({"inputs": 5}, "inputs"),
    "an input of no kind": ({"inputs": [5]}, "input 0"),
    "an input without a name": ({"inputs": [{"datatype": "FP64", "shape": [1], "data": [1]}]}, "name"),
    "a list": ([1], "object"),
    "id of no kind": ({**body(), "id": 5}, "id"),
    "parameters of no kind": ({**body(), "parameters": [1]}, "parameters"),
    "an unknown input": ({"inputs": [*body()["inputs"], tensor("agee", "FP64", [1])]}, "'age'"),
    "an input twice": ({"inputs": [*body()["inputs"], body()["inputs"][0]]}, "twice"),
    "an input missing": (body(age=None), "'age' is missing"),
    "an unknown datatype": (body(age=tensor("age", "INT65", [1])), "datatype"),
    "no datatype": (body(age={"name": "age", "shape": [1], "data": [1]}), "datatype"),
    "no shape": (body(age={"name": "age", "datatype": "INT64", "data": [1]}), "shape"),
    "a negative size": (body(age=tensor("age", "INT64", [1], [-1])), "shape"),
    "an endless shape": (body(age=tensor("age", "INT64", [1], [2**40])), "shape"),
    "a shape of many": (body(age=tensor("age", "INT64", [1], [2**20, 2**20])), "shape"),
    "an empty shape": (body(age={"name": "age", "datatype": "INT64", "shape": [], "data": [1]}), "shape"),
    "another number of rows": (body(age=tensor("age", "INT64", [1, 2])), "rows"),
    "two columns in one": (body(age=tensor("age", "INT64", [1, 2], [1, 2])), "[n, 1]"),
    "no data": (body(age={"name": "age", "datatype": "INT64", "shape": [1]}), "data"),
    "data of no kind": (body(age=tensor("age", "INT64", 5, [1])), "data"),
    "too few data": (body(age=tensor("age", "INT64", [], [1])), "elements"),
    "ragged data": (body(age=tensor("age", "INT64", [[1, 2], [3]], [2, 2])), "nested"),
    "a decimal among whole numbers": (body(age=tensor("age", "INT64", [1.5])), "INT64"),
    "text among numbers": (body(amount=tensor("amount", "FP64", ["x"])), "FP64"),
    "a truth among numbers": (body(age=tensor("age", "INT64", [True])), "INT64"),
    "a number among truths": (body(member=tensor("member", "BOOL", [1])), "BOOL"),
    "a number among texts": (body(city=tensor("city", "BYTES", [1])), "BYTES"),
    "null among whole numbers": (body(age=tensor("age", "INT64", [None])), "INT64"),
    "a whole number beyond its type": (body(level=tensor("level", "INT8", [1000])), "INT8"),
    "a whole number beyond its column": (body(level=tensor("level", "INT64", [2**40])), "level"),
    "a fraction in a whole column": (body(age=tensor("age", "FP64", [1.5])), "fraction"),
    "nothing in a whole column": (body(age=tensor("age", "FP64", [None])), "missing"),
    "infinity in a whole column": (body(age=tensor("age", "FP64", [float("inf")])), "fraction"),
    "two in a column of truths": (body(member=tensor("member", "INT8", [2])), "member"),
    "text for a number": (body(age=tensor("age", "BYTES", ["1"])), "age"),
    "a number for text": (body(city=tensor("city", "FP64", [1.0])), "city"),
    "too large for single precision": (body(ratio=tensor("ratio", "FP64", [1e300])), "ratio"),
    "outputs of no kind": ({**body(), "outputs": 5}, "outputs"),
    "an unknown output": ({**body(), "outputs": [{"name": "scores"}]}, "'score'"),
    "an output twice": ({**body(), "outputs": [{"name": "predict"}] * 2}, "twice"),
    "shared memory": (
        body(age={**tensor("age", "INT64", [1]), "parameters": {"shared_memory_region": "r"}}),
        "shared_memory",
    ),
    "a size of bytes that are not there": (
        body(age={"name": "age", "datatype": "INT64", "shape": [1], "parameters": {"binary_data_size": 8}}),
        "binary_data_size",
    ),
    "a matrix of another width": ({"inputs": [tensor("m", "FP64", [1.0, 2.0], [1, 2])]}, "6 columns"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_named_and_nothing_is_stored(train: Api, name: str) -> None:
    document, told = WRONG[name]
    before = train.count()
    answer = train.client.post(INFER, content=json.dumps(document))
    assert answer.status_code == 400, answer.text
    assert answer.json().keys() == {"error"} and told in answer.json()["error"]
    assert train.count() == before


RIGHT: dict[str, dict[str, Any]] = {
    "flat": body(),
    "narrow types": body(age=tensor("age", "UINT8", [40]), amount=tensor("amount", "FP16", [120.5])),
    "decimals that are whole": body(age=tensor("age", "FP32", [40.0]), level=tensor("level", "FP64", [3])),
    "whole numbers for decimals": body(amount=tensor("amount", "INT32", [120])),
    "numbers for truths": body(member=tensor("member", "UINT8", [1])),
    "null as a missing number": body(amount=tensor("amount", "FP64", [None])),
    "NaN as a missing number": body(amount=tensor("amount", "FP64", [float("nan")])),
    "null as a missing text": body(city=tensor("city", "BYTES", [None])),
    "nested": body(age=tensor("age", "INT64", [[40]], [1, 1])),
    "unknown parameters": {**body(), "parameters": {"priority": 1, "x": None}},
    "no outputs named": {**body(), "outputs": []},
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_fits_is_answered(train: Api, name: str) -> None:
    answer = train.client.post(INFER, content=json.dumps(RIGHT[name]))
    assert answer.status_code == 200, answer.text
    outputs = {entry["name"]: entry["data"] for entry in answer.json()["outputs"]}
    assert outputs["predict"] in ([0], [1]) and train.stored(outputs["prediction_ids"][0])


def test_no_rows_are_answered_with_no_rows(train: Api) -> None:
    empty = {name: tensor(name, kind, [], [0]) for name, kind in TYPES.items()}
    answer = train.client.post(INFER, json=body(**empty))
    if answer.status_code == 200:
        assert answer.json()["outputs"][0]["shape"] == [0]
    else:  # the estimator refuses an empty frame
        assert answer.status_code == 400 and answer.json().keys() == {"error"}


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"{", {}, 400),
        (b"", {}, 400),
        (b"\xff", {}, 400),
        (b"[" * 100_000, {}, 400),
        (b"{}", {"inference-header-content-length": "3"}, 400),
        (b"{}", {"inference-header-content-length": "x"}, 400),
        (b"{}", {"inference-header-content-length": "-1"}, 400),
        (b"{}", {"inference-header-content-length": "9" * 40}, 400),
        (json.dumps(body()).encode() + b"more", {"inference-header-content-length": "700"}, 400),
        (b"no gzip", {"content-encoding": "gzip"}, 400),
        (gzip.compress(b"{}", mtime=0)[:-4], {"content-encoding": "gzip"}, 400),
        (b"{}", {"content-encoding": "br"}, 415),
        (gzip.compress(b" " * 50_000_000, mtime=0), {"content-encoding": "gzip"}, 413),
        (zlib.compress(b" " * 50_000_000), {"content-encoding": "deflate"}, 413),
        (b" " * 4_000_001, {}, 413),
    ],
)
def test_a_broken_envelope_is_refused(
    train: Api, content: bytes, headers: dict[str, str], status: int
) -> None:
    answer = train.client.post(INFER, content=content, headers=headers)
    assert answer.status_code == status and answer.json().keys() == {"error"}


def test_too_many_rows_are_refused(train: Api) -> None:
    many = {name: tensor(name, kind, [PLAIN[name]] * 2001, [2001]) for name, kind in TYPES.items()}
    answer = train.client.post(INFER, json=body(**many))
    assert answer.status_code == 413 and "2001 rows" in answer.json()["error"]


@pytest.mark.parametrize("path", ["/v2/nothing", "/v2/models", "/v2/models/train/versions", INFER])
def test_unknown_paths_and_methods_are_refused_in_the_protocols_form(train: Api, path: str) -> None:
    answer = train.client.get(path)
    assert answer.status_code in (404, 405) and answer.json().keys() == {"error"}


def test_without_a_database_it_says_so(tmp_path: Any, api: Callable[[str], Api]) -> None:
    import protocol_help

    with serving_help.postgres() as postgres:
        path = serving_help.saved(tmp_path / "m")
        app = protocol_help.front(path, postgres.url, answer_timeout=2.0)
        with protocol_help.live(app) as port, triton.InferenceServerClient(f"127.0.0.1:{port}") as client:
            assert client.is_server_ready()
            postgres.kill()
            serving_help.until(lambda: not client.is_server_ready(), 90)
            assert client.is_server_live() and not client.is_model_ready("people")
            postgres.start()
            serving_help.until(client.is_server_ready, 90)
