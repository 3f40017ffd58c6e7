"""Reads the served rows that have their ground truth, in the types of an experiment's prepared data."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mlpipes_cli.lifecycle.performance.prediction_schema import PredictionSchema

if TYPE_CHECKING:
    import pandas as pd

    from mlpipes_cli.data.formats import Formats
    from mlpipes_cli.data.prepared import Prepared
    from mlpipes_cli.data.served_rows.parts import RowCounts, ServedFrame
    from mlpipes_cli.lifecycle.training.prepared_versions import KnownVersion
    from mlpipes_cli.ports.retraining.served_rows import ServedRow, ServedRows

MOST_ROWS = 500_000  # of more served rows with ground truth, the newest are read
_FETCHED = 2_000  # rows in one batch


@dataclass(eq=False)
class TodaysRows:
    """Adds the served rows of a model; implements :class:`mlpipes_cli.lifecycle.training.plan.RowsOfToday`.

    Attributes:
        model: The registered model's name.
        share: The share of the served rows that judge.
        source: Reads the served rows.
        tags: The tags of the runs.
        counts: Where the rows come from; None before :meth:`added`.
        holdout: The fingerprint of the holdout; empty before :meth:`added`.
    """

    model: str
    share: float
    source: ServedRows
    tags: Mapping[str, str] = field(default_factory=dict)
    counts: RowCounts | None = None
    holdout: str = ""

    def added(self, known: KnownVersion) -> KnownVersion:
        """Return the prepared data of the file with the served rows.

        Raises:
            MlpipesError: The database does not answer.
        """
        from mlpipes_cli.data.formats import READING, Formats
        from mlpipes_cli.data.served_rows import parts
        from mlpipes_cli.data.served_rows.parts import ServedFrame

        base, notes = known.prepared, list(known.notes)
        if base.images:
            notes.append("served images are not trained on, only the rows of the source")
            served = ServedFrame(base.frame.iloc[:0], ())
        else:
            formats = Formats.of_model({"task": base.task, READING: dict(known.reading)})
            served, misfits = self._read(base, formats)
            notes += [
                f"{count} served values of {name!r} do not fit the type of the source; they are missing"
                for name, count in misfits.items()
            ]
        made, self.counts = parts.add(base, served, self.share)
        self.holdout = made.holdout_fingerprint
        notes.append(_sentence(self.counts))
        return replace(known, prepared=made, notes=tuple(notes))

    def _read(self, base: Prepared, formats: Formats) -> tuple[ServedFrame, dict[str, int]]:
        with self.source.rows(self.model, most=MOST_ROWS, size=_FETCHED) as batches:
            return framed(base, batches, formats)


def framed(
    base: Prepared, batches: Iterable[Sequence[ServedRow]], formats: Formats
) -> tuple[ServedFrame, dict[str, int]]:
    """Return the rows in the types of the prepared data, and how many values of each column do not fit.

    A feature that a row lacks is missing in it.

    Args:
        base: The prepared data of the source.
        batches: The rows.
        formats: What the source counts as missing.
    """
    schema = PredictionSchema(base.task, base.classes)
    columns: dict[str, list[Any]] = {name: [] for name in base.feature_names}
    truths: list[Any] = []
    callers: list[str | None] = []
    unusable = 0
    for batch in batches:
        for row in batch:
            truth, inputs = _truth(json.loads(row.truth), schema), json.loads(row.inputs)
            if truth is None or not isinstance(inputs, dict):
                unusable += 1
                continue
            for name, values in columns.items():
                values.append(inputs.get(name))
            truths.append(truth)
            callers.append(row.caller_id)
    made, misfits = _typed(base, columns, formats, len(truths))
    import pandas as pd

    from mlpipes_cli.data.served_rows.parts import ServedFrame

    made[base.target_name] = pd.Series(truths, dtype=base.frame[base.target_name].dtype)
    return ServedFrame(made, callers, unusable), misfits


def _truth(value: Any, schema: PredictionSchema) -> Any:
    """Return the label or the number, or None for what the target does not know."""
    if schema.task != "regression":
        return schema.label(value)
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if number and math.isfinite(value) else None


def _typed(
    base: Prepared, columns: Mapping[str, list[Any]], formats: Formats, size: int
) -> tuple[pd.DataFrame, dict[str, int]]:
    import pandas as pd

    from mlpipes_cli.data.canonical import canonical_feature
    from mlpipes_cli.lifecycle.monitoring import frames
    from mlpipes_cli.server.models.signature import InputColumn

    kinds = [InputColumn(name, _kind(base, name), required=False) for name in base.feature_names]
    raw = pd.DataFrame(
        {name: pd.Series(values, dtype=object) for name, values in columns.items()},
        index=pd.RangeIndex(size),
    )
    found, misfits = frames.typed(raw, kinds, formats)
    for name in base.feature_names:
        found[name] = canonical_feature(found[name])[0].astype(base.frame[name].dtype)
    return found, misfits


def _kind(base: Prepared, name: str) -> str:
    if name in base.booleans:
        return "boolean"
    kind = base.frame[name].dtype.kind
    return {"f": "double", "M": "datetime"}.get(kind, "string")


def _sentence(counts: RowCounts) -> str:
    judged = {
        "served": "the served rows that judge are the holdout; that of the source is not trained on",
        "source": "the holdout is that of the source",
        "both": "the served rows that judge join the holdout of the source, since alone they are too few",
    }[counts.judged_on]
    used = [f"{counts.served_train} train"]
    if counts.served_validation:
        used.append(f"{counts.served_validation} tune")
    used.append(f"{counts.served_holdout} judge")
    left = counts.served - counts.served_train - counts.served_validation - counts.served_holdout
    if left:
        used.append(f"{left} are left out")
    return f"{counts.served} served rows with ground truth: {', '.join(used)}; {judged}"
