"""Encode stored answers as the protocol's inference responses: JSON, or JSON and bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from mlpipes_cli.server.http.api_error import bad_request
from mlpipes_cli.server.predictions import jsonb
from mlpipes_cli.server.predictions.stored_rows import StoredAnswer
from mlpipes_cli.server.v2 import tensors
from mlpipes_cli.server.v2.envelope import Inference
from mlpipes_cli.server.v2.signature import ID
from mlpipes_cli.server.v2.tensors import Tensor
from mlpipes_cli.suggest import did_you_mean

_PLAIN = {bool, int, float, str, type(None)}


def check_outputs(asked: Inference, known: set[str]) -> None:
    """Reject, before the prediction, outputs that the model does not have.

    Raises:
        ApiError: An output is unknown (400).
    """
    for output in asked.outputs or ():
        if output.name not in known:
            suggestion = did_you_mean(output.name, known) or f"; available: {', '.join(sorted(known))}"
            raise bad_request(f"the model has no output {output.name!r}{suggestion}")


def encode(answer: StoredAnswer, asked: Inference) -> tuple[bytes, int | None]:
    """Return the response's body, and the length of its JSON if binary data follows."""
    there = _outputs(answer)
    if asked.outputs is None:
        chosen = [(make(), asked.binary) for make in there.values()]
    else:
        chosen = [(there[output.name](), output.binary) for output in asked.outputs if output.name in there]
    described, parts = [], []
    for tensor, binary in chosen:
        plain = {"name": tensor.name, "datatype": tensor.datatype, "shape": list(tensor.shape)}
        if binary:
            parts.append(tensors.to_bytes(tensor))
            described.append({**plain, "parameters": {"binary_data_size": len(parts[-1])}})
        else:
            described.append({**plain, "data": tensors.to_json(tensor)})
    model = answer.model
    document: dict[str, Any] = {"model_name": model.name, "model_version": str(model.version)}
    if asked.id is not None:
        document["id"] = jsonb.text(asked.id)
    document |= {"parameters": {"alias": model.alias}, "outputs": described}
    head = msgspec.json.encode(document)
    return (head, None) if not parts else (b"".join([head, *parts]), len(head))


def _outputs(answer: StoredAnswer) -> dict[str, Callable[[], Tensor]]:
    """Return the available outputs by name; each is made on request."""
    found: dict[str, Callable[[], Tensor]] = {}
    rows = answer.predictions
    names = list(rows[0]) if rows and isinstance(rows[0], dict) else []
    if names and all(isinstance(row, dict) and list(row) == names for row in rows):
        for name in names:
            found[str(name)] = _maker(str(name), [row[name] for row in rows])
    else:
        found["predict"] = _maker("predict", rows)
    reader, scores = answer.model.scores, answer.scores
    if scores is not None and reader is not None:
        if reader.positive is not None or not reader.probabilities:
            found["score"] = _maker("score", scores)
        if reader.probabilities:
            found["predict_proba"] = _maker("predict_proba", reader.table(scores))
    found[ID] = _maker(ID, answer.prediction_ids)
    return found


def _maker(name: str, values: list[Any]) -> Callable[[], Tensor]:
    def make() -> Tensor:
        plain = values if {type(value) for value in values} <= _PLAIN else jsonb.plain(values)
        return tensors.of_values(name, plain)

    return make
