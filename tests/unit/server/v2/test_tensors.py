"""Tensors as JSON and as bytes, against Triton's own functions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from tritonclient.utils import deserialize_bytes_tensor, serialize_byte_tensor

from mlpipes_cli.server.http.api_error import ApiError
from mlpipes_cli.server.v2 import tensors

SHAPES = arrays.array_shapes(min_dims=1, max_dims=3, max_side=4)


@given(datatype=st.sampled_from(list(tensors.NUMPY)), data=st.data())
def test_numbers_come_back_as_bytes_and_as_json(datatype: str, data: Any) -> None:
    array = data.draw(arrays.arrays(tensors.NUMPY[datatype], data.draw(SHAPES)))
    whole = tensors.Tensor("x", datatype, array.shape, array)
    packed = tensors.to_bytes(whole)
    assert packed == array.tobytes()
    back = tensors.from_bytes("x", datatype, array.shape, packed)
    np.testing.assert_array_equal(back.data, array)
    flat = tensors.to_json(whole)
    finite = np.where(np.isfinite(array), array, np.nan) if datatype.startswith("FP") else array
    for given_data in (flat, finite.tolist() if not datatype.startswith("FP") else flat):
        read = tensors.from_json("x", datatype, array.shape, given_data)
        np.testing.assert_array_equal(read.data, finite)


@given(values=st.lists(st.one_of(st.binary(max_size=20), st.text(max_size=10)), max_size=6))
def test_texts_come_back_as_triton_packs_them(values: list[Any]) -> None:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    try:
        theirs = serialize_byte_tensor(array)
    except UnicodeEncodeError:
        return
    packed = theirs.item() if theirs.size else b""
    assert tensors.to_bytes(tensors.Tensor("x", "BYTES", array.shape, array)) == packed
    back = tensors.from_bytes("x", "BYTES", array.shape, packed)
    assert back.data.tolist() == list(deserialize_bytes_tensor(packed))


@pytest.mark.parametrize(
    ("values", "datatype", "shape"),
    [
        ([True, False], "BOOL", (2,)),
        ([1, 2], "INT64", (2,)),
        ([2**63, 1], "FP64", (2,)),
        ([1, 2.5, None], "FP64", (3,)),
        (["a", "b"], "BYTES", (2,)),
        ([[1.0, 2.0], [3.0, 4.0]], "FP64", (2, 2)),
        ([["a"], ["b"]], "BYTES", (2, 1)),
        ([[1], [1, 2]], "BYTES", (2,)),
        ([{"a": 1}, "x"], "BYTES", (2,)),
        ([1, "a"], "BYTES", (2,)),
        ([True, 1], "BYTES", (2,)),
        ([], "FP64", (0,)),
    ],
)
def test_predictions_take_the_narrowest_datatype(values: Any, datatype: str, shape: tuple[int, ...]) -> None:
    made = tensors.of_values("x", values)
    assert (made.datatype, made.shape) == (datatype, shape)
    assert len(tensors.to_json(made)) == math.prod(shape)
    assert tensors.from_bytes("x", datatype, shape, tensors.to_bytes(made)).shape == shape


@given(
    data=st.binary(max_size=40), count=st.integers(0, 5), datatype=st.sampled_from([*tensors.NUMPY, "BYTES"])
)
def test_other_bytes_are_refused(data: bytes, count: int, datatype: str) -> None:
    try:
        read = tensors.from_bytes("x", datatype, (count,), data)
    except ApiError as fault:
        assert fault.status == 400
    else:
        assert read.data.shape == (count,)


def test_nan_and_infinity_are_null_in_json() -> None:
    made = tensors.of_values("x", [math.nan, math.inf, 1.0])
    assert tensors.to_json(made) == [None, None, 1.0]
