"""Finds texts of a model's columns that MLflow's own server reads as missing values in ``text/csv``."""

from __future__ import annotations

import csv
import io
from pathlib import Path


def read_as_missing(model_folder: Path) -> dict[str, list[str]]:
    """Return the texts of each column of text that pandas' CSV reader, which MLflow uses, takes for missing.

    The texts are those of the holdout rows that travel with the model; empty without such rows.
    """
    from mlpipes_cli.server.compiled.sample import read_sample

    sample = read_sample(model_folder)
    if sample is None:
        return {}
    found = {}
    for name in sample.frame.columns:
        texts = {value for value in sample.frame[name].dropna() if isinstance(value, str)}
        if lost := _lost(sorted(texts)):
            found[str(name)] = lost
    return found


def _lost(texts: list[str]) -> list[str]:
    import pandas as pd

    if not texts:
        return []
    content = io.StringIO()
    csv.writer(content).writerows([["text"], *([text] for text in texts)])
    content.seek(0)
    read = pd.read_csv(content, dtype=object, skip_blank_lines=False)["text"]
    return [text for text, missing in zip(texts, read.isna(), strict=True) if missing and text]
