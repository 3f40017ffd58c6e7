"""The rows that PyCaret compares models on: validation rows in place of folds, folds that divide no group."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mlpipes_cli.trainers.base import Training
from mlpipes_cli.trainers.search.folds import folds

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

Divided = tuple["pd.DataFrame", "pd.DataFrame", "Cuts"]


class Cuts:
    """Folds for PyCaret, which are known by the index of the rows.

    Args:
        fold_of: (rows,) the fold that each row is judged in, -1 for rows that are only fitted on; by the
            number that the row's index has.
    """

    def __init__(self, fold_of: np.ndarray) -> None:
        self.fold_of = fold_of

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of folds."""
        return int(self.fold_of.max()) + 1

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the positions to fit on and to judge of each fold."""
        import numpy as np

        here = self.fold_of[X.index.to_numpy()]
        for fold in range(self.get_n_splits()):
            yield np.flatnonzero(here != fold), np.flatnonzero(here == fold)


def with_validation(data: pd.DataFrame, judged: pd.DataFrame) -> Divided:
    """Return the rows of the comparison, those of the plots, and the one fold.

    Models are compared and tuned by a fit on the training rows that is judged on the validation rows.
    """
    import numpy as np
    import pandas as pd

    both = pd.concat([data, judged], ignore_index=True)
    shown = judged.set_axis(np.arange(len(both), len(both) + len(judged)))
    return both, shown, Cuts(np.repeat([-1, 0], [len(data), len(judged)]))


def with_groups(training: Training, data: pd.DataFrame, share: float, number: int) -> Divided:
    """Return the rows of the comparison, those of the plots, and folds; none of them divides a group.

    Raises:
        TrainingError: There are too few groups.
    """
    from dataclasses import replace

    import numpy as np

    assert training.groups is not None
    (apart,) = folds({"validation": 1 - share}, training)
    kept = replace(
        training,
        X=training.X.iloc[apart.fit],
        y=training.y.iloc[apart.fit],
        groups=training.groups[apart.fit],
    )
    fold_of = np.full(len(data), -1)
    for fold, rows in enumerate(folds({"folds": number}, kept)):
        fold_of[apart.fit[rows.judge]] = fold
    return data.iloc[apart.fit], data.iloc[apart.judge], Cuts(fold_of)


@contextmanager
def only_training(experiment: Any, training: Training) -> Iterator[None]:
    """Hide the validation rows from PyCaret's fits for the duration of the context, if there are any."""
    before = experiment.idx
    if training.validation is not None:
        experiment.idx = [before[0][: len(training.X)], *before[1:]]
    try:
        yield
    finally:
        experiment.idx = before
