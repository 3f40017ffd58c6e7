"""Encodes rows of ``serving.predictions`` in COPY's binary format.

Source: PostgreSQL's manual, COPY, "Binary Format": a header, then for each row the number of its
fields and for each field its length (-1 is null) and its value as the type's ``receive`` function
takes it, all in network byte order; a row of -1 fields ends it. ``timestamptz`` is microseconds since
2000-01-01 UTC; ``jsonb`` is a version byte (1) and the text.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from mlpipes_cli.ports import PredictionRow

COLUMNS = (
    "model_name",
    "model_version",
    "model_alias",
    "prediction_id",
    "made_at",
    "latency_ms",
    "caller_id",
    "inputs",
    "prediction",
    "scores",
    "trace_id",
    "shadow_of",
)
_HEADER, _TRAILER = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
_EPOCH = 946_684_800_000  # 2000-01-01 in milliseconds since 1970
_NULL = b"\xff\xff\xff\xff"
_length = struct.Struct("!i").pack
_head = struct.Struct("!i16siqid").pack  # prediction_id, made_at, latency_ms, each preceded by its length


def encode(rows: Sequence[PredictionRow]) -> bytes:
    """Return all data of a COPY."""
    constants: dict[tuple[str, int, str], bytes] = {}
    parts = [_HEADER]
    add = parts.append
    for row in rows:
        identifier, caller, made_at, model, version, alias, inputs, prediction, scores, latency, *rest = row
        start = constants.get((model, version, alias))
        if start is None:
            start = constants[model, version, alias] = _constant(model, version, alias)
        add(start)
        add(_head(16, _uuid(identifier), 8, (made_at - _EPOCH) * 1000, 8, latency))
        add(_NULL if caller is None else _text(caller.encode()))
        add(_length(len(inputs) + 1) + b"\x01" + inputs)
        add(_length(len(prediction) + 1) + b"\x01" + prediction)
        add(_NULL if scores is None else _length(len(scores) + 1) + b"\x01" + scores)
        trace, shadow = rest
        add(_NULL if trace is None else _text(trace.encode()))
        add(_NULL if shadow is None else _text(_uuid(shadow)))
    add(_TRAILER)
    return b"".join(parts)


def _constant(model: str, version: int, alias: str) -> bytes:
    """Return the number of fields, and the fields that are the same in all rows of a model."""
    fields = (_text(model.encode()), _text(struct.pack("!i", version)), _text(alias.encode()))
    return struct.pack("!h", len(COLUMNS)) + b"".join(fields)


def _text(value: bytes) -> bytes:
    return _length(len(value)) + value


def _uuid(text: str) -> bytes:
    return bytes.fromhex(text.replace("-", ""))
