"""What an MLflow model's folder says of it, read without MLflow, whose import takes seconds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlpipes_cli.run_schema import MODEL_METADATA


@dataclass(frozen=True)
class InputColumn:
    """A column that the model takes.

    Attributes:
        name: Its name.
        type: As in MLflow's signatures: double, string, boolean, long, datetime, ...
        required: Whether it may be left out.
    """

    name: str
    type: str
    required: bool


@dataclass(frozen=True)
class Description:
    """An ``MLmodel`` file.

    Attributes:
        folder: Where it lies.
        columns: Those of the signature; empty without a signature by names.
        params: Whether the signature knows parameters.
        details: What training noted for serving.
        flavour: The ``python_function`` flavour.
        pickled: The file of a scikit-learn estimator that ``predict`` asks and nothing else; or None.
        example: The first row of the input example by column, or None.
    """

    folder: Path
    columns: tuple[InputColumn, ...]
    params: bool
    details: Mapping[str, Any]
    flavour: Mapping[str, Any]
    pickled: Path | None
    example: Mapping[str, Any] | None = field(repr=False)


def describe(folder: Path) -> Description:
    """Read a model's folder.

    Raises:
        OSError: There is no readable ``MLmodel``.
        ValueError: It is none.
    """
    import yaml

    from mlpipes_cli.config import yaml_bounds

    try:
        document = yaml_bounds.load((folder / "MLmodel").read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"MLmodel: {getattr(error, 'problem', None) or 'is no YAML'}") from None
    if not isinstance(document, dict) or not isinstance(document.get("flavors"), dict):
        raise ValueError("MLmodel names no flavours")
    signature = document.get("signature") or {}
    flavours = document["flavors"]
    return Description(
        folder=folder,
        columns=_columns(signature.get("inputs")),
        params=bool(signature.get("params")),
        details=dict((document.get("metadata") or {}).get(MODEL_METADATA) or {}),
        flavour=flavours.get("python_function") or {},
        pickled=_pickled(folder, flavours),
        example=_example(folder, document.get("saved_input_example_info") or {}),
    )


def _columns(inputs: Any) -> tuple[InputColumn, ...]:
    entries = json.loads(inputs) if isinstance(inputs, str) else inputs or []
    if not all(isinstance(entry, dict) and "name" in entry and "type" in entry for entry in entries):
        return ()
    if any(entry["type"] == "tensor" for entry in entries):
        return ()
    return tuple(
        InputColumn(entry["name"], str(entry["type"]), bool(entry.get("required", True))) for entry in entries
    )


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


def _example(folder: Path, info: Mapping[str, Any]) -> dict[str, Any] | None:
    try:
        document = json.loads((folder / str(info.get("artifact_path", ""))).read_text(encoding="utf-8"))
        if info.get("pandas_orient") == "split":
            return dict(zip(document["columns"], document["data"][0], strict=True))
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        pass
    return None
