"""Catalog of the metrics: their names, the kinds of target they fit and which direction is better.

This module imports nothing heavy, so that a file can be checked without NumPy. The formulas are in
:mod:`mlpipes_cli.scoring`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

Task = Literal["binary", "multiclass", "regression"]
FEWEST_ROWS = 20  # of the rarer class; with about 15, roc_auc erred in 7 % of comparisons instead of 5


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        name: As in ``metric: ks``.
        task: The kind of target it is for.
        higher_is_better: False for losses and errors.
        title: For tables and plots.
    """

    name: str
    task: Task
    higher_is_better: bool
    title: str


def _metrics(task: Task, *rows: tuple[str, bool, str]) -> tuple[Metric, ...]:
    return tuple(Metric(name, task, higher, title) for name, higher, title in rows)


BINARY = _metrics(
    "binary",
    ("ks", True, "KS"),
    ("roc_auc", True, "ROC AUC"),
    ("pr_auc", True, "PR AUC"),
    ("log_loss", False, "log loss"),
    ("brier", False, "Brier score"),
    ("f1", True, "F1"),
    ("precision", True, "precision"),
    ("recall", True, "recall"),
    ("mcc", True, "MCC"),
    ("accuracy", True, "accuracy"),
)
MULTICLASS = _metrics(
    "multiclass",
    ("f1_macro", True, "F1 (macro)"),
    ("f1_weighted", True, "F1 (weighted)"),
    ("precision_macro", True, "precision (macro)"),
    ("precision_weighted", True, "precision (weighted)"),
    ("recall_macro", True, "recall (macro)"),
    ("recall_weighted", True, "recall (weighted)"),
    ("roc_auc_macro", True, "ROC AUC (one-vs-rest, macro)"),
    ("roc_auc_weighted", True, "ROC AUC (one-vs-rest, weighted)"),
    ("pr_auc_macro", True, "PR AUC (one-vs-rest, macro)"),
    ("pr_auc_weighted", True, "PR AUC (one-vs-rest, weighted)"),
    ("ks_macro", True, "KS (one-vs-rest, macro)"),
    ("ks_weighted", True, "KS (one-vs-rest, weighted)"),
    ("log_loss", False, "log loss"),
    ("mcc", True, "MCC"),
    ("accuracy", True, "accuracy"),
)
REGRESSION = _metrics(
    "regression",
    ("rmse", False, "RMSE"),
    ("mae", False, "MAE"),
    ("r2", True, "R²"),
    ("mape", False, "MAPE"),
)
BY_TASK: dict[Task, tuple[Metric, ...]] = {
    "binary": BINARY,
    "multiclass": MULTICLASS,
    "regression": REGRESSION,
}
DEFAULT: dict[Task, str] = {"binary": "ks", "multiclass": "f1_macro", "regression": "rmse"}
NAMES: tuple[str, ...] = tuple(dict.fromkeys(m.name for rows in BY_TASK.values() for m in rows))

_OF_SCORES = ("ks", "roc_auc", "pr_auc")
_OF_PROBABILITIES = ("log_loss", "brier")


def why_missing(name: str, known: Collection[str]) -> str:
    """Return why a finished run does not have a metric, derived from the metrics that it has."""
    scored = any(other.startswith(_OF_SCORES) for other in known)
    if name.startswith((*_OF_SCORES, *_OF_PROBABILITIES)) and not scored:
        return "its model returns labels, not scores"
    if name.startswith(_OF_PROBABILITIES):
        return "its scores are not probabilities"
    return "it is not defined for this holdout"


_OF_EACH_CLASS = ("ks", "roc_auc", "pr_auc", "precision")  # even a rare class changes their mean


def of_each_class(name: str) -> bool:
    """Return whether a multiclass metric is as uncertain as that of the rarest class."""
    return name.endswith("_macro") or (name.endswith("_weighted") and name.startswith(_OF_EACH_CLASS))


def few_rows(task: str, metric: str, rarest: int) -> str:
    """Return a sentence if the holdout has too few rows for the metric, else an empty text.

    Args:
        task: The kind of target.
        metric: The deciding metric.
        rarest: The holdout's number of rows of its rarest class; of a regression, of all rows.
    """
    if rarest >= FEWEST_ROWS or (task == "multiclass" and not of_each_class(metric)):
        return ""
    rows = f"{rarest} row{'' if rarest == 1 else 's'}"
    which = rows if task == "regression" else f"{rows} of the rarest class"
    return f"the holdout has {which}: too few for an interval of {metric}, which needs {FEWEST_ROWS}"


def find(task: Task, name: str) -> Metric | None:
    """Return the metric of that name for that kind of target, or None."""
    return next((metric for metric in BY_TASK[task] if metric.name == name), None)


def higher_is_better(name: str) -> bool:
    """Return whether higher values are better; a name has one direction for every kind of target.

    Raises:
        KeyError: There is no such metric.
    """
    for rows in BY_TASK.values():
        for metric in rows:
            if metric.name == name:
                return metric.higher_is_better
    raise KeyError(name)
