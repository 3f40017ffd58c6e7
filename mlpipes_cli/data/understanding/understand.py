"""Sums up the prepared data: rows, types, target, and warnings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlpipes_cli.data.understanding import columns, labels, leakage

if TYPE_CHECKING:
    from mlpipes_cli.config.experiment import Data
    from mlpipes_cli.data.prepared import Prepared

_KINDS = {"number": "numeric", "boolean": "boolean", "text": "text", "datetime": "datetime", "image": "image"}
_SHOWN = 10  # classes whose counts are listed


@dataclass(frozen=True)
class Understanding:
    """What was understood of the data.

    Attributes:
        rows: Rows of each part: ``train``, ``validation`` if there are any, ``holdout``.
        types: The type of each feature: number, boolean, text, datetime or image.
        roles: Columns that are no features, by what they are: ``id``, ``weights``, ``group``.
        task: What the target is.
        target: The target's column.
        positive: The positive class of a binary target.
        positive_because: Why it is that one; empty for other targets.
        classes: Rows of each class, by its label as text; of a regression, none.
        warnings: What is likely a mistake, one line each.
    """

    rows: Mapping[str, int]
    types: Mapping[str, str]
    roles: Mapping[str, str]
    task: str
    target: str
    positive: Any
    positive_because: str
    classes: Mapping[str, int]
    warnings: tuple[str, ...]

    def lines(self) -> list[str]:
        """Return what was understood in a few lines."""
        parts = ", ".join(f"{count} {part}" for part, count in self.rows.items())
        kinds = Counter(_KINDS[kind] for kind in self.types.values())
        features = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        roles = ", ".join(f"{role} {name!r}" for role, name in self.roles.items())
        return [
            f"{sum(self.rows.values())} rows: {parts}; {len(self.types)} features: {features}",
            f"target {self.target!r}: {self.task}{self._classes()}",
            *([f"not features: {roles}"] if roles else []),
        ]

    def _classes(self) -> str:
        if not self.classes:
            return ""
        listed = [f"{label} {count}" for label, count in list(self.classes.items())[:_SHOWN]]
        more = f" and {len(self.classes) - _SHOWN} more" if len(self.classes) > _SHOWN else ""
        told = f"; rows of each class: {', '.join(listed)}{more}"
        if self.positive is None:
            return told
        return f", positive class {self.positive!r} ({self.positive_because}){told}"


def understand(prepared: Prepared, data: Data, said: Sequence[str] = ()) -> Understanding:
    """Sum up the prepared data.

    Args:
        prepared: The data.
        data: The experiment's settings.
        said: Warnings of reading the rows: a column that they name is not named again for its text.
    """
    parts = {
        "train": len(prepared.train),
        "validation": len(prepared.validation),
        "holdout": len(prepared.holdout),
    }
    counts = {} if prepared.task == "regression" else prepared.y().value_counts().to_dict()
    roles = {"id": prepared.id_name, "weights": prepared.weights_name, "group": prepared.group_name}
    types = {name: columns.kind_of(prepared, name) for name in prepared.feature_names}
    found = [
        *columns.warnings(prepared, types, data, said),
        *leakage.warnings(prepared, types),
        *labels.warnings(prepared, counts, data),
    ]
    return Understanding(
        rows={name: count for name, count in parts.items() if count},
        types=types,
        roles={role: name for role, name in roles.items() if name is not None},
        task=prepared.task,
        target=prepared.target_name,
        positive=prepared.positive,
        positive_because=_because(prepared, data),
        classes={str(label): int(counts.get(label, 0)) for label in prepared.classes},
        warnings=tuple(found),
    )


def _because(prepared: Prepared, data: Data) -> str:
    if prepared.task != "binary":
        return ""
    if data.positive is not None:
        return "set by `positive`"
    order = "alphabetically the last" if isinstance(prepared.positive, str) else "the larger"
    if isinstance(prepared.positive, bool):
        order = "true"
    return f"{order} of the two; `positive` sets another"
