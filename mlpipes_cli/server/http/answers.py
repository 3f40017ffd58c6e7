"""Encode answers as bytes."""

from __future__ import annotations

import io
from typing import Any

import msgspec

from mlpipes_cli.server.predictions import jsonb
from mlpipes_cli.server.predictions.stored_rows import StoredAnswer, plain_list

_encode = msgspec.json.Encoder().encode


def as_mlflow(answer: StoredAnswer, wrapped: bool = True) -> bytes:
    """Return the response of MLflow's scoring server.

    Args:
        answer: The answer to encode.
        wrapped: Whether the response is an object with ``predictions``.
    """
    plain = answer.predictions if answer.raw is None else plain_list(answer.raw)
    if plain is not None and wrapped:
        return b'{"predictions":' + _encode(plain) + b"}"
    from mlflow.pyfunc import scoring_server

    text = io.StringIO()
    write = scoring_server.predictions_to_json if wrapped else scoring_server.unwrapped_predictions_to_json
    write(answer.raw, text)
    return text.getvalue().encode()


def as_ours(answer: StoredAnswer) -> bytes:
    """Return the response of ``/predict``."""
    plain: dict[str, Any] = {
        "predictions": answer.predictions,
        "scores": answer.scores,
        "ids": answer.ids,
    }
    if answer.raw is not None:
        plain = {name: jsonb.plain(value) for name, value in plain.items()}
    model = answer.model
    named = {"name": model.name, "version": model.version, "alias": model.alias}
    return _encode({**plain, "prediction_ids": answer.prediction_ids, "model": named})
