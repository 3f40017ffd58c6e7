"""Plots are PNGs of the right number for the target, whatever the labels are."""

import subprocess
import sys

import numpy as np
import pytest

from mlpipes_cli.scoring import calibration, plot_parts, plots
from mlpipes_cli.scoring.plots import draw, draw_importance
from mlpipes_cli.scoring.predictions import Predictions

PNG = b"\x89PNG\r\n\x1a\n"
RANDOM = np.random.default_rng(0)


def classifier(labels, rows=300, **changes):
    codes = RANDOM.integers(0, len(labels), rows)
    scores = RANDOM.dirichlet(np.ones(len(labels)), rows)
    names = np.array(labels, dtype=object)
    parts = {
        "task": "binary" if len(labels) == 2 else "multiclass",
        "classes": tuple(labels),
        "target": names[codes],
        "scores": scores[:, 1] if len(labels) == 2 else scores,
        "prediction": names[scores.argmax(axis=1)],
        "ids": np.arange(rows),
    }
    return Predictions(**(parts | changes))


REGRESSION = Predictions(
    "regression", (), RANDOM.normal(size=50), None, RANDOM.normal(size=50), np.arange(50)
)
ALL = {"roc.png", "pr.png", "ks.png", "calibration.png", "confusion.png"}
CASES = [
    (classifier([0, 1]), ALL),
    (classifier(["$x", "a_{b}^ü" * 20]), ALL),
    (classifier([False, True], rows=20), ALL),
    (classifier(["a", "b", "c"]), ALL),
    (classifier([f"class {i:02}" for i in range(30)]), ALL),
    (classifier([0, 1], scores=RANDOM.normal(size=300)), ALL - {"calibration.png"}),
    (classifier([0, 1], scores=None), {"confusion.png"}),
    (classifier([0, 1], rows=1), {"confusion.png"}),
    (classifier([0, 1], scores=np.full(300, 0.5)), ALL),
    (REGRESSION, {"residuals.png", "predicted_vs_actual.png"}),
]


@pytest.mark.parametrize(("p", "names"), CASES)
def test_what_is_drawn(p, names):
    found = draw(p, "credit: forest $5 of 10%")
    assert found.keys() == names
    for picture in found.values():
        assert picture.startswith(PNG)
        assert 2_000 < len(picture) < 120_000


def test_the_same_predictions_give_the_same_bytes():
    assert draw(REGRESSION, "x") == draw(REGRESSION, "x")


def test_nothing_of_one_plot_is_left_on_the_next():
    """All are drawn on one sheet, which keeps a few frames: on a new one they are the same."""
    alone = []
    for p, _ in CASES:
        plots._sheet.cache_clear()
        alone.append(draw(p, "x"))
    for order in (1, -1):
        for (p, _), first in list(zip(CASES, alone, strict=True))[::order]:
            assert draw(p, "x") == first


@pytest.mark.parametrize("scale", [1e308, 1e300, 1e17, 5e-324, 0.0])
def test_numbers_of_any_size_are_drawn(scale):
    numbers = np.linspace(-1, 1, 50) * scale
    for told in (numbers, numbers[::-1], np.zeros(50)):
        assert draw(Predictions("regression", (), numbers, None, told, np.arange(50)), "x")
    truth = np.arange(50) % 2
    assert draw(Predictions("binary", (0, 1), truth, numbers, truth, np.arange(50)), "x")
    usual = draw_importance(["a", "b", "c"], [1.0, 2.0, -1.0], "t")
    assert draw_importance(["a", "b", "c"], [scale, -scale, float("nan")], "t").startswith(PNG)
    assert draw_importance(["a", "b", "c"], [1.0, 2.0, -1.0], "t") == usual


def test_importance_keeps_the_largest():
    values = np.arange(40.0)
    names = [f"feature_{i}" for i in range(40)]
    assert draw_importance(names, values, "t").startswith(PNG)
    assert draw_importance(names[20:], values[20:], "t") != draw_importance(names[:20], values[:20], "t")


def test_no_global_state_of_matplotlib_is_touched():
    draw(REGRESSION, "x")
    assert "matplotlib.pyplot" not in sys.modules


def test_a_rare_class_is_to_be_seen_in_its_calibration():
    random = np.random.default_rng(5)
    score = random.beta(0.4, 200.0, 40_000)
    positive = random.random(40_000) < score
    groups = calibration.of_equal_mass(positive, score)
    assert len(groups) == 10 and sum(group.rows for group in groups) == 40_000
    assert sum(group.lower < group.mean < group.upper for group in groups) >= 8, "it is calibrated"
    assert all(0.5 < group.rows * group.mean / (score.sum() / 10) < 1.5 for group in groups)
    p = classifier(
        [0, 1], rows=40_000, target=positive * 1, scores=score, prediction=np.zeros(40_000, dtype=int)
    )
    frame, _ = plots._calibration(p)
    assert frame.x == frame.y and frame.x.ticks == (-5.0, -4.0, -3.0, -2.0, -1.0, 0.0)
    assert frame.x.names == ("0.00001", "0.0001", "0.001", "0.01", "0.1", "1")
    usual, _ = plots._calibration(classifier([0, 1]))
    assert usual.x == plot_parts.UNIT


def test_letters_that_no_font_has_are_drawn_without_a_word():
    code = (
        "from mlpipes_cli.scoring import plot_canvas; print(plot_canvas.widest_of(['\u82b1', '\U0001f98a']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) > 0 and done.stderr == ""
