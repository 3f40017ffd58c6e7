"""Converts training rows to the arrays that a network is fitted on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlpipes_cli.suggest import did_you_mean
from mlpipes_cli.trainers.base import Fitted, Training, TrainingError
from mlpipes_cli.trainers.models import pictures
from mlpipes_cli.trainers.models.network import TABLE, Classifier, Reader, Regressor, as_floats
from mlpipes_cli.trainers.networks.settings import Settings

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


@dataclass(frozen=True, eq=False)
class NetworkRows:
    """The training data of a network.

    Attributes:
        reader: Converts raw rows to the same arrays later.
        parts: ``table`` (n, columns) float32, image columns (n, h, w, c) uint8.
        target: (n,) the class number, int64; or the target in standard deviations, float32.
        weights: (n,) float32, or None.
        kept: Positions of the rows to fit on.
        held: Positions of the rows to validate on, often none.
        mean: The mean of the target.
        deviation: The standard deviation of the target.
    """

    reader: Reader
    parts: dict[str, np.ndarray]
    target: np.ndarray
    weights: np.ndarray | None
    kept: np.ndarray
    held: np.ndarray
    mean: float = 0.0
    deviation: float = 1.0

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of one row of each part; images as (h, w, c)."""
        return {name: values.shape[1:] for name, values in self.parts.items()}

    def model(self, net: Any, training: Training, logits: bool) -> Classifier | Regressor:
        """Return the fitted model around a network."""
        if training.task == "regression":
            return Regressor(self.reader, net, self.mean, self.deviation)
        return Classifier(self.reader, net, training.classes, logits)


def rows(training: Training, how: Settings) -> NetworkRows:
    """Fit the preprocessing, read the images, encode the target, and hold rows back.

    Where rows are to be held back and there are validation rows, these are the ones.

    Raises:
        TrainingError: A column does not hold numbers or images, or a class weight is for an unknown label.
    """
    import numpy as np
    import pandas as pd

    reader, parts = _read(training, how)
    labels = training.y
    if (given := training.validation) is not None and how.held_back:
        parts = _with_more(reader, parts, given.X)
        labels = pd.concat([labels, given.y])
        kept, held = np.split(np.arange(len(labels)), [len(training.X)])
    else:
        kept, held = _split(training, how.held_back)
    weights = training.weights
    if weights is not None:
        weights = np.concatenate([weights, np.ones(len(labels) - len(weights))]).astype(np.float32)
    if training.task == "regression":
        y = labels.to_numpy(dtype=np.float64)
        mean, deviation = float(y[kept].mean()), float(y[kept].std()) or 1.0
        target = ((y - mean) / deviation).astype(np.float32)
        return NetworkRows(reader, parts, target, weights, kept, held, mean, deviation)
    codes = {label: code for code, label in enumerate(training.classes)}
    target = np.array([codes[label] for label in labels.tolist()], dtype=np.int64)
    each = _weights(training, how, target, kept)
    if weights is not None:
        each = weights if each is None else weights * each
    return NetworkRows(reader, parts, target, each, kept, held)


def _with_more(reader: Reader, parts: dict[str, np.ndarray], X: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return the arrays of the training rows and, behind them, of the validation rows."""
    import numpy as np

    try:
        more = reader.parts(X)
    except ValueError as error:
        raise TrainingError(f"validation rows: {error}") from None
    return {name: np.concatenate([values, more[name]]) for name, values in parts.items()}


def _read(training: Training, how: Settings) -> tuple[Reader, dict[str, np.ndarray]]:
    images = [name for name in training.X.columns if name in training.images]
    columns = [str(name) for name in training.X.columns if name not in training.images]
    size = {name: how.image.get(name) for name in ("height", "width", "channels")}
    step, parts = None, {}
    try:
        if columns and training.preprocess == "auto":
            from mlpipes_cli.preprocess import auto

            step = auto.build(training.X[columns], training.task, texts=training.texts)
            parts[TABLE] = as_floats(step.fit_transform(training.X[columns], training.y))
        elif columns:
            parts[TABLE] = as_floats(training.X[columns])
            _no_gaps(parts[TABLE], columns)
        known = {name: _pictures(name, training, size) for name in images}
        reader = Reader(step, columns, known)
        for name, codes in known.items():
            parts[name] = codes.read(training.X[name].tolist())
    except ValueError as error:
        raise TrainingError(_once(str(error), images)) from None
    return reader, parts


def _pictures(name: str, training: Training, size: dict[str, int | None]) -> pictures.Pictures:
    try:
        return pictures.fitting(training.X[name].tolist(), **size)
    except ValueError as error:
        raise TrainingError(f"{name}: {error}") from None


def _once(text: str, images: list[str]) -> str:
    return f"{images[0]}: {text}" if text.startswith("row ") and len(images) == 1 else text


def _no_gaps(table: np.ndarray, columns: list[str]) -> None:
    import numpy as np

    gaps = np.flatnonzero(~np.isfinite(table).all(axis=0))
    if len(gaps):
        raise TrainingError(
            f"{columns[gaps[0]]!r} has missing values, which a network does not support; use "
            "`preprocess: auto`"
        )


def _split(training: Training, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Return positions of the rows to fit on, and of those held back.

    These are the last in time, whole groups, or random ones.
    """
    import numpy as np

    count = len(training.X)
    wanted = min(max(1, round(share * count)), count - 1) if share else 0
    everything = np.arange(count)
    if not wanted:
        return everything, everything[:0]
    if training.order_by is not None:
        order = training.X[training.order_by].argsort(kind="stable").to_numpy()
        return np.sort(order[:-wanted]), np.sort(order[-wanted:])
    from sklearn.model_selection import GroupShuffleSplit, train_test_split

    if training.groups is not None:
        cutter = GroupShuffleSplit(1, test_size=share, random_state=training.seed)
        ((kept, held),) = cutter.split(everything, groups=training.groups)
        return kept, held
    labels = None if training.task == "regression" else training.y.to_numpy()
    try:
        kept, held = train_test_split(
            everything, test_size=wanted, random_state=training.seed, stratify=labels
        )
    except ValueError:  # a class of one row, or fewer held-back rows than classes
        kept, held = train_test_split(everything, test_size=wanted, random_state=training.seed)
    return np.sort(kept), np.sort(held)


def _weights(training: Training, how: Settings, target: np.ndarray, kept: np.ndarray) -> np.ndarray | None:
    """Return a weight for each row, or None.

    ``balanced`` is n / (classes * rows of the class), as in scikit-learn.
    """
    import numpy as np

    if how.class_weight is None:
        return None
    each = np.ones(len(training.classes))
    if how.class_weight == "balanced":
        counts = np.bincount(target[kept], minlength=len(each))
        each = len(kept) / (len(each) * np.maximum(counts, 1))
    else:
        for label, weight in how.class_weight.items():
            if label not in training.classes:
                near = did_you_mean(str(label), map(str, training.classes))
                listed = ", ".join(map(repr, training.classes[:10]))
                raise TrainingError(
                    f"params: class_weight: {label!r} is not a label{near or f'; they are {listed}'}"
                )
            each[training.classes.index(label)] = float(weight)
    return np.asarray(each[target], dtype=np.float32)


def finished(
    training: Training,
    found: NetworkRows,
    net: Any,
    *,
    logits: bool,
    params: dict[str, Any],
    pins: tuple[str, ...],
) -> Fitted:
    """Return the fitted model around a network, with the params to log."""
    logged = {"fitted_rows": len(found.kept), "validation_rows": len(found.held), **params}
    logged |= {
        f"image_{name}": " x ".join(map(str, picture.shape))
        for name, picture in found.reader.pictures.items()
    }
    if found.reader.pictures:
        pins = (*pins, "pillow")
    return Fitted(found.model(net, training, logits), logged, pins=pins)
