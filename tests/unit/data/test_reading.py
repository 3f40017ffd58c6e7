"""How tables are read: numbers, words for missing values, codes and dates as people write them."""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpipes_cli.config.experiment import Data
from mlpipes_cli.config.yaml_source import parse_yaml
from mlpipes_cli.data.formats import BEFORE, Formats
from mlpipes_cli.data.origins.files import Read, read_table
from mlpipes_cli.data.origins.sources import read as read_source
from mlpipes_cli.data.prepare import prepare
from mlpipes_cli.data.rows import hash_rows
from mlpipes_cli.errors import ConfigError

SOURCE = parse_yaml("experiment: x\ndata:\n  source: data.csv\n  target: y\n", "e.yaml")


def read_bytes(content: bytes, formats: Formats, name: str, identifier: str | None = None) -> Read:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        return read_table(path, formats, name, identifier)


def read(text: str, identifier: str | None = None, **settings: Any) -> Read:
    return read_bytes(text.encode(), Formats(**settings), "x.csv", identifier)


def shown(values: pd.Series) -> list[Any]:
    return [None if pd.isna(value) else value for value in values.tolist()]


def column(text: str, **settings: Any) -> list[Any]:
    """The first column of a file."""
    return shown(read(text, **settings).frame.iloc[:, 0])


# --- numbers -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "values", "said"),
    [
        ("x;y\n3,14;1\n2,5;0\n", [3.14, 2.5], "separated by ';', decimal comma"),
        ("x\ty\n3,14\t1\n2,5\t0\n", [3.14, 2.5], "separated by tabs, decimal comma"),
        ("x|y\n3.14|1\n2.5|0\n", [3.14, 2.5], "separated by '|'"),
        ('x,y\n"3,14",1\n"2,5",0\n', [3.14, 2.5], "decimal comma"),
        ("x;y\n1.234,5;1\n2;0\n", [1234.5, 2], "separated by ';', decimal comma, thousands point"),
        ("x;y\n1.234.567;1\n2;0\n", [1234567, 2], "separated by ';', decimal comma, thousands point"),
        ('x,y\n"1,234.5",1\n2,0\n', [1234.5, 2], "decimal point, thousands comma"),
        ('x,y\n"-1,234,567",1\n2,0\n', [-1234567, 2], "decimal point, thousands comma"),
        ("x;y\n1 234,5;1\n2;0\n", [1234.5, 2], "separated by ';', decimal comma, thousands space"),
        ("x;y\n1\u202f234,5;1\n2;0\n", [1234.5, 2], "separated by ';', decimal comma, thousands space"),
        ("x,y\n1'234.5,1\n2,0\n", [1234.5, 2], "decimal point, thousands apostrophe"),
        ("x;y\n0,123;1\n2,5e3;0\n", [0.123, 2500], "separated by ';', decimal comma"),
        ("price, EUR;y\n3,5;1\n2,5;0\n", [3.5, 2.5], "separated by ';', decimal comma"),
    ],
)
def test_numbers_as_people_write_them(text: str, values: list[float], said: str) -> None:
    found = read(text)
    assert shown(found.frame.iloc[:, 0]) == values
    assert found.frame.iloc[:, 0].dtype == np.float64
    assert (found.notes, found.warnings) == ((f"x.csv: {said}",), ())


@pytest.mark.parametrize(
    ("text", "settings", "value", "said"),
    [
        (
            "x;y\n3,142;1\n",
            {},
            3.142,
            "'3,142' is read as 3.142 (decimal comma), which the file does not confirm",
        ),
        ("x;y\n3,142;1\n", {"thousands": ","}, 3142, ""),
        (
            'x,y\n"3,142",1\n',
            {},
            3142,
            "'3,142' is read as 3142 (decimal point, thousands comma), which the file",
        ),
        ('x,y\n"3,142",1\n', {"decimal": ","}, 3.142, ""),
        (
            "x;y\n3.142;1\n",
            {},
            3.142,
            "'3.142' is read as 3.142 (decimal point), which the file does not confirm",
        ),
        ("x;y\n3.142;1\n", {"thousands": "."}, 3142, ""),
        ("x;y\n3.142;1\n0.5;1\n", {}, 3.142, ""),
        ("x,y\n3.142,1\n", {}, 3.142, ""),
    ],
)
def test_what_may_be_two_numbers_is_said(text: str, settings: Any, value: float, said: str) -> None:
    found = read(text, **settings)
    assert found.frame["x"].tolist()[0] == value
    assert len(found.warnings) == bool(said)
    assert not said or found.warnings[0].startswith(f"x.csv: column 'x', line 2: {said}")


def test_later_rows_decide_too() -> None:
    many = "".join(f"{n};{n % 9 + 1}.{n % 900 + 100};1\n" for n in range(3000))
    found = read("n;x;y\n" + many + "1;2,5;0\n")
    assert found.frame["x"].tolist()[:2] == [1100, 2101]
    assert found.frame["x"].tolist()[-1] == 2.5
    assert found.notes == ("x.csv: separated by ';', decimal comma, thousands point",)


def test_a_column_in_another_style_is_named() -> None:
    text = "a;b;c\n" + "3,14;2.5;6,1\n" * 5
    found = read(text)
    assert found.frame["b"].tolist()[0] == "2.5"
    assert found.warnings[0].startswith("x.csv: column 'b', line 2: its numbers have another format")
    assert read(text, types={"b": "number"}).frame["b"].tolist()[0] == 2.5


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=30))
def test_numbers_are_the_nearest_in_every_style(values: list[float]) -> None:
    text = "x;y\n" + "".join(f"{value!r};1\n" for value in [*values, 0.5]).replace(".", ",")
    assert read(text).frame["x"].tolist() == [*values, 0.5]
    text = "x,y\n" + "".join(f"{value!r},1\n" for value in [*values, 0.5]) + "NA,1\n"
    assert read(text).frame["x"].tolist()[:-1] == [*values, 0.5]


# --- words for missing values ------------------------------------------------------------------


def test_in_text_only_the_empty_cell_is_missing() -> None:
    found = read("land,y\nNA,1\nZA,0\nNone,1\n,0\nnull,1\nN/A,1\nEU,0\n")
    assert shown(found.frame["land"]) == ["NA", "ZA", "None", None, "null", "N/A", "EU"]
    assert (found.notes, found.warnings) == ((), ())


@pytest.mark.parametrize(
    "word", ["NA", "NaN", "nan", "null", "NULL", "None", "N/A", "n/a", "?", "-", ".", "#N/A"]
)
def test_among_numbers_booleans_and_dates_words_are_missing(word: str) -> None:
    text = f"n,b,d,y\n1.5,True,2024-01-02,1\n{word},{word},{word},0\n,,,0\n2,false,2024-01-03,1\n{word},,,1\n"
    found = read(text)
    assert shown(found.frame["n"]) == [1.5, None, None, 2, None]
    assert shown(found.frame["b"]) == [True, None, None, False, None]
    day = pd.Timestamp("2024-01-02")
    assert shown(found.frame["d"]) == [day, None, None, day + pd.Timedelta("1D"), None]
    assert found.notes == (
        f"x.csv: column 'n', line 3: {word!r} is read as a missing value in 4 cells of 3 columns, "
        "for example",
    )


def test_a_placeholder_is_said_with_line_and_count() -> None:
    found = read('x,t,y\n1,"two\nlines",1\n?,b,0\n3,c,1\n?,d,0\n')
    assert shown(found.frame["x"]) == [1, None, 3, None]
    assert found.notes == ("x.csv: column 'x', line 4: '?' is read as a missing value in 2 rows",)


def test_an_unknown_word_among_numbers_is_a_warning() -> None:
    rows = "".join(f"{n},1\n" for n in range(98))
    found = read(f"x,y\n{rows}n.b.,0\nn.b.,1\n")
    assert found.frame["x"].dtype == "str"
    assert found.warnings == (
        "x.csv: column 'x', line 100: 'n.b.' (2 rows) among 98 numbers, so the column stays text; if it "
        "means a missing value, set `missing: ['n.b.']`; if the column is text, `types: {x: text}`",
    )
    told = read(f"x,y\n{rows}n.b.,0\nn.b.,1\n", missing=("n.b.",))
    assert told.frame["x"].isna().sum() == 2
    assert told.warnings == ()
    assert read(f"x,y\n{rows}n.b.,0\nn.b.,1\n", types={"x": "text"}).warnings == ()


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (["12 %", "7.5%", "3"], "60 of 60 values are numbers, 40 of them with a sign, such as '12 %'"),
        (["$5", "-$6.50", "$ 1,200"], "60 of 60 values are numbers, 60 of them with a sign, such as '$5'"),
        (
            ["1 234,5 EUR", "2 eur", "?"],
            "40 of 40 values are numbers, 40 of them with a sign, such as '1 234,5 EUR'",
        ),
        (
            ["\u20ac 5", "7 \u20ac", ""],
            "40 of 40 values are numbers, 40 of them with a sign, such as '\u20ac 5'",
        ),
        (["5 kg", "6 kg", "7"], ""),
        (["ABC 123", "DEF 5", "7"], ""),
        (["12 % off", "a", "b"], ""),
        (["1", "2", "3"], ""),
    ],
)
def test_numbers_with_a_sign_are_text_and_said_to_be(cells: list[str], said: str) -> None:
    text = "x;y\n" + "".join(f"{cell};{row}\n" for row, cell in enumerate(cells * 20))
    rest = (
        ", so the column stays text; numbers have to be written without it in the source; if text is right, "
        "`types: {x: text}`"
    )
    assert read(text).warnings == ((f"x.csv: column 'x', line 2: {said}{rest}",) if said else ())
    assert read(text, types={"x": "text"}).warnings == ()


def test_words_may_be_set_for_every_column() -> None:
    settings = {"missing": ("NA", "-999")}
    found = read("t,n,y\nNA,-999,1\nZA,1,0\n", **settings).frame
    assert shown(found["t"]) == [None, "ZA"]
    assert shown(found["n"]) == [None, 1]


def test_many_words_in_a_long_file() -> None:
    rows = "".join(f"{n},{'NA' if n % 10 == 3 else n / 2},1\n" for n in range(3000))
    found = read(f"i,x,y\n{rows}")
    assert found.frame["x"].isna().sum() == 300
    assert found.frame["x"].tolist()[-1] == 1499.5
    assert found.notes == ("x.csv: column 'x', line 5: 'NA' is read as a missing value in at most 300 rows",)
    text = read(f"i,x,y\n{rows}1,Namibia,0\n".replace("NA", "ZA"), types={"x": "text"}).frame["x"]
    assert (text == "ZA").sum() == 300
    stray = read(f"i,x,y\n{rows}1,oops,0\n")
    assert (stray.frame["x"] == "NA").sum() == 300  # text after all, where it is a word as any other
    assert "line 3002: 'oops' (1 row) among 2700 numbers" in stray.warnings[0]


def test_a_class_called_none_is_a_class(tmp_path: Path) -> None:
    rows = "".join(f"{n},{'None' if n % 3 else 'some'}\n" for n in range(60))
    (tmp_path / "data.csv").write_text(f"a,y\n{rows}")
    data = Data(source="data.csv", target="y")
    frame = read_source(data, tmp_path, SOURCE, database_url=None, environ={}).frame
    assert prepare(frame, data, SOURCE).classes == ("None", "some")


# --- codes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("packed", [False, True])
def test_leading_zeros_make_codes(packed: bool) -> None:
    text = b"zip,n,half,day,y\n00501,1,007,09:30,1\n10001,20,,10:00,0\n"
    name, content = ("x.csv.gz", gzip.compress(text, mtime=0)) if packed else ("x.csv", text)
    found = read_bytes(content, Formats(), name)
    assert found.frame["zip"].tolist() == ["00501", "10001"]
    assert shown(found.frame["half"]) == ["007", None]
    assert found.frame["n"].dtype == np.int64
    assert found.notes == (
        f"{name}: columns 'zip', 'half' hold codes (digits with leading zeros), read as text; "
        "`types: {zip: number}` reads numbers",
    )
    assert column(text.decode(), types={"zip": "number"}) == [501, 10001]
    assert column("zip,y\n501,1\n10001,0\n", types={"zip": "text"}) == ["501", "10001"]


def test_a_code_anywhere_in_a_long_file_is_noticed() -> None:
    rows = [f"{n},1" for n in range(100_000)]  # several blocks of the parser
    for place in (0, 50_000, 99_999):
        changed = rows.copy()
        changed[place] = "007,1"
        values = column("\n".join(["x,y", *changed]))
        assert values[place] == "007"
        assert values[1 if place == 0 else 0] == str(1 if place == 0 else 0)


@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_codes_in_quotes_and_in_the_last_column(quote: str, end: str) -> None:
    text = end.join(["x,y", f"1,{quote}01{quote}", f"2,{quote}10{quote}"])
    assert read(text).frame["y"].tolist() == ["01", "10"]


def test_decimals_with_leading_zeros_are_numbers() -> None:
    assert column("x,y\n00.5,1\n01,0\n") == [0.5, 1]
    assert column("x,y\n0,1\n10,0\n0.07,1\n") == [0, 10, 0.07]


@pytest.mark.parametrize("gap", ["", "NA"])
def test_integers_that_no_float_holds_stay_exact(gap: str) -> None:
    large, larger = "1234567890123456789", "123456789012345678901234567890"
    found = read(f"a,b,c,y\n{large},{larger},{large},1\n1,2,{gap},0\n").frame
    assert found["a"].tolist() == [large, "1"]
    assert found["b"].tolist() == [larger, "2"]
    assert found["c"].tolist()[0] == large
    assert column(f"a,y\n{large},1\n", types={"a": "number"}) == [int(large)]


def test_ids_stay_what_was_written() -> None:
    def ids(*cells: str) -> list[Any]:
        return shown(read("id,y\n" + "".join(f"{cell},1\n" for cell in cells), "id").frame["id"])

    assert ids("00501", "7") == ["00501", "7"]
    assert ids("1234567890123456789", "7") == [1234567890123456789, 7]
    assert ids("1234567890123456789", "") == ["1234567890123456789", None]
    assert ids("1.50", "2.25") == ["1.50", "2.25"]
    assert ids("True", "False") == ["True", "False"]
    assert ids("NA", "7") == ["NA", "7"]
    assert ids("2024-01-02", "2024-01-03") == ["2024-01-02", "2024-01-03"]


def test_whole_numbers_of_parquet_stay_exact(tmp_path: Path) -> None:
    large = 2**60 + 1
    frame = pd.DataFrame({"id": pd.array([large, None], "Int64"), "code": [large, 1], "y": [0, 1]})
    frame.to_parquet(tmp_path / "x.parquet")
    data = Data(source="x.parquet", target="y", id="id")
    found = read_source(data, tmp_path, SOURCE, database_url=None, environ={})
    assert found.frame["id"].tolist()[0] == large
    assert found.frame["code"].tolist() == [str(large), "1"]
    assert "column 'code' holds codes (digits that float64 cannot represent exactly)" in found.notes[0]


# --- dates and durations -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "first"),
    [
        (["2024-06-01", "2024-12-31"], "2024-06-01"),
        (["2024-06-01T18:00:00Z", "2024-12-31"], "2024-06-01T18:00:00"),
        (["2024-06-01 18:00:00+02:00", "2024-12-31"], "2024-06-01T16:00:00"),
        (["2024-06-01T18:00:00.123456", "2024-12-31"], "2024-06-01T18:00:00.123456"),
        (["01/06/2024", "31/12/2024"], "2024-06-01"),
        (["01/06/2024", "12/31/2024"], "2024-01-06"),
        (["1-6-2024 7:05", "31-12-2024 18:30:00"], "2024-06-01T07:05:00"),
        (["01.06.2024", "02.06.2024"], "2024-06-01"),
        (["9999-12-31", "0001-01-01"], "9999-12-31"),
    ],
)
def test_dates(cells: list[str], first: str) -> None:
    found = read("d,y\n" + "".join(f"{cell},1\n" for cell in cells)).frame["d"]
    assert found.dtype == "datetime64[us]"
    assert found[0] == np.datetime64(first)


def test_a_date_that_may_be_two_is_not_guessed() -> None:
    text = "d,y\n01/06/2024,1\n02/06/2024,0\n"
    found = read(text)
    assert found.frame["d"].tolist() == ["01/06/2024", "02/06/2024"]
    assert found.warnings == (
        "x.csv: column 'd', line 2: dates such as 01/06/2024 may have the day or the month first, so the "
        "column stays text; set `dates: {d: '%d/%m/%Y'}` or `'%m/%d/%Y'`",
    )
    assert column(text, dates={"d": "%d/%m/%Y"})[0] == pd.Timestamp("2024-06-01")
    assert column(text, dates={"d": "%m/%d/%Y"})[0] == pd.Timestamp("2024-01-06")


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (
            ["31/12/2024", "12/31/2024"],
            "line 2: mixes dates with the day first and dates with the month first",
        ),
        (["2024-02-28", "2024-02-30"], "line 3: '2024-02-30' is not a valid date"),
        (["2024-02-28"] * 30 + ["soon"], "line 32: 'soon' (1 row) among 30 dates"),
    ],
)
def test_dates_that_stay_text(cells: list[str], said: str) -> None:
    found = read("d,y\n" + "".join(f"{cell},1\n" for cell in cells))
    assert found.frame["d"].tolist() == cells
    assert said in found.warnings[0]


def test_durations_are_seconds_from_any_file(tmp_path: Path) -> None:
    frame = pd.DataFrame({"t": pd.to_timedelta([90, 86400.5, None], "s"), "y": [1, 0, 1]})
    frame.to_csv(tmp_path / "x.csv", index=False)
    frame.to_parquet(tmp_path / "x.parquet")
    for name in ("x.csv", "x.parquet"):
        data = Data(source=name, target="y")
        found = read_source(data, tmp_path, SOURCE, database_url=None, environ={}).frame
        assert shown(found["t"]) == [90, 86400.5, None]


# --- what is set and does not fit --------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"types": {"x": "number"}},
            "data.csv: column 'x', line 3: 'b' is not a number, as `types` requires",
        ),
        (
            {"dates": {"x": "%d/%m/%Y"}},
            "data.csv: column 'x', line 2: '1' is not a date in the format '%d/%m/%Y', as `dates` requires",
        ),
    ],
)
def test_values_that_are_not_what_is_said(tmp_path: Path, settings: Any, said: str) -> None:
    (tmp_path / "data.csv").write_text("x,y\n1,1\nb,0\n")
    with pytest.raises(ConfigError) as caught:
        data = Data(source="data.csv", target="y", **settings)
        read_source(data, tmp_path, SOURCE, database_url=None, environ={})
    assert caught.value.lines() == [f"e.yaml:3: data -> source: {said}"]


def test_numbers_as_text_in_parquet_stay_text_and_are_named(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"x": ["1.5", "2", None], "zip": ["10115", "20095", "80331"], "note": ["1", "two", "3"]}
    )
    frame.assign(y=[0, 1, 0]).to_parquet(tmp_path / "x.parquet")

    def load(**settings: Any) -> Read:
        data = Data(source="x.parquet", target="y", **settings)
        return read_source(data, tmp_path, SOURCE, database_url=None, environ={})

    found = load()
    assert found.frame["x"].tolist()[:2] == ["1.5", "2"]
    assert list(found.notes) == [
        "x.parquet: columns 'x', 'zip' hold numbers as text, read as text; `types: {x: number}` reads numbers"
    ]
    said = load(types={"x": "number", "zip": "text"})
    assert said.frame["x"].tolist()[:2] == [1.5, 2.0]
    assert said.frame["zip"].tolist() == ["10115", "20095", "80331"]
    assert list(said.notes) == []


def test_types_hold_for_parquet_too(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"a": [501, -999], "b": ["3", "-999"], "d": ["01/06/2024", "02/06/2024"], "y": [0, 1]}
    )
    frame.to_parquet(tmp_path / "x.parquet")
    settings: Any = {"types": {"a": "text", "b": "number"}, "dates": {"d": "%d/%m/%Y"}, "missing": [-999]}
    data = Data(source="x.parquet", target="y", **settings)
    found = read_source(data, tmp_path, SOURCE, database_url=None, environ={}).frame
    assert shown(found["a"]) == ["501", None]
    assert shown(found["b"]) == [3, None]
    assert found["d"][0] == pd.Timestamp("2024-06-01")


@pytest.mark.parametrize("name", ["x.csv", "x.parquet"])
def test_infinite_numbers_are_missing_ones_and_said(tmp_path: Path, name: str) -> None:
    """A model asks its callers by the same rule: it notes that there were some."""
    endless = [float("inf"), 1.5, float("-inf")]
    frame = pd.DataFrame(
        {"id": endless, "a": endless, "b": [1, 2, 3], "c": [0.5, float("inf"), None], "unused": endless}
    )
    frame["y"] = [0, 1, 1]
    frame.to_csv(tmp_path / name, index=False) if name == "x.csv" else frame.to_parquet(tmp_path / name)
    data = Data(source=name, target="y", id="id", drop=("unused",))
    found = read_source(data, tmp_path, SOURCE, database_url=None, environ={})
    assert shown(found.frame["a"]) == [None, 1.5, None]
    assert shown(found.frame["c"]) == [0.5, None, None]
    assert found.warnings == (
        f"{name}: infinite numbers count as missing values, in training and in what the model is "
        "asked: 'a' (2 rows), 'c' (1 row)",
    )
    assert found.formats.document() == {"infinite": True}
    assert Formats.of_model({"task": "binary", "reading": {"infinite": True}}).infinite
    plain = frame.drop(columns=["id", "a", "c", "unused"])
    plain.to_csv(tmp_path / "y.csv", index=False)
    other = read_source(Data(source="y.csv", target="y"), tmp_path, SOURCE, database_url=None, environ={})
    assert (other.warnings, other.formats.document()) == ((), {})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"decimal": ",", "thousands": ","}, "`decimal` and `thousands` are both ','"),
        ({"types": {"a": "text"}, "dates": {"a": "%d/%m/%Y"}}, "'a' is listed in both `types` and `dates`"),
        ({"dates": {"a": "%d/%m"}}, "does not contain a full date"),
        ({"dates": {"a": "day first"}}, "'day first' does not contain a full date"),
    ],
)
def test_settings_that_make_no_sense(settings: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("(", r"\(")):
        Data(source="x.csv", target="y", **settings)


# --- what was read before is read again --------------------------------------------------------


def test_plain_files_keep_their_hashes() -> None:
    """Pinned: caches, holdouts and the rows that models were trained on are found by these."""
    text = "a,b,c,y\n1,x,True,0\n2.5,,False,1\n-3e-5,ü z,True,0\n,k,False,1\n"
    wanted = [16880202956602978589, 7103491639120883408, 4910824463824454031, 6356829586357897138]
    for settings in (Formats(), BEFORE):
        frame = read_bytes(text.encode(), settings, "x.csv").frame
        assert hash_rows(frame, list(frame.columns)).tolist() == wanted


def test_files_may_be_read_as_before() -> None:
    text = "land,zip,day,y\nNA,00501,2024-01-02,1\nZA,2,2024-01-03,0\n"
    found = read_bytes(text.encode(), BEFORE, "x.csv").frame
    assert shown(found["land"]) == [None, "ZA"]
    assert found["zip"].tolist() == [501, 2]
    assert found["day"].tolist() == ["2024-01-02", "2024-01-03"]
