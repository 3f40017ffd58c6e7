"""The blocks of automatic preprocessing: each turns columns of one kind into numbers, by default scaled.

A logged model contains this module's code (see :mod:`mlpipes_cli.preprocess.portable`), so the module imports
nothing of this package that the model does not contain, too. A block gets its columns, learns from training
rows, and then transforms any rows to a float64 array without missing or infinite values. It replaces unknown
values (a new category, an unreadable date, a missing number) by the most likely ones in the training rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mlpipes_cli.preprocess.scaling import Bounded, Unscaled
from mlpipes_cli.timestamps import read_moments as read_written

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_MISSING = ""
_FOLDS = 5
_PRIOR_ROWS = 10.0


def read_numbers(values: pd.Series) -> Floats:
    """Convert the column to float64; true and false become 1 and 0, all but finite numbers become NaN."""
    dtype = values.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "fiub":
        numbers: Floats = values.to_numpy(dtype=np.float64, copy=True)
    elif pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_bool_dtype(dtype):
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        flags = {"true": 1.0, "false": 0.0}
        texts = [flags.get(str(value).strip().lower(), value) for value in np.asarray(values, dtype=object)]
        kept = [
            value if isinstance(value, (str, int, float, np.number)) else _plain(value) for value in texts
        ]
        parsed = pd.to_numeric(pd.Series(kept, dtype=object), errors="coerce")
        numbers = parsed.to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
    numbers[~np.isfinite(numbers)] = np.nan
    return numbers


def _plain(value: Any) -> Any:
    """Convert a decimal to a float; return None for a value that is not a number."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def read_moments(values: pd.Series) -> NDArray[np.datetime64]:
    """Convert the column to datetime64[us] in UTC; all but dates and ISO date strings become NaT.

    Text is parsed as in requests (:mod:`mlpipes_cli.timestamps`): ``now`` is not a date, and text of 13
    digits is milliseconds since 1970, since a JSON number arrives as text in a text column.
    """
    if pd.api.types.is_numeric_dtype(values.dtype):
        return np.full(len(values), np.datetime64("NaT", "us"))
    typed = pd.api.types.is_datetime64_any_dtype(values.dtype)
    found, _ = read_written(values if typed else pd.Series(read_labels(values), dtype=object))
    return found.to_numpy(dtype="datetime64[us]")


def read_labels(values: pd.Series) -> list[str]:
    """Convert the column to strings without surrounding whitespace; missing values become empty strings."""
    return [_label(value) for value in np.asarray(values, dtype=object)]


def _label(value: Any) -> str:
    if isinstance(value, str):
        return value.strip()
    if value is None or value is pd.NaT or value is pd.NA:
        return _MISSING
    if isinstance(value, (float, np.floating)):
        number = float(value)
        if number != number:
            return _MISSING
        return str(int(number)) if number.is_integer() and abs(number) < 2**53 else str(number)
    return str(value)


class Numbers:
    """Numbers and booleans: median, scale, and ``<column>_missing`` if training rows have missing values."""

    def __init__(self, columns: Sequence[str], scale: bool = True) -> None:
        self.columns, self.scale = list(columns), scale

    def fit_transform(self, frame: pd.DataFrame, target: Any) -> Floats:
        values = self._read(frame)
        self.scaler = (Bounded() if self.scale else Unscaled()).fit(values)
        self.names = self.columns + [f"{self.columns[at]}_missing" for at in self.scaler.gappy]
        return self._finish(values)

    def transform(self, frame: pd.DataFrame) -> Floats:
        return self._finish(self._read(frame))

    def _read(self, frame: pd.DataFrame) -> Floats:
        chosen = frame if list(frame.columns) == self.columns else frame[self.columns]
        if all(dtype == np.float64 for dtype in chosen.dtypes):
            values: Floats = chosen.to_numpy(dtype=np.float64)
            finite = np.isfinite(values)
            return values if finite.all() else np.where(finite, values, np.nan)
        return np.column_stack([read_numbers(chosen[column]) for column in self.columns])

    def _finish(self, values: Floats) -> Floats:
        scaled = self.scaler.transform(values)
        if not len(self.scaler.gappy):
            return scaled
        return np.hstack([scaled, np.isnan(values[:, self.scaler.gappy]).astype(np.float64)])


class Dates:
    """Dates as year, month, day, weekday (Monday is 0), hour and days since 1970.

    Parts that never vary in the training rows are left out; days since 1970 stay.
    """

    parts = ("year", "month", "day", "weekday", "hour", "epoch")

    def __init__(self, columns: Sequence[str], scale: bool = True) -> None:
        self.columns, self.scale = list(columns), scale

    def fit_transform(self, frame: pd.DataFrame, target: Any) -> Floats:
        values = self._read(frame)
        names = [f"{column}_{part}" for column in self.columns for part in self.parts]
        varies = [
            name.endswith("_epoch") or len(np.unique(values[~np.isnan(values[:, at]), at])) > 1
            for at, name in enumerate(names)
        ]
        self.kept = np.flatnonzero(varies)
        self.scaler = (Bounded() if self.scale else Unscaled()).fit(values[:, self.kept])
        epochs = np.arange(len(self.columns)) * len(self.parts) + len(self.parts) - 1
        self.gappy = np.array([at for at in epochs if np.isnan(values[:, at]).any()], dtype=np.int64)
        self.names = [names[at] for at in self.kept]
        self.names += [f"{self.columns[at // len(self.parts)]}_missing" for at in self.gappy]
        return self._finish(values)

    def transform(self, frame: pd.DataFrame) -> Floats:
        return self._finish(self._read(frame))

    def _read(self, frame: pd.DataFrame) -> Floats:
        return np.hstack([self._split(read_moments(frame[column])) for column in self.columns])

    def _split(self, moments: NDArray[np.datetime64]) -> Floats:
        days = moments.astype("datetime64[D]")
        months = moments.astype("datetime64[M]")
        day_number = days.astype(np.int64)
        month_number = months.astype(np.int64)
        hours = (moments - days).astype(np.int64) / 3.6e9
        found = np.column_stack(
            [
                1970 + month_number // 12,
                month_number % 12 + 1,
                (days - months.astype("datetime64[D]")).astype(np.int64) + 1,
                (day_number + 3) % 7,
                hours,
                day_number + hours / 24,
            ]
        ).astype(np.float64)
        found[np.isnat(moments)] = np.nan
        return found

    def _finish(self, values: Floats) -> Floats:
        gaps = np.isnan(values[:, self.gappy]).astype(np.float64)
        return np.hstack([self.scaler.transform(values[:, self.kept]), gaps])


class OneHot:
    """One-hot encodes few categories; a category that training has not seen is 0 in all columns."""

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = list(columns)

    def fit_transform(self, frame: pd.DataFrame, target: Any) -> Floats:
        self.places: list[dict[str, int]] = []
        self.names: list[str] = []
        for column in self.columns:
            labels = sorted(set(read_labels(frame[column])))
            self.places.append({label: len(self.names) + at for at, label in enumerate(labels)})
            self.names += [f"{column}_{label or 'missing'}" for label in labels]
        return self.transform(frame)

    def transform(self, frame: pd.DataFrame) -> Floats:
        found = np.zeros((len(frame), len(self.names) + 1))  # the last column collects unknown categories
        rows = np.arange(len(frame))
        for column, places in zip(self.columns, self.places, strict=True):
            found[rows, [places.get(label, -1) for label in read_labels(frame[column])]] = 1.0
        return found[:, :-1]


class Targets:
    """Target-encodes many categories: each becomes the target's mean, shrunk towards the overall mean.

    Each mean counts 10 further rows at the overall mean (the m-estimate of D. Micci-Barreca,
    "A preprocessing scheme for high-cardinality categorical attributes", 2001). Training rows get
    the mean of the other four fifths of the rows, so that no row sees its own target.
    Means are in standard deviations of the target. A multiclass target gives one column for each class.
    """

    def __init__(self, columns: Sequence[str], task: str) -> None:
        self.columns, self.task = list(columns), task

    def fit_transform(self, frame: pd.DataFrame, target: Any) -> Floats:
        goals, suffixes = self._goals(target)
        self.names = [column + suffix for column in self.columns for suffix in suffixes]
        spread = goals.std(axis=0)
        goals = (goals - goals.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
        self.prior = np.zeros(goals.shape[1])
        folds = np.random.RandomState(0).permutation(len(frame)) % _FOLDS  # a generator with stable numbers
        self.tables: list[dict[str, Floats]] = []
        parts = []
        for column in self.columns:
            codes, labels = pd.factorize(np.array(read_labels(frame[column]), dtype=object))
            means = self._means(codes, goals, len(labels))
            self.tables.append(dict(zip(labels, means, strict=True)))
            parts.append(self._without_own_fold(codes, goals, len(labels), folds))
        return np.hstack(parts)

    def transform(self, frame: pd.DataFrame) -> Floats:
        parts = [
            np.array([table.get(label, self.prior) for label in read_labels(frame[column])])
            for column, table in zip(self.columns, self.tables, strict=True)
        ]
        return np.hstack([part.reshape(len(frame), -1) for part in parts])

    def _goals(self, target: Any) -> tuple[Floats, list[str]]:
        if target is None:
            raise ValueError("columns with many categories need the target: call fit(X, y)")
        if self.task == "regression":
            return np.asarray(target, dtype=np.float64).reshape(-1, 1), [""]
        labels, codes = np.unique(np.asarray(target), return_inverse=True)
        goals = np.eye(len(labels))[codes.reshape(-1)]
        if len(labels) <= 2:
            return goals[:, -1:], [""]
        return goals, [f"_{label}" for label in labels]

    def _means(self, codes: NDArray[np.int64], goals: Floats, size: int) -> Floats:
        prior = goals.mean(axis=0) if len(goals) else self.prior
        counts = np.bincount(codes, minlength=size)[:, None]
        sums = np.column_stack([np.bincount(codes, weights=goal, minlength=size) for goal in goals.T])
        return np.asarray((sums + _PRIOR_ROWS * prior) / (counts + _PRIOR_ROWS), dtype=np.float64)

    def _without_own_fold(
        self, codes: NDArray[np.int64], goals: Floats, size: int, folds: NDArray[np.int64]
    ) -> Floats:
        encoded = np.empty_like(goals)
        for fold in range(_FOLDS):
            own = folds == fold
            encoded[own] = self._means(codes[~own], goals[~own], size)[codes[own]]
        return encoded


def unique_names(names: Iterable[str]) -> list[str]:
    """Make names unique by the suffixes ``_2``, ``_3``, ..."""
    names = list(names)
    taken, found = set(), []
    for name in names:
        shown, number = name, 1
        while shown in taken or (number > 1 and shown in names):
            number += 1
            shown = f"{name}_{number}"
        taken.add(shown)
        found.append(shown)
    return found
