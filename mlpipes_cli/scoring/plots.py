"""Plots of a run as small PNGs, drawn off screen and without matplotlib's global state."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from mlpipes_cli.scoring import calibration
from mlpipes_cli.scoring.metrics import evaluate
from mlpipes_cli.scoring.plot_canvas import (
    TICKS,
    Canvas,
    Frame,
    Span,
    blank,
    emptied,
    margins,
    png,
    widest_of,
)
from mlpipes_cli.scoring.plot_parts import UNIT, around, legend, short, thinned, up_to
from mlpipes_cli.scoring.predictions import AnyArray, FloatArray, Predictions
from mlpipes_cli.scoring.ranking import Ranking

# Okabe and Ito's colours, which colour-blind readers can distinguish
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_BLUE, _ORANGE, _GREY = _COLOURS[0], _COLOURS[1], "#888888"
_MOST_CURVES = 7
_MOST_NAMED = 12
_MOST_POINTS = 5_000
_BAR = 0.24  # inches from one bar to the next
_BOTH_SIDES = Span(-1.02, 1.02, (-1.0, -0.6, -0.2, 0.2, 0.6, 1.0))

Plot = tuple[Frame, Callable[[Any], None]]


@dataclass(frozen=True)
class _Curve:
    """One class against the rest: (g,) rows of both at or above each of g scores, in falling order."""

    label: str
    colour: str
    scores: FloatArray
    true: FloatArray
    false: FloatArray
    metrics: Mapping[str, float]

    @property
    def recall(self) -> FloatArray:
        return _start(self.true / self.true[-1])

    @property
    def fallout(self) -> FloatArray:
        return _start(self.false / self.false[-1])


def draw(p: Predictions, title: str) -> dict[str, bytes]:
    """Draw the plots that fit the predictions: file name to PNG.

    Classification: roc.png, pr.png, ks.png (if there are scores and both classes),
    calibration.png (if they are probabilities) and confusion.png. Regression: residuals.png and
    predicted_vs_actual.png. With several classes each curve is one class against the rest.
    """
    heading = short(title, 60)
    return {name: _sheet().picture(frame, heading, plot) for name, (frame, plot) in _wanted(p).items()}


def draw_importance(names: Sequence[str], values: Sequence[float] | FloatArray, title: str) -> bytes:
    """Draw the twenty most important features as bars, the largest on top."""
    sizes = np.asarray(values, dtype=np.float64)
    order = np.argsort(-np.abs(sizes), kind="stable")[:20][::-1]
    rows, shown = len(order), sizes[order]
    figure, axes, heading = _bars(rows)
    heading.set_text(short(f"{title}: feature importance", 60))
    labels = [short(names[i], 28) for i in order]
    margins(figure, left=widest_of(labels) + 0.15, bottom=0.5, top=0.4)
    span = around(np.append(shown, 0.0))
    axes.set(ylim=(-0.7, rows - 0.3), xlim=(0.0 if (sizes >= 0.0).all() else span.low, span.high))
    axes.set_xlabel("importance" if rows == len(sizes) else f"importance (20 of {len(sizes)} features)")
    # One line collection: for each bar and each tick matplotlib would create several artists.
    thickness = 0.7 * 72 * (0.5 + _BAR * rows) / (rows + 0.4)
    with emptied(axes):
        axes.hlines(np.arange(rows), 0.0, shown, color=_BLUE, linewidth=thickness, capstyle="butt")
        for row, label in enumerate(labels):
            alignment = {"transform": axes.get_yaxis_transform(), "ha": "right", "va": "center"}
            axes.text(-0.012, row, label, fontsize=TICKS, **alignment)
        figure.canvas.draw()
        return png(figure)


@cache
def _bars(rows: int) -> tuple[Any, Any, Any]:
    """Create a figure for the given number of bars."""
    figure, axes, heading = blank((5.6, 1.4 + _BAR * rows))
    axes.yaxis.set_visible(False)
    return figure, axes, heading


@cache
def _sheet() -> Canvas:
    return Canvas()


def _wanted(p: Predictions) -> dict[str, Plot]:
    if p.task == "regression":
        return {"residuals.png": _residuals(p), "predicted_vs_actual.png": _predicted(p)}
    plots = {"confusion.png": _confusion(p)}
    if p.scores is not None and _shown_classes(p):
        curves = _curves(p)
        ks = _ks_two(p, curves[0]) if p.task == "binary" else _ks(p, curves)
        plots |= {"ks.png": ks, "roc.png": _roc(curves), "pr.png": _pr(p, curves)}
        if p.are_probabilities:
            plots["calibration.png"] = _calibration(p)
    return plots


def _shown_classes(p: Predictions) -> list[int]:
    """Return the classes that get a curve: the positive one, or the most frequent of several."""
    counts = np.bincount(p.target_codes, minlength=len(p.classes))
    if p.task == "binary":
        return [1] if counts.min() > 0 else []
    possible = [int(code) for code in np.argsort(-counts, kind="stable") if 0 < counts[code] < p.rows]
    return sorted(possible[:_MOST_CURVES])


def _one_against_rest(p: Predictions, code: int) -> tuple[AnyArray, FloatArray]:
    assert p.scores is not None
    return p.target_codes == code, p.scores if p.scores.ndim == 1 else p.scores[:, code]


def _curves(p: Predictions) -> list[_Curve]:
    found = []
    for colour, code in zip(_COLOURS, _shown_classes(p), strict=False):
        positive, scores = _one_against_rest(p, code)
        ranking, ones = Ranking(positive, scores), np.ones((1, p.rows))
        true, false = (counts[0] for counts in ranking.counts(ones))
        metrics = {name: float(value[0]) for name, value in ranking.values(ones).items()}
        label, thresholds = short(str(p.classes[code]), 16), scores[ranking.order][ranking.ends]
        found.append(_Curve(label, colour, thresholds, true, false, metrics))
    return found


def _start(values: FloatArray, first: float = 0.0) -> FloatArray:
    return np.concatenate([[first], values])


def _roc(curves: Sequence[_Curve]) -> Plot:
    def plot(axes: Any) -> None:
        axes.plot([0, 1], [0, 1], color=_GREY, linestyle="--", linewidth=1, label="by chance")
        for curve in curves:
            x, y = thinned(curve.fallout, curve.recall)
            label = f"{curve.label}: AUC {curve.metrics['roc_auc']:.3f}"
            axes.plot(x, y, color=curve.colour, linewidth=1.6, label=label)
        legend(axes, "lower right")

    return Frame("ROC", "false positive rate", "true positive rate", UNIT, UNIT), plot


def _pr(p: Predictions, curves: Sequence[_Curve]) -> Plot:
    def plot(axes: Any) -> None:
        for curve in curves:
            precision = curve.true / (curve.true + curve.false)
            x, y = thinned(curve.recall, _start(precision, float(precision[0])))
            label = f"{curve.label}: PR AUC {curve.metrics['pr_auc']:.3f}"
            axes.step(x, y, where="pre", color=curve.colour, linewidth=1.6, label=label)
        if p.task == "binary":
            share = float(p.target_codes.mean())
            axes.axhline(share, color=_GREY, linestyle="--", linewidth=1, label=f"by chance {share:.3f}")
        legend(axes)

    return Frame("Precision and recall", "recall", "precision", UNIT, UNIT), plot


def _ks(p: Predictions, curves: Sequence[_Curve]) -> Plot:
    distances = [curve.recall - curve.fallout for curve in curves]
    lowest = min(float(distance.min()) for distance in distances)

    def plot(axes: Any) -> None:
        for curve, distance in zip(curves, distances, strict=True):
            x, y = thinned(_start((curve.true + curve.false) / p.rows), distance)
            label = f"{curve.label}: KS {curve.metrics['ks']:.3f}"
            axes.plot(x, y, color=curve.colour, linewidth=1.6, label=label)
        legend(axes)

    share, title = "share of rows, highest score first", "KS, one class against the rest"
    return Frame(title, share, "distance", UNIT, UNIT if lowest >= 0.0 else _BOTH_SIDES), plot


def _ks_two(p: Predictions, curve: _Curve) -> Plot:
    above = {0: curve.fallout[1:], 1: curve.recall[1:]}

    def plot(axes: Any) -> None:
        for code, colour in ((0, _BLUE), (1, _ORANGE)):
            below = 1.0 - _start(above[code])[:-1]
            x, y = thinned(curve.scores[::-1], below[::-1])
            label = f"{short(str(p.classes[code]), 16)} ({int((p.target_codes == code).sum()):,} rows)"
            axes.step(x, y, where="post", color=colour, linewidth=1.6, label=label)
        best = int(np.abs(above[1] - above[0]).argmax())
        at, ends = float(curve.scores[best]), [1.0 - float(above[code][best]) for code in (0, 1)]
        label = f"KS {curve.metrics['ks']:.3f} at {at:.3g}"
        axes.plot([at, at], ends, color="black", linewidth=1.2, marker="_", label=label)
        legend(axes)

    shown = up_to(float(curve.scores[0])) if p.are_probabilities else around(curve.scores)
    title, score = "Distribution of the scores by class", "score of the positive class"
    return Frame(title, score, "cumulative share of rows", shown, UNIT), plot


def _calibration(p: Predictions) -> Plot:
    shown = {code: _one_against_rest(p, code) for code in _shown_classes(p)}
    if min(float(positive.mean()) for positive, _ in shown.values()) < calibration.RARE:
        return _calibration_of_rare(p, shown)
    bins = 10 if p.rows >= 200 else 5
    groups = {code: calibration.of_equal_size(*curve, bins) for code, curve in shown.items()}
    draw = _calibration_curves(p, groups, (0.0, 1.0), lambda shares: shares)
    title = f"Calibration ({bins} groups of equal size, 95 % intervals)"
    return Frame(title, "mean predicted probability", "observed share", UNIT, UNIT), draw


def _calibration_of_rare(p: Predictions, shown: Mapping[int, tuple[AnyArray, FloatArray]]) -> Plot:
    """Plot on logarithmic axes, since the groups of a rare class overlap on linear ones."""
    groups = {code: calibration.of_equal_mass(*curve) for code, curve in shown.items()}
    least = min(min(group.lowest for group in found) for found in groups.values())
    first = int(np.clip(np.floor(np.log10(least)), -6, -2))
    ticks = tuple(float(power) for power in range(first, 1))
    axis = Span(first - 0.05, 0.05, ticks, tuple(f"{10.0**power:.{-power}f}" for power in range(first, 1)))

    def scale(shares: FloatArray) -> FloatArray:
        return np.log10(np.maximum(shares, 10.0**first))

    draw = _calibration_curves(p, groups, (float(first), 0.0), scale)
    title = "Calibration (groups of equal expected positives, 95 % intervals)"
    return Frame(title, "mean predicted probability", "observed share", axis, axis), draw


def _calibration_curves(
    p: Predictions,
    groups: Mapping[int, Sequence[calibration.Group]],
    ends: tuple[float, float],
    scale: Callable[[FloatArray], FloatArray],
) -> Callable[[Any], None]:
    def plot(axes: Any) -> None:
        axes.plot(ends, ends, color=_GREY, linestyle="--", linewidth=1, label="perfect")
        for colour, (code, found) in zip(_COLOURS, groups.items(), strict=False):
            at = scale(np.array([group.mean for group in found]))
            share, lower, upper = (
                scale(np.array([getattr(group, name) for group in found]))
                for name in ("share", "lower", "upper")
            )
            axes.vlines(at, lower, upper, color=colour, linewidth=1.0, alpha=0.5)
            label = f"{short(str(p.classes[code]), 16)} ({int((p.target_codes == code).sum()):,} rows)"
            axes.plot(at, share, color=colour, marker="o", markersize=4, linewidth=1.4, label=label)
        legend(axes, "upper left")

    return plot


def _confusion(p: Predictions) -> Plot:
    size = len(p.classes)
    cells = np.bincount(p.target_codes * size + p.prediction_codes, minlength=size * size)
    table = cells.reshape(size, size)
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    named = size <= _MOST_NAMED

    def plot(axes: Any) -> None:
        cells = {"extent": (-0.5, size - 0.5, size - 0.5, -0.5), "interpolation": "nearest"}
        axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0, aspect="auto", **cells)
        for (row, column), count in np.ndenumerate(table) if named else ():
            text = f"{count:,}\n{shares[row, column]:.1%}" if size <= 4 else f"{count:,}"
            look = {
                "color": "white" if shares[row, column] > 0.55 else "black",
                "fontsize": 9 if size <= 4 else 7,
            }
            axes.text(column, row, text, ha="center", va="center", **look)

    names = tuple(short(str(label), 12) for label in p.classes) if named else ()
    ticks = tuple(float(code) for code in range(size)) if named else ()
    across, down = Span(-0.5, size - 0.5, ticks, names), Span(size - 0.5, -0.5, ticks, names)
    return Frame("Confusion (shares of the true class)", "predicted", "true", across, down, grid=False), plot


def _residuals(p: Predictions) -> Plot:
    rows = _sample(p.rows)
    with np.errstate(over="ignore"):
        residuals = p.target - p.prediction

    def plot(axes: Any) -> None:
        axes.scatter(p.prediction[rows], residuals[rows], **_dots(len(rows)))
        axes.axhline(0.0, color=_ORANGE, linewidth=1.2)

    x, y = around(p.prediction[rows]), around(np.append(residuals[rows], 0.0))
    return Frame(f"Residuals ({_points(p, rows)})", "predicted", "actual minus predicted", x, y), plot


def _predicted(p: Predictions) -> Plot:
    rows, ends = _sample(p.rows), [float(p.target.min()), float(p.target.max())]

    def plot(axes: Any) -> None:
        axes.scatter(p.target[rows], p.prediction[rows], **_dots(len(rows)))
        axes.plot(ends, ends, color=_ORANGE, linewidth=1.2, label="perfect")
        legend(axes)

    metrics = evaluate(p)
    fit = f", R² {metrics['r2']:.3f}" if "r2" in metrics else ""
    x, y = around(p.target), around(np.append(p.prediction[rows], ends))
    return Frame(f"Predicted against actual ({_points(p, rows)}{fit})", "actual", "predicted", x, y), plot


def _points(p: Predictions, rows: AnyArray) -> str:
    return f"{p.rows:,} rows" if len(rows) == p.rows else f"{len(rows):,} of {p.rows:,} rows"


def _sample(rows: int) -> AnyArray:
    """Return evenly spread positions, no more than a picture can show."""
    return np.unique(np.linspace(0, rows - 1, min(rows, _MOST_POINTS)).astype(np.int64))


def _dots(rows: int) -> dict[str, Any]:
    return {
        "s": 14 if rows < 500 else 5,
        "alpha": 0.6 if rows < 500 else 0.3,
        "color": _BLUE,
        "linewidths": 0,
    }
