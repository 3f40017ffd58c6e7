"""Labels that are likely meant to be one, and quantities that were taken for labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlpipes_cli.config.experiment import Data
    from mlpipes_cli.data.prepared import Prepared

_FEWEST, _MOST = 5, 10  # classes; with more, `read_target` warns whatever they look like
_UNEVEN = 3  # times that the largest class is at least as large as the smallest, as of counts and grades


def warnings(prepared: Prepared, counts: Mapping[Any, int], data: Data) -> list[str]:
    """Return a line for labels that differ only in how they are written, and one for an ordered target."""
    return [*_alike(prepared), *_ordered(prepared, counts, data)]


def _alike(prepared: Prepared) -> list[str]:
    return [
        f"the labels {' and '.join(map(repr, same))} of {prepared.target_name!r} differ only in case or space"
        " and count as different classes"
        for same in alike(label for label in prepared.classes if isinstance(label, str))
    ]


def alike(labels: Iterable[str]) -> list[list[str]]:
    """Return the groups of different labels that are equal but for case and space."""
    written: dict[str, list[str]] = {}
    for label in labels:
        written.setdefault("".join(label.split()).casefold(), []).append(label)
    return [same for same in written.values() if len(same) > 1]


def _ordered(prepared: Prepared, counts: Mapping[Any, int], data: Data) -> list[str]:
    """Return a warning of whole numbers in a row, of which those in the middle are frequent."""
    labels = prepared.classes
    if data.task != "auto" or prepared.task != "multiclass" or not _FEWEST <= len(labels) <= _MOST:
        return []
    if any(isinstance(one, (str, bool)) for one in labels) or labels[-1] - labels[0] != len(labels) - 1:
        return []
    sizes = [counts.get(label, 0) for label in labels]
    top = sizes.index(max(sizes))
    rises = sizes[: top + 1] == sorted(sizes[: top + 1])
    falls = sizes[top:] == sorted(sizes[top:], reverse=True)
    if not (rises and falls) or max(sizes) < _UNEVEN * min(sizes):
        return []
    return [
        f"{prepared.target_name!r} has the whole numbers {labels[0]} to {labels[-1]}, which are treated as"
        f" {len(labels)} classes without an order; for a quantity, set `task: regression`"
    ]
