"""Read the description in an MLflow model's folder without MLflow, whose import takes seconds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlpipes_cli.mlflow_tags import MODEL_METADATA


@dataclass(frozen=True)
class InputColumn:
    """An input column of a model.

    Attributes:
        name: Its name.
        type: The type of its values: double, string, boolean, long, datetime, ... as in MLflow's signatures.
        required: Whether the column is required.
        signed: The type in the model's signature if it differs, or None. A boolean that the signature has as
            a double reaches the model as 1, 0 and NaN.
    """

    name: str
    type: str
    required: bool
    signed: str | None = None


@dataclass(frozen=True)
class Description:
    """The content of an ``MLmodel`` file.

    Attributes:
        folder: The model's folder.
        columns: The signature's columns; empty for a signature without names.
        params: Whether the signature has parameters.
        details: The metadata that training stored for serving.
        pickled: The file of a scikit-learn estimator that is served by its ``predict`` alone; or None.
        example: The first row of the input example by column, or None.
    """

    folder: Path
    columns: tuple[InputColumn, ...]
    params: bool
    details: Mapping[str, Any]
    pickled: Path | None
    example: Mapping[str, Any] | None = field(repr=False)


def describe(folder: Path) -> Description:
    """Read the description of a model's folder.

    Raises:
        OSError: There is no readable ``MLmodel``.
        ValueError: The file is not a valid ``MLmodel``.
    """
    import yaml

    from mlpipes_cli.config import yaml_bounds

    try:
        document = yaml_bounds.load((folder / "MLmodel").read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"MLmodel: {getattr(error, 'problem', None) or 'is not valid YAML'}") from None
    if not isinstance(document, dict) or not isinstance(document.get("flavors"), dict):
        raise ValueError("MLmodel names no flavours")
    signature = document.get("signature") or {}
    flavours = document["flavors"]
    details = dict((document.get("metadata") or {}).get(MODEL_METADATA) or {})
    columns = _columns(signature.get("inputs"), details.get("types") or {})
    return Description(
        folder=folder,
        columns=columns,
        params=bool(signature.get("params")),
        details=details,
        pickled=_pickled(folder, flavours),
        example=_example(folder, document.get("saved_input_example_info") or {}, columns),
    )


def _columns(inputs: Any, types: Mapping[str, str]) -> tuple[InputColumn, ...]:
    entries = json.loads(inputs) if isinstance(inputs, str) else inputs or []
    if not all(isinstance(entry, dict) and "name" in entry and "type" in entry for entry in entries):
        return ()
    if any(entry["type"] == "tensor" for entry in entries):
        return ()
    return tuple(_column(entry, types.get(entry["name"])) for entry in entries)


def _column(entry: Mapping[str, Any], declared: str | None) -> InputColumn:
    kind, required = str(entry["type"]), bool(entry.get("required", True))
    if declared is None or declared == kind:
        return InputColumn(entry["name"], kind, required)
    return InputColumn(entry["name"], declared, required, kind)


def _pickled(folder: Path, flavours: Mapping[str, Any]) -> Path | None:
    general, own = flavours.get("python_function") or {}, flavours.get("sklearn") or {}
    plain = (
        general.get("loader_module") == "mlflow.sklearn"
        and general.get("predict_fn", "predict") == "predict"
        and own.get("serialization_format") in {"cloudpickle", "pickle"}
        and not own.get("code")
        and not general.get("code")
    )
    path = folder / str(own.get("pickled_model", ""))
    return path if plain and path.is_file() else None


def _example(
    folder: Path, info: Mapping[str, Any], columns: tuple[InputColumn, ...]
) -> dict[str, Any] | None:
    try:
        document = json.loads((folder / str(info.get("artifact_path", ""))).read_text(encoding="utf-8"))
        if info.get("pandas_orient") == "split":
            found = dict(zip(document["columns"], document["data"][0], strict=True))
            truths = [column.name for column in columns if column.type == "boolean" and column.signed]
            return found | {name: bool(found[name]) for name in truths if found.get(name) is not None}
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        pass
    return None
