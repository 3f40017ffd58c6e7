"""Odd files that users of other tools reported, by the report: the right value, or one line that refuses.

Each file is read as training reads it, and as ``mlpipes predict FILE`` reads it for a column ``x`` of a type.
"""

from __future__ import annotations

import datetime
import gzip
import io
import json
import tempfile
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlpipes_cli.data import typed_columns
from mlpipes_cli.data.canonical import canonical
from mlpipes_cli.data.csv_files.header import MOST_COLUMNS, MOST_HEADER, Unreadable
from mlpipes_cli.data.formats import Formats
from mlpipes_cli.data.origins.files import Read, read_table
from mlpipes_cli.errors import UsageError
from mlpipes_cli.lifecycle.prediction import model_input, readers
from mlpipes_cli.lifecycle.prediction.scorers import ColumnSpec


@dataclass(frozen=True)
class Refused:
    """A part of the line that says why."""

    text: str


def parquet(values: Any, **options: Any) -> bytes:
    """A file with the column ``x``, without pandas' notes."""
    return written(pa.table({"x": values if isinstance(values, pa.Array) else pa.array(values)}), **options)


def written(table: pa.Table, **options: Any) -> bytes:
    into = io.BytesIO()
    pq.write_table(table, into, **options)
    return into.getvalue()


def of_pandas(frame: pd.DataFrame) -> bytes:
    into = io.BytesIO()
    frame.to_parquet(into)
    return into.getvalue()


def moments(*texts: str) -> list[pd.Timestamp]:
    return [pd.Timestamp(text) for text in texts]


FAR = b"x,y\n" + b"a,1\n" * 3000
NOW = Refused("expected a date and time in ISO 8601")
YEARS = Refused("column 'x' has a date before the year 1 or after the year 9999")
TWICE = Refused("duplicate column names: 'x'; rename them")
DAY = moments("2021-10-08")

# report: (kind of file, content, type of x, what training reads, what predict reads)
CASES: dict[str, tuple[str, bytes, str, Any, Any]] = {
    # --- bytes, encodings, line ends
    "pandas#4793 a byte order mark before a quoted name": (
        "csv", b'\xef\xbb\xbf"x","y"\n1.5,2\n', "double", [1.5], [1.5],
    ),
    "pandas#31609 two byte order marks, of files that were joined": (
        "csv", b"\xef\xbb\xbf\xef\xbb\xbfx,y\n1.5,2\n", "double", [1.5], [1.5],
    ),
    "pandas#19886 a NUL byte far behind the beginning": (
        "csv", FAR + b"b\0c,1\n", "string",
        Refused("has a NUL byte at byte 12005"), Refused("has a NUL byte at byte 12005"),
    ),
    "csvkit#927 UTF-16 without a mark": (
        "csv", "x,y\na,1\n".encode("utf-16-le"), "string", ["a"], ["a"],
    ),
    "turicreate#1692 a quote that is never closed": (
        "csv", b'x,y\n"a",1\n"b,2\n', "string", *2 * [Refused("line 3: a quote is opened and not closed")],
    ),
    "urllib3#1285 a gzip file of two members": (
        "csv.gz", gzip.compress(b"x,y\n1,2\n") + gzip.compress(b"3,4\n"), "double", [1, 3], [1, 3],
    ),
    "curl#22156 something else behind a gzip file": (
        "csv.gz", gzip.compress(b"x,y\n1,2\n") + b"more", "double",
        Refused("is not a complete gzip file"), Refused("is not a complete gzip file"),
    ),
    "Pillow#9475 a line of 64 MB in 64 KB": (
        "csv.gz", gzip.compress(b"a" * 2**26), "double",
        Refused("more than 16 MB"), Refused("more than 16 MB"),
    ),
    # --- lines and fields
    "pandas#12519 too many values in the first row": (
        "csv", b"x,y\n5,7,z\n4,1\n", "double",
        Refused("line 2 has 3 fields, but the header has 2"),
        Refused("line 2 has 3 fields, but the header has 2"),
    ),
    "pandas#47303 the line in which Excel notes the separator": (
        "csv", b"sep=|\nx|y\n1|2\n", "double",
        Refused("line 1 is Excel's note of the separator (sep=|); remove the line"),
        Refused("line 1 is Excel's note of the separator (sep=|); remove the line"),
    ),
    "pandas#9710 spaces before a zero": (
        "csv", b"x,y\n   0,1\n   1,2\n   0,3\n", "double", [0, 1, 0], [0, 1, 0],
    ),
    "polars#27393 a column name twice": ("csv", b"x,x\n1,2\n", "double", TWICE, TWICE),
    "pandas#17333 one column and no separator": (
        "csv", b"x\nval1\nval2d\nval3\n", "string", ["val1", "val2d", "val3"], ["val1", "val2d", "val3"],
    ),
    # --- codes and large numbers
    "pandas#54665 leading zeros": (
        "csv", b"x,y\n00501,1\n10115,2\n", "string", ["00501", "10115"], ["00501", "10115"],
    ),
    "SDV#2780 leading zeros behind a comma and a space": (
        "csv", b"y, x\n1, 00501\n2, 10115\n", "string", [" 00501", " 10115"], [" 00501", " 10115"],
    ),
    "SDV#2780 leading zeros of padded columns": (
        "csv", b"y,x\n1,   00501\n2,   10115\n", "string", ["   00501", "   10115"], ["   00501", "   10115"],
    ),
    "pandas#39906 nothing but zeros": ("csv", b"x,y\n000000,1\n", "string", ["000000"], ["000000"]),
    "pandas#62582 digits beyond 64 bits": (
        "csv", b"x,y\n123456789012345678901,1\n5,2\n", "string",
        ["123456789012345678901", "5"], ["123456789012345678901", "5"],
    ),
    "pandas#11440 more digits than a float has": (
        "csv", b"x,y\n" + b"9" * 400 + b",1\n5,0.5\n", "double",
        ["9" * 400, "5"], Refused("column 'x', row 1: expected a number, got a number that is infinite"),
    ),
    "CVE-2020-10735 more digits than Python converts": (
        "csv", b"x,y\n" + b"9" * 5000 + b",1\n5,2\n", "string", ["9" * 5000, "5"], ["9" * 5000, "5"],
    ),
    "catboost#633 a number with two points": (
        "csv", b"x,y\n1.5,1\n1.281.501.0,2\n", "double",
        ["1.5", "1.281.501.0"], Refused("column 'x', row 2: expected a number, got text"),
    ),
    "pandas#59299 decimal commas, and one thousands point": (
        "csv", b"y;x\na;1,20\nb;22,3\nc;1.234,56\n", "double", [1.2, 22.3, 1234.56], [1.2, 22.3, 1234.56],
    ),
    # --- words for missing values
    "pandas#30152 what a C runtime prints for NaN": (
        "csv", b"x,y\n1.5,1\n-1.#IND,2\n1.#QNAN,3\n", "double", [1.5, None, None], [1.5, None, None],
    ),
    "pandas#30152 what Excel and MySQL write": (
        "csv", b"x,y\n1.5,1\n#N/A N/A,2\n\\N,3\n", "double", [1.5, None, None], [1.5, None, None],
    ),
    "pandas#32084 null in a column of text": (
        "csv", b"x,y\nnull,1\nother,2\n", "string", ["null", "other"], ["null", "other"],
    ),
    "pandas#11839 NA is a zone": (
        "csv", b"x,y\nAPAC,1\nEUR,2\nNA,3\n", "string", ["APAC", "EUR", "NA"], ["APAC", "EUR", "NA"],
    ),
    "pandas#34120 true, and empty cells": (
        "csv", b"x;y\nTrue;1\n;2\n;3\n", "boolean", [True, None, None], [True, None, None],
    ),
    # --- dates
    "pandas#50359 now is no date": ("csv", b"x,y\nnow,1\n", "datetime", ["now"], NOW),
    "pandas#22711 nor is today": ("csv", b"x,y\ntoday,1\n", "datetime", ["today"], NOW),
    "pandas#44573 nor is a time of day": ("csv", b"x,y\n09:00,1\n", "datetime", ["09:00"], NOW),
    "pandas#23447 nor are minutes": ("csv", b"x,y\n18:53.8,1\n", "datetime", ["18:53.8"], NOW),
    "pandas#50359 nor is a year": ("csv", b"x,y\n2021,1\n", "datetime", [2021], NOW),
    "pandas#50359 nor is a month": ("csv", b"x,y\n2021-10,1\n", "datetime", ["2021-10"], NOW),
    "pandas#28104 the last moment of the year 9999": (
        "csv", b"x,y\n9999-12-31 23:59:59.999999999,1\n2021-10-08,2\n", "datetime",
        moments("9999-12-31 23:59:59.999999", "2021-10-08"),
        moments("9999-12-31 23:59:59.999999", "2021-10-08"),
    ),
    "pandas#49236 a date before 1678": (
        "parquet", parquet(pa.array([datetime.datetime(1600, 1, 1)], pa.timestamp("us"))), "datetime",
        moments("1600-01-01"), moments("1600-01-01"),
    ),
    "pandas#52412 milliseconds after 2262": (
        "parquet", parquet(pa.array([21331123213123], pa.timestamp("ms"))), "datetime",
        moments("2645-12-16 00:00:13.123"), moments("2645-12-16 00:00:13.123"),
    ),
    "db-dtypes#45 a day that no date type holds": (
        "parquet", parquet(pa.array([2**31 - 1], pa.date32())), "datetime", YEARS, YEARS,
    ),
    "cudf#22930 milliseconds in the year 285200616": (
        "parquet", parquet(pa.array([9 * 10**18], pa.timestamp("ms"))), "datetime", YEARS, YEARS,
    ),
    "pandas#47832 the first and the last day that are dates": (
        "parquet", parquet(pa.array([-719162, 2932896], pa.date32())), "datetime",
        moments("0001-01-01", "9999-12-31"), moments("0001-01-01", "9999-12-31"),
    ),
    "arrow#36392 durations": (
        "parquet", parquet(pa.array([8, 86400], pa.duration("s"))), "double", [8, 86400], [8, 86400],
    ),
    "datafusion#1359 Spark's old timestamps": (
        "parquet", parquet(pa.array(DAY, pa.timestamp("ns")), use_deprecated_int96_timestamps=True),
        "datetime", DAY, DAY,
    ),
    # --- Parquet's other types
    "texera#8512 an integer beyond 2^53 next to a missing one": (
        "parquet", parquet(pa.array([2**53 + 1, None], pa.int64())), "string",
        ["9007199254740993", None], ["9007199254740993", None],
    ),
    "mlflow#25593 nullable integers": (
        "parquet", of_pandas(pd.DataFrame({"x": pd.array([3, None], dtype="Int64")})), "double",
        [3, None], [3, None],
    ),
    "texera#8512 the column is pandas' index": (
        "parquet", of_pandas(pd.DataFrame({"y": [1, 2]}, index=pd.Index(["a", "b"], name="x"))), "string",
        ["a", "b"], ["a", "b"],
    ),
    "dask#2161 the column is pandas' range": (
        "parquet", of_pandas(pd.DataFrame({"y": [7, 8, 9]}, index=pd.RangeIndex(5, 11, 2, name="x"))),
        "double", [5, 7, 9], [5, 7, 9],
    ),
    "polars#27393 two columns of one name": (
        "parquet", written(pa.table([[1], [4]], names=["x", "x"])), "double", TWICE, TWICE,
    ),
    "fastparquet#76 numbers in a dictionary": (
        "parquet", parquet(pa.array([1.5, 2.5, 1.5]).dictionary_encode()), "double",
        [1.5, 2.5, 1.5], [1.5, 2.5, 1.5],
    ),
    "catboost#635 a category of numbers": (
        "parquet", of_pandas(pd.DataFrame({"x": pd.Categorical([3.0, 1.0, None])})), "double",
        [3, 1, None], [3, 1, None],
    ),
    "catboost#482 a category with a missing value": (
        "parquet", of_pandas(pd.DataFrame({"x": pd.Categorical(["a", None])})), "string",
        ["a", None], ["a", None],
    ),
    "(no report) decimals": (
        "parquet", parquet(pa.array([Decimal("1.50"), None], pa.decimal128(38, 2))), "double",
        [1.5, None], [1.5, None],
    ),
    "(no report) a Parquet footer that is none": (
        "parquet", b"PAR1" + bytes(100) + b"PAR1", "double",
        Refused("is not a valid Parquet file"), Refused("cannot be read"),
    ),
    # --- JSON, which only predict reads
    "securedrop-client#1752 a key twice": (
        "json", b'[{"x": 1, "x": 2}]', "double", None, Refused("the key 'x' appears twice in an object"),
    ),
    "serde-json#762 a column twice": (
        "json", b'{"x": [1], "x": [2]}', "double", None, Refused("the key 'x' appears twice in an object"),
    ),
    "pandas#65877 a row that is too short": (
        "json", b'{"columns": ["x", "y"], "data": [[1, 2], [3]]}', "double",
        None, Refused("row 2: expected 2 values, one for each column, got 1"),
    ),
    "pandas#65877 more labels than rows": (
        "json", b'{"index": [0, 1], "columns": ["x", "y"], "data": [[1, 2]]}', "double",
        None, Refused("index: expected 1 labels, one for each row of data, got 2"),
    ),
    "mlflow#2412 a column twice in columns": (
        "json", b'{"columns": ["x", "x"], "data": [[1, 2]]}', "double", None, TWICE,
    ),
    "mlflow#7536 DataFrame.to_json as it is by default": (
        "json", pd.DataFrame({"x": [1.5, 2.5], "y": [1, 2]}).to_json().encode(), "double", None, [1.5, 2.5],
    ),
    "python-tuf#372 half a character": (
        "json", json.dumps([{"x": "\ud800"}]).encode(), "string", None, Refused("holds half a character"),
    ),
}  # fmt: skip


def read_bytes(content: bytes, formats: Formats, name: str) -> Read:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        return read_table(path, formats, name)


def shown(values: pd.Series) -> list[Any]:
    return [None if pd.isna(value) else value for value in values.tolist()]


def trained(kind: str, content: bytes) -> Any:
    """What training makes of the column."""
    try:
        read = read_bytes(content, Formats(), f"odd.{kind}")
    except Unreadable as error:
        return Refused(error.of(f"odd.{kind}"))
    frame = typed_columns.settled(read, f"odd.{kind}", ()).frame
    return shown(canonical(frame[next(name for name in frame.columns if name.strip() == "x")]))


class Asked:
    """A model with the column."""

    id, target, formats = None, None, Formats(decimal=".")

    def __init__(self, name: str, kind: str) -> None:
        self.columns = [ColumnSpec(name, kind, True)]


def predicted(file: Path, kind: str, size: int = 2) -> Any:
    """What ``predict`` gives to the model, read in batches."""
    found: list[Any] = []
    try:
        table = readers.open_table(file, 1)
        name = next(name for name in table.columns if name.strip() == "x")
        asked = Asked(name, kind)
        for batch in table.batches(size, readers.kinds_of({name: kind}), asked.formats):
            found += shown(model_input.fit(batch, asked, file, len(found))[name])
    except UsageError as error:
        return Refused(str(error))
    return found


def compare(found: Any, expected: Any) -> None:
    if isinstance(expected, Refused):
        assert isinstance(found, Refused), found
        assert expected.text in found.text
        assert "\n" not in found.text
        return
    assert found == expected


@pytest.mark.parametrize("report", [report for report, case in CASES.items() if case[0] != "json"])
def test_training_reads_it_right_or_refuses(report: str) -> None:
    kind, content, _, expected, _ = CASES[report]
    compare(trained(kind, content), expected)


@pytest.mark.parametrize("report", CASES)
def test_predict_reads_it_right_or_refuses(report: str, tmp_path: Path) -> None:
    kind, content, wanted, _, expected = CASES[report]
    file = tmp_path / f"odd.{kind}"
    file.write_bytes(content)
    compare(predicted(file, wanted), expected)


def test_columns_without_end() -> None:
    """Some kilobytes of commas became gigabytes and minutes."""
    assert MOST_COLUMNS < 2**19 < MOST_HEADER
    found = trained("csv.gz", gzip.compress(b"," * 2**19 + b"\n1\n"))
    assert found == Refused(f"odd.csv.gz has {2**19 + 1} columns; at most {MOST_COLUMNS} are read")


def test_a_cell_that_unpacks_to_far_more_than_the_file() -> None:
    """A file of a bucket is bound as a local one is."""
    found = trained("csv.gz", gzip.compress(b"x,y\n" + b"a" * 2**27 + b",1\n"))
    assert isinstance(found, Refused) and "over 200 times its size; unpack it first" in found.text


@pytest.mark.parametrize("end", [2**15 - 8, 2**15 - 2, 2**16 - 4, 2**18 - 3])
def test_leading_zeros_at_the_edge_of_what_is_read_at_once(end: int) -> None:
    rows = b"y,x\n" + b"1,     2\n" * (end // 9) + b"1,     0501\n" * 2
    assert trained("csv", rows)[-1] == "     0501"


def test_floats_are_no_codes() -> None:
    found = read_bytes(
        b"x,y\n1e-05,2020-01-01 00:10:00\n1e-06,2020-01-01 05:10:00\n", Formats(), "x.csv"
    ).frame
    assert found["x"].tolist() == [1e-05, 1e-06] and found["x"].dtype == np.float64
