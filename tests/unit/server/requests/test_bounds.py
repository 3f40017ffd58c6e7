"""Requests that would become far more than they are: refused before they do."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import serving_help

from mlpipes_cli.server.http.api_error import ApiError
from mlpipes_cli.server.requests import bounds
from mlpipes_cli.server.requests.body_reader import read_json
from mlpipes_cli.server.requests.bounds import Bounds
from mlpipes_cli.server.requests.parquet_bounds import check_parquet

KNOWN = Bounds(5, 50_000)


def parquet(table: pa.Table, **more: object) -> bytes:
    into = io.BytesIO()
    pq.write_table(table, into, compression="zstd", **more)
    return into.getvalue()


# Each is smaller than a megabyte, and would cost gigabytes or minutes.
ATTACKS = """
def attacks():
    import numpy as np, pyarrow as pa
    yield "commas", b"," * 200_000, CSV
    yield "commas below", b"a" + bytes([10]) + b"," * 200_000, CSV
    yield "commas after quoted line ends", b'"' + bytes([10]) + b'"' + b"," * 200_000, CSV
    yield "commas after blank lines", bytes([32, 10]) * 1000 + b'x"' + b"," * 200_000, CSV
    yield "lines of less than their names", b"," * 1000 + bytes([10]) + b"1,2" + bytes([10]) * 40_000, CSV
    yield "names", json.dumps({f"k{n}": 1 for n in range(50_000)}).encode(), JSON
    yield "names of all rows", json.dumps([{f"k{n}": 1} for n in range(45_000)]).encode(), JSON
    sparse = [{f"k{n}": 1 for n in range(900)}] + [{}] * 45_000
    yield "rows of less than their names", json.dumps(sparse).encode(), JSON
    wide = json.dumps({"dataframe_split": {"data": [[1] * 100_000]}}).encode()
    yield "a wide row", wide, MLFLOW
    long = [[1] * 900] + [[]] * 45_000
    yield "rows of less than the first", json.dumps({"dataframe_split": {"data": long}}).encode(), MLFLOW
    yield "inputs", json.dumps({"inputs": {f"k{n}": [1] for n in range(40_000)}}).encode(), MLFLOW
    zeros = pa.array(np.zeros(100_000_000, dtype=np.int8))
    yield "rows in Parquet", parquet(pa.table({"amount": zeros})), PARQUET
    same = pa.array(np.zeros(50_000, dtype=np.int32))
    text = pa.DictionaryArray.from_arrays(same, pa.array(["x" * 1_000_000]))
    yield "one text for all rows", parquet(pa.table({"city": text})), PARQUET
    lists = pa.ListArray.from_arrays(pa.array([0, 100_000_000], pa.int32()), zeros)
    yield "one list", parquet(pa.table({"amount": lists})), PARQUET
    noise = pa.array([bytes(300_000_000)], pa.large_binary())
    yield "one text of zeros", parquet(pa.table({"city": noise}), use_dictionary=False), PARQUET
    yield "columns in Parquet", parquet(pa.table({f"k{n}": [1] for n in range(3000)})), PARQUET
"""
PROGRAM = (
    """
import io, json, resource, sys
sys.path.insert(0, sys.argv[1])
import serving_help
from mlpipes_cli.server.requests import request_parser as requests
from mlpipes_cli.server.http.api_error import ApiError
import pyarrow.parquet as pq, pandas
CSV, JSON, PARQUET = "text/csv", "application/json", "application/vnd.apache.parquet"
MLFLOW = JSON + ";"
def parquet(table, **more):
    into = io.BytesIO()
    pq.write_table(table, into, compression="zstd", **more)
    return into.getvalue()
"""
    + ATTACKS
    + """
model = serving_help.served(__import__("pathlib").Path(sys.argv[2]))
model.mlflow
pandas.read_parquet(io.BytesIO(parquet(__import__("pyarrow").table({"a": [1]}))))
found = list(attacks())
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + 400 * 2**20,) * 2)
for name, body, kind in found:
    assert len(body) < 1_000_000, (name, len(body))
    read = requests.read_records if kind == JSON else requests.read_invocations
    try:
        read(body, kind.rstrip(";"), model, 50_000)
        print(name, "taken", sep="|")
    except ApiError as fault:
        print(name, fault.status, fault.message, sep="|", flush=True)
"""
)


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str]]:
    folder = serving_help.saved(tmp_path_factory.mktemp("models") / "people")
    given = [sys.executable, "-c", PROGRAM, str(Path(serving_help.__file__).parent), str(folder)]
    done = subprocess.run(given, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    lines = [line.split("|", 2) for line in done.stdout.splitlines()]
    return {line[0]: (line[1], line[-1]) for line in lines}


@pytest.mark.slow
@pytest.mark.parametrize("name", [line.split('"')[1] for line in ATTACKS.splitlines() if "yield" in line])
def test_small_requests_that_stand_for_much_get_413(answers: dict[str, tuple[str, str]], name: str) -> None:
    status, message = answers[name]
    assert status == "413", message


def varint(value: int) -> bytes:
    """A whole number as Thrift's compact protocol has it."""
    value, found = value * 2, []
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def test_a_file_whose_footer_lies_is_found_out_by_its_pages() -> None:
    body = parquet(pa.table({"city": pa.array([bytes(200_000_000)])}), use_dictionary=False)
    chunk = pq.ParquetFile(io.BytesIO(body)).metadata.row_group(0).column(0)
    footer = -8 - int.from_bytes(body[-8:-4], "little")
    said = varint(chunk.total_uncompressed_size)
    little = bytes([*[128] * (len(said) - 1), 0])  # zero, in as many bytes
    lying = body[:footer] + body[footer:].replace(said, little)
    assert pq.ParquetFile(io.BytesIO(lying)).metadata.row_group(0).column(0).total_uncompressed_size == 0
    with pytest.raises(ApiError) as refused:
        check_parquet(lying, KNOWN)
    assert refused.value.status == 413


@pytest.mark.parametrize("body", [b"", b"PAR1", b"PAR1" * 10, b"PAR1" + bytes(40) + b"PAR1"])
def test_what_is_no_parquet_gets_400(body: bytes) -> None:
    with pytest.raises(ApiError) as refused:
        check_parquet(body, KNOWN)
    assert refused.value.status == 400


def test_files_as_people_have_them_are_taken() -> None:
    random = np.random.default_rng(0)
    rows = 50_000
    frame = pd.DataFrame({f"n{at}": random.normal(size=rows) for at in range(40)})
    frame["text"] = random.choice(["Paris", "Köln", "x" * 500], rows)
    frame["gaps"] = [None if at % 3 else f"row {at}" for at in range(rows)]
    frame["moment"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(rows), "s")
    frame["kind"] = pd.Categorical(random.choice(["a", "b"], rows))
    for compression in ("snappy", "gzip", "zstd", None):
        for version in ("1.0", "2.0"):
            into = io.BytesIO()
            frame.to_parquet(into, compression=compression, data_page_version=version, row_group_size=20_000)
            check_parquet(into.getvalue(), KNOWN)
    nested = pa.table({"a": [[1, 2], [], None], "b": [["x"], ["y", None], []], "c": [{"d": "x", "e": 1}] * 3})
    check_parquet(parquet(nested), KNOWN)
    check_parquet(parquet(nested.slice(0, 0)), KNOWN)
    check_parquet(parquet(pa.table({"image": [random.bytes(3_000_000)] * 3})), KNOWN)


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("a,b,c\n1,2,3\n", 3),
        ("a,b\r\n1,2,3\r\n", 3),
        ('"a,b",c\n1,2\n', 2),
        ('"a\n,,,b",c\n"1","2"\n', 2),
        ('"a""b,",c\n', 2),
        ('a"b,c"d\n', 2),  # a quote within a field is part of it
        ('"a"b,c\n', 2),
        ("\n \n\ufeff,x\n", 2),
        ('\ufeff"a,b",c\n', 2),
        ('"never closed,,,,\n,,,', 1),
        ("a", 1),
        ("", 1),
        (",", 2),
    ],
)
def test_fields_are_counted_as_pandas_reads_them(text: str, fields: int) -> None:
    known = Bounds(1, 100)
    told: list[tuple[int, int]] = []
    known.check = lambda rows, columns, size, named=True: told.append((rows, columns))  # type: ignore[method-assign]
    known.csv(text.encode())
    assert told[0][1] == fields
    try:
        read = pd.read_csv(io.StringIO(text.removeprefix("\ufeff")))
    except (pd.errors.EmptyDataError, pd.errors.ParserError):
        return
    leading = 0 if isinstance(read.index, pd.RangeIndex) else read.index.nlevels
    assert len(read.columns) + leading == fields


def test_a_photo_in_a_cell_is_one_field() -> None:
    Bounds(2, 10).csv(b'id,image\n1,"' + b"QUJD" * 500_000 + b'"\n')


def test_dense_rows_are_taken_whatever_their_number() -> None:
    Bounds(300, 50_000).check(50_000, 300, 50_000 * 300 * 2)
    Bounds(80, 50_000).document({"dataframe_records": [{}] * 50_000}, 150_000)
    Bounds(0, 50_000).document({"instances": [[0.5] * 150_528] * 3}, 2_000_000)  # an image, flat
    with pytest.raises(ApiError, match="50001 rows in one request; the limit is 50000"):
        KNOWN.check(50_001, 1, 10)
    with pytest.raises(ApiError, match="the limit is 5 of the model and 1000 others"):
        KNOWN.document({"instances": [[0.5] * 150_528] * 3}, 2_000_000)


def test_lists_and_objects_are_counted_before_they_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MOST_CONTAINERS", 10)
    assert read_json(b"[" + b",".join([b"[]"] * 9) + b"]") == [[]] * 9
    assert read_json(json.dumps(["[{" * 50, '\\"[{' * 50, "\\"]).encode()) == ["[{" * 50, '\\"[{' * 50, "\\"]
    for body in (
        b"[" + b",".join([b"[]"] * 10) + b"]",
        b"[" + b",".join([b'{"[":1}'] * 10) + b"]",
        b"[" * 11,
    ):
        with pytest.raises(ApiError) as refused:
            read_json(body)
        assert refused.value.status == 413


def test_different_names_are_counted_before_the_parser_keeps_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MOST_NAMES", 10)
    monkeypatch.setattr(bounds, "_NAMES_AT_ONCE", 3)
    ten = {f"k{at}": f'"x{at}": \\' for at in range(10)}
    assert read_json(json.dumps([ten] * 20).encode()) == [ten] * 20
    assert read_json(json.dumps([f"{at}:" for at in range(50)]).encode())[49] == "49:"
    for body in (
        json.dumps(ten | {"k10": 1}),
        "[" + ",".join(f'{{"\\"{at}"\n :1}}' for at in range(11)) + "]",
    ):
        with pytest.raises(ApiError, match="10 different names") as refused:
            read_json(body.encode())
        assert refused.value.status == 413
