"""Whether the first line of a CSV file has names or is a row, at every door that reads such files."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mlpipes_cli.config.experiment import Data
from mlpipes_cli.config.yaml_source import parse_yaml
from mlpipes_cli.data.csv_files.first_line import judged
from mlpipes_cli.data.csv_files.header import Unreadable, read_header
from mlpipes_cli.data.formats import Formats, Names
from mlpipes_cli.data.origins.files import Read, read_inputs, read_table
from mlpipes_cli.data.origins.sources import check_columns_cheaply, read
from mlpipes_cli.data.readers.kinds.csv_input import CsvInput
from mlpipes_cli.errors import ConfigError, UsageError
from mlpipes_cli.lifecycle.prediction.readers import check_names, open_table

IRIS = "5.1,3.5,1.4,0.2,Iris-setosa\n4.9,3.0,1.4,0.2,Iris-setosa\n7.0,3.2,4.7,1.4,Iris-versicolor\n"
ADULT = (
    "39, State-gov, 77516, Bachelors, 13, <=50K\n50, Self-emp, 83311, Bachelors, 13, <=50K\n"
    "38, State-gov, 215646, HS-grad, 9, >50K\n"
)
PEOPLE = "1,Alice,34\n2,Bob,28\n3,Carol,51\n4,Dan,40\n"
ROWS_FIRST = {
    "iris.data of UCI": (IRIS, "'Iris-setosa' stands again in its column, and '5.1', '3.5', '1.4', '0.2'"),
    "adult.data of UCI": (ADULT, "'State-gov', 'Bachelors', '<=50K' stand again in their columns, and"),
    "wine.data of UCI": ("1,14.23,1.71,2.43\n1,13.2,1.78,2.14\n2,12.37,0.94,1.36\n", "'1', '14.23', "),
    "mushrooms: a letter a cell": (
        "p,x,s,n,t,p\ne,x,s,y,t,a\np,b,s,w,t,l\n",
        "'p', 'x', 's', 't' stand",
    ),
    "numbered rows": (PEOPLE, "the next rows count on from '1'"),
    "one column of numbers": ("42\n17\n99\n", "'42' is a number"),
    "numbers in order": ("1,5.5,20\n3,2.5,10\n", "'1', '5.5', '20' are numbers"),
    "numbers of two columns among the others": (
        "Alice,34,1200\nBob,28,900\nCarol,51,2200\nDan,40,1500\nEve,22,800\nFinn,60,3000\n",
        "'34', '1200' are numbers",
    ),
    "dates above dates": ("2024-01-01,a\n2024-01-02,b\n", "'2024-01-01' is a date as those below"),
    "German dates": ("01.02.2024;x\n13.02.2024;y\n", "'01.02.2024' is a date as those below"),
    "decimal commas": ("5,1;3,5\n4,9;3,0\n", "'5,1', '3,5' are numbers"),
    "a label, a text and a number": (
        "ham,hi,2\nspam,win,3\nham,yo,2\n",
        "'ham' stands again",
    ),
}
DOUBTFUL = {
    "years beside an id": "country,2019,2020\nAT,8.8,8.9\nDE,83.0,83.2\n",
    "years that are not in a row": "country,1990,2000,2020\nAT,1,2,3\nDE,4,5,6\n",
    "pandas' own numbers": "0,1,2\n5.1,3.5,1.4\n4.9,3.0,1.4\n",
    "pandas' own numbers and index": ",0,1\n0,5.1,3.5\n1,4.9,3.0\n2,4.7,3.2\n",
    "one column of pandas": "0\n1\n2\n3\n",
    "wavelengths": "target,400.0,402.5,405.0\n1,0.2,0.3,0.5\n0,0.1,0.4,0.2\n",
    "shares of a distribution": "name,0.05,0.5,0.95\na,12,15,30\nb,11,14,29\n",
    "a label that is called as its value": "spam,message\nspam,win\nham,hi\nspam,pay\n",
    "one number": "name,5\nAlice,3\nBob,7\n",
}
NAMED = {
    "words": "age,income\n34,1200\n28,900\n",
    "days above numbers": "id,2024-01-01,2024-02-01\n1,5,6\n2,7,8\n",
    "texts alone": "name,city\nAlice,Graz\nBob,Linz\n",
    "a number above texts": "id,2020\n1,yes\n2,no\n",
    "a header that was written twice": "a,b\nx,1\na,b\ny,2\n",
    "no values": "1,x\n,\n,\n",
    "words for missing values": "NA,b\nNA,1\n,2\n",
}


def write(folder: Path, text: str) -> Path:
    file = folder / "t.csv"
    file.write_text(text)
    return file


def train(file: Path, names: Names) -> Read:
    return read_table(file, Formats(header=names), file.name)


def load(file: Path, names: Names) -> Read:
    return read_inputs([CsvInput(file, file.name, Formats(header=names))], Formats(header=names))


@pytest.mark.parametrize("name", ROWS_FIRST)
def test_a_row_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    text, why = ROWS_FIRST[name]
    file = write(tmp_path, text)
    for door in (train, load):
        with pytest.raises(Unreadable) as caught:
            door(file, None)
        assert str(caught.value).startswith(f"line 1 is a row and not the names of columns: {why}")
        said = caught.value.of("t.csv")
        assert "; add a line with the names, or set `header: false`" in said and "\n" not in said
    width = len(read_header(file, names=False).columns)
    for door in (train, load):
        frame = door(file, False).frame
        assert list(frame.columns) == [f"column_{at}" for at in range(1, width + 1)]
        assert len(frame) == text.count("\n")


@pytest.mark.parametrize("name", DOUBTFUL)
def test_in_doubt_the_names_are_read_and_this_is_said(name: str, tmp_path: Path) -> None:
    file = write(tmp_path, DOUBTFUL[name])
    said = train(file, None).warnings
    assert said[0].startswith("t.csv: line 1 is taken for the names of columns, although ")
    assert said[0].endswith("; `header: false` reads it as a row, `header: true` settles it")
    assert CsvInput(file, "t.csv", Formats()).file.header.warning in said[0]
    assert len(train(file, None).frame) == DOUBTFUL[name].count("\n") - 1
    assert not any("line 1" in one for one in train(file, True).warnings)


@pytest.mark.parametrize("name", NAMED)
def test_nothing_is_said_of_ordinary_names(name: str) -> None:
    first, *rows = [line.split(",") for line in NAMED[name].splitlines()]
    assert judged(first, rows) == judged([], [])


def test_the_values_of_a_file_without_names(tmp_path: Path) -> None:
    file = write(tmp_path, IRIS)
    names = ("sl", "sw", "pl", "pw", "kind")
    expected = pd.DataFrame(
        {
            "sl": [5.1, 4.9, 7.0], "sw": [3.5, 3.0, 3.2], "pl": [1.4, 1.4, 4.7], "pw": [0.2, 0.2, 1.4],
            "kind": pd.Series(["Iris-setosa", "Iris-setosa", "Iris-versicolor"], dtype="str"),
        }
    )  # fmt: skip
    for door in (train, load):
        pd.testing.assert_frame_equal(door(file, names).frame, expected)
    assert train(file, names).formats.document() == {"header": list(names)}
    assert Formats.of_model({"reading": {"header": list(names)}}).header == names
    table = open_table(file, names=names)
    assert table.columns == list(names)
    (batch,) = table.batches(10, {"sl": "number", "pw": "number"}, Formats(header=names))
    assert batch["sl"].tolist() == [5.1, 4.9, 7.0] and batch["kind"].tolist() == expected["kind"].tolist()


def test_rows_to_score_may_come_with_the_names_and_in_another_order(tmp_path: Path) -> None:
    names = ("a", "b", "c")
    file = write(tmp_path, "c,a\n1,2\n3,4\n")
    assert open_table(file, names=names).columns == ["c", "a"]
    (batch,) = open_table(file, names=names).batches(10, {"a": "number"}, Formats(header=names))
    assert batch["a"].tolist() == [2.0, 4.0] and batch["c"].tolist() == ["1", "3"]
    with pytest.raises(UsageError, match=r"line 1 has 2 fields, but `header` has 3 names"):
        open_table(write(tmp_path, "1,2\n"), names=names)


def test_wrong_rows_are_named_by_their_line(tmp_path: Path) -> None:
    file = write(tmp_path, "1,x\n2,y\n3\n4,z\n")
    with pytest.raises(Unreadable, match="line 3 has 1 fields"):
        train(file, False)
    opened = CsvInput(file, "t.csv", Formats(header=False))
    with closing(opened.batches()) as batches:
        assert [len(one) for one in batches] == [3]
    (bad,) = opened.places((), left_out=True, most=1)
    assert (bad.number, bad.content) == (3, "3")
    (third,) = opened.places({2}, left_out=False)
    assert (third.number, third.content) == (4, "4,z")


def test_a_model_whose_names_are_there_is_not_asked(tmp_path: Path) -> None:
    file = write(tmp_path, "5,0.5,1\n5,0.5,1\n3,0.2,2\n")
    assert open_table(file).columns == ["5", "0.5", "1"]
    with pytest.raises(UsageError, match=r"t\.csv: line 1 is a row and not the names of columns: '5', '0.5'"):
        check_names(file)


@pytest.mark.parametrize("header", ["false", "[a, b, c, d, y]"])
def test_in_an_experiment(header: str, tmp_path: Path) -> None:
    write(tmp_path, IRIS)
    target = "y" if header != "false" else "column_5"
    text = f"experiment: x\ndata:\n  source: t.csv\n  target: {target}\n"
    source = parse_yaml(text, "e.yaml")
    data = Data(source="t.csv", target=target)
    said = "e.yaml:3: data -> source: t.csv: line 1 is a row and not the names of columns"
    for call in (check_columns_cheaply, _read):
        with pytest.raises(ConfigError, match=said):
            call(data, tmp_path, source)
    told = Data(source="t.csv", target=target, header=False if header == "false" else tuple("abcdy"))
    check_columns_cheaply(told, tmp_path, source)
    assert _read(told, tmp_path, source).frame[target].tolist()[2] == "Iris-versicolor"


def _read(data: Data, base: Path, source: Any) -> Read:
    return read(data, base, source, database_url=None, environ={})


def test_names_that_stand_twice_are_refused() -> None:
    with pytest.raises(ValueError, match="duplicate name 'a'"):
        Data(source="t.csv", target="a", header=("a", "a"))
