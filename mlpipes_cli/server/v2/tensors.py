"""Tensors of the Open Inference Protocol: datatypes, and their data as JSON or as bytes.

Bytes are little-endian and row-major; an element of BYTES is its length in four bytes and its content.
Source: KServe, "Open Inference Protocol", section "Tensor Data Types", and Triton's "Binary Tensor
Data Extension".
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlpipes_cli.server.http.api_error import bad_request
from mlpipes_cli.server.predictions import jsonb
from mlpipes_cli.server.requests.validation import kind_of

NUMPY: dict[str, Any] = {
    "BOOL": np.dtype("?"),
    **{
        f"{sign}INT{bits}": np.dtype(f"<{sign.lower() or 'i'}{bits // 8}")
        for sign in ("", "U")
        for bits in (8, 16, 32, 64)
    },
    **{f"FP{bits}": np.dtype(f"<f{bits // 8}") for bits in (16, 32, 64)},
}
BYTES = "BYTES"
_DIMENSIONS = 8
_ELEMENTS = 2**31


@dataclass(frozen=True)
class Tensor:
    """A tensor with its data.

    Attributes:
        name: Its name.
        datatype: As in the protocol: FP64, INT64, BYTES, ...
        shape: Its dimensions.
        data: A NumPy array of that shape; for BYTES of objects: bytes, text, or None for a JSON null; for
            BOOL with a JSON null of objects, too.
        content_type: What MLServer's clients note of the elements, such as ``base64``, or None.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: Any
    content_type: str | None = None


def checked_shape(shape: Any, name: str) -> tuple[int, ...]:
    """Return the shape of a request's tensor.

    Raises:
        ApiError: It is not a valid shape.
    """
    good = isinstance(shape, list) and all(type(size) is int and 0 <= size < _ELEMENTS for size in shape)
    if not good or not 0 < len(shape) <= _DIMENSIONS or math.prod(shape) >= _ELEMENTS:
        raise bad_request(f"input {name!r}: shape must be a list of one to {_DIMENSIONS} sizes")
    return tuple(shape)


def from_json(
    name: str, datatype: str, shape: tuple[int, ...], data: Any, content_type: str | None = None
) -> Tensor:
    """Return a tensor from a flat or nested JSON array; null is a missing number, boolean or text.

    Raises:
        ApiError: The data does not have that type and shape.
    """
    if not isinstance(data, list):
        raise bad_request(f"input {name!r}: data must be an array, got {kind_of(data)}")
    flat: list[Any] = data
    if len(shape) > 1 and data and isinstance(data[0], list):
        flat = _flattened(name, data, shape)
    if len(flat) != math.prod(shape):
        raise bad_request(f"input {name!r}: its shape has {math.prod(shape)} elements, its data {len(flat)}")
    for position, value in enumerate(flat):
        if not _is(value, datatype):
            problem = f"element {position} is {kind_of(value)}"
            raise bad_request(f"input {name!r}: expected data of type {datatype}, {problem}")
    if datatype == BYTES:
        return Tensor(name, datatype, shape, _objects(flat).reshape(shape), content_type)
    if datatype == "BOOL" and None in flat:
        return Tensor(name, datatype, shape, _objects(flat).reshape(shape))
    try:
        if datatype.startswith("FP"):
            flat = [math.nan if value is None else value for value in flat]
        with np.errstate(over="ignore"):
            array = np.array(flat, dtype=NUMPY[datatype])
    except (OverflowError, ValueError):
        raise bad_request(f"input {name!r}: a number is too large for {datatype}") from None
    return Tensor(name, datatype, shape, array.reshape(shape))


def from_bytes(
    name: str, datatype: str, shape: tuple[int, ...], data: bytes, content_type: str | None = None
) -> Tensor:
    """Return a tensor of the binary tensor data extension.

    Raises:
        ApiError: The bytes do not have that type and shape.
    """
    count = math.prod(shape)
    if datatype == BYTES:
        return Tensor(
            name, datatype, shape, _objects(_elements(name, data, count)).reshape(shape), content_type
        )
    kind = NUMPY[datatype]
    if len(data) != count * kind.itemsize:
        message = f"{count} elements of {datatype} are {count * kind.itemsize} bytes, got {len(data)}"
        raise bad_request(f"input {name!r}: {message}")
    if datatype == "BOOL":
        return Tensor(name, datatype, shape, (np.frombuffer(data, np.uint8) != 0).reshape(shape))
    return Tensor(name, datatype, shape, np.frombuffer(data, kind).reshape(shape))


def of_values(name: str, values: list[Any]) -> Tensor:
    """Return predictions as a tensor of the narrowest datatype that holds all of them, else of JSON texts."""
    shape: tuple[int, ...] = (len(values),)
    flat = values
    if values and all(isinstance(value, list) and len(value) == len(values[0]) for value in values):
        shape, flat = (len(values), len(values[0])), [item for value in values for item in value]
    kinds = {type(value) for value in flat}
    if kinds == {bool}:
        return Tensor(name, "BOOL", shape, np.array(flat).reshape(shape))
    if kinds == {int} and all(-(2**63) <= value < 2**63 for value in flat):
        return Tensor(name, "INT64", shape, np.array(flat, dtype=np.int64).reshape(shape))
    if kinds <= {float, int, type(None)}:
        numbers = np.array([math.nan if value is None else float(value) for value in flat])
        return Tensor(name, "FP64", shape, numbers.reshape(shape))
    if kinds != {str}:
        flat = [value if isinstance(value, str) else jsonb.encode(value) for value in values]
        shape = (len(values),)
    return Tensor(name, BYTES, shape, _objects(flat).reshape(shape))


def to_bytes(tensor: Tensor) -> bytes:
    """Return the data in the format of the binary tensor data extension."""
    if tensor.datatype != BYTES:
        return bytes(tensor.data.astype(NUMPY[tensor.datatype], copy=False).tobytes())
    parts = [_encoded(value) for value in tensor.data.ravel()]
    return b"".join(struct.pack("<I", len(part)) + part for part in parts)


def to_json(tensor: Tensor) -> list[Any]:
    """Return the data as a flat array; NaN and infinities, which JSON does not have, become null."""
    flat: list[Any] = tensor.data.ravel().tolist()
    if tensor.datatype.startswith("FP"):
        return [value if math.isfinite(value) else None for value in flat]
    return flat


def text(value: Any) -> str | None:
    """Return an element of BYTES as text.

    Raises:
        UnicodeDecodeError: The element is not UTF-8.
    """
    return value.decode() if isinstance(value, bytes) else value


def _flattened(name: str, data: Any, shape: tuple[int, ...]) -> list[Any]:
    level: list[Any] = data
    for depth, size in enumerate(shape):
        if depth:
            if not all(isinstance(part, list) and len(part) == size for part in level):
                raise bad_request(f"input {name!r}: its data is not nested as its shape says")
            level = [value for part in level for value in part]
        elif len(level) != size:
            raise bad_request(f"input {name!r}: its data is not nested as its shape says")
    return level


def _is(value: Any, datatype: str) -> bool:
    if datatype == "BOOL":
        return value is True or value is False or value is None
    if datatype == BYTES:
        return value is None or isinstance(value, str)
    if datatype.startswith("FP"):
        return value is None or type(value) in (int, float)
    return type(value) is int


def _objects(flat: list[Any]) -> Any:
    array = np.empty(len(flat), dtype=object)
    array[:] = flat
    return array


def _elements(name: str, data: bytes, count: int) -> list[bytes]:
    parts, at = [], 0
    while at < len(data):
        if at + 4 > len(data):
            break
        (size,) = struct.unpack_from("<I", data, at)
        parts.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    if at != len(data) or len(parts) != count:
        raise bad_request(f"input {name!r}: its bytes are not {count} elements, each after its length")
    return parts


def _encoded(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    return (value if isinstance(value, str) else json.dumps(value)).encode("utf-8", "replace")
