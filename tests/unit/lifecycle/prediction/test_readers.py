from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from mlpipes_cli.data.conversion import convert
from mlpipes_cli.data.formats import Formats
from mlpipes_cli.errors import MlpipesError, UsageError
from mlpipes_cli.lifecycle.prediction import readers, writers

FRAME = pd.DataFrame({"ID": ["01", "02", "03"], "x": ["1", "2", "3"]})


def written(path: Path) -> Path:
    if path.name.endswith((".csv", ".csv.gz")):
        FRAME.to_csv(path, index=False)
    else:
        FRAME.to_parquet(path)
    return path


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.parquet"])
def test_tables_come_in_batches(tmp_path: Path, name: str) -> None:
    table = readers.open_table(written(tmp_path / name))
    batches = list(table.batches(2, {}, Formats()))
    assert table.columns == ["ID", "x"]
    assert [len(batch) for batch in batches] == [2, 1]
    assert pd.concat(batches)["ID"].tolist() == ["01", "02", "03"]


def test_parquet_of_arrows_types_with_ids_in_its_index(tmp_path: Path) -> None:
    day = pa.array([datetime.date(2024, 6, 5), None, datetime.date(2024, 6, 6)])
    table = pa.table(
        {"ID": ["01", "02", "03"], "x": pa.array(["a", None, "b"]).dictionary_encode(), "day": day}
    )
    table.to_pandas(types_mapper=pd.ArrowDtype).set_index("ID").to_parquet(tmp_path / "t.parquet")
    read = pd.concat(readers.open_table(tmp_path / "t.parquet").batches(2, {}, Formats()))
    assert read["ID"].tolist() == ["01", "02", "03"]
    assert read["x"].astype(object).tolist()[::2] == ["a", "b"]
    assert read["x"].isna().tolist() == [False, True, False]
    moments = convert(read["day"], "datetime")
    assert moments.isna().tolist() == [False, True, False]
    assert moments[0] == pd.Timestamp("2024-06-05")


@pytest.mark.parametrize(
    "document",
    [
        [{"ID": "01", "x": 1}, {"ID": "02", "x": None}],
        {"ID": ["01", "02"], "x": [1, None]},
        {"columns": ["ID", "x"], "data": [["01", 1], ["02", None]]},
        {"dataframe_records": [{"ID": "01", "x": 1}, {"ID": "02", "x": None}]},
        {"dataframe_split": {"columns": ["ID", "x"], "data": [["01", 1], ["02", None]]}},
    ],
)
def test_json_in_every_form(tmp_path: Path, document: Any) -> None:
    path = tmp_path / "t.json"
    path.write_text(json.dumps(document))
    table = readers.open_table(path)
    (batch,) = table.batches(10, {}, Formats())
    assert (table.columns, table.rows) == (["ID", "x"], 2)
    assert batch["ID"].tolist() == ["01", "02"]
    assert batch["x"].isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"", "a.csv is empty"),
        ("a.csv", b"x,y\n1,2\n1,2,3,4\n", "a.csv: line 3 has 4 fields, but the header has 2"),
        ("a.csv", b"x,y\n1,2\n1\n", "a.csv: line 3 has 1 fields, but the header has 2"),
        ("a.csv", b"x,x\n1,2\n", "a.csv: duplicate column names: 'x'"),
        ("a.csv", b"x\n\x81\xfe\n", "a.csv is not UTF-8"),
        ("a.csv.gz", b"no gzip", "a.csv.gz is not a complete gzip file"),
        ("a.parquet", b"no parquet", "cannot be read"),
        ("a.json", b"{", "cannot be read"),
        ("a.json", b"5", "not a table"),
        ("a.json", b'{"a": [1, 2], "b": 3}', "not a table"),
        ("a.json", b'{"a": [1, 2], "b": [3]}', "not a table"),
        ("a.xlsx", b"x", "is not a valid Excel workbook"),
        ("a.md", b"x", "unknown kind of file"),
        ("a.jsonl", b"{\n", "has no record"),
    ],
)
def test_what_is_no_table_is_one_line(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        readers.check_file(path)
        list(readers.open_table(path).batches(10, {}, Formats()))
    assert said in caught.value.lines()[0]


@pytest.mark.parametrize("name", ["o.csv", "o.parquet", "o.json"])
def test_an_output_appears_whole(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    writer = writers.make_writer(path, None)
    part = pd.DataFrame({"ID": ["01", "2"], "prediction": [0, 1]})
    with writer:
        writer.write(part)
        writer.write(part)
        assert not path.exists()
        writer.finish()
    assert [p.name for p in tmp_path.iterdir()] == [name]
    assert path.stat().st_mode & 0o777 == 0o600
    read = {".csv": lambda p: pd.read_csv(p, dtype={"ID": str}), ".parquet": pd.read_parquet}
    if name.endswith(".json"):
        assert [r["ID"] for r in json.loads(path.read_text())] == ["01", 2, "01", 2]
    else:
        assert read[path.suffix](path)["ID"].tolist() == ["01", "2"] * 2


@pytest.mark.parametrize("name", ["o.csv", "o.parquet", "o.json"])
def test_a_failure_leaves_what_was_there(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("before")
    writer = writers.make_writer(path, None)
    with pytest.raises(MlpipesError), writer:
        writer.write(pd.DataFrame({"prediction": [1]}))
        raise MlpipesError("stopped")
    assert path.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["o.csv", "o.parquet", "o.json"])
def test_no_rows_are_an_output_too(tmp_path: Path, name: str) -> None:
    writer = writers.make_writer(tmp_path / name, None)
    with writer:
        writer.finish()
    assert (tmp_path / name).exists()


def test_without_a_file_text_goes_out_as_it_is_made() -> None:
    lines: list[str] = []
    writer = writers.make_writer(None, lines.append)
    with writer:
        writer.write(pd.DataFrame({"prediction": [1, 2]}))
        writer.write(pd.DataFrame({"prediction": [3]}))
        writer.finish()
    assert "\n".join(lines) == "prediction\n1\n2\n3"
    assert writer.records is None
