"""A fitted neural network behind its preprocessing. A logged model contains this module's code.

A network is a callable that maps named arrays of n rows to an array (n, outputs) of float32, for every
framework (see :mod:`keras_model` and :mod:`torch_model` in this folder).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from mlpipes_cli.trainers.models.pictures import Pictures

    Parts = Mapping[str, np.ndarray]

TABLE = "table"  # the name of the columns that are not images
ROWS_AT_ONCE, IMAGES_AT_ONCE = 32, 4


class Reader:
    """Converts raw rows to a network's input: ``table`` as float32, each image column as uint8.

    Args:
        step: A fitted transformer for the columns that are not images; None uses them unchanged.
        columns: The names of those columns; without any there is no ``table``.
        pictures: How to read each image column.
    """

    def __init__(self, step: Any, columns: Sequence[str], pictures: Mapping[str, Pictures]) -> None:
        self.step, self.columns, self.pictures = step, list(columns), dict(pictures)

    def parts(self, X: Any) -> dict[str, np.ndarray]:
        """Return the arrays of some rows.

        Raises:
            ValueError: A column is missing, or a value is not a number or not an image.
        """
        import pandas as pd

        known = [*self.columns, *self.pictures]
        frame = X if isinstance(X, pd.DataFrame) else pd.DataFrame(X, columns=known)
        if absent := [name for name in known if name not in frame.columns]:
            raise ValueError(f"missing columns: {', '.join(map(repr, absent))}")
        found = {}
        if self.columns:
            rows = frame[self.columns]
            found[TABLE] = as_floats(rows if self.step is None else self.step.transform(rows))
        for name, pictures in self.pictures.items():
            try:
                found[name] = pictures.read(frame[name].tolist())
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
        return found


def as_floats(frame: pd.DataFrame) -> np.ndarray:
    """Return (n, columns) float32; missing values are NaN.

    Raises:
        ValueError: A column does not hold numbers.
    """
    import numpy as np
    import pandas as pd

    if all(dtype == np.float64 for dtype in frame.dtypes):
        return frame.to_numpy(dtype=np.float32, copy=True)
    columns = []
    for name in frame.columns:
        try:
            if pd.api.types.is_datetime64_any_dtype(frame[name].dtype):
                raise ValueError("dates")
            columns.append(frame[name].to_numpy(dtype=np.float64, na_value=np.nan))
        except (TypeError, ValueError):
            raise ValueError(
                f"{name!r} has the type {frame[name].dtype}, and a network needs numbers"
            ) from None
    return np.column_stack(columns).astype(np.float32)


def batches(parts: Parts, size: int) -> Iterator[tuple[dict[str, np.ndarray], int]]:
    """Yield batches of exactly ``size`` rows as float32, pixels from 0 to 1, with the number of valid rows.

    The last batch is padded with its first row. The libraries' kernels sum in an order that depends on the
    number of rows, so only batches of one size give a row the same result to the last bit, alone or among
    others.
    """
    import numpy as np

    rows = len(next(iter(parts.values())))
    for start in range(0, rows, size):
        batch = {name: values[start : start + size] for name, values in parts.items()}
        count = min(size, rows - start)
        if count < size:
            fill = {name: np.repeat(values[:1], size - count, axis=0) for name, values in batch.items()}
            batch = {name: np.concatenate([values, fill[name]]) for name, values in batch.items()}
        yield {name: floats(values) for name, values in batch.items()}, count


def floats(values: np.ndarray) -> np.ndarray:
    """Convert numbers to float32; scale the bytes of pixels to 0 to 1."""
    import numpy as np

    if values.dtype == np.uint8:
        return values.astype(np.float32) / np.float32(255.0)
    return np.ascontiguousarray(values, dtype=np.float32)


def run(parts: Parts, ask: Callable[[dict[str, np.ndarray]], np.ndarray], outputs: int) -> np.ndarray:
    """Return (n, outputs) of float32, computed in batches of one size."""
    import numpy as np

    size = ROWS_AT_ONCE if list(parts) == [TABLE] else IMAGES_AT_ONCE
    found = [ask(batch)[:count] for batch, count in batches(parts, size)]
    return np.concatenate(found) if found else np.zeros((0, outputs), dtype=np.float32)


class Classifier:
    """A classifier with a network.

    Args:
        reader: Produces its input.
        net: Returns one output for two classes (the second's), or one for each class.
        classes: The labels, in the order of the outputs.
        logits: Whether to convert the outputs to probabilities (logistic function or softmax).
    """

    def __init__(self, reader: Reader, net: Any, classes: Sequence[Any], logits: bool) -> None:
        import numpy as np

        self.reader, self.net, self.logits = reader, net, logits
        plain = len({type(label) for label in classes}) == 1 and isinstance(classes[0], (bool, int, float))
        self.classes_ = np.array(list(classes)) if plain else np.array(list(classes), dtype=object)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return (n, classes) float64 probabilities, in the order of ``classes_``."""
        return probabilities(self.net(self.reader.parts(X)), self.logits)

    def predict(self, X: Any) -> np.ndarray:
        """Return (n,) the most probable labels."""
        best: np.ndarray = self.classes_[self.predict_proba(X).argmax(axis=1)]
        return best


class Regressor:
    """A regressor with a network.

    Args:
        reader: Produces its input.
        net: Returns one output, in standard deviations of the training target from its mean.
        mean: The mean of the training target.
        deviation: The standard deviation of the training target.
    """

    def __init__(self, reader: Reader, net: Any, mean: float, deviation: float) -> None:
        self.reader, self.net, self.mean, self.deviation = reader, net, mean, deviation

    def predict(self, X: Any) -> np.ndarray:
        """Return (n,) float64."""
        found: np.ndarray = self.net(self.reader.parts(X))[:, 0].astype("float64")
        return found * self.deviation + self.mean


def probabilities(outputs: np.ndarray, logits: bool) -> np.ndarray:
    """Convert (n, 1) or (n, classes) outputs to (n, classes) float64 that add up to 1."""
    import numpy as np

    values = outputs.astype(np.float64)
    if values.shape[1] == 1:
        if logits:  # of the larger side, which does not overflow
            small = np.exp(-np.abs(values))
            values = np.where(values >= 0, 1.0 / (1.0 + small), small / (1.0 + small))
        return np.hstack([1.0 - values, values])
    if logits:
        values = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(values / values.sum(axis=1, keepdims=True))
