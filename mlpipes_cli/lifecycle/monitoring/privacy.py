"""Leaves the names of rare values out of a result, which is stored for long and read by many.

Shares and quantiles say nothing of one row. The name of a level, or a word of a text, does where few rows
hold it: it may be a person's. So a name stays only where the reference, which travels with the model, has it
too, or at least five of the current rows hold it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlpipes_cli.monitoring.results import ColumnCheck, Comparison, Effect

FEWEST = 5  # current rows that hold a value whose name is kept
RARE = "(rare)"
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")


def without_rare(found: Comparison) -> Comparison:
    """Return the comparison without names of values that fewer than five rows hold."""
    columns, verdict = [], found.verdict
    for column in found.columns:
        kept = _column(column)
        for before, after in zip(column.effects, kept.effects, strict=True):
            if before.words != after.words:
                verdict = verdict.replace(before.words, after.words)
        columns.append(kept)
    return replace(found, columns=tuple(columns), verdict=verdict)


def _column(column: ColumnCheck) -> ColumnCheck:
    shape = _shape(column.shape, column.rows)
    known = {repr(name) for name in _levels(shape) if name != RARE}
    effects = tuple(_effect(effect, known, column) for effect in column.effects)
    return replace(column, shape=shape, effects=effects)


def _effect(effect: Effect, known: set[str], column: ColumnCheck) -> Effect:
    enough = (effect.current or 0.0) * column.rows >= FEWEST or (effect.reference or 0.0) > 0
    words = column.kind == "text" and enough  # a word of texts: the effect's own shares count it

    def kept(found: re.Match[str]) -> str:
        return found[0] if words or found[0] in known else RARE

    return replace(effect, words=_QUOTED.sub(kept, effect.words))


def _shape(shape: Mapping[str, Any], rows: int) -> dict[str, Any]:
    made = dict(shape)
    if "parts" in made:
        made["parts"] = {name: _shape(part, rows) for name, part in made["parts"].items()}
    if "levels" in made:
        shares = zip(made["levels"], made["reference"], made["current"], strict=True)
        made["levels"] = [
            level if before > 0 or now * rows >= FEWEST else RARE for level, before, now in shares
        ]
    return made


def _levels(shape: Mapping[str, Any]) -> list[str]:
    inner = [level for part in shape.get("parts", {}).values() for level in _levels(part)]
    return [*shape.get("levels", ()), *inner]
