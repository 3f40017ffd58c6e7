"""The protocol between the API and a model process over a socket, version 1.

A message is 16 bytes (``mlp1``, the header's length, the body's), a header in JSON (``protocol``, ``type``,
``value``, ``parts``) and a body, which holds the parts one after the other: tables as Arrow IPC streams, or
as an array where all columns are numbers of one type, and arrays as their bytes. ``value`` is a tree of
``[kind, ...]`` that names the parts. Nothing is unpickled.

======= ======= ==================================================================================
from    type    value
======= ======= ==================================================================================
API     load    ``folder``, ``pickled`` (or null), ``details``: sent once, first
model   ready   ``pid`` (of the process that answers), ``scores`` (or null), ``python``
model   failed  ``error``, one line, and ``absent``: a module that is not there; the process ends
API     ask     ``number``, ``data``, ``params`` (or null)
model   answer  ``number``, ``raw`` (the model's output), ``scores`` (an array, or null)
model   error   ``number``, ``error``: one line; the next request may come
======= ======= ==================================================================================

The model process answers one request at a time, and ends when the socket closes.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

VERSION = 1
_HEAD = struct.Struct("!4sIQ")
_MAGIC = b"mlp1"
_PLAIN = (str, int, float, bool, type(None))
_CHUNK = 1 << 20
_MANY = 10_000  # rows from which threads are worth their start-up


class Closed(Exception):
    """The other side has closed the socket."""


@dataclass(frozen=True)
class Message:
    """A message: its type and its fields."""

    type: str
    value: dict[str, Any]


def send(link: socket.socket, kind: str, **value: Any) -> None:
    """Send a message.

    Raises:
        TypeError: A value cannot be serialized; nothing was sent.
        Closed: The other side has closed the socket.
        TimeoutError: The other side does not read.
    """
    parts: list[bytes] = []
    tree = _pack(value, parts)
    header = json.dumps(
        {"protocol": VERSION, "type": kind, "value": tree, "parts": [len(part) for part in parts]}
    ).encode()
    try:
        link.sendall(_HEAD.pack(_MAGIC, len(header), sum(map(len, parts))) + header)
        for part in parts:
            link.sendall(part)
    except TimeoutError:
        raise
    except OSError:
        raise Closed from None


def receive(link: socket.socket) -> Message:
    """Wait for a message.

    Raises:
        Closed: The other side has closed the socket.
        TimeoutError: No message arrived within the socket's timeout.
        ValueError: The bytes are not a message, or one of another version.
    """
    magic, header_size, body_size = _HEAD.unpack(_exactly(link, _HEAD.size))
    if magic != _MAGIC:
        raise ValueError("not a message")
    header = json.loads(bytes(_exactly(link, header_size)))
    if header["protocol"] != VERSION:
        raise ValueError(f"a message of protocol {header['protocol']}, expected {VERSION}")
    body = memoryview(_exactly(link, body_size))
    parts, start = [], 0
    for size in header["parts"]:
        parts.append(body[start : start + size])
        start += size
    return Message(header["type"], _unpack(header["value"], parts))


def _exactly(link: socket.socket, size: int) -> bytearray:
    found = bytearray(size)
    view, got = memoryview(found), 0
    while got < size:
        try:
            count = link.recv_into(view[got : got + _CHUNK])
        except TimeoutError:
            raise
        except OSError:
            raise Closed from None
        if not count:
            raise Closed
        got += count
    return found


def _pack(value: Any, parts: list[bytes]) -> list[Any]:
    """Return the value as a tree; append large values to the parts."""
    if type(value) in _PLAIN:
        return ["plain", value]
    if isinstance(value, (bytes, bytearray, memoryview)):
        return ["bytes", _part(bytes(value), parts)]
    if isinstance(value, dict):
        if not all(type(key) is str for key in value):
            raise TypeError("a dictionary with keys that are not strings cannot be sent")
        return ["dict", {key: _pack(item, parts) for key, item in value.items()}]
    if isinstance(value, (list, tuple)):
        if all(type(item) in _PLAIN for item in value):
            return ["plain", list(value)]
        return ["list", [_pack(item, parts) for item in value]]
    return _pack_numeric(value, parts)


def _pack_numeric(value: Any, parts: list[bytes]) -> list[Any]:
    import numpy as np
    import pandas as pd

    if isinstance(value, pd.DataFrame):
        if _is_matrix(value):  # many times faster than column by column
            return ["matrix", _pack(value.to_numpy(), parts), list(value.columns)]
        return ["frame", _part(_table(value), parts)]
    if isinstance(value, pd.Series):
        named = value.name if isinstance(value.name, (str, int)) else None
        return ["series", _part(_table(value.to_frame("value")), parts), named]
    if isinstance(value, np.ndarray):
        shape = list(value.shape)
        if value.dtype.kind in "biufcmM":
            return ["array", _part(np.ascontiguousarray(value).tobytes(), parts), value.dtype.str, shape]
        if value.dtype.kind in "UO":
            return ["objects", _pack(value.ravel().tolist(), parts), value.dtype.kind, shape]
    elif isinstance(value, pd.Timestamp):
        return _pack_numeric(np.asarray(value.to_datetime64()), parts)
    elif isinstance(value, (np.datetime64, np.timedelta64)):
        return _pack_numeric(np.asarray(value), parts)
    elif isinstance(value, np.generic):
        return _pack(value.item(), parts)
    elif value is pd.NA or value is pd.NaT:
        return ["plain", None]
    elif isinstance(value, (str, int, float)):  # subclasses of the plain types
        return ["plain", str(value) if isinstance(value, str) else value]
    raise TypeError(f"a value of type {type(value).__name__} cannot be sent")


def _is_matrix(frame: pd.DataFrame) -> bool:
    """Return whether all columns are numbers of one type with string names, and the index is a range."""
    import pandas as pd

    kinds = set(frame.dtypes)
    kind = kinds.pop() if len(kinds) == 1 else None
    index = frame.index
    return (
        getattr(kind, "kind", "") in {"i", "u", "f"}
        and hasattr(kind, "newbyteorder")  # numpy's own types, without a mask
        and all(type(name) is str for name in frame.columns)
        and isinstance(index, pd.RangeIndex)
        and (index.start, index.step, index.name, frame.columns.name) == (0, 1, None, None)
    )


def _part(content: bytes, parts: list[bytes]) -> int:
    parts.append(content)
    return len(parts) - 1


def _table(frame: pd.DataFrame) -> bytes:
    import pyarrow as pa

    try:
        table = pa.Table.from_pandas(frame, nthreads=None if len(frame) > _MANY else 1)
    except (pa.ArrowException, ValueError, TypeError) as error:
        line = " ".join(str(error).split())[:200]
        raise TypeError(f"a table that Arrow does not support cannot be sent: {line}") from None
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(memoryview(sink.getvalue()))


def _unpack(tree: list[Any], parts: list[memoryview]) -> Any:
    return _UNPACK[tree[0]](tree, parts)


def _frame(tree: list[Any], parts: list[memoryview]) -> pd.DataFrame:
    import pyarrow as pa

    table = pa.ipc.open_stream(pa.py_buffer(parts[tree[1]])).read_all()
    frame: pd.DataFrame = table.to_pandas(use_threads=len(table) > _MANY)
    return frame


def _matrix(tree: list[Any], parts: list[memoryview]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(_unpack(tree[1], parts), columns=tree[2])


def _series(tree: list[Any], parts: list[memoryview]) -> Any:
    return _frame(tree, parts)["value"].rename(tree[2])


def _array(tree: list[Any], parts: list[memoryview]) -> Any:
    import numpy as np

    return np.frombuffer(bytearray(parts[tree[1]]), dtype=np.dtype(tree[2])).reshape(tree[3])


def _objects(tree: list[Any], parts: list[memoryview]) -> Any:
    import numpy as np

    values = _unpack(tree[1], parts)
    if tree[2] == "U":
        return np.array(values, dtype=np.str_).reshape(tree[3])
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found.reshape(tree[3])


_UNPACK: dict[str, Callable[[list[Any], list[memoryview]], Any]] = {
    "plain": lambda tree, parts: tree[1],
    "bytes": lambda tree, parts: bytes(parts[tree[1]]),
    "dict": lambda tree, parts: {key: _unpack(item, parts) for key, item in tree[1].items()},
    "list": lambda tree, parts: [_unpack(item, parts) for item in tree[1]],
    "frame": _frame,
    "matrix": _matrix,
    "series": _series,
    "array": _array,
    "objects": _objects,
}
