"""A model of H2O, asked without an H2O server. A logged model carries this module's code with it.

It holds the MOJO, H2O's own portable form of every model that AutoML makes, and asks it through H2O's own
scoring classes (``hex.genmodel`` in the package ``h2o``), row by row in float64, in a Java machine inside
of this process. So it gives the same answers wherever it is asked.
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
    """How a feature becomes a column of H2O's.

    Attributes:
        name: In our rows.
        safe: In H2O.
        kind: ``numbers``; ``moments`` (milliseconds since 1970); ``texts`` (levels of a factor).
        levels: Text to H2O's level.
    """

    name: str
    safe: str
    kind: str
    levels: Mapping[str, str]

    def numbers(self, values: pd.Series) -> Floats:
        """(n,) float64, NaN for what is missing; not for texts."""
        if self.kind == NUMBERS:
            return read_numbers(values)
        moments = read_moments(values)
        found = moments.astype("datetime64[us]").astype(np.int64) / 1000.0
        return np.where(np.isnat(moments), np.nan, found)

    def texts(self, values: pd.Series) -> list[str | None]:
        """(n,) H2O's levels, None for what is missing or was never seen."""
        return [self.levels.get(text) for text in read_labels(values)]


def jar() -> Path:
    """H2O's classes, in the package ``h2o``, which is not imported for it.

    Raises:
        RuntimeError: It is not installed.
    """
    spec = importlib.util.find_spec("h2o")
    found = None if spec is None or spec.origin is None else Path(spec.origin).parent / "backend/bin/h2o.jar"
    if found is None or not found.is_file():
        raise RuntimeError("the model needs the package h2o, which is not installed here")
    return found


class Scorer:
    """A MOJO in the Java machine of this process. Any number of threads may ask it.

    Args:
        mojo: The bytes of the MOJO's zip file.
        columns: In any order.
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
        self._lock = threading.Lock()  # of one row: not every algorithm says that it may be asked twice
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
        """(n, 1) numbers, or (n, 1 + classes): the label's position in ``levels``, then probabilities."""
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
            row[:] = rows[position]  # some algorithms fill its gaps in place
            with self._lock:
                self._model.score0(row, answer)
            found[position] = answer[:size]
        return found


class H2ORegressor:
    """Answers ``predict`` for rows as they were before H2O saw them.

    Args:
        mojo: The bytes of the MOJO's zip file.
        columns: What it may look at; columns beside these are ignored.
    """

    def __init__(self, mojo: bytes, columns: Sequence[Column]) -> None:
        self.mojo, self.columns = mojo, tuple(columns)
        self._scorer: Scorer | None = None
        self._lock = threading.Lock()

    def predict(self, X: Any) -> NDArray[Any]:
        """(n,) numbers."""
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
    """Answers ``predict`` and ``predict_proba`` in the experiment's own labels.

    A label is H2O's own: of two classes that which its threshold gives (the one of the largest F1 in
    training), not the more probable one.

    Args:
        mojo: The bytes of the MOJO's zip file.
        columns: What it may look at.
        classes: The labels.
        levels: What H2O calls them.
    """

    def __init__(
        self, mojo: bytes, columns: Sequence[Column], classes: Sequence[Any], levels: Sequence[str]
    ) -> None:
        super().__init__(mojo, columns)
        plain = {type(label) for label in classes} in ({int}, {bool})
        self.classes_ = np.array(list(classes)) if plain else np.array(list(classes), dtype=object)
        self.levels = tuple(levels)

    def predict(self, X: Any) -> NDArray[Any]:
        """(n,) labels."""
        return self.classes_[self._order()[self._ask(X)[:, 0].astype(np.int64)]]

    def predict_proba(self, X: Any) -> Floats:
        """(n, classes) probabilities, in the order of ``classes_``."""
        asked = self._ask(X)
        found = np.zeros((len(asked), len(self.classes_)))
        found[:, self._order()] = asked[:, 1:]
        return found

    def _order(self) -> NDArray[np.int64]:
        """The places in ``classes_`` of the MOJO's classes."""
        return np.array([self.levels.index(level) for level in self._scoring().levels or ()], dtype=np.int64)
