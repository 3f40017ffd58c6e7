"""Turns a frame as it was read into the prepared data that all candidates of an experiment share."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlpipes_cli.config.experiment import Data
from mlpipes_cli.config.yaml_source import YamlSource
from mlpipes_cli.data import columns, image_files
from mlpipes_cli.data.canonical import canonical_feature, canonical_ids
from mlpipes_cli.data.prepared import Prepared
from mlpipes_cli.data.problems import wrong
from mlpipes_cli.data.rows import hash_rows, hash_values
from mlpipes_cli.data.split import split_rows
from mlpipes_cli.data.target import Target, read_target
from mlpipes_cli.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Rows = NDArray[np.int64]


def prepare(frame: pd.DataFrame, data: Data, source: YamlSource) -> Prepared:
    """Give each column its role and type, and make the split.

    The column of ``split: by`` stays a feature unless ``drop`` contains it, too.

    Raises:
        ConfigError: With the file and line of the cause: a missing column, a constant or
            incomplete target, no feature, a split that cannot be made.
    """
    frame = frame.rename(columns=str)
    _check_columns(frame, data, source)
    frame, left_out = _with_target(frame, data)
    target = read_target(frame[data.target], data, source)
    train, holdout, warnings = split_rows(frame, target, data, source)
    features, booleans = _features(frame, data, source)
    parts = {**features, data.target: target.values}
    if data.id is not None:
        parts[data.id] = canonical_ids(frame[data.id])
    clean = pd.DataFrame({name: column.reset_index(drop=True) for name, column in parts.items()})
    covered = (*features, data.target)
    hashes = hash_rows(clean, covered)
    warnings = [*left_out, *target.warnings, *warnings, *_warnings(clean, hashes, train, holdout, data)]
    held = clean.iloc[holdout]
    return Prepared(
        task=target.task,
        classes=target.classes,
        positive=target.positive,
        frame=clean,
        feature_names=tuple(features),
        target_name=data.target,
        id_name=data.id,
        train=train,
        holdout=holdout,
        fingerprint=_fingerprint(clean, target, data, holdout),
        holdout_fingerprint=_holdout_fingerprint(held, [*covered, *([data.id] if data.id else [])]),
        warnings=tuple(warnings),
        images=tuple(name for name in features if image_files.are_images(features[name])),
        booleans=booleans,
    )


def _check_columns(frame: pd.DataFrame, data: Data, source: YamlSource) -> None:
    names = list(frame.columns)
    problems = columns.missing(names, data, source)
    if repeated := columns.twice(names):
        problems.append(
            source.problem(
                ("data", "source"),
                f"duplicate column names: {', '.join(map(repr, repeated))}; rename them",
            )
        )
    if data.split.by == data.target:
        problems.append(source.problem(("data", "split", "by"), f"{data.target!r} is the target"))
    if problems:
        raise ConfigError(problems)


def _with_target(frame: pd.DataFrame, data: Data) -> tuple[pd.DataFrame, list[str]]:
    """Drop the rows without a target if ``drop_missing_target`` is set; return the rows and a warning."""
    gaps = frame[data.target].isna()
    if not data.drop_missing_target or not gaps.any() or gaps.all():
        return frame, []
    said = f"{int(gaps.sum())} of {len(frame)} rows have no {data.target!r} and were left out"
    return frame[~gaps].reset_index(drop=True), [said]


def _features(
    frame: pd.DataFrame, data: Data, source: YamlSource
) -> tuple[dict[str, pd.Series], tuple[str, ...]]:
    """Return the features by name, and the names of those that are booleans."""
    aside = {data.target, *data.drop, *([data.id] if data.id else [])}
    names = [name for name in frame.columns if name not in aside]
    if not names:
        raise wrong(source, ("data",), "no feature columns are left")
    read = {name: _feature(frame[name]) for name in names}
    features = {name: values for name, (values, _) in read.items()}
    if all(column.nunique(dropna=False) < 2 for column in features.values()):
        raise wrong(
            source, ("data", "source"), f"the features ({', '.join(names[:5])}) are the same in every row"
        )
    return features, tuple(name for name, (_, boolean) in read.items() if boolean)


def _feature(values: pd.Series) -> tuple[pd.Series, bool]:
    if image_files.are_images(values):
        return values.where(values.notna(), None), False
    return canonical_feature(values)


def _warnings(
    clean: pd.DataFrame, hashes: NDArray[np.uint64], train: Rows, holdout: Rows, data: Data
) -> list[str]:
    found = []
    shared = int(np.isin(hashes[holdout], hashes[train]).sum())
    if shared:
        found.append(
            f"{shared} of {len(holdout)} holdout rows also occur in the training rows, with the same target"
        )
    unnamed = [name for name in clean.columns if name == "" or name.startswith("Unnamed: ")]
    if unnamed:
        found.append(
            f"the column {unnamed[0]!r} has no name in the file; if it numbers the rows, put it in `drop`"
        )
    if data.id is not None:
        gaps, repeated = int(clean[data.id].isna().sum()), int(clean[data.id].dropna().duplicated().sum())
        if gaps:
            found.append(f"the id {data.id!r} is missing in {gaps} rows")
        if repeated:
            found.append(
                f"the id {data.id!r} is repeated in {repeated} rows; ground truth is assigned to the "
                "latest prediction"
            )
    return found


def _fingerprint(clean: pd.DataFrame, target: Target, data: Data, holdout: Rows) -> str:
    roles = {
        "version": 1,
        "columns": list(clean.columns),
        "target": data.target,
        "id": data.id,
        "task": target.task,
        "classes": [str(label) for label in target.classes],
        "split": data.split.model_dump(mode="json"),
    }
    digest = hashlib.sha256(json.dumps(roles, sort_keys=True).encode())
    for name in clean.columns:
        digest.update(hash_values(clean[name]).astype("<u8").tobytes())
    digest.update(holdout.astype("<i8").tobytes())
    return digest.hexdigest()


def _holdout_fingerprint(held: pd.DataFrame, names: list[str]) -> str:
    digest = hashlib.sha256(json.dumps(sorted(names)).encode())
    digest.update(np.sort(hash_rows(held, names)).astype("<u8").tobytes())
    return digest.hexdigest()
