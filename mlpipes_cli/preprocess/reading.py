"""Reads dates and times before a model sees them. A logged model carries this module's code with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sklearn.base import BaseEstimator, TransformerMixin

from mlpipes_cli.timestamps import read_moments

if TYPE_CHECKING:
    import pandas as pd


class Moments(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg,misc,unused-ignore]
    """A frame in, the same frame out, with dates and times in the columns that have to be such.

    Args:
        columns: Their names.
    """

    def __init__(self, columns: Sequence[str] = ()) -> None:
        self.columns = columns

    def fit(self, X: Any, y: Any = None) -> Moments:
        """There is nothing to learn."""
        return self

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """The frame.

        Raises:
            ValueError: A value is no date and time, or may be several.
        """
        read = {}
        for name in self.columns:
            if name not in X.columns or X[name].dtype == "datetime64[us]":
                continue
            read[name], wrong = read_moments(X[name])
            if wrong.any():
                raise ValueError(f"column {name!r}, row {int(wrong.argmax())}: not an ISO 8601 date and time")
        return X.assign(**read) if read else X

    def __sklearn_is_fitted__(self) -> bool:
        return True
