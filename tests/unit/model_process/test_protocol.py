"""What goes over the wire comes out as it went in, and what cannot go says so."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlpipes_cli.model_process import protocol


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    here, there = socket.socketpair()
    with here, there:
        here.settimeout(30)
        there.settimeout(30)
        yield here, there


def carried(ends: tuple[socket.socket, socket.socket], value: Any) -> Any:
    sender = threading.Thread(target=protocol.send, args=(ends[0], "ask"), kwargs={"value": value})
    sender.start()
    said = protocol.receive(ends[1])
    sender.join()
    assert said.type == "ask"
    return said.value["value"]


def test_a_table_keeps_its_types_and_gaps(ends: Any) -> None:
    frame = pd.DataFrame(
        {
            "number": [1.5, np.nan, -0.0],
            "small": np.array([1, 2, 3], dtype="int32"),
            "text": ["Köln", None, "東京"],
            "nothing": np.array([None, None, None], dtype=object),
            "truth": [True, False, True],
            "when": pd.to_datetime(["2020-01-01", None, "2021-02-03"]),
            "picture": [b"\x00\xff", b"", None],
        },
        index=[7, 8, 9],
    )
    pd.testing.assert_frame_equal(carried(ends, frame), frame)


@pytest.mark.parametrize(
    "value",
    [
        np.array([0.1, np.nan, np.inf], dtype="float32"),
        np.arange(24, dtype="uint8").reshape(2, 3, 4),
        np.array(["yes", "no"]),
        np.array(["yes", None, 3], dtype=object),
        np.array([True, False]),
        np.array([], dtype="int64"),
        pd.Series([1, 2, 3], name="y"),
    ],
    ids=lambda value: str(value.dtype),
)
def test_arrays_stay_what_they_are(ends: Any, value: Any) -> None:
    found = carried(ends, value)
    assert (type(found), found.dtype, found.shape) == (type(value), value.dtype, value.shape)
    assert repr(found) == repr(value)


def test_trees_of_plain_values_and_arrays(ends: Any) -> None:
    value = {
        "a": [1, 2.5, None, "x"],
        "b": {"c": np.ones(2), "d": [np.zeros(1), b"raw"]},
        "e": np.float64(0.1),
    }
    found = carried(ends, value)
    assert found["a"] == value["a"] and found["e"] == 0.1
    assert found["b"]["c"].tolist() == [1, 1] and found["b"]["d"][1] == b"raw"


@pytest.mark.parametrize("kind", ["float64", "float32", "int64"])
@pytest.mark.parametrize("rows", [0, 1, 3])
def test_a_table_of_numbers_of_one_type(ends: Any, kind: str, rows: int) -> None:
    frame = pd.DataFrame({"a": np.arange(rows), "b": -np.arange(rows)}).astype(kind)
    pd.testing.assert_frame_equal(carried(ends, frame), frame)
    other = frame.set_axis([0, 1], axis="columns")
    pd.testing.assert_frame_equal(carried(ends, other), other)
    gaps = frame.astype("Float64")
    pd.testing.assert_frame_equal(carried(ends, gaps), gaps)


def test_a_huge_batch(ends: Any) -> None:
    frame = pd.DataFrame(np.random.default_rng(0).random((200_000, 20)))
    frame.columns = frame.columns.map(str)
    pd.testing.assert_frame_equal(carried(ends, frame), frame)


@pytest.mark.parametrize("value", [object(), {1: 2}, pd.DataFrame({"x": [1, "a", object()]})], ids=type)
def test_what_cannot_go_says_so_and_sends_nothing(ends: Any, value: Any) -> None:
    with pytest.raises(TypeError, match="cannot be sent"):
        protocol.send(ends[0], "ask", value=value)
    protocol.send(ends[0], "ask", value=1)
    assert protocol.receive(ends[1]).value == {"value": 1}


def test_an_end_in_the_middle_of_a_message(ends: Any) -> None:
    ends[0].sendall(b"mlp1\x00\x00")
    ends[0].close()
    with pytest.raises(protocol.Closed):
        protocol.receive(ends[1])


def test_nonsense_is_no_message(ends: Any) -> None:
    ends[0].sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    with pytest.raises(ValueError, match="not a message"):
        protocol.receive(ends[1])
