"""Reads whole tables from files: CSV, Parquet, JSON and Excel, CSV and JSON compressed, too.

The C parser of pandas reads CSV, with numbers rounded to the nearest float: 150 MB in 3.2 s where its
quicker, inexact numbers take 2.6 s and its Arrow parser 1.5 s. The Arrow parser infers other types
(dates, durations), and inexact numbers have other hashes than the same rows from a database.
:mod:`~mlpipes_cli.data.column_types` inspects the columns that the parser leaves as text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import pandas as pd

from mlpipes_cli.config.experiment import Data
from mlpipes_cli.data.arrow import NotConvertible
from mlpipes_cli.data.columns import twice
from mlpipes_cli.data.csv_files import csv_frame, csv_table
from mlpipes_cli.data.csv_files.header import OPENING, Header, Unreadable, not_opened, open_plain
from mlpipes_cli.data.csv_files.read_warnings import Remark
from mlpipes_cli.data.formats import Formats
from mlpipes_cli.data.origins.parquet import plain
from mlpipes_cli.data.readers import opening, resolve
from mlpipes_cli.data.readers.resolve import TEXTS

if TYPE_CHECKING:
    import pyarrow as pa

    from mlpipes_cli.data.readers.inputs import Input


@dataclass(frozen=True)
class Read:
    """A table read from a file.

    Attributes:
        frame: Its rows.
        formats: The format of the file: the settings, and what the file showed.
        notes: Remarks on how it was read, one line each.
        warnings: Warnings about its content, one line each.
        data: The experiment's settings with those of the data set that the rows come from; None if they come
            from another kind of source.
    """

    frame: pd.DataFrame
    formats: Formats
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    data: Data | None = None


def read_table(path: Path, formats: Formats, shown: str, identifier: str | None = None) -> Read:
    """Read a local file by its extension.

    Args:
        path: The file.
        formats: The user's settings.
        shown: The name of the file in messages.
        identifier: The column of identifiers, which are kept as they are written.

    Raises:
        Unreadable: The file does not have the format of its extension, or a value does not have the declared
            one.
    """
    with opening.unchanged(path):
        return _read_table(path, formats, shown, identifier)


def _read_table(path: Path, formats: Formats, shown: str, identifier: str | None) -> Read:
    kind = opening.kind(path.name)
    try:
        if kind == ".parquet" and not opening.compression(path.name):
            with path.open("rb") as raw:
                return Read(_parquet(raw), formats)
        if kind not in TEXTS:
            return read_inputs([resolve.open_file(path, shown, formats)], formats)
        about = csv_table.about_encoding(path, formats)
        with open_plain(path, formats.encoding) as raw:
            return _csv(raw, formats, shown, identifier, about)
    except OPENING as error:
        raise not_opened(error) from None


def read_inputs(inputs: Sequence[Input], formats: Formats) -> Read:
    """Read all rows of inputs, which have the same columns, as `mlpipes data load` reads them.

    Raises:
        Unreadable: A record cannot be read, or there are no rows.
    """

    from mlpipes_cli.data.readers.whole import whole

    table, problems = whole(inputs, formats)
    if problems:
        raise Unreadable(problems[0])
    if not table.num_rows:
        raise Unreadable("has no rows")
    return Read(plain(_with_moments(table)), formats)


def typed_rows(one: Input) -> pd.DataFrame:
    """Return all rows of a query or a function, whose values have types already.

    Raises:
        Unreadable: There are none.
    """
    import pyarrow as pa

    table = pa.Table.from_batches(one.batches(), one.schema())
    if not table.num_rows:
        raise Unreadable("has no rows")
    return plain(_with_moments(table))


def _with_moments(table: pa.Table) -> pa.Table:
    """Return the table with days as moments."""
    import pyarrow as pa

    moment = pa.timestamp("us")
    fields = [one.with_type(moment) if pa.types.is_date(one.type) else one for one in table.schema]
    return table.cast(pa.schema(fields))


def _csv(raw: BinaryIO, formats: Formats, shown: str, identifier: str | None, about: list[Remark]) -> Read:
    frame, found, remarks = csv_frame.read(raw, formats, identifier)
    remarks = [*about, *remarks]
    rows = [remark.row for remark in remarks if remark.row is not None]
    lines = csv_table.lines(raw, Header((), found.separator or ",", found.quote or '"'), rows)
    said = [(remark.warning, remark.line(shown, lambda row: f"line {lines[row]}")) for remark in remarks]
    notes = tuple(line for warning, line in said if not warning)
    return Read(frame, found, notes, tuple(line for warning, line in said if warning))


def _parquet(raw: BinaryIO) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(raw).read()
        if repeated := twice(table.column_names):
            raise Unreadable(f"duplicate column names: {', '.join(map(repr, repeated))}; rename them")
        frame = plain(table)
    except NotConvertible as error:
        raise Unreadable(str(error)) from None
    except (pa.ArrowException, OSError) as error:
        raise Unreadable(f"is not a valid Parquet file ({' '.join(str(error).split())[:120]})") from None
    if frame.empty:
        raise Unreadable("has no rows")
    return frame
