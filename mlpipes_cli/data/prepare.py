"""Turns a frame as it was read into the prepared data that all candidates of an experiment share."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mlpipes_cli.config.experiment import Data
from mlpipes_cli.config.yaml_source import YamlSource
from mlpipes_cli.data import columns
from mlpipes_cli.data.canonical import canonical, canonical_feature, canonical_ids
from mlpipes_cli.data.origins import image_files
from mlpipes_cli.data.prepared import Prepared
from mlpipes_cli.data.problems import wrong
from mlpipes_cli.data.rows import hash_rows, hash_values
from mlpipes_cli.data.split import RowSplit, split_rows
from mlpipes_cli.data.target import Target, read_target
from mlpipes_cli.errors import ConfigError
from mlpipes_cli.ports.data_sets.datasets import SPLIT

if TYPE_CHECKING:
    from numpy.typing import NDArray


def prepare(frame: pd.DataFrame, data: Data, source: YamlSource) -> Prepared:
    """Give each column its role and type, and make the split.

    The column of ``split: by`` stays a feature unless ``drop`` contains it, too; those of ``split: group``
    and ``weights`` are none. The rows of a data set have their part in the column ``_split``.

    Raises:
        ConfigError: With the file and line of the cause: a missing column, a constant or
            incomplete target, no feature, a split that cannot be made.
    """
    frame = frame.rename(columns=str)
    _check_columns(frame, data, source)
    frame, left_out = _with_target(frame, data)
    target = read_target(frame[data.target], data, source)
    split = split_rows(frame, target, data, source)
    features, booleans = _features(frame, data, source)
    parts = {**features, data.target: target.values, **_beside(frame, data, source)}
    clean = pd.DataFrame({name: column.reset_index(drop=True) for name, column in parts.items()})
    covered = (*features, data.target)
    hashes = hash_rows(clean, covered)
    warnings = [*left_out, *target.warnings, *split.warnings, *_warnings(clean, hashes, split, data)]
    held = clean.iloc[split.holdout]
    return Prepared(
        task=target.task,
        classes=target.classes,
        positive=target.positive,
        frame=clean,
        feature_names=tuple(features),
        target_name=data.target,
        id_name=data.id,
        train=split.train,
        holdout=split.holdout,
        fingerprint=_fingerprint(clean, target, data, split),
        holdout_fingerprint=holdout_fingerprint(held, [*covered, *([data.id] if data.id else [])]),
        warnings=tuple(warnings),
        images=tuple(name for name in features if image_files.are_images(features[name])),
        booleans=booleans,
        validation=split.validation,
        weights_name=data.weights or None,
        group_name=data.split.group,
    )


def _beside(frame: pd.DataFrame, data: Data, source: YamlSource) -> dict[str, pd.Series]:
    """Return the columns that are no features: groups, weights and ids."""
    found = {}
    if data.split.group is not None:
        found[data.split.group] = canonical(frame[data.split.group])
    if data.weights:
        found[data.weights] = _weights(canonical(frame[data.weights]), data.weights, source)
    if data.id is not None:
        found[data.id] = canonical_ids(frame[data.id])
    return found


def _weights(values: pd.Series, name: str, source: YamlSource) -> pd.Series:
    where = ("data", "weights")
    if values.dtype.kind != "f":
        raise wrong(source, where, f"{name!r} does not hold numbers, as weights have to be")
    bad = ~(np.isfinite(values) & (values > 0))
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        shown = "missing" if pd.isna(values.iloc[first]) else f"{values.iloc[first]:g}"
        raise wrong(
            source,
            where,
            f"{name!r} is not a number above 0 in {int(bad.sum())} of {len(values)} rows, such as row "
            f"{first + 1} ({shown})",
        )
    return values


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
    if data.split.by == data.target and data.dataset is None:
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
    aside = {data.target, data.id, data.weights, data.split.group, *data.drop}
    if data.dataset is not None:
        aside.add(SPLIT)
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


def _warnings(clean: pd.DataFrame, hashes: NDArray[np.uint64], split: RowSplit, data: Data) -> list[str]:
    found = []
    for name, rows in (("holdout", split.holdout), ("validation", split.validation)):
        if shared := int(np.isin(hashes[rows], hashes[split.train]).sum()):
            found.append(
                f"{shared} of {len(rows)} {name} rows also occur in the training rows, with the same target"
            )
    if data.split.group is not None and (gaps := int(clean[data.split.group].isna().sum())):
        found.append(f"{gaps} rows without a value of {data.split.group!r} stay together, as one group")
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


def _fingerprint(clean: pd.DataFrame, target: Target, data: Data, split: RowSplit) -> str:
    roles: dict[str, Any] = {
        "version": 1,
        "columns": list(clean.columns),
        "target": data.target,
        "id": data.id,
        "task": target.task,
        "classes": [str(label) for label in target.classes],
        "split": data.split.roles(),
    }
    if data.weights:
        roles["weights"] = data.weights
    digest = hashlib.sha256(json.dumps(roles, sort_keys=True).encode())
    for name in clean.columns:
        digest.update(hash_values(clean[name]).astype("<u8").tobytes())
    digest.update(split.holdout.astype("<i8").tobytes())
    if len(split.validation):
        digest.update(b"validation" + split.validation.astype("<i8").tobytes())
    return digest.hexdigest()


def holdout_fingerprint(held: pd.DataFrame, names: list[str]) -> str:
    """Return SHA-256 over these columns of holdout rows, in any order of both."""
    digest = hashlib.sha256(json.dumps(sorted(names)).encode())
    digest.update(np.sort(hash_rows(held, names)).astype("<u8").tobytes())
    return digest.hexdigest()
