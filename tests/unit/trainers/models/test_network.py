"""What a fitted network does with its inputs and outputs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest

from mlpipes_cli.trainers.models.network import Classifier, Reader, Regressor, batches, probabilities, run


def test_batches_have_one_size() -> None:
    table = np.arange(70, dtype=np.float64).reshape(35, 2)
    found = list(batches({"table": table}, 32))
    assert [(batch["table"].shape, count) for batch, count in found] == [((32, 2), 32), ((32, 2), 3)]
    assert np.array_equal(found[1][0]["table"][3], table[32])  # filled up
    asked: list[int] = []

    def ask(batch: dict[str, np.ndarray]) -> np.ndarray:
        asked.append(len(batch["table"]))
        return batch["table"][:, :1]

    assert np.array_equal(run({"table": table}, ask, 1), table[:, :1])
    assert run({"table": table[:0]}, ask, 1).shape == (0, 1)
    assert set(asked) == {32}


def test_pixels_become_numbers_from_0_to_1() -> None:
    pixels = np.array([0, 51, 255], dtype=np.uint8).reshape(1, 3, 1, 1)
    ((batch, _),) = batches({"picture": pixels}, 1)
    assert batch["picture"].dtype == np.float32
    assert batch["picture"].ravel() == pytest.approx([0.0, 0.2, 1.0])


@pytest.mark.parametrize(
    ("outputs", "logits", "wanted"),
    [
        ([[0.25]], False, [[0.75, 0.25]]),
        ([[0.0], [1000.0], [-1000.0]], True, [[0.5, 0.5], [0.0, 1.0], [1.0, 0.0]]),
        ([[0.2, 0.6, 0.2]], False, [[0.2, 0.6, 0.2]]),
        ([[1000.0, 1000.0, -1000.0]], True, [[0.5, 0.5, 0.0]]),
    ],
)
def test_outputs_become_probabilities(outputs: object, logits: bool, wanted: object) -> None:
    found = probabilities(np.array(outputs, dtype=np.float32), logits)
    assert found == pytest.approx(np.array(wanted), abs=1e-7)
    assert found.dtype == np.float64


def first_column(parts: Mapping[str, np.ndarray]) -> np.ndarray:
    return parts["table"][:, :1]


def test_labels_are_the_experiments_own() -> None:
    X = pd.DataFrame({"a": [-1.0, 2.0]})
    reader = Reader(None, ["a"], {})
    for classes in ((0, 1), ("no", "yes"), (False, True)):
        model = Classifier(reader, first_column, classes, logits=True)
        assert model.predict(X).tolist() == list(classes)
        assert model.classes_.tolist() == list(classes)
    assert model.predict(X.to_numpy()).tolist() == [False, True]
    quantity = Regressor(reader, first_column, mean=10.0, deviation=2.0)
    assert quantity.predict(X).tolist() == [8.0, 14.0]
    assert not hasattr(quantity, "predict_proba")
