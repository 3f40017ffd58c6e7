"""Random bytes, and valid bodies that were damaged: what the wire formats must never do.

Whatever comes, the status is one of a few, the answer is JSON in its protocol's form, no part of the
request's values comes back in an error, no stack trace, no secret; and each answer's rows are stored.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from protocol_help import Api

pytestmark = pytest.mark.slow
CANARY = "kanarienvogel-7731"
ROW: dict[str, Any] = {
    "amount": 120.5, "ratio": 0.25, "age": 40, "level": 3, "member": True, "city": CANARY,
}  # fmt: skip
DATATYPES = {
    "amount": "FP64",
    "ratio": "FP32",
    "age": "INT64",
    "level": "INT32",
    "member": "BOOL",
    "city": "BYTES",
}
TENSORS = [{"name": n, "datatype": t, "shape": [1], "data": [ROW[n]]} for n, t in DATATYPES.items()]
BODIES: dict[str, list[Any]] = {
    "/invocations": [
        {"dataframe_records": [ROW, ROW]},
        {"dataframe_split": {"columns": list(ROW), "data": [list(ROW.values())]}},
        {"inputs": {name: [value, value] for name, value in ROW.items()}},
        {"instances": [ROW], "params": {}},
    ],
    "/predict": [ROW, [ROW, {**ROW, "ID": CANARY}], {name: [value] for name, value in ROW.items()}],
    "/models/prediction/train/production": [[ROW], {name: {"0": value} for name, value in ROW.items()}],
    "/v2/models/train/infer": [
        {"id": CANARY, "inputs": TENSORS, "outputs": [{"name": "predict"}]},
        {"inputs": TENSORS, "parameters": {"binary_data_output": True}},
    ],
    "/feedback": [[{"id": CANARY, "value": 1}], {"feedback": [{"prediction_id": CANARY, "value": CANARY}]}],
}
PATHS = st.sampled_from(list(BODIES))
STATUSES = {200, 400, 413, 415, 422}
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.just(CANARY),
    st.text(max_size=8),
    st.sampled_from(
        ["2021-05-06", "NaN", "1e999", "\ud800", "\0", "-" * 500, [], {}, [[CANARY]], {CANARY: 1}]
    ),
)
ANY_JSON = st.recursive(
    ODD,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=6), inner, max_size=4)
    ),
)
QUIET = settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def train(api: Callable[[str], Api]) -> Api:
    return api("train")


def hold(train: Api, path: str, content: bytes, headers: dict[str, str] | None = None) -> None:
    """Send it, and hold the answer against what must always be true."""
    kind = {"content-type": "application/json", **(headers or {})}
    answer = train.client.post(path, content=content, headers=kind)
    text = answer.content.decode("utf-8", "replace")
    assert answer.status_code in STATUSES, (answer.status_code, text[:500])
    if answer.status_code == 200:
        for identifier in _identifiers(answer):
            train.stored(identifier)
        return
    for never in (CANARY, "Traceback", 'File "', "postgresql://", "site-packages", str(train.database.port)):
        assert never not in text, text[:800]
    if answer.headers["content-type"].startswith("text/plain"):  # MLflow's refusals of content types
        assert answer.status_code == 415
        return
    document = answer.json()
    if path.startswith("/v2"):
        assert document.keys() == {"error"} and document["error"]
    elif answer.status_code != 422:
        assert document.keys() >= {"error_code", "message"} and document["message"]


def _identifiers(answer: Any) -> list[str]:
    if answer.headers["content-type"] == "application/octet-stream":
        head = int(answer.headers["inference-header-content-length"])
        assert json.loads(answer.content[:head])["outputs"]
        pattern = rb"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
        return [found.decode() for found in re.findall(pattern, answer.content)]
    document = answer.json()
    if "outputs" in document:
        tensors = {entry["name"]: entry["data"] for entry in document["outputs"]}
        return list(tensors.get("prediction_ids", []))
    if "x-prediction-id" in answer.headers:
        return [answer.headers["x-prediction-id"]]
    return list(document.get("prediction_ids", []))


def _places(document: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where anything stands in a document."""
    pairs = (
        document.items()
        if isinstance(document, dict)
        else enumerate(document)
        if isinstance(document, list)
        else ()
    )
    return [at, *(place for key, value in pairs for place in _places(value, (*at, key)))]


def _replaced(document: Any, place: tuple[Any, ...], value: Any, *, drop: bool) -> Any:
    if not place:
        return value
    copied = dict(document) if isinstance(document, dict) else list(document)
    if len(place) == 1 and drop:
        del copied[place[0]]
    else:
        copied[place[0]] = _replaced(copied[place[0]], place[1:], value, drop=drop)
    return copied


@st.composite
def damaged(draw: Any) -> tuple[str, bytes]:
    """A valid body in which something was replaced, left out, or, as text, broken."""
    path = draw(PATHS)
    document = draw(st.sampled_from(BODIES[path]))
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from(_places(document)))
        document = _replaced(document, place, draw(ANY_JSON), drop=draw(st.booleans()))
    content = json.dumps(document, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 3)) == 0 and content:
        at = draw(st.integers(0, len(content) - 1))
        content = content[:at] + draw(st.binary(max_size=3)) + content[at + draw(st.integers(0, 3)) :]
    return path, content


@QUIET
@given(sent=damaged())
def test_damaged_bodies(train: Api, sent: tuple[str, bytes]) -> None:
    hold(train, *sent)


@QUIET
@given(path=PATHS, content=st.binary(max_size=200))
@example(path="/invocations", content=b"[" * 50_000)
@example(path="/v2/models/train/infer", content=b'{"a":' * 50_000)
@example(path="/predict", content=b"9" * 100_000)
def test_random_bytes(train: Api, path: str, content: bytes) -> None:
    hold(train, path, content)


@QUIET
@given(path=PATHS, document=ANY_JSON)
def test_random_json(train: Api, path: str, document: Any) -> None:
    hold(train, path, json.dumps(document).encode())


KINDS = ["text/csv", "application/vnd.apache.parquet", "text/csv; charset=utf-8", f"application/{CANARY}", ""]


@QUIET
@given(
    path=PATHS,
    kind=st.sampled_from(KINDS),
    content=st.one_of(
        st.binary(max_size=100),
        st.text(st.sampled_from(f'amount,city\n"1;.x{CANARY[:2]}\0'), max_size=60).map(str.encode),
        st.just(f"amount,ratio,age,level,member,city\n1,{CANARY},1,1,True,x\n".encode()),
        st.just(b"PAR1" + b"\0" * 40 + b"PAR1"),
    ),
)
def test_other_content_types(train: Api, path: str, kind: str, content: bytes) -> None:
    if CANARY in kind and path == "/invocations":
        return  # MLflow's answer quotes the content type, and so does ours
    hold(train, path, content, {"content-type": kind})


@QUIET
@given(
    sizes=st.lists(st.integers(-1, 40), min_size=6, max_size=6),
    types=st.lists(st.sampled_from([*DATATYPES.values(), "UINT8", "FP16"]), min_size=6, max_size=6),
    shape=st.lists(st.integers(0, 3), min_size=1, max_size=3),
    binary=st.binary(max_size=80),
    length=st.integers(-2, 2),
)
def test_binary_tensors(
    train: Api, sizes: list[int], types: list[str], shape: list[int], binary: bytes, length: int
) -> None:
    inputs = [
        {"name": name, "datatype": kind, "shape": shape, "parameters": {"binary_data_size": size}}
        for name, kind, size in zip(DATATYPES, types, sizes, strict=True)
    ]
    head = json.dumps({"inputs": inputs}).encode()
    headers = {"inference-header-content-length": str(len(head) + (length if abs(length) > 1 else 0))}
    hold(train, "/v2/models/train/infer", head + binary, headers)
