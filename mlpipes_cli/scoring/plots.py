"""Plots of a run: small PNGs, drawn off screen and without matplotlib's global state."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.ticker import AutoLocator
from matplotlib.transforms import blended_transform_factory

from mlpipes_cli.scoring.metrics import evaluate
from mlpipes_cli.scoring.predictions import AnyArray, FloatArray, Predictions
from mlpipes_cli.scoring.ranking import Ranking

# Okabe and Ito's colours, which colour-blind readers can tell apart
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_BLUE, _ORANGE, _GREY = _COLOURS[0], _COLOURS[1], "#888888"
_MOST_CURVES = 7
_MOST_NAMED = 12
_MOST_POINTS = 5_000
_SIZE, _DPI, _TICKS = (5.6, 4.2), 100, 8
_FIFTHS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)

Draw = Callable[[Any, Predictions], None]


def draw(p: Predictions, title: str) -> dict[str, bytes]:
    """The plots that fit the predictions: file name to PNG.

    Classification: roc.png, pr.png, ks.png (where there are scores and both classes),
    calibration.png (where they are probabilities) and confusion.png. Regression: residuals.png and
    predicted_vs_actual.png. With several classes each curve is one class against the rest.
    """
    figure, axes = _axes(title)
    pictures = {}
    for name, plot in _wanted(p).items():
        plot(axes, p)
        pictures[name] = _png(figure)
        _wipe(axes)
    return pictures


def draw_importance(names: Sequence[str], values: Sequence[float] | FloatArray, title: str) -> bytes:
    """The twenty most important features as bars, the largest on top."""
    sizes = np.asarray(values, dtype=np.float64)
    order = np.argsort(-np.abs(sizes), kind="stable")[:20][::-1]
    rows, height = len(order), 1.4 + 0.24 * len(order)
    figure, axes = _axes(f"{title}: feature importance", (5.6, height))
    labels = [_short(names[i], 28) for i in order]
    _margins(figure, left=_widest(figure, labels) + 0.15, bottom=0.5, top=0.4)
    # No bar and no tick of its own for each feature: matplotlib makes several artists for each of them.
    thickness = 0.7 * 72 * (height - 0.9) / (rows + 0.4)
    axes.hlines(np.arange(rows), 0.0, sizes[order], color=_BLUE, linewidth=thickness, capstyle="butt")
    axes.set(ylim=(-0.7, rows - 0.3), xlim=(0.0 if (sizes >= 0.0).all() else None, None))
    axes.yaxis.set_visible(False)
    for row, label in enumerate(labels):
        place = {"transform": axes.get_yaxis_transform(), "ha": "right", "va": "center"}
        axes.text(-0.012, row, label, fontsize=_TICKS, **place)
    axes.set_xlabel("importance" if rows == len(sizes) else f"importance (20 of {len(sizes)} features)")
    return _png(figure)


def _wanted(p: Predictions) -> dict[str, Draw]:
    if p.task == "regression":
        return {"residuals.png": _residuals, "predicted_vs_actual.png": _predicted}
    plots: dict[str, Draw] = {}
    if p.scores is not None and _shown_classes(p):
        plots = {"ks.png": _ks, "roc.png": _roc, "pr.png": _pr}
        if p.are_probabilities:
            plots["calibration.png"] = _calibration
    return plots | {"confusion.png": _confusion}  # the last, as it takes the grid and the margins for itself


def _wipe(axes: Any) -> None:
    """Take off what was plotted. The ticks stay, which take long to make, and so does the title."""
    for artist in (*axes.lines, *axes.collections, *axes.texts, *axes.images):
        artist.remove()
    if (legend := axes.get_legend()) is not None:
        legend.remove()
    axes.set_prop_cycle(None)
    axes.relim()
    axes.autoscale()
    axes.xaxis.set_major_locator(AutoLocator())
    axes.yaxis.set_major_locator(AutoLocator())


def _axes(title: str, size: tuple[float, float] = _SIZE) -> tuple[Any, Any]:
    figure = Figure(figsize=size, dpi=_DPI)
    FigureCanvasAgg(figure)
    _margins(figure)
    axes = figure.add_subplot()
    figure.suptitle(_short(title, 60), fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e6e6e6", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=_TICKS, length=0)  # the grid shows where they are
    axes.ticklabel_format(scilimits=(-4, 5))
    for axis in (axes.xaxis, axes.yaxis):
        axis.get_offset_text().set_fontsize(_TICKS)
    # The names of the axes have their places at the edges: they are not sought among the ticks.
    inches, shares = figure.dpi_scale_trans, axes.transAxes
    axes.xaxis.set_label_coords(0.5, 0.17, transform=blended_transform_factory(shares, inches))
    axes.yaxis.set_label_coords(0.17, 0.5, transform=blended_transform_factory(inches, shares))
    return figure, axes


def _margins(figure: Any, left: float = 0.67, bottom: float = 0.5, top: float = 0.59) -> None:
    """In inches. A layout that finds them by drawing twice would take as long again as the drawing."""
    width, height = figure.get_size_inches()
    figure.subplots_adjust(left / width, bottom / height, 0.97, 1.0 - top / height)


def _widest(figure: Any, labels: Sequence[str]) -> float:
    """The width of the longest label of a tick, in inches."""
    measure, font = figure.canvas.get_renderer().get_text_width_height_descent, FontProperties(size=_TICKS)
    return float(max((measure(label, font, ismath=False)[0] for label in labels), default=0.0)) / _DPI


def _png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None}, pil_kwargs={"compress_level": 1})
    return buffer.getvalue()


def _shown_classes(p: Predictions) -> list[int]:
    """The classes that get a curve: the positive one, or the most frequent of several."""
    counts = np.bincount(p.target_codes, minlength=len(p.classes))
    if p.task == "binary":
        return [1] if counts.min() > 0 else []
    possible = [int(code) for code in np.argsort(-counts, kind="stable") if 0 < counts[code] < p.rows]
    return sorted(possible[:_MOST_CURVES])


def _one_against_rest(p: Predictions, code: int) -> tuple[AnyArray, FloatArray]:
    assert p.scores is not None
    return p.target_codes == code, p.scores if p.scores.ndim == 1 else p.scores[:, code]


def _curves(p: Predictions) -> list[tuple[str, str, Ranking, FloatArray, FloatArray, dict[str, float]]]:
    """Label, colour, ranking, true and false positives from the highest score down, metrics."""
    found = []
    for colour, code in zip(_COLOURS, _shown_classes(p), strict=False):
        ranking = Ranking(*_one_against_rest(p, code))
        ones = np.ones((1, p.rows))
        true, false = (counts[0] for counts in ranking.counts(ones))
        metrics = {name: float(value[0]) for name, value in ranking.values(ones).items()}
        found.append((_short(str(p.classes[code]), 16), colour, ranking, true, false, metrics))
    return found


def _start(values: FloatArray, first: float = 0.0) -> FloatArray:
    return np.concatenate([[first], values])


def _roc(axes: Any, p: Predictions) -> None:
    axes.plot([0, 1], [0, 1], color=_GREY, linestyle="--", linewidth=1, label="by chance")
    for label, colour, _, true, false, metrics in _curves(p):
        x, y = _thinned(_start(false / false[-1]), _start(true / true[-1]))
        axes.plot(x, y, color=colour, linewidth=1.6, label=f"{label}: AUC {metrics['roc_auc']:.3f}")
    _unit(axes, "ROC", "false positive rate", "true positive rate", "lower right")


def _pr(axes: Any, p: Predictions) -> None:
    for label, colour, _, true, false, metrics in _curves(p):
        precision = true / (true + false)
        x, y = _thinned(_start(true / true[-1]), _start(precision, float(precision[0])))
        text = f"{label}: PR AUC {metrics['pr_auc']:.3f}"
        axes.step(x, y, where="pre", color=colour, linewidth=1.6, label=text)
    if p.task == "binary":
        share = float(p.target_codes.mean())
        axes.axhline(share, color=_GREY, linestyle="--", linewidth=1, label=f"by chance {share:.3f}")
    _unit(axes, "Precision and recall", "recall", "precision", "best")


def _ks(axes: Any, p: Predictions) -> None:
    if p.task == "binary":
        return _ks_two(axes, p)
    for label, colour, _, true, false, metrics in _curves(p):
        share = _start((true + false) / p.rows)
        x, y = _thinned(share, _start(true / true[-1] - false / false[-1]))
        axes.plot(x, y, color=colour, linewidth=1.6, label=f"{label}: KS {metrics['ks']:.3f}")
    return _titled(axes, "KS, one class against the rest", "share of rows, highest score first", "distance")


def _ks_two(axes: Any, p: Predictions) -> None:
    _, _, ranking, true, false, metrics = _curves(p)[0]
    assert p.scores is not None
    scores = p.scores[ranking.order][ranking.ends]
    above = {0: false / false[-1], 1: true / true[-1]}
    for code, colour in ((0, _BLUE), (1, _ORANGE)):
        below = 1.0 - _start(above[code])[:-1]
        x, y = _thinned(scores[::-1], below[::-1])
        label = f"{_short(str(p.classes[code]), 16)} ({int((p.target_codes == code).sum()):,} rows)"
        axes.step(x, y, where="post", color=colour, linewidth=1.6, label=label)
    best = int(np.abs(above[1] - above[0]).argmax())
    ends = [1.0 - float(above[0][best]), 1.0 - float(above[1][best])]
    at = float(scores[best])
    axes.plot(
        [at, at], ends, color="black", linewidth=1.2, marker="_", label=f"KS {metrics['ks']:.3f} at {at:.3g}"
    )
    axes.set(ylim=(-0.02, 1.02), yticks=_FIFTHS)
    _titled(
        axes, "Distribution of the scores by class", "score of the positive class", "share of rows up to it"
    )


def _calibration(axes: Any, p: Predictions) -> None:
    axes.plot([0, 1], [0, 1], color=_GREY, linestyle="--", linewidth=1, label="perfect")
    bins = 10 if p.rows >= 200 else 5
    for colour, code in zip(_COLOURS, _shown_classes(p), strict=False):
        positive, score = _one_against_rest(p, code)
        parts = [part for part in np.array_split(np.argsort(score, kind="stable"), bins) if len(part)]
        mean = [float(score[part].mean()) for part in parts]
        share = [float(positive[part].mean()) for part in parts]
        label = _short(str(p.classes[code]), 16)
        axes.plot(mean, share, color=colour, marker="o", markersize=4, linewidth=1.4, label=label)
    _unit(
        axes,
        f"Calibration ({bins} groups of equal size)",
        "mean predicted probability",
        "observed share",
        "best",
    )


def _confusion(axes: Any, p: Predictions) -> None:
    size = len(p.classes)
    cells = np.bincount(p.target_codes * size + p.prediction_codes, minlength=size * size)
    table = cells.reshape(size, size)
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0, aspect="auto")
    axes.grid(visible=False)
    if size <= _MOST_NAMED:
        names = [_short(str(label), 12) for label in p.classes]
        widest = _widest(axes.figure, names)
        _margins(axes.figure, left=widest + 0.45, bottom=0.5 + (0.5 * widest if size > 4 else 0.0))
        axes.set_xticks(range(size), names, rotation=30 if size > 4 else 0)
        axes.set_yticks(range(size), names)
        for (row, column), count in np.ndenumerate(table):
            text = f"{count:,}\n{shares[row, column]:.1%}" if size <= 4 else f"{count:,}"
            shade = "white" if shares[row, column] > 0.55 else "black"
            axes.text(
                column, row, text, ha="center", va="center", fontsize=9 if size <= 4 else 7, color=shade
            )
    axes.set_title("Confusion (shares of the true class)", fontsize=10, y=1.0)
    axes.set_xlabel("predicted", fontsize=9)
    axes.set_ylabel("true", fontsize=9)


def _residuals(axes: Any, p: Predictions) -> None:
    rows = _sample(p.rows)
    axes.scatter(p.prediction[rows], (p.target - p.prediction)[rows], **_dots(len(rows)))
    axes.axhline(0.0, color=_ORANGE, linewidth=1.2)
    _titled(axes, f"Residuals ({_points(p, rows)})", "predicted", "actual minus predicted", legend=False)


def _predicted(axes: Any, p: Predictions) -> None:
    rows = _sample(p.rows)
    axes.scatter(p.target[rows], p.prediction[rows], **_dots(len(rows)))
    low, high = float(p.target.min()), float(p.target.max())
    axes.plot([low, high], [low, high], color=_ORANGE, linewidth=1.2, label="perfect")
    fit = f", R² {evaluate(p)['r2']:.3f}" if "r2" in evaluate(p) else ""
    _titled(axes, f"Predicted against actual ({_points(p, rows)}{fit})", "actual", "predicted")


def _points(p: Predictions, rows: AnyArray) -> str:
    return f"{p.rows:,} rows" if len(rows) == p.rows else f"{len(rows):,} of {p.rows:,} rows"


def _sample(rows: int) -> AnyArray:
    """Evenly spread positions, no more than can be told apart in a picture."""
    return np.unique(np.linspace(0, rows - 1, min(rows, _MOST_POINTS)).astype(np.int64))


def _dots(rows: int) -> dict[str, Any]:
    return {
        "s": 14 if rows < 500 else 5,
        "alpha": 0.6 if rows < 500 else 0.3,
        "color": _BLUE,
        "linewidths": 0,
    }


def _thinned(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """At most 1,000 points, first and last among them: as many as a picture has columns."""
    keep = np.unique(np.linspace(0, len(x) - 1, min(len(x), 1000)).astype(np.int64))
    return x[keep], y[keep]


def _unit(axes: Any, title: str, x: str, y: str, place: str) -> None:
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xticks=_FIFTHS, yticks=_FIFTHS)
    _titled(axes, title, x, y, place)


def _titled(axes: Any, title: str, x: str, y: str, place: str = "best", *, legend: bool = True) -> None:
    axes.set_title(title, fontsize=10, y=1.0)  # told its place, it is not sought among the ticks
    axes.set_xlabel(x, fontsize=9)
    axes.set_ylabel(y, fontsize=9)
    if legend:
        axes.legend(loc=place, fontsize=8, frameon=True, framealpha=0.85, edgecolor="none")


def _short(text: str, most: int) -> str:
    """Cut to length, and with no character that matplotlib reads as mathematics."""
    text = text if len(text) <= most else f"{text[: most - 1]}…"
    return text.replace("$", r"\$")
