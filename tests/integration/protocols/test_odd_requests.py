"""Odd requests that users of other servers reported, by the report: the row that is meant, or one line.

One model with a column of every kind, which all move its prediction, behind the API; the files of the same
rows are in ``tests/unit/data/test_odd_files.py``.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
import pandas as pd
import protocol_help
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import serving_help
from doors_help import trained
from protocol_help import Wire

pytestmark = pytest.mark.slow
ROW: dict[str, Any] = {
    "amount": 10.5,
    "visits": 3,
    "member": True,
    "consent": False,
    "city": "Köln",
    "note": "late",
    "since": "2021-10-08T13:08:40",
    "seen": "2023-10-08T13:08:40",
    "took": 60.0,
    "code": "00501",
}
TENSORS = {"amount": "FP64", "visits": "FP64", "took": "FP64", "member": "BOOL", "consent": "BOOL"}
V2 = "/v2/models/doors/infer"
CSV, PARQUET = "text/csv", "application/vnd.apache.parquet"


@dataclass(frozen=True)
class Refused:
    """The status, and a part of the line that says why."""

    status: int
    text: str


Answer = list[float] | Refused
Ask = Callable[[httpx.Client], httpx.Response]


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    from mlpipes_cli.server.models.loader import load

    made = trained(tmp_path_factory.mktemp("odd"), typed=False)
    served = load(made.folder, "doors", 1, "production")
    app = serving_help.application(serving_help.Kept(), served, max_bytes=8_000_000)
    with contextlib.ExitStack() as stack:
        url = f"http://127.0.0.1:{stack.enter_context(protocol_help.live(app))}"
        yield stack.enter_context(httpx.Client(base_url=url, trust_env=False, timeout=60))


def answered(response: httpx.Response) -> Answer:
    assert response.status_code != 500, response.text
    told = response.json()
    if response.status_code != 200:
        return Refused(response.status_code, told.get("message") or told["error"])
    if "outputs" in told:
        return next(output["data"] for output in told["outputs"] if output["name"] == "predict")
    return list(told["predictions"])


# --- requests -------------------------------------------------------------------------------------


def row(**changes: Any) -> dict[str, Any]:
    return {**ROW, **changes}


def predict(*rows: dict[str, Any]) -> Ask:
    return text(json.dumps(rows))


def text(body: str | bytes, path: str = "/predict", **headers: str) -> Ask:
    told = {"content-type": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()}
    return lambda api: api.post(path, content=body, headers=told)


def raw(name: str, value: str) -> Ask:
    """A record in which a value is written as given."""
    return text(json.dumps(row(**{name: "@"})).replace('"@"', value))


def invocations(**document: Any) -> Ask:
    return text(json.dumps(document), "/invocations")


def split(**more: Any) -> dict[str, Any]:
    return {"columns": list(ROW), "data": [list(ROW.values())], **more}


def cells(**changes: Any) -> Ask:
    """A CSV with one row; cells are written as given."""
    values = {name: str(value) for name, value in row(**changes).items()}
    return csv(",".join(values) + "\n" + ",".join(values.values()) + "\n")


def csv(body: str | bytes) -> Ask:
    return text(body.encode() if isinstance(body, str) else body, "/invocations", content_type=CSV)


def parquet(**changes: Any) -> Ask:
    """A Parquet file with one row; a change is an array of Arrow."""
    columns = {name: pa.array([value]) for name, value in ROW.items()} | changes
    into = io.BytesIO()
    pq.write_table(pa.table(columns), into)
    return text(into.getvalue(), "/invocations", content_type=PARQUET)


def tensors(*others: dict[str, Any], **changes: dict[str, Any]) -> Ask:
    """An inference request; a change replaces entries of an input."""
    return text(json.dumps({"inputs": [*_inputs(changes), *others]}), V2)


def _inputs(changes: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"name": name, "datatype": TENSORS.get(name, "BYTES"), "shape": [1], "data": [value]}
        | changes.get(name, {})
        for name, value in ROW.items()
    ]


def binary(length: str | None = None, tail: bytes = b"", **changes: tuple[str, bytes]) -> Ask:
    """An inference request whose tensors follow as bytes; a change is a datatype and its bytes."""
    described, parts = [], []
    for name, value in ROW.items():
        kind, part = changes.get(name) or (TENSORS.get(name, "BYTES"), _bytes(value))
        told = {"parameters": {"binary_data_size": len(part)}}
        described.append({"name": name, "datatype": kind, "shape": [1], **told})
        parts.append(part)
    head = json.dumps({"inputs": described}).encode()
    headers = {"inference-header-content-length": length or str(len(head))}
    return text(b"".join([head, *parts, tail]), V2, content_type="application/octet-stream", **headers)


def _bytes(value: Any) -> bytes:
    if isinstance(value, str):
        return struct.pack("<I", len(value.encode())) + value.encode()
    return bytes([value]) if isinstance(value, bool) else np.array([value], "<f8").tobytes()


def packed(*parts: str, tail: bytes = b"") -> Ask:
    return text(b"".join(gzip.compress(part.encode()) for part in parts) + tail, V2, content_encoding="gzip")


WHOLE = json.dumps({"inputs": _inputs({})})
PLAIN = [row()]
NONE = Refused(400, "expected a number (double), got a number that is infinite or too large")
LONG = Refused(400, "column 'amount': expected a number (double), got a number that is too large in row 0")
TRUE = Refused(400, "column 'member': expected true or false (boolean), got ")
SHAPE = Refused(400, "input 'amount': shape must be a list of one to 8 sizes")
DATE = Refused(400, "column 'since': expected a date and time in ISO 8601 (datetime)")

# report: (request, the rows that are meant, as plain records; or how it is refused)
CASES: dict[str, tuple[Ask, list[dict[str, Any]] | Refused]] = {
    # --- JSON
    "mlflow#5525 the same integer from JSON": (raw("visits", "1"), [row(visits=1)]),
    "mlflow#5525 and from a CSV": (cells(visits=1), [row(visits=1)]),
    "mlflow#5525 and written as a float": (raw("visits", "1.0"), [row(visits=1)]),
    "mlflow#5207 null for a number": (raw("amount", "null"), [row(amount=None)]),
    "MLServer#1154 NaN for a number": (raw("amount", "NaN"), [row(amount=None)]),
    "torchserve#1304 an infinite number": (raw("amount", "Infinity"), NONE),
    "pandas#18842 a number that no float holds": (raw("amount", "1e400"), NONE),
    "pandas#18842 an integer that no float holds": (raw("amount", "9" * 400), LONG),
    "CVE-2020-10735 an integer of 5,000 digits": (
        raw("amount", "9" * 5000), Refused(400, "a number is too long"),
    ),
    "pandas#18842 an integer beyond 2^53": (raw("amount", "9007199254740993"), [row(amount=2.0**53)]),
    "mlflow#3996 a number that is no boolean": (raw("member", "2"), TRUE),
    "mlflow#3996 a boolean as a number": (raw("member", "1"), PLAIN),
    "mlflow#3996 a boolean as text": (raw("member", '"true"'), TRUE),
    "mlflow#10727 null for a boolean": (raw("consent", "null"), [row(consent=None)]),
    "catboost#482 null for a category": (raw("note", "null"), [row(note=None)]),
    "catboost#635 a code as a float": (raw("code", "10115.0"), [row(code="10115")]),
    "catboost#635 a code as an integer": (raw("code", "10115"), [row(code="10115")]),
    "securedrop-client#1752 a key twice": (
        text(json.dumps(row())[:-1] + ', "amount": 7}'), Refused(400, "the key 'amount' appears twice"),
    ),
    "python-tuf#372 half a character": (raw("city", '"\\ud800"'), Refused(400, "holds half a character")),
    "node-csv#36 a byte order mark": (text(b"\xef\xbb\xbf" + json.dumps(row()).encode()), PLAIN),
    "pandas#65877 a short row": (
        invocations(dataframe_split=split(data=[list(ROW.values()), list(ROW.values())[:-1]])),
        Refused(400, "row 1: expected 10 values, one for each column, got 9"),
    ),
    "pandas#65877 a short row for /predict": (
        text(json.dumps(split(data=[list(ROW.values()), list(ROW.values())[:-1]]))),
        Refused(400, "row 1: expected 10 values, one for each column, got 9"),
    ),
    "mlflow#1671 more labels than rows": (
        invocations(dataframe_split=split(index=[1, 2, 3])),
        Refused(400, "index: expected 1 labels, one for each row of data, got 3"),
    ),
    "mlflow#1671 one label a row": (invocations(dataframe_split=split(index=["a"])), PLAIN),
    "mlflow#2412 a column twice": (
        invocations(dataframe_split={"columns": [*ROW, "amount"], "data": [[*ROW.values(), 9]]}),
        Refused(400, "column 'amount' appears twice"),
    ),
    "mlflow#7536 two forms at once": (
        invocations(dataframe_split=split(), instances=[ROW]), Refused(400, "exactly one of the input"),
    ),
    "mlflow#16537 a message without the data": (
        invocations(instances=[list(ROW.values())]), Refused(400, "the data does not have the form"),
    ),
    "pandas#50359 now is no date": (raw("since", '"now"'), DATE),
    "pandas#44573 nor is a time of day": (raw("since", '"09:00"'), DATE),
    "pandas#50359 nor is a year": (raw("since", '"2021"'), DATE),
    "roapi#42 nor are seconds": (raw("since", "1633698520"), DATE),
    "roapi#42 milliseconds are": (raw("since", "1633698520000"), PLAIN),
    "roapi#42 another zone": (raw("since", '"2021-10-08T15:08:40+02:00"'), PLAIN),
    # --- CSV
    "pandas#50359 now is no date in a CSV": (cells(since="now"), DATE),
    "pandas#31609 two byte order marks": (
        csv(b"\xef\xbb\xbf\xef\xbb\xbf" + pd.DataFrame([ROW]).to_csv(index=False).encode()), PLAIN,
    ),
    "pandas#47303 Excel's note of the separator": (
        csv("sep=,\n" + pd.DataFrame([ROW]).to_csv(index=False)),
        Refused(400, "line 1 is Excel's note of the separator (sep=,); remove the line"),
    ),
    "pandas#54665 a code in a CSV": (cells(code="00501"), PLAIN),
    "pandas#30152 MySQL's null": (cells(amount="\\N"), [row(amount=None)]),
    "pandas#30152 a C runtime's NaN": (cells(amount="-1.#IND"), [row(amount=None)]),
    "pandas#19886 a NUL byte": (cells(city="K\0ln"), Refused(400, "binary file")),
    "DataSynthesizer#1 spaces that do not break": (cells(amount="\u00a010.5\u00a0"), PLAIN),
    # --- Parquet
    "mlflow#20602 a Parquet file": (parquet(), PLAIN),
    "mlflow#25593 a nullable boolean": (parquet(consent=pa.array([None], pa.bool_())), [row(consent=None)]),
    "db-dtypes#45 a day that no date type holds": (
        parquet(since=pa.array([2**31 - 1], pa.date32())),
        Refused(400, "column 'since' has a date before the year 1 or after the year 9999"),
    ),
    "arrow#36392 a duration": (parquet(took=pa.array([60], pa.duration("s"))), PLAIN),
    "pandas#16391 a time without a day": (
        parquet(since=pa.array([3600], pa.time32("s"))), Refused(400, "got a time of day without a date"),
    ),
    # --- Open Inference Protocol
    "MLServer#1154 null in FP64": (tensors(amount={"data": [None]}), [row(amount=None)]),
    "MLServer#1210 text as BYTES": (tensors(), PLAIN),
    "MLServer#811 a shape without rows": (tensors(amount={"shape": []}), SHAPE),
    "triton#1649 a negative shape": (tensors(amount={"shape": [-1]}), SHAPE),
    "triton#2030 null for data": (
        tensors(city={"data": None}), Refused(400, "input 'city': data must be an array"),
    ),
    "kserve#3685 FP16": (binary(amount=("FP16", np.array([10.5], "<f2").tobytes())), PLAIN),
    "MLServer#737 bytes of text": (binary(), PLAIN),
    "MLServer#438 Base64 for a column of text": (
        tensors(city={"data": ["S8O2bG4="], "parameters": {"content_type": "base64"}}),
        Refused(400, "input 'city': content_type base64 is for bytes; send the text itself"),
    ),
    "triton#2855 a length beyond the end": (
        binary(city=("BYTES", struct.pack("<I", 2**32 - 1) + b"ab")), Refused(400, "input 'city': its bytes"),
    ),
    "triton#4244 a header that is longer than the body": (
        binary("99999999"), Refused(400, "Inference-Header-Content-Length must be a size within the body"),
    ),
    "triton#4070 bytes that belong to nothing": (binary(tail=b"xx"), Refused(400, "2 bytes that do not")),
    "MLServer#1390 an input twice": (
        tensors({"name": "amount", "datatype": "FP64", "shape": [1], "data": [1]}),
        Refused(400, "input 'amount' appears twice"),
    ),
    "urllib3#1285 a body in two members of gzip": (packed(WHOLE[:50], WHOLE[50:]), PLAIN),
    "curl#22156 something else behind gzip": (packed(WHOLE, tail=b"more"), Refused(400, "is not valid gzip")),
    "Pillow#9475 300 MB in 300 KB": (packed(" " * 300_000_000), Refused(413, "exceeds the limit of 8000000")),
}  # fmt: skip


@pytest.mark.parametrize("report", CASES)
def test_the_row_that_is_meant_is_answered_or_refused(api: httpx.Client, report: str) -> None:
    ask, meant = CASES[report]
    found = answered(ask(api))
    if isinstance(meant, Refused):
        assert isinstance(found, Refused), found
        assert found.status == meant.status and meant.text in found.text
        assert "\n" not in found.text and "Köln" not in found.text
        return
    expected = answered(predict(*meant)(api))
    assert isinstance(found, list) and isinstance(expected, list), (found, expected)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_each_change_moves_the_answer(api: httpx.Client) -> None:
    """Else the cases above could say what they like."""
    changes = [("amount", None), ("visits", 1), ("member", False), ("consent", None), ("city", "Paris")]
    changes += [("note", None), ("since", None), ("took", 61.0), ("code", "10115")]
    (plain, *others) = answered(predict(ROW, *(row(**{name: value}) for name, value in changes))(api))  # type: ignore[misc]
    assert all(abs(other - plain) > 1e-3 for other in others), others


@pytest.mark.parametrize(
    ("report", "headers"),
    [
        ("meinheld#111 two lengths", ["Content-Length: 2", "Content-Length: 1"]),
        ("hypercorn#279 a length, and chunks", ["Content-Length: 2", "Transfer-Encoding: chunked"]),
        ("uvicorn#3062 a length in words", ["Content-Length: abc"]),
        ("uwsgi#2775 a length with a sign", ["Content-Length: +2"]),
        ("uwsgi#2775 a length of 20 digits", ["Content-Length: 99999999999999999999"]),
        ("uwsgi#2775 a folded header", ["Content-Length: 2", "X-A: b\r\n c"]),
        ("CVE-2025-43859 chunks of an unknown coding", ["Transfer-Encoding: xchunked"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_request_of_two_meanings_ends_the_connection(
    api: httpx.Client, report: str, headers: list[str]
) -> None:
    smuggled = b"GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n"
    lines = ["POST /predict HTTP/1.1", "Host: localhost", "Content-Type: application/json", *headers]
    with Wire(api.base_url.port or 0) as wire:
        wire.send("\r\n".join(lines).encode() + b"\r\n\r\n" + b"0\r\n\r\n" + smuggled)
        said = wire.read()
    assert said.count(b"HTTP/1.1 ") == 1 and said.startswith(b"HTTP/1.1 400 "), said
    assert b"malformed HTTP request" in said
