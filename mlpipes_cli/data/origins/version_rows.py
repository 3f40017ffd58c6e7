"""Copies the rows of a data set's version: texts as CSV, all other columns in the binary format.

PostgreSQL writes a number in binary in half the time of its digits, and it is decoded in a quarter of the
time that parsing them takes. Texts have no fixed width; Arrow parses them faster from CSV.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlpipes_cli.config.dataset.split import PARTS
from mlpipes_cli.data.origins.copied_rows import SQL_TYPES, CopiedRows
from mlpipes_cli.data.origins.parquet import plain
from mlpipes_cli.ports.data_sets.datasets import ROW, SPLIT, DatasetVersion

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_BLOCK = 1 << 20  # bytes that a core parses at a time; a longer row makes one block of all


@dataclass(frozen=True, eq=False)
class VersionRows:
    """The rows of a version.

    Attributes:
        frame: Its columns, in the order of the rows.
        parts: (n,) ``train``, ``validation`` or ``test``.
    """

    frame: pd.DataFrame
    parts: pd.Series


def copied(cursor: Any, version: DatasetVersion) -> VersionRows:
    """Return the rows of a version.

    Args:
        cursor: Of a transaction that sees one state of the database.
        version: The version.

    Raises:
        ValueError: A date is infinite, or outside of the years 1 to 9999.
    """
    import pyarrow as pa

    kinds = {column.name: column.type for column in version.columns}
    texts = [name for name, kind in kinds.items() if kind == "text"]
    found = _in_order(_binary(cursor, version, {name: kinds[name] for name in kinds if name not in texts}))
    columns = dict(zip(found.column_names, found.columns, strict=True))
    if texts:
        parsed = _in_order(_csv(cursor, version, texts))
        columns |= {name: parsed.column(name) for name in texts}
    table = pa.table({name: columns[name] for name in kinds})
    return VersionRows(plain(table), _parts(columns[SPLIT]))


def _in_order(table: pa.Table) -> pa.Table:
    import numpy as np

    order = table.column(ROW).to_numpy()
    if np.any(order[1:] < order[:-1]):  # PostgreSQL has mostly stored them in order
        return table.take(np.argsort(order, kind="stable"))
    return table


def _parts(numbers: pa.ChunkedArray) -> pd.Series:
    """Return the names of parts; a missing one is that of no part."""
    import pyarrow as pa

    codes = numbers.combine_chunks().cast(pa.int32())
    parts: pd.Series = pa.DictionaryArray.from_arrays(codes, pa.array(PARTS)).to_pandas()
    return parts.astype(str)


def _binary(cursor: Any, version: DatasetVersion, kinds: dict[str, str]) -> pa.Table:
    """Return columns without texts, the number of each row's part, and that of the row."""
    from psycopg2 import sql

    asked = [
        sql.SQL("{}::{}").format(sql.Identifier(name), sql.SQL(SQL_TYPES[kind]))
        for name, kind in kinds.items()
    ]
    part = sql.SQL(", ").join(map(sql.Literal, PARTS))
    asked.append(sql.SQL("array_position(array[{}], {})::bigint - 1").format(part, sql.Identifier(SPLIT)))
    asked.append(sql.SQL("{}::bigint").format(sql.Identifier(ROW)))
    rows = CopiedRows([*kinds, SPLIT, ROW], [*kinds.values(), "integer", "integer"])
    cursor.copy_expert(_statement(version, asked, "binary"), rows)
    return rows.table()


def _csv(cursor: Any, version: DatasetVersion, texts: Sequence[str]) -> pa.Table:
    """Return columns of texts, and the number of each row."""
    from psycopg2 import sql

    content = io.BytesIO()
    cursor.copy_expert(_statement(version, [sql.Identifier(name) for name in (*texts, ROW)], "csv"), content)
    return _parsed(content.getbuffer(), texts)


def _statement(version: DatasetVersion, columns: Sequence[Any], how: str) -> Any:
    from psycopg2 import sql

    return sql.SQL("copy (select {} from {}) to stdout (format {})").format(
        sql.SQL(", ").join(columns), sql.Identifier("clean_data", version.table or ""), sql.SQL(how)
    )


def _parsed(text: memoryview, texts: Sequence[str]) -> pa.Table:
    """Parse PostgreSQL's CSV without a header: texts, then the row's number."""
    import pyarrow as pa
    from pyarrow import csv

    types = {name: pa.string() for name in texts} | {ROW: pa.int64()}
    convert = csv.ConvertOptions(
        column_types=types, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
    )
    if not text.nbytes:
        return pa.table({name: pa.array([], kind) for name, kind in types.items()})
    shape = csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False)

    def read(block: int) -> pa.Table:
        how = csv.ReadOptions(column_names=list(types), block_size=min(block, 2**31 - 1))
        return csv.read_csv(pa.py_buffer(text), how, shape, convert)

    try:
        return read(_BLOCK)
    except pa.ArrowInvalid as error:
        if "straddling" not in str(error):
            raise
        return read(text.nbytes + 1)  # a value longer than a block
