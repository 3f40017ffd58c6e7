"""Sources: what can be read, and one clear line for what cannot."""

from __future__ import annotations

import datetime
import gzip
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from mlpipes_cli.config.experiment import Data
from mlpipes_cli.config.yaml_source import parse_yaml
from mlpipes_cli.data.canonical import canonical
from mlpipes_cli.data.origins import catalogs
from mlpipes_cli.data.origins.sources import check_columns_cheaply, load
from mlpipes_cli.errors import ConfigError, MlpipesError, UsageError

SOURCE = parse_yaml("experiment: x\ndata:\n  source: data.csv\n  target: y\n", "e.yaml")
AT = "e.yaml:3: data -> source: "
GOOD = b"a,b,y\n1,x,0\n2.5,,1\n"


def data(source: Any = "data.csv", **more: Any) -> Data:
    return Data.model_validate({"source": source, "target": "y", **more})


def read(base: Path, source: Any = "data.csv", environ: dict[str, str] | None = None) -> pd.DataFrame:
    return load(data(source), base, SOURCE, database_url=None, environ=environ or {})


def line(caught: pytest.ExceptionInfo[MlpipesError]) -> str:
    lines = caught.value.lines()
    assert len(lines) == 1
    assert "\n" not in lines[0]
    return lines[0]


# --- files that work ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("data.csv", GOOD),
        ("data.csv", b"\xef\xbb\xbf" + GOOD),
        ("data.csv", GOOD.replace(b"\n", b"\r\n")),
        ("data.csv", GOOD.replace(b",", b";")),
        ("data.csv", GOOD.replace(b",", b"\t")),
        ("data.csv", b"\n" + GOOD.replace(b"\n", b"\n\n")),
        ("Data.CSV", GOOD),
        ("data.csv.gz", gzip.compress(GOOD, mtime=0)),
    ],
)
def test_csv(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    check_columns_cheaply(data(name), tmp_path, SOURCE)
    found = read(tmp_path, name)
    wanted = pd.DataFrame({"a": [1.0, 2.5], "b": ["x", None], "y": [0, 1]})
    pd.testing.assert_frame_equal(found, wanted)


def test_quoted_fields_may_hold_anything(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text('"a, b",y\n"line\nbreak; ""quoted""",1\nü,0\n', encoding="utf-8")
    check_columns_cheaply(data(), tmp_path, SOURCE)
    found = read(tmp_path)
    assert found.columns.tolist() == ["a, b", "y"]
    assert found.iloc[0, 0] == 'line\nbreak; "quoted"'


def test_numbers_are_those_that_were_written_to_the_last_bit(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=1000) * 10.0 ** np.arange(-500, 500).clip(-300, 300)
    pd.DataFrame({"x": values, "y": 1}).to_csv(tmp_path / "data.csv", index=False)
    assert (read(tmp_path)["x"] == values).all()


def test_parquet_of_arrows_types_and_of_bytes(tmp_path: Path) -> None:
    """pandas writes the name of a category's type in ArrowDtype, and does not read it."""
    city = pa.array(["Rome", None, "Bern"]).dictionary_encode()
    day = pa.array([datetime.date(2024, 6, 5), None, datetime.date(2024, 6, 6)])
    table = pa.table({"city": city, "n": pa.array([1, None, 3], pa.int8()), "day": day, "y": [0, 1, 0]})
    table.to_pandas(types_mapper=pd.ArrowDtype).to_parquet(tmp_path / "data.parquet")
    found = read(tmp_path, "data.parquet")
    assert canonical(found["city"]).tolist()[::2] == ["Rome", "Bern"]
    assert canonical(found["n"]).tolist()[::2] == [1.0, 3.0]
    assert canonical(found["day"])[0] == pd.Timestamp("2024-06-05")
    assert found[["city", "n"]].isna().to_numpy().tolist() == [[False] * 2, [True] * 2, [False] * 2]
    values = pd.Series([b"S\xc3\xa3o", b"\xff\x00", None], dtype=object)
    assert canonical(values).tolist()[:2] == ["São", "ff00"]


def test_parquet(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"a": [1, 2], "when": pd.to_datetime(["2024-01-01", "2024-01-02"]), "y": [True, False]}
    )
    frame.to_parquet(tmp_path / "data.parquet")
    pd.testing.assert_frame_equal(read(tmp_path, "data.parquet"), frame)
    frame.set_index("a").to_parquet(tmp_path / "indexed.parquet")
    assert read(tmp_path, "indexed.parquet").columns.tolist() == ["a", "when", "y"]
    check_columns_cheaply(data("data.parquet"), tmp_path, SOURCE)


@pytest.mark.parametrize("name", ["breast_cancer", "diabetes", "digits", "iris", "wine"])
def test_bundled_sets(tmp_path: Path, name: str) -> None:
    found = read(tmp_path, f"sklearn:{name}")
    assert "target" in found.columns
    assert len(found) > 100


# --- files that do not -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("data.csv", b"", "data.csv is empty"),
        ("data.csv", b" \r\n\n", "data.csv is empty"),
        ("data.csv", b"a,b,y\n", "data.csv has a header but no rows"),
        ("data.csv", b"a,a,y\n1,2,3\n", "data.csv: duplicate column names: 'a'"),
        ("data.csv", b"a,y\n1,2,3\n", "data.csv: line 2 has 3 fields, but the header has 2"),
        ("data.csv", b"a,y\n\x81,1\n", "data.csv is not UTF-8 (invalid start byte), nor cp1252"),
        ("data.csv", b"PK\x03\x04rest", "data.csv is not a CSV file but a zip archive or an Excel workbook"),
        ("data.csv", gzip.compress(GOOD, mtime=0), "data.csv is not a CSV file but compressed with gzip"),
        ("data.csv", b"\x7fELF\x00\x00", "data.csv is not a CSV file but a binary file"),
        ("data.csv.gz", GOOD, "data.csv.gz: is not a complete gzip file"),
        ("data.csv.gz", gzip.compress(GOOD * 99, mtime=0)[:-20], "data.csv.gz: is not a complete gzip file"),
    ],
)
def test_files_that_the_first_look_refuses(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    for look in (lambda: check_columns_cheaply(data(name), tmp_path, SOURCE), lambda: read(tmp_path, name)):
        with pytest.raises(ConfigError) as caught:
            look()
        assert line(caught).replace(".gz is not", ".gz: is not").startswith(AT + said)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("data.csv", b"a,y\n1,2\n1,2,3\n", "data.csv: line 3 has 3 fields, but the header has 2"),
        ("data.csv", b"a,b,y\n1,2,3\n4,5\n", "data.csv: line 3 has 2 fields, but the header has 3"),
        ("data.csv", b'a,y\n1,2\n"open,3\n4,5\n', "data.csv: line 3: a quote is opened and not closed"),
        ("data.csv", b"a,y\n" + b"1,2\n" * 5000 + b"\x81,1\n", "data.csv is not UTF-8"),
        ("data.parquet", b"PAR1 and no more", "data.parquet is not a valid Parquet file"),
        ("data.parquet", GOOD, "data.parquet is not a valid Parquet file"),
    ],
)
def test_files_that_break_later(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, name)
    assert line(caught).startswith(AT + said)


def test_parquet_without_rows(tmp_path: Path) -> None:
    pd.DataFrame({"y": []}).to_parquet(tmp_path / "data.parquet")
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, "data.parquet")
    assert line(caught) == AT + "data.parquet has no rows"


def test_columns_are_checked_without_reading_the_file(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_bytes(GOOD * 2000 + b"garbage\xff")
    with pytest.raises(ConfigError) as caught:
        check_columns_cheaply(data(target="yy", drop=["A"], id="nothing"), tmp_path, SOURCE)
    assert caught.value.lines() == [
        "e.yaml:4: data -> target: no column 'yy' in the data; did you mean 'y'?",
        "e.yaml:2: data -> id: no column 'nothing' in the data; it has a, b, y",
        "e.yaml:2: data -> drop -> 0: no column 'A' in the data; did you mean 'a'?",
    ]


def test_the_cheap_check_is_cheap(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_bytes(GOOD)
    code = (
        "import sys; from pathlib import Path\n"
        "from mlpipes_cli.config.experiment import Data\n"
        "from mlpipes_cli.config.yaml_source import parse_yaml\n"
        "from mlpipes_cli.data.origins.sources import check_columns_cheaply\n"
        "check_columns_cheaply(Data(source='data.csv', target='y'), Path('.'), parse_yaml('a: 1', 'e'))\n"
        "print(sorted({'pandas', 'numpy', 'sklearn', 'boto3', 'psycopg2', 'pyarrow'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


# --- lines that make no sense ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("dat.csv", "dat.csv: no such file; did you mean 'data.csv'?"),
        ("other/x.csv", "other/x.csv: no such file in "),
        (
            "data/creditcard.csv",
            "data/creditcard.csv: no such file; download it from https://www.kaggle.com/",
        ),
        (".", ".: is a folder without images and Parquet files; give a file, or a folder of them"),
        ("notes.md", "notes.md: unknown kind of file; .csv, .tsv, "),
        (
            "sklearn:breast_cancr",
            "scikit-learn has no data set 'breast_cancr'; did you mean 'breast_cancer'?",
        ),
        ("sklearn:", "scikit-learn has no data set ''; use one of breast_cancer, "),
        ("openml:credit", "'openml:credit': give the number of the data set, such as openml:1597"),
        ("s3://bucket", "'s3://bucket': write s3://bucket/folder/file.csv"),
        ("s3:bucket/x.csv", "'s3:bucket/x.csv': write s3://bucket/folder/file.csv"),
        ("s3://bucket/x.md", "s3://bucket/x.md: unknown kind of file"),
        ("skleran:iris", "unknown kind of source 'skleran'; did you mean 'sklearn'?"),
        ("ftp://example.org/x.csv", "'ftp://example.org/x.csv': download the file and give its path"),
        ("postgresql://u:secret@h/db", "for another database use `source: {table: schema.name, url: "),
        ("postgres:drop table x", "'drop table x' is neither schema.table nor a select query"),
        ("x" * 5000 + ".csv", ""),
    ],
)
def test_sources_that_make_no_sense(tmp_path: Path, source: str, said: str) -> None:
    (tmp_path / "data.csv").write_bytes(GOOD)
    (tmp_path / "notes.md").write_text("x")
    with pytest.raises(ConfigError) as caught:
        check_columns_cheaply(data(source), tmp_path, SOURCE)
    assert line(caught).startswith(AT + said)
    assert "secret" not in line(caught)


def test_postgres_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MlpipesError) as caught:
        read(tmp_path, "postgres:raw_data.cards")
    said = "the project's database has no read-only role yet; `mlpipes up` creates it"
    assert line(caught) == AT + said
    with pytest.raises(UsageError) as caught:
        read(tmp_path, {"table": "x", "url": "$NOWHERE_URL"})
    assert "the environment variable NOWHERE_URL is not set" in line(caught)
    with pytest.raises(UsageError) as caught:
        read(tmp_path, {"table": "x", "url": "mysql://u:secret@h/db"})
    assert "the database's driver is not installed" in line(caught)
    assert "secret" not in line(caught)
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        url = f"postgresql://u:secret@127.0.0.1:{taken.getsockname()[1]}/db"
        with pytest.raises(MlpipesError) as caught:
            read(tmp_path, {"query": "select 1", "url": "${DB}"}, {"DB": url})
    assert "the database does not answer" in line(caught)
    assert caught.value.exit_code == 1
    assert "secret" not in line(caught)


# --- servers that cannot be reached ------------------------------------------------------------


@pytest.fixture
def closed_port() -> Any:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_openml_that_cannot_be_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closed_port: int
) -> None:
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))
    for scheme in ("http", "https"):
        monkeypatch.setenv(f"{scheme}_proxy", f"http://127.0.0.1:{closed_port}")
    monkeypatch.setattr("urllib.request._opener", None)  # remembers the proxies of its first use
    for source, whom in (
        ("openml:1597", "openml.org"),
        ("sklearn:california_housing", "scikit-learn's download server"),
    ):
        with pytest.raises(MlpipesError) as caught:
            read(tmp_path, source)
        assert line(caught).startswith(f"{AT}{whom} cannot be reached (")
        assert caught.value.exit_code == 1
    assert socket.getdefaulttimeout() is None


def test_numbers_declared_as_categories() -> None:
    found = catalogs._numbers_again(pd.Series(["0", "1", None], dtype="category"))
    assert found.tolist()[:2] == [0, 1]
    kept = pd.Series(["0", "x"], dtype="category")
    assert catalogs._numbers_again(kept) is kept


def test_s3_that_cannot_be_reached(tmp_path: Path, closed_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(MlpipesError) as caught:
        read(tmp_path, "s3://bucket/data.csv")
    assert line(caught).startswith(f"{AT}s3://bucket/data.csv: no AWS credentials; set AWS_ACCESS_KEY_ID")
    environ = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"}
    environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{closed_port}"
    with pytest.raises(MlpipesError) as caught:
        read(tmp_path, "s3://bucket/data.csv", environ)
    assert "Could not connect to the endpoint URL" in line(caught)
    assert caught.value.exit_code == 1
    with pytest.raises(MlpipesError) as caught:
        read(tmp_path, "s3://bucket/data.csv", {"AWS_PROFILE": "nobody"})
    assert "The config profile (nobody) could not be found" in line(caught)
