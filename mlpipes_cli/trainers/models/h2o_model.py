"""An H2O model that predicts without an H2O server. A logged model contains this module's code.

It contains the MOJO, H2O's portable format of every model that AutoML produces, and evaluates it with H2O's
own scoring classes (``hex.genmodel`` in the package ``h2o``), row by row in float64, in a Java virtual
machine in this process. So it gives the same predictions everywhere.
"""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mlpipes_cli.preprocess.blocks import read_labels, read_moments, read_numbers
from mlpipes_cli.trainers.models.jvm import bridge

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

NUMBERS, MOMENTS, TEXTS = "numbers", "moments", "texts"


@dataclass(frozen=True)
class Column:
    """The mapping of a feature to a column of H2O.

    Attributes:
        name: The name in the experiment's rows.
        safe: The name in H2O.
        kind: ``numbers``; ``moments`` (milliseconds since 1970); ``texts`` (levels of a factor).
        levels: H2O's level of each text.
    """

    name: str
    safe: str
    kind: str
    levels: Mapping[str, str]

    def numbers(self, values: pd.Series) -> Floats:
        """Return (n,) float64, NaN for missing values; not for texts."""
        if self.kind == NUMBERS:
            return read_numbers(values)
        moments = read_moments(values)
        found = moments.astype("datetime64[us]").astype(np.int64) / 1000.0
        return np.where(np.isnat(moments), np.nan, found)

    def texts(self, values: pd.Series) -> list[str | None]:
        """Return (n,) H2O's levels, None for missing or unknown values."""
        return [self.levels.get(text) for text in read_labels(values)]


def jar() -> Path:
    """Return the path of H2O's classes in the package ``h2o``, without importing the package.

    Raises:
        RuntimeError: The package is not installed.
    """
    spec = importlib.util.find_spec("h2o")
    found = None if spec is None or spec.origin is None else Path(spec.origin).parent / "backend/bin/h2o.jar"
    if found is None or not found.is_file():
        raise RuntimeError("the model needs the package h2o, which is not installed here")
    return found


class Scorer:
    """A MOJO in the Java virtual machine of this process. Thread-safe.

    Args:
        mojo: The bytes of the MOJO's zip file.
        columns: The columns, in any order.
    """

    def __init__(self, mojo: bytes, columns: Sequence[Column]) -> None:
        jpype = bridge(jar())
        stream = jpype.JClass("java.io.ByteArrayInputStream")(mojo)
        factory = jpype.JClass("hex.genmodel.MojoReaderBackendFactory")
        in_memory = factory.CachingStrategy.MEMORY
        self._model = jpype.JClass("hex.genmodel.MojoModel").load(
            factory.createReaderBackend(stream, in_memory)
        )
        self._new = jpype.JDouble
        self._lock = threading.Lock()  # for each row: not every algorithm claims to be thread-safe
        known = {column.safe: column for column in columns}
        names = [str(name) for name in self._model.getNames()[: self._model.nfeatures()]]
        self._columns = [known[name] for name in names]
        self._codes: list[dict[str, float] | None] = []
        for position in range(len(names)):
            levels = self._model.getDomainValues(position)
            codes = None if levels is None else {str(level): float(at) for at, level in enumerate(levels)}
            self._codes.append(codes)
        response = self._model.getDomainValues(str(self._model.getResponseName()))
        self.levels = None if response is None else [str(level) for level in response]

    def __call__(self, X: pd.DataFrame) -> Floats:
        """Return (n, 1) numbers, or (n, 1 + classes): position in ``levels``, then probabilities."""
        rows = np.empty((len(X), len(self._columns)))
        for position, (column, codes) in enumerate(zip(self._columns, self._codes, strict=True)):
            if codes is None:
                rows[:, position] = column.numbers(X[column.name])
            else:
                texts = column.texts(X[column.name])
                rows[:, position] = [np.nan if text is None else codes.get(text, np.nan) for text in texts]
        size = 1 if self.levels is None else 1 + len(self.levels)
        found = np.empty((len(rows), size))
        row, answer = self._new[rows.shape[1]], self._new[max(size, int(self._model.getPredsSize()))]
        for position in range(len(rows)):
            row[:] = rows[position]  # some algorithms impute missing values in place
            with self._lock:
                self._model.score0(row, answer)
            found[position] = answer[:size]
        return found


class H2ORegressor:
    """A regressor that predicts raw rows, as they were before the conversion for H2O.

    Args:
        mojo: The bytes of the MOJO's zip file.
        columns: The columns that it uses; other columns are ignored.
    """

    def __init__(self, mojo: bytes, columns: Sequence[Column]) -> None:
        self.mojo, self.columns = mojo, tuple(columns)
        self._scorer: Scorer | None = None
        self._lock = threading.Lock()

    def predict(self, X: Any) -> NDArray[Any]:
        """Return (n,) numbers."""
        return self._ask(X)[:, 0]

    def _ask(self, X: Any) -> Floats:
        frame = X if isinstance(X, pd.DataFrame) else pd.DataFrame(X, columns=[c.name for c in self.columns])
        if lacking := [column.name for column in self.columns if column.name not in frame.columns]:
            raise ValueError(f"missing columns: {', '.join(map(repr, lacking))}")
        return self._scoring()(frame)

    def _scoring(self) -> Scorer:
        if self._scorer is None:
            with self._lock:
                if self._scorer is None:
                    self._scorer = Scorer(self.mojo, self.columns)
        return self._scorer

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in {"_scorer", "_lock"}}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)
        self._scorer = None
        self._lock = threading.Lock()


class H2OClassifier(H2ORegressor):
    """A classifier that predicts in the experiment's own labels.

    The predicted label is H2O's: for two classes by H2O's threshold (that with the largest F1 in training),
    which need not be the more probable label.

    Args:
        mojo: The bytes of the MOJO's zip file.
        columns: The columns that it uses.
        classes: The labels.
        levels: H2O's names of the labels.
    """

    def __init__(
        self, mojo: bytes, columns: Sequence[Column], classes: Sequence[Any], levels: Sequence[str]
    ) -> None:
        super().__init__(mojo, columns)
        plain = {type(label) for label in classes} in ({int}, {bool})
        self.classes_ = np.array(list(classes)) if plain else np.array(list(classes), dtype=object)
        self.levels = tuple(levels)

    def predict(self, X: Any) -> NDArray[Any]:
        """Return (n,) labels."""
        return self.classes_[self._order()[self._ask(X)[:, 0].astype(np.int64)]]

    def predict_proba(self, X: Any) -> Floats:
        """Return (n, classes) probabilities, in the order of ``classes_``."""
        asked = self._ask(X)
        found = np.zeros((len(asked), len(self.classes_)))
        found[:, self._order()] = asked[:, 1:]
        return found

    def _order(self) -> NDArray[np.int64]:
        """Return the positions in ``classes_`` of the MOJO's classes."""
        return np.array([self.levels.index(level) for level in self._scoring().levels or ()], dtype=np.int64)
