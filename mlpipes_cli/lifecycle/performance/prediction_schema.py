"""Finds out what a version predicts: from the registry, else from its stored predictions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlpipes_cli.lifecycle.performance.collect import CollectedRows
from mlpipes_cli.metric_catalog import Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


_MOST_CLASSES = 1000


@dataclass(frozen=True)
class PredictionSchema:
    """The target that a version predicts.

    Attributes:
        task: binary, multiclass or regression.
        classes: The labels, binary: (negative, positive); empty for regression.
        columns: The column of the score for each class; None if that is unknown.
        known: Whether the registry provided it, not the predictions.
    """

    task: Task
    classes: tuple[Any, ...] = ()
    columns: tuple[int, ...] | None = None
    known: bool = False

    @property
    def positive(self) -> Any:
        """The positive class, or None."""
        return self.classes[1] if self.task == "binary" else None

    def label(self, value: Any) -> Any:
        """Return the class for a JSON value: the same value, else the same text; None for no class."""
        for label in self.classes:
            if label == value and isinstance(label, str) == isinstance(value, str):
                return label
        return next((label for label in self.classes if str(label) == str(value)), None)


def of_details(details: Mapping[str, Any]) -> PredictionSchema | None:
    """Return the schema from the model's details, or None if they are incomplete."""
    task, classes = details.get("task"), list(details.get("classes") or ())
    if task == "regression":
        return PredictionSchema("regression", known=True)
    if task == "multiclass" and len(classes) > 2:
        return PredictionSchema("multiclass", tuple(classes), tuple(range(len(classes))), known=True)
    if task != "binary" or len(classes) != 2:
        return None
    if details.get("positive") == classes[0]:
        classes.reverse()
    return PredictionSchema("binary", tuple(classes), known=True)


def inferred(groups: Sequence[CollectedRows], values: Sequence[Any]) -> PredictionSchema | None:
    """Infer the schema from a version's predictions, scores and truths; None for fewer than two classes.

    Numbers that are not labels (a fraction among them and no scores) are a regression. The positive
    class is the one whose predictions have the larger scores: a score is the positive class's. With
    several classes, a class's column is the one that is largest where the class is predicted.

    Args:
        groups: All periods of the version.
        values: The JSON value at each position.
    """
    predicted = {position for group in groups for position in group.prediction}
    seen = predicted | {position for group in groups for position in group.truth}
    scores = [group.joined_scores() for group in groups]
    scored = len({None if block is None else block.shape[1:] for block in scores} | {None}) == 2
    scored = scored and all(block is not None for block in scores)
    numbers = all(isinstance(values[p], (int, float)) and not isinstance(values[p], bool) for p in seen)
    if not scored and numbers and (len(seen) > 20 or any(values[p] % 1 for p in seen)):
        return PredictionSchema("regression")
    if len(seen) > _MOST_CLASSES:
        return None
    classes = _distinct(values[position] for position in sorted(seen, key=lambda p: str(values[p])))
    if len(classes) < 2:
        return None
    if not scored:
        return PredictionSchema("binary" if len(classes) == 2 else "multiclass", tuple(classes))
    import numpy as np

    codes = {position: classes.index(_same(classes, values[position])) for position in seen}
    labels = np.array([codes[position] for group in groups for position in group.prediction])
    table = np.concatenate([block for block in scores if block is not None])
    if len(classes) == 2 and table.ndim == 1:
        return PredictionSchema(
            "binary", tuple(classes) if _rises(labels, table) else tuple(reversed(classes))
        )
    if table.ndim == 2 and table.shape[1] >= len(classes) > 2:
        return PredictionSchema("multiclass", tuple(classes), _columns(labels, table, len(classes)))
    return PredictionSchema("binary" if len(classes) == 2 else "multiclass", tuple(classes))


def _distinct(values: Iterable[Any]) -> list[Any]:
    found: list[Any] = []
    for value in values:
        if _same(found, value) is None:
            found.append(value)
    return found


def _same(known: Sequence[Any], value: Any) -> Any:
    return next((k for k in known if k == value and isinstance(k, str) == isinstance(value, str)), None)


def _rises(labels: NDArray[np.int64], scores: NDArray[np.float64]) -> bool:
    """Return whether the second class is the one that is predicted when the score is large."""
    second = labels == 1
    if second.any() and not second.all():
        return bool(scores[second].mean() >= scores[~second].mean())
    return bool((scores.mean() > 0.5) == second.all())  # only one class was ever predicted


def _columns(labels: NDArray[np.int64], table: NDArray[np.float64], classes: int) -> tuple[int, ...] | None:
    """Return each class's column, the largest where it is predicted; one class may be unpredicted."""
    import numpy as np

    largest = table.argmax(axis=1)
    found = {
        code: int(np.bincount(largest[labels == code], minlength=table.shape[1]).argmax())
        for code in range(classes)
        if (labels == code).any()
    }
    missing = [code for code in range(classes) if code not in found]
    free = sorted(set(range(table.shape[1])) - set(found.values()))
    if len(missing) == 1 and len(free) == 1:
        found[missing[0]] = free[0]
    if len(found) < classes or len(set(found.values())) < classes or table.shape[1] != classes:
        return None
    return tuple(found[code] for code in range(classes))
