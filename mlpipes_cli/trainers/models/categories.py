"""Encodes columns for libraries with native categories. A logged model contains this module's code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin

from mlpipes_cli.preprocess.blocks import read_labels


class _Step(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg,misc,unused-ignore]
    """A first step of a pipeline that has nothing to learn."""

    def fit(self, X: Any, y: Any = None) -> Any:
        """Do nothing: the step has nothing to learn."""
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True


class Categories(_Step):
    """Converts columns to pandas categories that do not depend on the rows; other columns stay unchanged.

    A value that is not among the categories becomes missing. So a single row is encoded as it would be in any
    batch.

    Args:
        known: The categories of each column, by its name.
    """

    def __init__(self, known: Mapping[Any, pd.Index]) -> None:
        self.known = known

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """Return the rows with these columns as categories."""
        frame = X.copy(deep=False)
        for name, categories in self.known.items():
            values = np.asarray(frame[name], dtype=object)
            if categories.inferred_type == "string":
                values = np.array([_text(value) for value in values], dtype=object)
            codes = categories.astype(object).get_indexer(pd.Index(values, dtype=object))
            frame[name] = pd.Categorical.from_codes(codes, categories=categories)
        return frame


def _text(value: Any) -> Any:
    """Convert booleans and numbers to text, for a library without such categories; keep missing values."""
    return value if isinstance(value, str) or pd.isna(value) else str(value)


class Labels(_Step):
    """Converts columns to text for CatBoost, which handles new categories itself but accepts no missing ones.

    Missing values become empty texts.

    Args:
        columns: The names of the columns.
    """

    def __init__(self, columns: Sequence[Any]) -> None:
        self.columns = columns

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """Return the rows with these columns as text."""
        frame = X.copy(deep=False)
        for name in self.columns:
            frame[name] = pd.Series(read_labels(frame[name]), index=frame.index, dtype=object)
        return frame
