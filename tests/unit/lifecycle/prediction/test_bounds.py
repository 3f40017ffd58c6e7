"""Files of a few kilobytes that would become gigabytes are refused; large ones are read."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlpipes_cli.data.formats import Formats
from mlpipes_cli.errors import UsageError
from mlpipes_cli.lifecycle.prediction import readers


def wide(file: Path) -> None:
    file.write_text(",".join(f"c{at}" for at in range(12_000)) + "\n" + "," * 11_999 + "\n")


def endless_line(file: Path) -> None:
    file.write_bytes(b"a," * 9_000_000)


def packed(file: Path) -> None:
    with gzip.open(file, "wb") as opened:
        opened.write(b"x\n")
        for _ in range(10):
            opened.write(b"0" * 10_000_000)


def packed_header(file: Path) -> None:
    with gzip.open(file, "wb") as opened:
        opened.write(b"x" * 20_000_000)


def text(file: Path) -> None:
    table = pa.table({"a": ["x" * 150_000_000]})
    pq.write_table(table, file, compression="brotli", use_dictionary=False)


def wide_parquet(file: Path) -> None:
    pq.write_table(pa.table({f"c{at}": [1] for at in range(10_500)}), file)


def square(file: Path) -> None:
    file.write_text(json.dumps([{f"n{at}": 1} for at in range(4000)]))


CASES: list[tuple[str, Callable[[Path], None], str]] = [
    ("x.csv", wide, "12000 columns; at most 10003 are read"),
    ("x.csv", endless_line, "the first line has more than 16 MB, so it is not a header"),
    ("x.csv.gz", packed, "unpacks to more than 64 MB, over 200 times its size; unpack it first"),
    ("x.csv.gz", packed_header, "the first line has more than 16 MB, so it is not a header"),
    ("x.parquet", text, "unpacks to 143 MB, more than 200 times its size"),
    ("x.parquet", wide_parquet, "10500 columns; at most 10003 are read"),
    ("x.json", square, "4000 records with 4000 different names"),
]


@pytest.mark.parametrize(("name", "make", "said"), CASES)
def test_what_would_become_too_large_is_refused(
    tmp_path: Path, name: str, make: Callable[[Path], None], said: str
) -> None:
    file = tmp_path / name
    make(file)
    assert file.stat().st_size < 20_000_000
    with pytest.raises(UsageError) as refused:
        for _ in readers.open_table(file, 3).batches(500, {"x": "text"}, Formats()):
            pass
    assert said in str(refused.value)


def test_a_packed_file_of_rows_may_become_much_more_than_it_is(tmp_path: Path) -> None:
    """A file of a table packs to a fifth or a hundredth."""
    file = tmp_path / "x.csv.gz"
    with gzip.open(file, "wb") as opened:
        opened.write(b"x,y\n")
        for start in range(0, 4_000_000, 500_000):
            opened.write(b"".join(b"%d,always the same words\n" % at for at in range(start, start + 500_000)))
    table = readers.open_table(file, 2)
    rows = sum(len(batch) for batch in table.batches(200_000, {"x": "text", "y": "text"}, Formats()))
    assert rows == 4_000_000
