"""What ``data load`` reads of a CSV file is what training reads of it: the same cells, the same values."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from mlpipes_cli.data import typed_columns
from mlpipes_cli.data.formats import Formats
from mlpipes_cli.data.origins.files import read_table
from mlpipes_cli.data.readers.kinds import csv_batches
from mlpipes_cli.data.readers.kinds.csv_input import CsvInput
from mlpipes_cli.data.readers.plan import Deviates
from mlpipes_cli.data.readers.planning import Declared
from mlpipes_cli.data.readers.reading import Reading

CELLS = {  # by name: the cells of a column, and the type that it gets
    "whole": (["1", "-2", "30"], "integer"),
    "signed": (["+1", "2", "3"], "integer"),
    "gappy": (["1", "", "3"], "integer"),
    "fraction": (["1.5", "2", "-.5"], "number"),
    "exponent": (["1e3", "2E-3", "5."], "number"),
    "spaces": ([" 12 ", "3", "4"], "integer"),
    "underscore": (["1_000", "2", "3"], "text"),
    "hexadecimal": (["0x10", "2", "3"], "text"),
    "infinite": (["inf", "-Infinity", "1.5"], "number"),
    "nan": (["NaN", "2", "3.5"], "number"),
    "placeholder": (["n/a", "2", "?"], "integer"),
    "dash": (["-", "2", "3"], "integer"),
    "no_hole": (["unknown", "2", "3"], "text"),
    "zeros": (["007", "12", "3"], "text"),
    "zero": (["0", "-0", "0"], "integer"),
    "zero_point": (["007.5", "1", "2"], "number"),
    "long": (["9007199254740993", "1", "2"], "text"),
    "exact": (["9007199254740992", "1", "2"], "integer"),
    "larger": (["99999999999999999999", "1", "2"], "text"),
    "yes": (["yes", "no", "yes"], "text"),
    "on": (["on", "off", "on"], "text"),
    "t": (["t", "f", "t"], "text"),
    "flags": (["true", "False", "TRUE"], "boolean"),
    "flags_and_gap": (["true", "", "n/a"], "boolean"),
    "flags_and_one": (["true", "1", "0"], "text"),
    "days": (["2024-05-31", "2023-01-01", ""], "date"),
    "moments": (["2024-05-31T10:20:30", "2023-01-01 00:00", ""], "datetime"),
    "zones": (["2024-05-31T10:20:30+02:00", "2023-01-01T00:00Z", ""], "datetime"),
    "parts": (["2024-05-31 10:20:30.123456", "2024-05-31", "2024-05-31"], "datetime"),
    "day_first": (["31/12/2023", "01/02/2024", ""], "date"),
    "month_first": (["12/31/2023", "01/02/2024", ""], "date"),
    "points": (["1.2.2024", "3.4.2024", ""], "date"),
    "unclear": (["01/02/2024", "03/04/2024", ""], "text"),
    "mixed": (["31/12/2023", "12/31/2023", ""], "text"),
    "no_day": (["2024-02-31", "2024-01-01", "2024-01-01"], "text"),
    "words_of_dates": (["now", "today", "epoch"], "text"),
    "english": (["January 8, 1999", "8-Jan-1999", "1999"], "text"),
    "clock": (["10:20", "11:30", "12:00"], "text"),
    "durations": (["1 days 02:00:00", "0 days 00:00:01", ""], "number"),
    "empty": (["", "", ""], "number"),
    "text": (["a", "b ", " c"], "text"),
    "none_in_text": (["None", "nan", "b"], "text"),
    "quoted": (['say "x"', "a,b", "two\nlines"], "text"),
    "letters": (["Köln", "東京", "🙂"], "text"),
    "blank": (["  ", "a", "b"], "text"),
    "money": (["$5", "$6", "$7"], "text"),
    "percent": (["5%", "6%", "7%"], "text"),
    "arabic": (["٣", "2", "1"], "text"),
    "sign_only": (["+", "2", "3"], "text"),
    "two_points": (["1.2.3", "2", "3"], "text"),
}  # fmt: skip


def written(folder: Path, cells: list[str], name: str = "x", times: int = 1) -> Path:
    frame = pd.DataFrame({"first": [str(at) for at in range(len(cells) * times)], name: cells * times})
    path = folder / "t.csv"
    frame.to_csv(path, index=False)
    return path


def loaded(path: Path, formats: Formats, declared: dict[str, Declared] | None = None) -> Reading:
    one = CsvInput(path, path.name, formats)
    found = declared or {name: Declared(name) for name in one.names()}
    return Reading([one], found, formats)


def values(reading: Reading) -> dict[str, list[Any]]:
    reading.first_plan()
    for _ in range(5):
        try:
            batches = list(reading.batches())
            break
        except Deviates as error:
            reading.deviated(error)
    columns = [pa.concat_arrays([batch[at] for batch in batches]) for at in range(len(reading.plan.columns))]
    return {one.source: column.to_pylist() for one, column in zip(reading.plan.columns, columns, strict=True)}


def plain(value: Any) -> Any:
    if value is None or value is pd.NaT or (isinstance(value, float) and math.isnan(value)):
        return None
    if hasattr(value, "isoformat"):
        return pd.Timestamp(value).isoformat()
    return value


def same(path: Path, formats: Formats, name: str) -> str:
    reading = loaded(path, formats)
    found = [plain(value) for value in values(reading)[name]]
    frame = typed_columns.settled(read_table(path, formats, path.name), path.name, ()).frame
    trained = [plain(value) for value in frame[name].tolist()]
    assert found == trained
    return next(one.type for one in reading.plan.columns if one.source == name)


@pytest.mark.parametrize("name", CELLS)
def test_both_read_a_column_alike(tmp_path: Path, name: str) -> None:
    cells, kind = CELLS[name]
    assert same(written(tmp_path, cells), Formats(), "x") == kind


@pytest.mark.parametrize("name", CELLS)
def test_a_value_after_many_plain_ones_is_read_alike(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first block shows whole numbers alone; what comes later decides."""
    monkeypatch.setattr(csv_batches, "BLOCK", 2048)
    cells, _ = CELLS[name]
    same(written(tmp_path, ["5"] * 2000 + cells), Formats(), "x")
    same(written(tmp_path, cells + ["5"] * 2000), Formats(), "x")


@pytest.mark.parametrize(
    ("content", "formats"),
    [
        ("a;x\n1;1,5\n2;3\n", Formats()),
        ("a;x\n1;1.234,5\n2;3\n", Formats()),
        ('a,x\n1,"1,234.5"\n2,3\n', Formats()),
        ("a;x\n1;1.234\n2;5.678\n", Formats()),
        ("a;x\n1;1 234,5\n2;3\n", Formats()),
        ("a|x\n1|1'234.5\n2|3\n", Formats()),
        ("a\tx\n1\t1\n2\t-999\n", Formats(missing=("-999",))),
        ("a\tx\n1\t1\n2\t-999.0\n", Formats(missing=("-999",))),
        ("a\tx\n1\tu\n2\tz\n", Formats(missing=("u",))),
        ("a~x\n1~5\n2~6\n", Formats(separator="~")),
        ("a,x\n1,'b,c'\n2,'d'\n", Formats(quote="'")),
        ("a;x\n1;1.5\n2;2.5\n", Formats(decimal=",")),
        ("a;x\n1;1,500\n2;2,250\n", Formats(decimal=".", thousands=",")),
        ("a,x\r\n1,2\r\n3,4\r\n", Formats()),
        ("a,x\r1,2\r3,4\r", Formats()),
        ("\n\na,x\n\n1,2\n\n3,4\n\n", Formats()),
        ("a,x\n1,2\n3,4", Formats()),
        ('a,x\n1,ab"c\n3,"d""e"\n', Formats()),
        ('a,x\n1,"b"c\n3,d\n', Formats()),
    ],
)  # fmt: skip
def test_both_read_a_file_alike(tmp_path: Path, content: str, formats: Formats) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content.encode())
    same(path, formats, "x")


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"]
)
def test_both_read_an_encoding_alike(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("a,x\n1,Köln\n2,Genève\n".encode(encoding))
    assert values(loaded(path, Formats())) == {"a": [1, 2], "x": ["Köln", "Genève"]}
    same(path, Formats(), "x")
