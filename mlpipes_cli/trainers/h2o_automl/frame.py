"""Converts training rows to an H2O frame, and defines how the model's features are read from then on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli.metric_catalog import Task

if TYPE_CHECKING:
    import pandas as pd

    from mlpipes_cli.trainers.models.h2o_model import Column

TARGET = "target"
WEIGHTS, FOLD = "weights_of_rows", "fold_of_row"
_SAFE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,80}")
_MISSING_TO_H2O = {"na", "nan", "n_a", "null", "none", "inf", "infinity", "true", "false"}


def columns_of(X: pd.DataFrame) -> list[Column]:
    """Return the H2O column of each feature: numbers and booleans, timestamps, or texts as factor levels."""
    from mlpipes_cli.preprocess.blocks import read_labels
    from mlpipes_cli.trainers.models.h2o_model import MOMENTS, NUMBERS, TEXTS, Column

    names = _safe_names((str(name) for name in X.columns), taken={TARGET, WEIGHTS, FOLD})
    found = []
    for name, safe in zip(X.columns, names, strict=True):
        kind, levels = _kind(X[name], NUMBERS, MOMENTS, TEXTS), dict[str, str]()
        if kind == TEXTS:
            texts = sorted({text for text in read_labels(X[name]) if text})
            levels = dict(zip(texts, _safe_names(texts, taken=_MISSING_TO_H2O), strict=True))
        found.append(Column(name, safe, kind, levels))
    return found


def levels_of(classes: tuple[Any, ...]) -> tuple[str, ...]:
    """Return H2O's names of the classes; they keep the experiment's order, so the last of two is positive."""
    return tuple(f"c{position:05d}" for position in range(len(classes)))


def upload(
    X: pd.DataFrame,
    y: pd.Series,
    task: Task,
    classes: tuple[Any, ...],
    columns: list[Column],
    folder: Path,
    more: Mapping[str, Any] | None = None,
) -> Any:
    """Upload rows with the column ``target``, and more numbers by name; return the ``H2OFrame``."""
    import h2o
    import pandas as pd

    from mlpipes_cli.trainers.models.h2o_model import TEXTS

    content: dict[str, Any] = {}
    for column in columns:
        values = X[column.name]
        content[column.safe] = column.texts(values) if column.kind == TEXTS else column.numbers(values)
    if task == "regression":
        content[TARGET] = y.to_numpy(dtype="float64")
    else:
        level = dict(zip(classes, levels_of(classes), strict=True))
        content[TARGET] = [level[label] for label in y.tolist()]
    content |= more or {}
    path = folder / "training.csv"
    pd.DataFrame(content).to_csv(path, index=False, header=False)
    kinds = ["enum" if column.kind == TEXTS else "real" for column in columns]
    kinds.append("real" if task == "regression" else "enum")
    kinds += ["real"] * len(more or {})
    try:
        return h2o.upload_file(str(path), header=-1, sep=",", col_names=list(content), col_types=kinds)
    finally:
        path.unlink()


def readable(variable: str, columns: Iterable[Column]) -> str:
    """Translate a variable of H2O's tables to the feature's name, or to ``name.level`` for a factor level."""
    for column in columns:
        if variable == column.safe:
            return column.name
        if column.levels and variable.startswith(f"{column.safe}."):
            level = variable.removeprefix(f"{column.safe}.")
            text = next((text for text, safe in column.levels.items() if safe == level), level)
            return f"{column.name}.{text}"
    return variable


def _kind(values: pd.Series, numbers: str, moments: str, texts: str) -> str:
    import pandas as pd

    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return moments
    if pd.api.types.is_numeric_dtype(values.dtype) or pd.api.types.is_bool_dtype(values.dtype):
        return numbers
    present = values.dropna()
    return numbers if len(present) and all(isinstance(value, bool) for value in present) else texts


def _safe_names(texts: Iterable[str], taken: Iterable[str]) -> list[str]:
    """Return unique names that are safe in CSV files and as close to the texts as possible."""
    used = {name.lower() for name in taken}
    found = []
    for position, text in enumerate(texts):
        name = re.sub(r"[^A-Za-z0-9_]", "_", text)[:80]
        if not _SAFE.fullmatch(name) or name.lower() in used:
            name = f"v{position}_{name}"[:80]
        used.add(name.lower())
        found.append(name)
    return found
