"""What the target of a user's own table is: its task, the class whose score counts, and fair gates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlpipes_cli.config.experiment import Data
from mlpipes_cli.config.yaml_source import Location, YamlSource
from mlpipes_cli.metric_catalog import DEFAULT, Task

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_MOST_STRATA = 100  # classes; with more, most have too few rows for each part of a split
_YES = ("yes", "y", "true", "t", "positive", "pos", "ja", "oui", "si", "sí", "sim")


class Option(YamlSource):
    """Says what is wrong by the name of an option instead of a line of a file."""

    def problem(self, location: Location, message: str) -> str:
        return f"{self.name}: {message}"


@dataclass(frozen=True)
class OwnTarget:
    """A target.

    Attributes:
        task: The kind of target.
        metric: The metric that decides.
        gates: The gates of its promotion, as YAML.
        because: Why they are so, as comments.
        positive: The class whose score counts, of a binary target.
        positive_because: Why it is that one.
        gaps: Rows without a value.
        stratify: Whether a split keeps the shares of its values.
    """

    task: Task
    metric: str
    gates: tuple[str, ...]
    because: tuple[str, ...]
    positive: Any = None
    positive_because: str = ""
    gaps: int = 0
    stratify: bool = True


def understand(name: str, parts: Sequence[pa.Array]) -> OwnTarget:
    """Find out what a column is as a target, as a training does.

    Args:
        name: The column.
        parts: Its values.

    Raises:
        ConfigError: It cannot be a target: no value, one value, dates, or nearly as many classes as rows.
    """
    import pyarrow as pa

    from mlpipes_cli.data.origins.parquet import plain
    from mlpipes_cli.data.problems import wrong
    from mlpipes_cli.data.target import read_target

    whole = pa.chunked_array(parts)
    present = whole.drop_null()
    option = Option("--target", {}, {})
    if not len(present):
        raise wrong(option, (), f"{name!r} has no value in any row, so there is nothing to learn")
    if pa.types.is_date32(present.type):
        present = present.cast(pa.timestamp("us"))
    column = plain(pa.table({name: present}))[name]
    target = read_target(column, Data(source="x", target=name), option)
    gaps = whole.null_count
    metric = DEFAULT[target.task]
    if target.task == "regression":
        why = "The mean of the training rows has an R² of 0: a model has to be at least as good."
        return OwnTarget(
            "regression", metric, ("{metric: r2, min: 0.0}",), (why, _RAISE), gaps=gaps, stratify=False
        )
    counts = target.values.value_counts()
    if target.task == "multiclass":
        gate, why = _no_constant(counts)
        return OwnTarget(
            "multiclass", metric, (gate,), (why, _RAISE), gaps=gaps, stratify=len(counts) <= _MOST_STRATA
        )
    positive, because = _positive(target.classes, counts)
    why = "Guessing has a ROC AUC of 0.5: a model has to be better."
    return OwnTarget(
        "binary", metric, ("{metric: roc_auc, min: 0.55}",), (why, _RAISE), positive, because, gaps
    )


_RAISE = "Raise it as soon as you know what is good for this target."


def _no_constant(counts: pd.Series) -> tuple[str, str]:
    """Return the gate that a model which always gives the most frequent class does not pass, and why."""
    share = counts.max() / counts.sum()
    score = 2 * share / (1 + share) / len(counts)  # the F1 of that class; the others have 0
    least = min(math.floor(score * 100 + 1) / 100, 0.99)
    often = " ".join(repr(counts.idxmax()).split())
    return (
        f"{{metric: f1_macro, min: {least}}}",
        f"Always saying {often} has an F1 (macro) of {score:.3f}: a model has to be better.",
    )


def _positive(classes: Sequence[Any], counts: pd.Series) -> tuple[Any, str]:
    """Return the class of two whose score likely counts, and why."""
    if isinstance(classes[1], bool):
        return True, "it is true"
    if not isinstance(classes[1], str):
        larger = max(classes)
        return larger, "it is the larger"
    words = [label for label in classes if label.strip().casefold() in _YES]
    if len(words) == 1:
        return words[0], "it means yes"
    if counts[classes[0]] == counts[classes[1]]:
        return classes[1], "it is the last by the alphabet"
    return counts.idxmin(), "it is the rarer"
