"""Stores prepared data on disk, so that the processes of all candidates read the same data."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np

from mlpipes_cli.data.prepared import Prepared
from mlpipes_cli.errors import MlpipesError

_FRAME, _SPLIT, _VALIDATION, _ABOUT = "frame.parquet", "holdout.npy", "validation.npy", "prepared.json"
_VERSION = 1


def save(prepared: Prepared, folder: Path) -> None:
    """Write the prepared data to a folder atomically; keep a folder that is already complete.

    Raises:
        MlpipesError: The disk is full, or there is no permission.
    """
    if (folder / _ABOUT).is_file():
        return
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{folder.name[:16]}-", dir=folder.parent))
    except OSError as error:
        raise _unwritable(folder, error) from None
    try:
        _write(prepared, beside)
        shutil.rmtree(folder, ignore_errors=True)  # an incomplete folder: its last file is missing
        beside.replace(folder)
    except OSError as error:
        if not (folder / _ABOUT).is_file():  # else another process has written the same rows first
            raise _unwritable(folder, error) from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _unwritable(folder: Path, error: OSError) -> MlpipesError:
    return MlpipesError(
        f"{folder}: cannot keep the prepared data: {error.strerror or error}",
        "free space or check the folder's mode",
    )


def _write(prepared: Prepared, folder: Path) -> None:
    prepared.frame.to_parquet(folder / _FRAME, compression="lz4", index=False)
    np.save(folder / _SPLIT, prepared.holdout)
    if len(prepared.validation):
        np.save(folder / _VALIDATION, prepared.validation)
    about = {
        "version": _VERSION,
        "task": prepared.task,
        "classes": prepared.classes,
        "positive": prepared.positive,
        "features": prepared.feature_names,
        "target": prepared.target_name,
        "id": prepared.id_name,
        "fingerprint": prepared.fingerprint,
        "holdout_fingerprint": prepared.holdout_fingerprint,
        "warnings": prepared.warnings,
        "images": prepared.images,
        "booleans": prepared.booleans,
        "weights": prepared.weights_name,
        "group": prepared.group_name,
    }
    (folder / _ABOUT).write_text(json.dumps(about, ensure_ascii=False, indent=2), encoding="utf-8")


def open_store(folder: Path) -> Prepared:
    """Read what :func:`save` wrote, equal in every value and type.

    Raises:
        MlpipesError: The folder does not exist, or it is damaged.
    """
    import pandas as pd
    import pyarrow as pa

    try:
        about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
        frame = pd.read_parquet(folder / _FRAME)
        holdout = np.load(folder / _SPLIT)
        tuned = folder / _VALIDATION
        validation = np.load(tuned) if tuned.is_file() else np.array([], dtype=np.int64)
    except (OSError, ValueError, EOFError, pa.ArrowException) as error:
        raise MlpipesError(
            f"{folder}: the prepared data cannot be read: {error}", "remove the folder and train again"
        ) from None
    aside = np.concatenate([holdout, validation])
    train = np.setdiff1d(np.arange(len(frame), dtype=np.int64), aside, assume_unique=True)
    return Prepared(
        task=about["task"],
        classes=tuple(about["classes"]),
        positive=about["positive"],
        frame=frame,
        feature_names=tuple(about["features"]),
        target_name=about["target"],
        id_name=about["id"],
        train=train,
        holdout=holdout,
        fingerprint=about["fingerprint"],
        holdout_fingerprint=about["holdout_fingerprint"],
        warnings=tuple(about["warnings"]),
        images=tuple(about.get("images", ())),
        booleans=tuple(about.get("booleans", ())),
        validation=validation,
        weights_name=about.get("weights"),
        group_name=about.get("group"),
    )
