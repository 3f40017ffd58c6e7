"""The preprocessing step of ``preprocess: auto`` on plain arrays: the same arithmetic without frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mlpipes_cli.preprocess import blocks, scaling
from mlpipes_cli.preprocess.transformer import AutoPreprocessor
from mlpipes_cli.server.compiled import guards, inputs
from mlpipes_cli.server.compiled.base import CompiledColumn, NotCompilable
from mlpipes_cli.server.compiled.inputs import Rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Fill = Callable[[Rows, "Floats"], None]  # writes a block's columns for these rows
Step = Callable[[Rows], "Floats"]


def is_ours(step: Any) -> bool:
    """Return whether the step transforms as the installed AutoPreprocessor does."""
    return guards.same_method(type(step), AutoPreprocessor)


def compile_step(step: Any, columns: Sequence[CompiledColumn]) -> Step:
    """Return a function from rows to the (n, features) float64 array of the step's ``transform``.

    Raises:
        NotCompilable: The step, or the type of a column that it reads, is not supported.
    """
    if not is_ours(step):
        raise NotCompilable("the preprocessing is not the installed one")
    positions = inputs.positions(columns)
    if lacking := set(step.needed_) - set(positions):
        raise NotCompilable(f"columns are not in the signature: {sorted(lacking)}")
    makers = {"Numbers": _numbers, "Dates": _dates, "OneHot": _one_hot, "Targets": _targets}
    ours = {name: getattr(blocks, name) for name in makers}
    width = len(step.names_out_)
    fills: list[Fill] = []
    start = 0
    for block in step.blocks_:
        name = type(block).__name__
        if name not in makers or not guards.same_method(type(block), ours[name]):
            raise NotCompilable(f"the preprocessing's {name} is not the installed one")
        fills.append(makers[name](block, columns, slice(start, start + len(block.names)), width))
        start += len(block.names)
    if start != width:
        raise NotCompilable("the preprocessing's columns do not match")
    padded = any(type(block).__name__ == "OneHot" for block in step.blocks_)

    def transform(rows: Rows) -> Floats:
        found = np.zeros((len(rows), width + padded))  # the last column takes unknown categories
        for fill in fills:
            fill(rows, found)
        return found[:, :width] if padded else found

    return transform


def _numbers(block: Any, columns: Sequence[CompiledColumn], to: slice, width: int) -> Fill:
    types = {column.name: column.type for column in columns}
    texts = [name for name in block.columns if types[name] == inputs.TEXT]
    scale = _scaling(block.scaler)
    median, gappy = block.scaler.median, np.asarray(block.scaler.gappy)
    middle = to.start + len(block.columns)
    read = _mixed(block.columns, columns) if texts else inputs.numbers(columns, block.columns)

    def fill(rows: Rows, found: Floats) -> None:
        values = read(rows)
        finite = np.isfinite(values)
        if not finite.all():
            if len(gappy):
                found[:, middle : to.stop] = ~finite[:, gappy]
            values = np.where(finite, values, median)
        scale(values, found[:, to.start : middle])

    return fill


def _scaling(scaler: Any) -> Callable[[Floats, Floats], None]:
    """Return a function from finite values, which it may change in place, to the scaler's columns.

    Raises:
        NotCompilable: The scaler is not an installed one.
    """
    kind, limit = type(scaler), scaling._LARGEST_INPUT
    if guards.same_method(kind, scaling.Unscaled):
        return _unscaled(scaler.centre)
    if guards.same_method(kind, scaling.Bounded):
        low, high = scaler.low, scaler.high
    elif guards.same_method(kind, scaling.Scaler):
        low, high = np.float64(-limit), np.float64(limit)
    else:
        raise NotCompilable("the preprocessing's Scaler is not the installed one")
    mean, deviation, most = scaler.mean, scaler.deviation, scaling._LARGEST_OUTPUT

    def scale(values: Floats, found: Floats) -> None:
        np.maximum(values, low, out=values)
        np.minimum(values, high, out=values)
        np.subtract(values, mean, out=values)
        np.divide(values, deviation, out=values)
        np.maximum(values, -most, out=values)
        np.minimum(values, most, out=found)

    return scale


def _unscaled(centre: Floats) -> Callable[[Floats, Floats], None]:
    most, counted = scaling._LARGEST_SINGLE, bool(centre.any())

    def keep(values: Floats, found: Floats) -> None:
        np.maximum(values, -most, out=values)
        np.minimum(values, most, out=found)
        if counted:
            np.subtract(found, centre, out=found)

    return keep


def _mixed(names: Sequence[str], columns: Sequence[CompiledColumn]) -> Callable[[Rows], Floats]:
    """Return a function that reads numbers, some of them from text, as the step reads them."""
    positions = inputs.positions(columns)
    types = {column.name: column.type for column in columns}
    plain = {name: inputs.numbers(columns, [name]) for name in names if types[name] != inputs.TEXT}

    def read(rows: Rows) -> Floats:
        values = np.empty((len(rows), len(names)))
        for at, name in enumerate(names):
            if name in plain:
                values[:, at] = plain[name](rows)[:, 0]
            else:
                position = positions[name]
                values[:, at] = blocks.read_numbers(pd.Series([row[position] for row in rows], dtype=object))
        return values

    return read


def _dates(block: Any, columns: Sequence[CompiledColumn], to: slice, width: int) -> Fill:
    positions = _text_positions(block, columns)

    def fill(rows: Rows, found: Floats) -> None:
        texts = {name: pd.Series([row[at] for row in rows], dtype=object) for name, at in positions.items()}
        found[:, to] = block.transform(pd.DataFrame(texts))

    return fill


def _one_hot(block: Any, columns: Sequence[CompiledColumn], to: slice, width: int) -> Fill:
    positions = _text_positions(block, columns)
    tables = [
        (positions[name], {label: to.start + at for label, at in table.items()})
        for name, table in zip(block.columns, block.places, strict=True)
    ]

    def fill(rows: Rows, found: Floats) -> None:
        each = np.arange(len(rows))
        for at, table in tables:
            found[each, [_find(table, row[at], width) for row in rows]] = 1.0

    return fill


def _targets(block: Any, columns: Sequence[CompiledColumn], to: slice, width: int) -> Fill:
    positions = _text_positions(block, columns)
    wide = len(block.prior)
    tables = []
    for number, (name, table) in enumerate(zip(block.columns, block.tables, strict=True)):
        codes = {label: code for code, label in enumerate(table)}
        means = np.vstack([*(np.reshape(mean, (1, wide)) for mean in table.values()), block.prior])
        start = to.start + number * wide
        tables.append((positions[name], codes, means, slice(start, start + wide)))

    def fill(rows: Rows, found: Floats) -> None:
        for at, codes, means, span in tables:
            unknown = len(codes)
            found[:, span] = means[[_find(codes, row[at], unknown) for row in rows]]

    return fill


def _text_positions(block: Any, columns: Sequence[CompiledColumn]) -> dict[str, int]:
    positions = inputs.positions(columns)
    for name in block.columns:
        if columns[positions[name]].type != inputs.TEXT:
            raise NotCompilable(f"column {name!r} is read as text, but is not text")
    return {name: positions[name] for name in block.columns}


def _find(table: dict[str, int], text: str | None, unknown: int) -> int:
    """Return the index of a label; labels in the table have no surrounding space."""
    if text is None:
        return table.get("", unknown)
    found = table.get(text)
    return table.get(text.strip(), unknown) if found is None else found
