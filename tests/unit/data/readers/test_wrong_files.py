# ruff: noqa: E501 - tables of cases
"""Wrong and odd files and settings: each one has one clear line, or the right values."""

from __future__ import annotations

import bz2
import datetime
import gzip
import io
import lzma
import os
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dataset_reading_help import read
from reporter_help import Told
from workbook_help import workbook

from mlpipes_cli.config.dataset.config import load_dataset
from mlpipes_cli.data.readers import opening as reading_opening
from mlpipes_cli.data.readers.unreadable import Unreadable
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.lifecycle.datasets import opening

GOOD = b"a,b\n1,x\n2,y\n"
VALUES = {"a": [1, 2], "b": ["x", "y"]}


def zipped(*names: str, content: bytes = GOOD) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, content)
    return made.getvalue()


def framed(content: bytes) -> bytes:
    made = pa.BufferOutputStream()
    with pa.CompressedOutputStream(made, "zstd") as out:
        out.write(content)
    return made.getvalue().to_pybytes()


def parquet(table: pa.Table) -> bytes:
    made = io.BytesIO()
    pq.write_table(table, made)
    return made.getvalue()


SHEETS = workbook(("One", [["a", "b"], [1, "x"], [2, "y"]]), ("Two", [["c"], [1.5], [None], [True]]))

ODD = {  # by what is odd: the file, its content, settings, and the values
    "gzip": ("t.csv.gz", gzip.compress(GOOD), "", VALUES),
    "bzip2": ("t.csv.bz2", bz2.compress(GOOD), "", VALUES),
    "xz": ("t.csv.xz", lzma.compress(GOOD), "", VALUES),
    "zstd": ("t.csv.zst", framed(GOOD), "", VALUES),
    "zip": ("t.csv.zip", zipped("inner.csv"), "", VALUES),
    "zip of a Mac": ("t.csv.zip", zipped("inner.csv", "__MACOSX/._inner.csv"), "", VALUES),
    "two gzip members": ("t.csv.gz", gzip.compress(GOOD[:6]) + gzip.compress(GOOD[6:]), "", VALUES),
    "capital extension": ("T.CSV", GOOD, "", VALUES),
    "tsv": ("t.tsv", b"a\tb\n1\tx\n2\ty\n", "", VALUES),
    "text": ("t.txt", b"a|b\n1|x\n2|y\n", "", VALUES),
    "utf-16 in gzip": ("t.csv.gz", gzip.compress(GOOD.decode().encode("utf-16")), "", VALUES),
    "cyrillic": ("t.csv", "a,b\n1,Мир\n".encode("cp1251"), "encoding: cp1251\n", {"a": [1], "b": ["Мир"]}),
    "japanese": ("t.csv", "a,b\n1,東京\n".encode("shift_jis"), "encoding: shift_jis\n", {"a": [1], "b": ["東京"]}),
    "latin": ("t.csv", "a,b\n1,Köln\n".encode("latin-1"), "", {"a": [1], "b": ["Köln"]}),
    "euro": ("t.csv", "a,b\n1,5 €\n".encode("cp1252"), "", {"a": [1], "b": ["5 €"]}),
    "quotes of one kind": ("t.csv", b"a,b\n1,'x,y'\n", 'quote: "\'"\n', {"a": [1], "b": ["x,y"]}),
    "comma decimals": ("t.csv", b"a;b\n1,5;x\n", "", {"a": [1.5], "b": ["x"]}),
    "declared decimal": ("t.csv", b'a,b\n"1,5",x\n', 'decimal: ","\n', {"a": [1.5], "b": ["x"]}),
    "swiss": ("t.csv", b"a;b\n1'234.5;x\n", "", {"a": [1234.5], "b": ["x"]}),
    "own word": ("t.csv", b"a,b\n1,x\nunknown,y\n", "missing: [unknown]\n", {"a": [1, None], "b": ["x", "y"]}),
    "declared text": ("t.csv", b"a,b\n007,x\n8,y\n", "columns: {a: {type: text}}\n", {"a": ["007", "8"], "b": ["x", "y"]}),
    "declared number": ("t.csv", b"a,b\n007,x\n8,y\n", "columns: {a: {type: number}}\n", {"a": [7.0, 8.0], "b": ["x", "y"]}),
    "declared flag": ("t.csv", b"a\n0\n1\n", "columns: {a: {type: boolean}}\n", {"a": [False, True]}),
    "a date's pattern": ("t.csv", b"a\n05.31.24\n", "columns: {a: {format: '%m.%d.%y'}}\n", {"a": [datetime.date(2024, 5, 31)]}),
    "a moment's pattern": (
        "t.csv", b"a\n31/05/24 07h15\n", "columns: {a: {format: '%d/%m/%y %Hh%M'}}\n",
        {"a": [datetime.datetime(2024, 5, 31, 7, 15)]},
    ),
    "dropped and renamed": ("t.csv", GOOD, "columns: {a: {rename: n}, b: {drop: true}}\n", {"n": [1, 2]}),
    "listed alone": ("t.csv", GOOD, "columns: {b: {}}\nother_columns: drop\n", {"b": ["x", "y"]}),
    "blank lines": ("t.csv", b"\n\na,b\n\n1,x\n\n2,y\n\n", "", VALUES),
    "no end of line": ("t.csv", GOOD[:-1], "", VALUES),
    "old Mac": ("t.csv", GOOD.replace(b"\n", b"\r"), "", VALUES),
    "Windows": ("t.csv", GOOD.replace(b"\n", b"\r\n"), "", VALUES),
    "a long cell": ("t.csv", b"a,b\n1," + b"x" * 9_000_000 + b"\n", "", {"a": [1], "b": ["x" * 9_000_000]}),
    "an unnamed column": ("t.csv", b",b\n0,x\n1,y\n", "", {"Unnamed: 0": [0, 1], "b": ["x", "y"]}),
    "JSON lines": ("t.jsonl", b'{"a":1,"b":"x"}\n\n{"a":2,"b":"y"}\n', "", VALUES),
    "JSON lines in gzip": ("t.ndjson.gz", gzip.compress(b'{"a":1,"b":"x"}\n{"b":"y","a":2}'), "", VALUES),
    "a JSON array": ("t.json", b'[{"a": 1, "b": "x"}, {"b": "y", "a": 2}]', "", VALUES),
    "JSON with a mark": ("t.json", b'\xef\xbb\xbf[{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]', "", VALUES),
    "JSON of mixed kinds": ("t.jsonl", b'{"a":1}\n{"a":"x"}\n{"a":[1]}\n{}\n', "", {"a": ["1", "x", "[1]", None]}),
    "numbers as JSON texts": ("t.jsonl", b'{"a":"1"}\n{"a":"2"}\n', "", {"a": ["1", "2"]}),
    "dates as JSON texts": (
        "t.jsonl", b'{"a":"2024-05-31"}\n{"a":null}\n', "", {"a": [datetime.date(2024, 5, 31), None]}
    ),
    "large whole numbers in JSON": ("t.jsonl", b'{"a":99999999999999999999}\n', "", {"a": ["99999999999999999999"]}),
    "NaN in JSON": ("t.jsonl", b'{"a":NaN}\n{"a":1.5}\n', "", {"a": [None, 1.5]}),
    "parquet": ("t.parquet", parquet(pa.table(VALUES)), "", VALUES),
    "categories": (
        "t.parquet", parquet(pa.table({"b": pa.array(["x", "y", None]).dictionary_encode()})), "",
        {"b": ["x", "y", None]},
    ),
    "decimals, narrow and unsigned": (
        "t.parquet",
        parquet(pa.table({"d": pa.array([1, None], pa.decimal128(9, 2)), "s": pa.array([1, None], pa.int8()),
                          "u": pa.array([2**63, 1], pa.uint64()), "f": pa.array([float("nan"), 1.5], pa.float32())})),
        "", {"d": [1.0, None], "s": [1, None], "u": [float(2**63), 1.0], "f": [None, 1.5]},
    ),
    "zones and spans": (
        "t.parquet",
        parquet(pa.table({"z": pa.array([0], pa.timestamp("ns", "Europe/Berlin")), "s": pa.array([90], pa.duration("s"))})),
        "", {"z": [datetime.datetime(1970, 1, 1)], "s": [90.0]},
    ),
    "nested": ("t.parquet", parquet(pa.table({"n": [[1, 2], None]})), "", {"n": ["[1, 2]", None]}),
    "a workbook": ("t.xlsx", SHEETS, "", VALUES),
    "another sheet": ("t.xlsx", SHEETS, "sheet: Two\n", {"c": ["1.5", "True"]}),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_odd_files_have_the_right_values(tmp_path: Path, name: str) -> None:
    file, content, settings, values = ODD[name]
    (tmp_path / file).write_bytes(content)
    found, _ = read(tmp_path, f"source: {file}\n{settings}")
    assert found == values


AT = "dataset.yaml:2: source: "
WRONG = {  # by what is wrong: the file, its content, settings, and how the line begins
    "empty": ("t.csv", b"", "", f"{AT}t.csv is empty"),
    "two columns of a name": ("t.csv", b"a,a\n1,2\n", "", f"{AT}t.csv: duplicate column names: 'a'"),
    "a Parquet file": ("t.csv", parquet(pa.table(VALUES)), "", f"{AT}t.csv is not a CSV file but a Parquet file"),
    "a zip archive": ("t.csv", zipped("a.csv"), "", f"{AT}t.csv is not a CSV file but a zip archive"),
    "gzip without its name": ("t.csv", gzip.compress(GOOD), "", f"{AT}t.csv is not a CSV file but compressed with gzip"),
    "zstd without its name": ("t.csv", framed(GOOD), "", f"{AT}t.csv is not a CSV file but compressed with zstd"),
    "no gzip": ("t.csv.gz", GOOD, "", f"{AT}t.csv.gz is not a complete gzip file"),
    "half a gzip": ("t.csv.gz", gzip.compress(GOOD * 99)[:-12], "", f"{AT}t.csv.gz is not a complete gzip file"),
    "no bzip2": ("t.csv.bz2", GOOD, "", f"{AT}t.csv.bz2 is not a complete bzip2 file"),
    "half an xz": ("t.csv.xz", lzma.compress(GOOD * 99)[:-12], "", f"{AT}t.csv.xz is not a complete xz file"),
    "no zstd": ("t.csv.zst", GOOD, "", f"{AT}t.csv.zst is not a complete zstd file"),
    "no zip": ("t.csv.zip", GOOD, "", f"{AT}t.csv.zip is not a complete zip file"),
    "an empty archive": ("t.csv.zip", zipped(), "", f"{AT}t.csv.zip: the archive holds no file"),
    "two members": ("t.csv.zip", zipped("a.csv", "b.csv"), "", f"{AT}t.csv.zip: the archive holds 2 files (a.csv, b.csv"),
    "a bomb": ("t.csv.gz", gzip.compress(b"a\n" + b"1\n" * 40_000_000), "", f"{AT}t.csv.gz: unpacks to more than 64 MB"),
    "neither UTF-8 nor cp1252": ("t.csv", b"a,b\n1,\x81\n", "", f"{AT}t.csv is not UTF-8"),
    "another encoding": ("t.csv", b"a,b\n1,\xff\n", "encoding: utf-8\n", f"{AT}t.csv is not UTF-8"),
    "an unknown encoding": ("t.csv", GOOD, "encoding: utf-9\n", f"{AT}t.csv: unknown encoding 'utf-9'"),
    "bytes for an encoding": ("t.csv", GOOD, "encoding: base64\n", f"{AT}t.csv: unknown encoding 'base64'"),
    "zero bytes": ("t.csv", b"a,b\n\0\0\0,\0\n", "", f"{AT}t.csv is not a CSV file but a binary file"),
    "a short line": ("t.csv", b"a,b\n1,x\n2\n", "", "t.csv:3: 1 fields, but the header has 2"),
    "a long line": ("t.csv", b"a,b\n1,x\n2,y,z\n", "", "t.csv:3: 3 fields, but the header has 2"),
    "an open quote": ("t.csv", b'a,b\n1,"x\n2,y\n', "", f"{AT}t.csv: line 2: a quote is opened and not closed"),
    "an open quote after others": ("t.csv", b'a,b\n1,"x ""q"" y\nz"\n2,"y\n3,z\n', "",
                                   f"{AT}t.csv: line 4: a quote is opened and not closed"),
    "a web page": ("t.csv", b"<!DOCTYPE html>\n<html><body>Sign in</body></html>\n", "",
                   f"{AT}t.csv is not a CSV file but a web page"),
    "a PDF": ("t.csv", b"%PDF-1.7\n", "", f"{AT}t.csv is not a CSV file but a PDF"),
    "an old workbook": ("t.csv", b"\xd0\xcf\x11\xe0" + bytes(600), "", f"{AT}t.csv is not a CSV file but an old Excel"),
    "Excel's note": ("t.csv", b"sep=;\na;b\n1;2\n", "", f"{AT}t.csv: line 1 is Excel's note of the separator"),
    "only blank lines": ("t.csv", b"\n \n\n", "", f"{AT}t.csv is empty"),
    "an empty sheet": ("t.xlsx", workbook(("One", [])), "", f"{AT}t.xlsx is empty"),
    "a sheet with two columns of a name": ("t.xlsx", workbook(("One", [["a", "a"], [1, 2]])), "",
                                           f"{AT}t.xlsx: duplicate column names: 'a'"),
    "a Parquet file in gzip": ("t.parquet.gz", gzip.compress(b"PAR1"), "", f"{AT}t.parquet.gz: a .parquet file in a .gz file is not"),
    "infinity for an integer": ("t.csv", b"a\n1\ninf\n", "columns: {a: {type: integer}}\n", "t.csv:3: column 'a': 'inf' is not an integer"),
    "a number beyond what is stored in JSON": (
        "t.jsonl", b'{"a": 1}\n{"a": 1e400}\n', "columns: {a: {type: integer}}\n", "t.jsonl:2: column 'a': inf is not an integer"),
    "a date of a sheet that is a number": (
        "t.xlsx", workbook(("One", [["a"], [45443]])), "columns: {a: {type: date}}\n", "t.xlsx, row 1: column 'a': 45443 is not a date"),
    "a time of day for a date": ("t.csv", b"a\n10:30\n", "columns: {a: {type: datetime}}\n", "t.csv:2: column 'a': '10:30' is not a datetime"),
    "half a row of JSON": ("t.jsonl", b'{"a": 1}\n{"a": 2', "", "t.jsonl:2: not valid JSON"),
    "a key twice in JSON": ("t.json", b'[{"b": {"a": 1, "a": 2}}]', "", f"{AT}t.json is not valid JSON (the key 'a' appears twice"),
    "a key twice in a line": ("t.jsonl", b'{"a": 1}\n{"a": 1, "a": 2}', "", "t.jsonl:2: not valid JSON (the key 'a' appears twice"),
    "text for a number": ("t.csv", b"a,b\n1,x\nq,y\n", "columns: {a: {type: number}}\n", "t.csv:3: column 'a': 'q' is not a number"),
    "a fraction": ("t.csv", b"a\n1\n2.5\n", "columns: {a: {type: integer}}\n", "t.csv:3: column 'a': '2.5' is not an integer"),
    "too large": ("t.csv", b"a\n1\n9223372036854775808\n", "columns: {a: {type: integer}}\n",
                  "t.csv:3: column 'a': '9223372036854775808' is not an integer"),
    "maybe": ("t.csv", b"a\ntrue\nmaybe\n", "columns: {a: {type: boolean}}\n", "t.csv:3: column 'a': 'maybe' is not true or false"),
    "2 for a flag": ("t.csv", b"a\n1\n2\n", "columns: {a: {type: boolean}}\n", "t.csv:3: column 'a': '2' is not true or false"),
    "a time in a date": ("t.csv", b"a\n2024-01-01 10:00\n", "columns: {a: {type: date}}\n",
                         "t.csv:2: column 'a': '2024-01-01 10:00' is not a date"),
    "no such day": ("t.csv", b"a\n2024-02-30\n", "columns: {a: {type: date}}\n", "t.csv:2: column 'a': '2024-02-30' is not a date"),
    "another pattern": ("t.csv", b"a\n31.05.2024\n", "columns: {a: {format: '%m/%d/%Y'}}\n",
                        "t.csv:2: column 'a': '31.05.2024' is not a date written as '%m/%d/%Y'"),
    "dates of an unknown order": ("t.csv", b"a\n01/02/2024\n", "columns: {a: {type: date}}\n",
                                  "dataset.yaml:3: columns -> a: column 'a': dates such as 01/02/2024: the day or the month"),
    "underscores": ("t.csv", b"a\n1_000\n", "columns: {a: {type: number}}\n", "t.csv:2: column 'a': '1_000' is not a number"),
    "after two lines in a cell": ("t.csv", b'a,b\n1,"x\ny"\nq,z\n', "columns: {a: {type: number}}\n", "t.csv:4: column 'a': 'q'"),
    "an unknown column": ("t.csv", GOOD, "columns: {c: {}, bb: {}}\n",
                          "dataset.yaml:3: columns -> c: no column 'c' in the source; it has a, b"),
    "an unlisted column": ("t.csv", GOOD, "columns: {a: {}}\nother_columns: refuse\n",
                           "dataset.yaml:4: other_columns: the source has a column 'b', not in `columns`"),
    "two of one name": ("t.csv", GOOD, "columns: {a: {rename: b}}\n", "dataset.yaml:3: columns -> a: 'a' and 'b' both get"),
    "a reserved name": ("t.csv", b"_id,b\n1,x\n", "", "dataset.yaml:1: columns -> _id: the column '_id' begins with '_'"),
    "a long name": ("t.csv", b"x" * 64 + b",b\n1,x\n", "", "dataset.yaml:1: columns"),
    "all dropped": ("t.csv", b"a\n1\n", "columns: {a: {drop: true}}\n", "dataset.yaml:3: columns: no column is left to load"),
    "no JSON": ("t.jsonl", b'{"a":1}\n{"a":\n', "", "t.jsonl:2: not valid JSON"),
    "JSON of lists": ("t.jsonl", b"1\n[2]\n", "", f"{AT}t.jsonl has no record"),
    "no JSON array": ("t.json", b'[{"a": 1}, ', "", f"{AT}t.json is not valid JSON"),
    "columns in JSON": ("t.json", b'{"a": [1, 2], "b": [3, 4]}', "", f"{AT}t.json is an object of columns, not a list of records"),
    "columns as pandas writes them": ("t.json", b'{"a": {"0": 1, "1": 2}}', "", f"{AT}t.json is an object of columns"),
    "no records": ("t.json", b"[1, 2]", "", f"{AT}t.json has no record"),
    "no Parquet": ("t.parquet", GOOD, "", f"{AT}t.parquet is not a valid Parquet file"),
    "binary data": ("t.parquet", parquet(pa.table({"a": [b"x"]})), "", f"{AT}column 'a' holds binary data"),
    "no workbook": ("t.xlsx", GOOD, "", f"{AT}t.xlsx is not a valid Excel workbook"),
    "no such sheet": ("t.xlsx", SHEETS, "sheet: Tow\n", f"{AT}t.xlsx has no sheet 'Tow'; did you mean 'Two'?"),
    "an unknown kind": ("t.dat", GOOD, "", f"{AT}t.dat: unknown kind of file"),
    "a text that is no number in Parquet": (
        "t.parquet", parquet(pa.table({"a": ["1", "x"]})), "columns: {a: {type: integer}}\n",
        "t.parquet, row 2: column 'a': 'x' is not an integer",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_files_have_one_clear_line(tmp_path: Path, name: str) -> None:
    file, content, settings, begins = WRONG[name]
    (tmp_path / file).write_bytes(content)
    with pytest.raises(MlpipesError) as caught:
        read(tmp_path, f"source: {file}\n{settings}")
    assert caught.value.lines()[0].startswith(begins)
    assert caught.value.exit_code == 2


DAYS = [datetime.date(2024, 12, 31), datetime.date(2024, 2, 1)]
SAID = {  # by what is odd: the file, its content, settings, the values, and what is said aloud
    "infinite numbers": (
        "t.csv", b"a\n1.5\n1e400\n-Infinity\n", "", {"a": [1.5, None, None]},
        "t.csv:3: column 'a': '1e400' is infinite or too large, and is read as a missing value; 2 such values in all",
    ),
    "an infinite number of a declared column": (
        "t.csv", b"a\n1\ninf\n", "columns: {a: {type: number}}\n", {"a": [1.0, None]},
        "t.csv:3: column 'a': 'inf' is infinite or too large, and is read as a missing value",
    ),
    "infinity in Parquet": (
        "t.parquet", parquet(pa.table({"a": [1.0, float("-inf")]})), "", {"a": [1.0, None]},
        "t.parquet, row 2: column 'a': '-inf' is infinite or too large, and is read as a missing value",
    ),
    "infinity in JSON": (
        "t.jsonl", b'{"a": 1.5}\n{"a": Infinity}\n', "", {"a": [1.5, None]},
        "t.jsonl:2: column 'a': 'inf' is infinite or too large, and is read as a missing value",
    ),
    "words for true and false": (
        "t.csv", b"a\nja\nNein\n1\n\"\"\n", "columns: {a: {type: boolean}}\n", {"a": [True, False, True, None]},
        "t.csv: column 'a': read 'ja' as true, 'nein' as false",
    ),
    "flags as PostgreSQL writes them": (
        "t.csv", b"a\nt\nf\n", "columns: {a: {type: boolean}}\n", {"a": [True, False]},
        "t.csv: column 'a': read 'f' as false, 't' as true",
    ),
    "words for true and false that are not declared": (
        "t.csv", b"a\noui\nnon\n", "", {"a": ["oui", "non"]}, "t.csv: text: 'a'",
    ),
    "one unknown word": (
        "t.csv", b"a\n1\nunknown\n3\nunknown\n", "", {"a": ["1", "unknown", "3", "unknown"]},
        "t.csv: column 'a': 'unknown' (2 rows with such values) among 2 numbers, so the column stays text;"
        " `missing: ['unknown']` makes it a missing value, and `type` and `load: {on_bad_rows: set_aside}` keep such rows out",
    ),
    "known words": ("t.csv", b"a\n1\n?\n-\n", "", {"a": [1, None, None]}, "t.csv: '?' is read as a missing value: 'a'"),
    "a quote that another row closes": (
        "t.csv", b'a,b\n1,"x\n2,y\n3,z"\n4,w\n', "", {"a": [1, 4], "b": ["x\n2,y\n3,z", "w"]},
        "t.csv:2: column 'b': a text of 3 lines that look like rows of the file; check whether a quote there is not closed",
    ),
    "points in dates": ("t.csv", b"a\n31.12.2024\n1.2.2024\n", "", {"a": DAYS}, "t.csv: column 'a': dates written as %d.%m.%Y"),
    "dashes in dates": ("t.csv", b"a\n31-12-2024\n1-2-2024\n", "", {"a": DAYS}, "t.csv: column 'a': dates written as %d-%m-%Y"),
    "the month first": ("t.csv", b"a\n12/31/2024\n02/01/2024\n", "", {"a": DAYS}, "t.csv: column 'a': dates written as %m/%d/%Y"),
    "a written pattern": ("t.csv", b"a\n31.12.2024\n1.2.2024\n", "columns: {a: {format: '%d.%m.%Y'}}\n", {"a": DAYS}, "t.csv: date: 'a'"),
    "dates of unknown order": (
        "t.csv", b"a\n01-02-2024\n", "", {"a": ["01-02-2024"]},
        "t.csv: column 'a': dates such as 01-02-2024 may have the day or the month first, so the column stays text;"
        " set its `format`, '%d-%m-%Y' or '%m-%d-%Y'",
    ),
    "years of two digits": (
        "t.csv", b"a\n31.12.24\n01.02.24\n", "", {"a": ["31.12.24", "01.02.24"]},
        "t.csv: column 'a': dates such as 31.12.24 have a year of two digits, so the column stays text;"
        " set its `format`, such as '%d.%m.%y'",
    ),
    "numbers with a currency": (
        "t.csv", "a\n€5\n€6.50\n".encode(), "", {"a": ["€5", "€6.50"]},
        "t.csv: column 'a': values such as '€5' are numbers with a sign, so the column stays text;"
        " plain numbers, or a `derive` step of `clean`, make it a column of numbers",
    ),
    "shares in per cent": (
        "t.csv", b"a\n5 %\n6 %\n", "", {"a": ["5 %", "6 %"]},
        "t.csv: column 'a': values such as '5 %' are numbers with a sign, so the column stays text;"
        " plain numbers, or a `derive` step of `clean`, make it a column of numbers",
    ),
    "a negative number in brackets": (
        "t.csv", b"a\n(5)\n6\n", "", {"a": ["(5)", "6"]},
        "t.csv: column 'a': values such as '(5)' are numbers with a sign, so the column stays text;"
        " plain numbers, or a `derive` step of `clean`, make it a column of numbers",
    ),
    "a minus sign that is no hyphen": (
        "t.csv", "a\n\u22125\n6\n".encode(), "", {"a": ["\u22125", "6"]},
        "t.csv: column 'a': values such as '\u22125' are numbers with a sign, so the column stays text;"
        " plain numbers, or a `derive` step of `clean`, make it a column of numbers",
    ),
    "a merged header": (
        "t.xlsx", workbook(("One", [["person", None], ["age", "name"], [30, "x"], [40, "y"]])), "",
        {"person": ["age", "30", "40"], "Unnamed: 1": ["name", "x", "y"]},
        "t.xlsx: column 'person': 'age' (1 row with such values) among 2 numbers, so the column stays text;"
        " `missing: ['age']` makes it a missing value, and `type` and `load: {on_bad_rows: set_aside}` keep such rows out",
    ),
    "numbers as text in Parquet": (
        "t.parquet", parquet(pa.table({"a": ["1", "2"]})), "", {"a": ["1", "2"]},
        "t.parquet: column 'a': holds numbers as text, read as text; `type: number` reads numbers",
    ),
    "codes": ("t.csv", b"a\n007\n12\n", "", {"a": ["007", "12"]}, "t.csv: column 'a': holds codes (digits with leading zeros), read as text"),
    "a number that may be two": (
        "t.csv", b"a;b\n1,234;x\n", "", {"a": [1.234], "b": ["x"]},
        "t.csv: '1,234' is read with decimal comma, which the file does not confirm; `decimal` and `thousands` settle it",
    ),
    "no UTF-8": ("t.csv", "a\nKöln\n".encode("latin-1"), "", {"a": ["Köln"]},
                 "t.csv: is not UTF-8 and is read as cp1252, a guess; set `encoding` if letters come out wrong"),
    "no header": ("t.csv", b"1,2\n3,4\n", "", {"1": [3], "2": [4]},
                  "t.csv: line 1 is taken for the names of columns, although '1', '2' are numbers; `header: false` "
                  "reads it as a row, `header: true` settles it"),
    "a column without values": ("t.csv", b"a,b\n1,\n2,\n", "", {"a": [1, 2], "b": [None, None]}, "t.csv: no value in any row: 'b'"),
}  # fmt: skip


@pytest.mark.parametrize("name", SAID)
def test_what_is_read_otherwise_than_it_seems_is_said(tmp_path: Path, name: str) -> None:
    file, content, settings, values, said = SAID[name]
    (tmp_path / file).write_bytes(content)
    found, reading = read(tmp_path, f"source: {file}\n{settings}")
    assert found == values
    told = Told()
    config, _ = load_dataset(tmp_path / "dataset.yaml", "dataset.yaml")
    opening.tell(told, reading.inputs, reading, config)
    assert said in [*told.infos, *told.warnings]


def test_a_folder_whose_parts_have_other_types(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    for name, values in (("a", [1]), ("b", ["x"])):
        (tmp_path / "p" / f"{name}.parquet").write_bytes(parquet(pa.table({"v": values})))
    found, reading = read(tmp_path, "source: p\n")
    assert found == {"v": ["1", "x"]}
    assert (
        reading.plan.columns[0].why == "is integer in p/a.parquet, text in p/b.parquet, so it is read as text"
    )
    for name, kind in (("a", pa.date32()), ("b", pa.timestamp("us"))):
        day = pa.array([datetime.date(2024, 5, 31)]).cast(kind)
        (tmp_path / "p" / f"{name}.parquet").write_bytes(parquet(pa.table({"v": day})))
    assert read(tmp_path, "source: p\n")[0] == {"v": 2 * [datetime.datetime(2024, 5, 31)]}


def test_a_file_that_changes_while_it_is_read(tmp_path: Path) -> None:
    """Its last line may be half a line, whose number is another one."""
    path = tmp_path / "t.csv"
    path.write_bytes(b"a\n1\n2\n12")
    before = path.stat().st_mtime_ns
    with pytest.raises(Unreadable, match="has changed while it was read"), reading_opening.unchanged(path):
        path.write_bytes(b"a\n1\n2\n1234\n")
    os.utime(path, ns=(before, before + 5_000_000_000))
    with pytest.raises(Unreadable, match="has changed while it was read"), reading_opening.unchanged(path):
        os.utime(path, ns=(before, before))
    with reading_opening.unchanged(path):
        path.unlink()


def test_at_least_eighty_kinds_of_odd_and_wrong_files() -> None:
    assert len(ODD) + len(WRONG) + len(SAID) >= 130
