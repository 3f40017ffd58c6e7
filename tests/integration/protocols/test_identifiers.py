"""What the database would refuse is refused at every door, before anything is answered: a spool that took it
would keep it for ever."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable
from typing import Any

import httpx
import pandas as pd
import pytest
from protocol_help import Api

pytestmark = pytest.mark.slow
ROW = {"amount": 120.5, "ratio": 0.25, "age": 40, "level": 3, "member": True, "city": "Paris"}
LETTERS = random.Random(0).choices("abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", k=3000)
LONG = "".join(LETTERS)  # nothing that an index could pack
REFUSED = {
    "1001 bytes": LONG[:1001],
    "3000 bytes": LONG,
    "334 characters of 3 bytes": "".join(chr(0x4E00 + ord(letter)) for letter in LONG[:334]),
    "a list": [LONG[:1001]],
    "an object": {"a": LONG[:1001]},
}
TAKEN = {
    "1000 bytes": LONG[:1000],
    "333 characters of 3 bytes": "".join(chr(0x4E00 + ord(letter)) for letter in LONG[:333]),
    "a large number": 10**300,
    "no number of JSON": float("nan"),
    "a list": [1, [2]],
}


def record(client: httpx.Client, identifier: Any) -> httpx.Response:
    return client.post("/predict", content=json.dumps({**ROW, "id": identifier}))


def lists(client: httpx.Client, identifier: Any) -> httpx.Response:
    columns = {name: [value, value] for name, value in ROW.items()}
    return client.post("/predict", content=json.dumps({**columns, "id": ["x", identifier]}))


def by_name(client: httpx.Client, identifier: Any) -> httpx.Response:
    return client.post("/models/prediction/train/production", content=json.dumps([{**ROW, "id": identifier}]))


def invocations(client: httpx.Client, identifier: Any) -> httpx.Response:
    body = {"dataframe_records": [{**ROW, "id": identifier}]}
    return client.post("/invocations", content=json.dumps(body))


def csv(client: httpx.Client, identifier: Any) -> httpx.Response:
    text = io.StringIO()
    pd.DataFrame([{**ROW, "id": str(identifier)}]).to_csv(text, index=False)
    return client.post("/invocations", content=text.getvalue().encode(), headers={"content-type": "text/csv"})


def inference(client: httpx.Client, identifier: Any) -> httpx.Response:
    kinds = {float: "FP64", int: "INT64", bool: "BOOL", str: "BYTES"}
    values = {**ROW, "id": str(identifier)}
    inputs = [
        {"name": name, "datatype": kinds[type(value)], "shape": [1], "data": [value]}
        for name, value in values.items()
    ]
    return client.post("/v2/models/train/infer", content=json.dumps({"inputs": inputs}))


ANY = [record, lists, by_name, invocations]
TEXT = [csv, inference]


@pytest.fixture(scope="module")
def train(api: Callable[[str], Api]) -> Api:
    return api("train")


@pytest.mark.parametrize("ask", [*ANY, *TEXT])
@pytest.mark.parametrize("name", REFUSED)
def test_a_long_identifier_is_refused_and_nothing_is_stored(train: Api, ask: Any, name: str) -> None:
    if (ask, name) == (record, "a list"):
        return  # there, lists are columns
    identifier, before = REFUSED[name], train.count()
    answer = ask(train.client, identifier)
    assert answer.status_code == 400
    row = 1 if ask is lists else 0
    assert f"the id in row {row} is longer than 1000 bytes" in answer.text
    assert LONG[:20] not in answer.text and train.count() == before


@pytest.mark.parametrize("ask", ANY)
@pytest.mark.parametrize("name", TAKEN)
def test_what_is_answered_is_stored(train: Api, ask: Any, name: str) -> None:
    if (ask, name) == (record, "a list"):
        return
    before = train.count()
    answer = ask(train.client, TAKEN[name])
    assert answer.status_code == 200, answer.text
    assert train.count() == before + (2 if ask is lists else 1)


@pytest.mark.parametrize("ask", ANY)
def test_half_a_character_is_no_identifier(train: Api, ask: Any) -> None:
    before = train.count()
    assert ask(train.client, "a\ud800b").status_code == 400
    assert train.count() == before


@pytest.mark.parametrize("identifier", ["a\0b", ["a", {"b": "\0"}], {"\0": 1}])
def test_a_nul_is_no_identifier(train: Api, identifier: Any) -> None:
    """The database would store U+FFFD: two ids would become one."""
    before = train.count()
    for ask in (*ANY, inference) if isinstance(identifier, str) else ANY:
        if (ask, type(identifier)) == (record, list):
            continue  # there, lists are columns
        answer = ask(train.client, identifier)
        assert answer.status_code == 400
        row = 1 if ask is lists else 0
        assert f"the id in row {row} has a NUL character, which the database cannot store" in answer.text
    assert train.count() == before
    answer = record(train.client, "a\ufffdb")
    assert answer.json()["ids"] == ["a\ufffdb"]


def test_an_identifier_that_nests_deep_is_refused(train: Api) -> None:
    before = train.count()
    body = json.dumps({**ROW, "id": "?"}).replace('"?"', "[" * 900 + "]" * 900)
    answer = train.client.post("/predict", content=body)
    assert answer.status_code == 400 and train.count() == before


def test_the_longest_identifier_is_found_by_feedback(train: Api) -> None:
    identifier = LONG[1000:2000]
    assert record(train.client, identifier).status_code == 200
    answer = train.client.post("/feedback", json={"id": identifier, "value": 1})
    assert answer.status_code == 200 and answer.json()["stored"] == 1
    longer = train.client.post("/feedback", json={"id": identifier + "x", "value": 1})
    assert longer.status_code == 400 and "a string of 1 to 1000 bytes" in longer.text
