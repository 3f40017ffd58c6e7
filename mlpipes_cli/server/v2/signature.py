"""A model's inputs and outputs as tensors: read from its ``MLmodel``, without MLflow."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from mlpipes_cli.mlflow_tags import MODEL_THRESHOLD
from mlpipes_cli.server.models.served_model import ServedModel
from mlpipes_cli.server.v2.tensors import BYTES

_OF_COLUMNS = {
    "double": "FP64",
    "float": "FP32",
    "long": "INT64",
    "integer": "INT32",
    "boolean": "BOOL",
}  # text, dates and all other types are sent as BYTES
_OF_NUMPY = {
    "bool": "BOOL",
    **{f"{sign}int{bits}": f"{sign.upper()}INT{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
    **{f"float{bits}": f"FP{bits}" for bits in (16, 32, 64)},
}
ID = "prediction_ids"


@dataclass(frozen=True)
class Described:
    """A tensor without data.

    Attributes:
        name: Its name.
        datatype: As in the protocol.
        shape: -1 for a dimension of any size.
        type: The column's type in the signature, or None.
        required: Whether an input is required.
        threshold: The lowest score of the positive class for an output's label, or None.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    type: str | None = None
    required: bool = True
    threshold: float | None = None

    def document(self) -> dict[str, Any]:
        """Return the tensor as in the model's metadata."""
        plain = {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}
        if self.threshold is not None:
            return {**plain, "parameters": {"threshold": self.threshold}}
        if self.type is None:
            return plain
        return {**plain, "parameters": {"type": self.type, "required": self.required}}


@dataclass(frozen=True)
class TensorSignature:
    """Inputs and outputs of a model.

    Attributes:
        inputs: The model's inputs; empty for a model without a signature.
        outputs: The model's outputs.
        params: Names of the model's parameters.
        tensors: Whether the signature has tensors rather than columns.
    """

    inputs: tuple[Described, ...]
    outputs: tuple[Described, ...]
    params: frozenset[str]
    tensors: bool


_known: WeakKeyDictionary[ServedModel, TensorSignature] = WeakKeyDictionary()


def of(model: ServedModel) -> TensorSignature:
    """Return the model's signature; it is read once."""
    found = _known.get(model)
    if found is None:
        found = _known[model] = _read(model)
    return found


def _read(model: ServedModel) -> TensorSignature:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    text = (model.folder / "MLmodel").read_text(encoding="utf-8")
    document = yaml.load(text, Loader=loader).get("signature") or {}  # noqa: S506
    types = {column.name: column.type for column in model.columns}
    inputs = [
        {**entry, "type": types.get(entry.get("name"), entry.get("type"))}
        for entry in _entries(document.get("inputs"))
    ]
    params = _entries(document.get("params"))
    return TensorSignature(
        inputs=tuple(_tensor(entry, f"input-{at}") for at, entry in enumerate(inputs)),
        outputs=_outputs(model, _entries(document.get("outputs"))),
        params=frozenset(str(entry["name"]) for entry in params if "name" in entry),
        tensors=any(entry.get("type") == "tensor" for entry in inputs),
    )


def _entries(value: Any) -> list[Any]:
    entries = json.loads(value) if isinstance(value, str) else value
    return [entry for entry in entries or [] if isinstance(entry, dict)]


def _tensor(entry: Mapping[str, Any], name: str) -> Described:
    name = str(entry.get("name") or name)
    if entry.get("type") == "tensor":
        spec = entry.get("tensor-spec") or {}
        return Described(name, _OF_NUMPY.get(str(spec.get("dtype")), BYTES), tuple(spec.get("shape", [-1])))
    kind = str(entry.get("type"))
    required = bool(entry.get("required", True))
    return Described(name, _OF_COLUMNS.get(kind, BYTES), (-1,), kind, required)


def _outputs(model: ServedModel, entries: list[Any]) -> tuple[Described, ...]:
    given = [_tensor(entry, "predict") for entry in entries]
    if len(given) <= 1:  # a single column is returned as a list, whatever its name
        only = given[0] if given else Described("predict", "FP64" if _is_regression(model) else BYTES, (-1,))
        given = [Described("predict", only.datatype, only.shape)]
    cut = model.details.get(MODEL_THRESHOLD) if len(given) == 1 else None
    found = [Described(output.name, output.datatype, output.shape, threshold=cut) for output in given]
    if model.scores is not None:
        classes = model.scores.classes
        if classes == 2:
            found.append(Described("score", "FP64", (-1,)))
        if classes != 2 and not model.scores.probabilities:
            found.append(Described("score", "FP64", (-1, classes)))
        if model.scores.probabilities:
            found.append(Described("predict_proba", "FP64", (-1, classes)))
    return (*found, Described(ID, BYTES, (-1,)))


def _is_regression(model: ServedModel) -> bool:
    return model.details.get("task") == "regression"
