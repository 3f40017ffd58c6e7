"""Columns as a library with categories of its own wants them. Carried with a logged model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin

from mlpipes_cli.preprocess.blocks import read_labels


class _Step(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg,misc,unused-ignore]
    """A first step of a pipeline that learns nothing."""

    def fit(self, X: Any, y: Any = None) -> Any:
        """Nothing to learn."""
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True


class Categories(_Step):
    """Columns as pandas' categories, the same ones whatever rows come; other columns are left as they are.

    A value that is not among them is missing, as a gap is: a single row, all of whose values a batch would
    have told apart, is coded as in any batch.

    Args:
        known: The categories of each column, by its name.
    """

    def __init__(self, known: Mapping[Any, pd.Index]) -> None:
        self.known = known

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """The rows with these columns as categories."""
        frame = X.copy(deep=False)
        for name, categories in self.known.items():
            values = np.asarray(frame[name], dtype=object)
            if categories.inferred_type == "string":
                values = np.array([_text(value) for value in values], dtype=object)
            codes = categories.astype(object).get_indexer(pd.Index(values, dtype=object))
            frame[name] = pd.Categorical.from_codes(codes, categories=categories)
        return frame


def _text(value: Any) -> Any:
    """Flags and numbers as texts, for a library that takes no such categories; a gap stays one."""
    return value if isinstance(value, str) or pd.isna(value) else str(value)


class Labels(_Step):
    """Columns as texts, a gap as an empty one: CatBoost takes no gaps in them, and learns what is new itself.

    Args:
        columns: Their names.
    """

    def __init__(self, columns: Sequence[Any]) -> None:
        self.columns = columns

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """The rows with these columns as texts."""
        frame = X.copy(deep=False)
        for name in self.columns:
            frame[name] = pd.Series(read_labels(frame[name]), index=frame.index, dtype=object)
        return frame
