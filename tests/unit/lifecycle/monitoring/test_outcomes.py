"""Predictions and scores become columns beside the inputs."""

from __future__ import annotations

import numpy as np
import pytest

from mlpipes_cli.lifecycle.monitoring.frames import Gathered
from mlpipes_cli.lifecycle.monitoring.outcomes import Outcomes
from mlpipes_cli.ports.monitoring import WindowRow
from mlpipes_cli.scoring.predictions import Predictions


@pytest.mark.parametrize(
    ("classes", "scores", "names"),
    [((0, 1), "0.25", ["score"]), ((0, 1, 2), "[0.25, 0.5, 0.25]", ["score_0", "score_1", "score_2"])],
)
def test_a_window_without_rows_has_the_columns_of_one_with_rows(
    classes: tuple[int, ...], scores: str, names: list[str]
) -> None:
    n = len(classes)
    known = Predictions(
        "binary" if n == 2 else "multiclass", classes, np.arange(n), np.full((n, n) if n > 2 else n, 1 / n),
        np.arange(n), np.arange(n),
    )  # fmt: skip
    outcomes = Outcomes([], known)
    one = Gathered(())
    one.take([[WindowRow("{}", "1", scores, False)]])
    full, empty = outcomes.current(one, {}), outcomes.current(Gathered(()), {})
    assert [*full] == [*empty] == ["prediction", *names]
    assert [len(column) for column in empty.values()] == [0] * (1 + len(names))
    assert float(full[names[0]][0]) == 0.25
