"""Row hashes: they identify the rows that a model was trained on without storing the rows.

A value's hash does not depend on how it was stored (int or float, narrow or wide, which string
type), and a row's hash not on the order of the columns, so that hashes of one run can be compared with
the rows of another one. The hashes do not depend on pickles or on a library's private hash function:
numbers are mixed by their IEEE 754 bits with the finaliser of SplitMix64 (Steele, Lea and Flood,
"Fast splittable pseudorandom number generators", 2014), strings by BLAKE2b.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlpipes_cli.local_files import atomic_files

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    Hashes = NDArray[np.uint64]

_MISSING = np.uint64(0x9AE16A3B2F90404F)
_EXACT = 2**53  # integers up to here are exact as floats


def mix(values: Hashes) -> Hashes:
    """Map 64-bit words one to one to well-mixed 64-bit words (SplitMix64's finaliser)."""
    with np.errstate(over="ignore"):
        z = values + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def _digest(text: str | bytes) -> int:
    body = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(body, digest_size=8).digest(), "little")


def _hash_floats(values: NDArray[np.float64]) -> Hashes:
    hashes = mix(np.ascontiguousarray(values + 0.0).view(np.uint64))  # + 0.0 makes -0.0 equal to 0.0
    hashes[np.isnan(values)] = _MISSING
    return hashes


def _hash_integers(values: NDArray[Any]) -> Hashes:
    hashes = _hash_floats(values.astype(np.float64))
    if values.size and values.dtype.itemsize == 8:
        large = (values > _EXACT) | (values < -_EXACT) if values.dtype.kind == "i" else values > _EXACT
        hashes[large] = mix(mix(values[large].astype(np.uint64)))
    return hashes


def _hash_objects(values: Sequence[Any] | NDArray[Any]) -> Hashes:
    import pandas as pd

    codes, distinct = pd.factorize(np.asarray(values, dtype=object), use_na_sentinel=True)
    table = np.empty(len(distinct) + 1, dtype=np.uint64)
    table[-1] = _MISSING  # the entry for factorize's -1
    for position, value in enumerate(distinct):
        if isinstance(value, (bool, int, float, np.number, np.bool_)):
            table[position] = _hash_floats(np.array([float(value)]))[0]
        else:
            table[position] = np.uint64(_digest(value if isinstance(value, bytes) else str(value)))
    return table[codes]


def hash_values(values: pd.Series) -> Hashes:
    """Hash each value of a column to uint64; missing values of all kinds have the same hash."""
    import pandas as pd

    dtype = values.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "fb":
        return _hash_floats(values.to_numpy(dtype=np.float64))
    if isinstance(dtype, np.dtype) and dtype.kind in "iu":
        return _hash_integers(values.to_numpy())
    if pd.api.types.is_datetime64_any_dtype(dtype):
        moments = values.to_numpy(dtype="datetime64[us]")
        hashes = mix(mix(moments.view(np.int64).view(np.uint64)))
        hashes[np.isnat(moments)] = _MISSING
        return hashes
    return _hash_objects(np.asarray(values, dtype=object))


def hash_rows(frame: pd.DataFrame, columns: Sequence[str]) -> Hashes:
    """Hash each row, shape (n,), over the named columns in any order.

    Raises:
        KeyError: The frame has no such column.
    """
    total = np.zeros(len(frame), dtype=np.uint64)
    with np.errstate(over="ignore"):
        for column in columns:
            total += mix(hash_values(frame[column]) ^ np.uint64(_digest(column)))
    return mix(total)


def write_hashes(
    path: Path, hashes: Hashes, columns: Sequence[str], identifiers: pd.Series | None = None
) -> None:
    """Write row hashes and the columns that they cover to a Parquet file, atomically.

    Args:
        path: The file.
        hashes: (n,) hashes of the rows.
        columns: The columns that they cover.
        identifiers: (n,) the rows' ids, whose hashes are written too, under the column's name.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    parts = {"row_hash": pa.array(np.asarray(hashes, dtype=np.uint64))}
    told = {b"columns": json.dumps(list(columns)).encode()}
    if identifiers is not None:
        parts["id_hash"] = pa.array(hash_values(identifiers))
        told[b"id"] = str(identifiers.name).encode()
    table = pa.table(parts).replace_schema_metadata(told)
    with atomic_files.replacing(path) as file:
        pq.write_table(table, file, compression="zstd")


def read_hashes(path: Path) -> tuple[Hashes, tuple[str, ...]]:
    """Read the hashes and the columns that :func:`write_hashes` wrote."""
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    columns = json.loads((table.schema.metadata or {})[b"columns"])
    return table.column("row_hash").to_numpy(), tuple(columns)


def read_id_hashes(path: Path, name: str) -> Hashes | None:
    """Read the hashes of the ids that :func:`write_hashes` wrote; None if it has none of that column."""
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    told = (table.schema.metadata or {}).get(b"id")
    return table.column("id_hash").to_numpy() if told == name.encode() else None
