"""The preprocessing step of a pipeline. A logged model contains this module's code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from mlpipes_cli.preprocess.blocks import Dates, Numbers, OneHot, Targets, unique_names

if TYPE_CHECKING:
    from numpy.typing import NDArray


class AutoPreprocessor(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg,misc,unused-ignore]
    """Transforms raw rows to a DataFrame of finite float64; columns that no list names are left out.

    As with scikit-learn's TargetEncoder, ``fit_transform`` is not the same as ``fit`` and then
    ``transform`` if there are ``targets``: training rows never see their own target.

    Args:
        numbers: Columns of numbers and booleans.
        dates: Columns of dates, as such or as ISO strings.
        categories: Columns with few different strings.
        targets: Columns with many different strings.
        task: The kind of target.
        scale: Whether to scale numbers and dates to standard deviations from their mean; else they keep their
            own unit, which suits trees.
    """

    def __init__(
        self,
        numbers: Sequence[str] = (),
        dates: Sequence[str] = (),
        categories: Sequence[str] = (),
        targets: Sequence[str] = (),
        task: str = "binary",
        scale: bool = True,
    ) -> None:
        self.numbers = numbers
        self.dates = dates
        self.categories = categories
        self.targets = targets
        self.task = task
        self.scale = scale

    def fit(self, X: Any, y: Any = None) -> AutoPreprocessor:
        """Learn from the training rows."""
        self.fit_transform(X, y)
        return self

    def fit_transform(self, X: Any, y: Any = None, **_: Any) -> pd.DataFrame:
        """Learn from the training rows and transform them."""
        frame = X if isinstance(X, pd.DataFrame) else pd.DataFrame(X)
        frame = _named(frame)
        self.feature_names_in_ = np.array(frame.columns, dtype=object)
        self.n_features_in_ = len(frame.columns)
        self.needed_ = frozenset([*self.numbers, *self.dates, *self.categories, *self.targets])
        self._check_columns(frame)
        found = [
            Numbers(self.numbers, self.scale) if len(self.numbers) else None,
            Dates(self.dates, self.scale) if len(self.dates) else None,
            OneHot(self.categories) if len(self.categories) else None,
            Targets(self.targets, self.task) if len(self.targets) else None,
        ]
        self.blocks_ = [block for block in found if block is not None]
        parts = [block.fit_transform(frame, y) for block in self.blocks_]
        self.names_out_ = pd.Index(
            unique_names(name for block in self.blocks_ for name in block.names), dtype=object
        )
        return self._frame(frame, parts)

    def transform(self, X: Any) -> pd.DataFrame:
        """Transform rows; extra columns are ignored.

        Raises:
            ValueError: A column is missing.
        """
        check_is_fitted(self, "blocks_")
        frame = _named(X) if isinstance(X, pd.DataFrame) else pd.DataFrame(X, columns=self.feature_names_in_)
        self._check_columns(frame)
        return self._frame(frame, [block.transform(frame) for block in self.blocks_])

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Return the names of the output columns."""
        check_is_fitted(self, "blocks_")
        return self.names_out_.to_numpy(dtype=object)

    def set_output(self, *, transform: Any = None) -> AutoPreprocessor:
        """Ignore the requested output: the result is always a DataFrame."""
        return self

    def _check_columns(self, frame: pd.DataFrame) -> None:
        columns = frame.columns
        if not columns.is_unique:
            twice = sorted(set(columns[columns.duplicated()]))
            raise ValueError(f"duplicate column names: {', '.join(map(repr, twice))}")
        if lacking := self.needed_.difference(columns):
            raise ValueError(f"missing columns: {', '.join(map(repr, sorted(lacking)))}")

    def _frame(self, frame: pd.DataFrame, parts: list[NDArray[np.float64]]) -> pd.DataFrame:
        values = parts[0] if len(parts) == 1 else np.hstack(parts)
        return pd.DataFrame(values, index=frame.index, columns=self.names_out_)


def _named(frame: pd.DataFrame) -> pd.DataFrame:
    if all(isinstance(name, str) for name in frame.columns):
        return frame
    return frame.set_axis([str(name) for name in frame.columns], axis=1)
