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
    if data.task != "auto" or any(isinstance(one, (str, bool)) for one in prepared.classes):
        return []
    rows = {str(label): counts.get(label, 0) for label in prepared.classes}
    told = ordered(prepared.target_name, prepared.task, rows)
    return [] if told is None else [told]


def ordered(name: str, task: str, rows: Mapping[str, int]) -> str | None:
    """Return a warning if labels are whole numbers in a row, of which those in the middle are frequent.

    Args:
        name: The target.
        task: What it is taken for.
        rows: Rows of each class, by its label as text, in the order of the labels.
    """
    labels, sizes = list(rows), list(rows.values())
    if task != "multiclass" or not _FEWEST <= len(labels) <= _MOST or not all(map(_is_whole, labels)):
        return None
    if int(labels[-1]) - int(labels[0]) != len(labels) - 1:
        return None
    top = sizes.index(max(sizes))
    rises = sizes[: top + 1] == sorted(sizes[: top + 1])
    falls = sizes[top:] == sorted(sizes[top:], reverse=True)
    if not (rises and falls) or max(sizes) < _UNEVEN * min(sizes):
        return None
    return (
        f"{name!r} has the whole numbers {labels[0]} to {labels[-1]}, which are treated as {len(labels)}"
        " classes without an order; for a quantity, set `task: regression`"
    )


def _is_whole(label: str) -> bool:
    return label.removeprefix("-").isdecimal()
