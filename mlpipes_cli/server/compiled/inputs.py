"""Convert rows to arrays with the values that the regular path's frame has."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from mlpipes_cli.server.compiled.base import CompiledColumn, NotCompilable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlpipes_cli.server.compiled.base import Matrix

    Floats = NDArray[np.float64]

Rows = Sequence[Sequence[Any]]
NUMERIC = frozenset({"double", "float", "long", "integer", "boolean"})
TEXT = "string"


def positions(columns: Sequence[CompiledColumn]) -> dict[str, int]:
    """Return the position of each column.

    Raises:
        NotCompilable: There is a duplicate name, or a column type that is not supported here.
    """
    found = {column.name: at for at, column in enumerate(columns)}
    if len(found) != len(columns) or not columns:
        raise NotCompilable("the signature has no columns, or a duplicate name")
    for column in columns:
        if column.type not in NUMERIC and column.type != TEXT:
            raise NotCompilable(f"column {column.name!r} is of the type {column.type}")
    return found


def numbers(columns: Sequence[CompiledColumn], names: Sequence[str]) -> Callable[[Rows], Floats]:
    """Return a function from rows to a new (n, names) float64 array; None becomes NaN, true 1 and false 0.

    Columns of 32 bits are rounded as a frame rounds them.
    """
    at = positions(columns)
    chosen = [at[name] for name in names]
    single = [index for index, name in enumerate(names) if columns[at[name]].type == "float"]
    whole = chosen == list(range(len(columns)))
    take = itemgetter(*chosen) if len(chosen) > 1 else lambda row: (row[chosen[0]],)
    pack = struct.Struct(f"{len(chosen)}d").pack

    def read(rows: Rows) -> Floats:
        if isinstance(rows, np.ndarray):
            _check(rows, len(columns))
            values = rows[:, chosen].astype(np.float64, order="C")
        else:
            wanted = rows if whole else list(map(take, rows))
            try:  # twice as fast as numpy, but accepts no None, and only rows of the right length
                packed = bytearray().join([pack(*row) for row in wanted])
                values = np.frombuffer(packed).reshape(-1, len(chosen))
            except struct.error:
                values = _check(np.array(wanted, dtype=np.float64, order="C"), len(chosen))
        if single:
            with np.errstate(over="ignore"):
                values[:, single] = values[:, single].astype(np.float32)
        return values

    return read


def matrix(columns: Sequence[CompiledColumn]) -> Callable[[Rows], Matrix]:
    """Return a function from rows to all columns as one array, with the type that a frame of them has.

    Raises:
        NotCompilable: A column is of text.
    """
    positions(columns)
    types = {column.type for column in columns}
    if TEXT in types:
        raise NotCompilable("the model takes text without our preprocessing")
    if types <= {"long", "integer"}:
        return lambda rows: _check(np.array(rows, dtype=np.int64, order="C"), len(columns))
    read = numbers(columns, [column.name for column in columns])
    if types != {"float"}:
        return read
    return lambda rows: read(rows).astype(np.float32)


def _check(values: NDArray[Any], width: int) -> NDArray[Any]:
    """Return the array after a check of its width: scikit-learn's tree traversals check no bounds."""
    if values.ndim != 2 or values.shape[1] != width:
        raise ValueError(f"expected rows of {width} values")
    return values
