"""Parses dates and times before a model gets them. A logged model contains this module's code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sklearn.base import BaseEstimator, TransformerMixin

from mlpipes_cli.timestamps import read_moments

if TYPE_CHECKING:
    import pandas as pd


class Moments(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg,misc,unused-ignore]
    """Parses the date and time columns of a frame; other columns stay unchanged.

    Args:
        columns: The names of the date and time columns.
    """

    def __init__(self, columns: Sequence[str] = ()) -> None:
        self.columns = columns

    def fit(self, X: Any, y: Any = None) -> Moments:
        """Do nothing: the step has nothing to learn."""
        return self

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """Return the frame with its date and time columns parsed.

        Raises:
            ValueError: A value is not a date and time, or it is ambiguous.
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
