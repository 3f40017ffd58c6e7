"""What training reads of a file, predict and feedback read of it, whatever kind of file it is."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from mlflow.models import infer_signature

from mlpipes_cli.config.experiment import Data
from mlpipes_cli.config.yaml_source import parse_yaml
from mlpipes_cli.data.formats import BEFORE, Formats
from mlpipes_cli.data.origins.sources import read as read_source
from mlpipes_cli.data.prepare import prepare
from mlpipes_cli.errors import UsageError
from mlpipes_cli.lifecycle.prediction import model_input, readers
from mlpipes_cli.lifecycle.prediction.scorers import ColumnSpec
from mlpipes_cli.lifecycle.records import feedback
from mlpipes_cli.server.requests.ground_truth import Expected
from mlpipes_cli.worker.saving import _types

SOURCE = parse_yaml("experiment: x\ndata:\n  source: data.csv\n  target: y\n", "e.yaml")
ROWS = 12
# The column, as it is written in a comma file and in one of semicolons; as it stands in typed files; and what
# every reader has to make of it.
MOMENT = pd.Timestamp("2024-12-16T18:00:00")
CASES: dict[str, tuple[list[str], list[str], list[Any], list[Any]]] = {
    "number": (["3.142", "-2.5", ""], ["3,142", "-2,5", ""], [3.142, -2.5, None], [3.142, -2.5, None]),
    "thousands": (["1234.5", "7", "NA"], ["1.234,5", "7", "NA"], [1234.5, 7.0, None], [1234.5, 7.0, None]),
    "placeholder": (["1", "?", "3"], ["1", "?", "3"], [1.0, None, 3.0], [1.0, None, 3.0]),
    "flag": (["True", "false", "None"], ["True", "false", "-"], [True, False, None], [True, False, None]),
    "word": (["NA", "ZA", ""], ["NA", "ZA", ""], ["NA", "ZA", None], ["NA", "ZA", None]),
    "words": (["None", "null", "x"], ["None", "null", "x"], ["None", "null", "x"], ["None", "null", "x"]),
    "code": (["00501", "7", ""], ["00501", "7", ""], ["00501", "7", None], ["00501", "7", None]),
    "long": (
        ["1234567890123456789", "7", ""], ["1234567890123456789", "7", ""],
        ["1234567890123456789", "7", None], ["1234567890123456789", "7", None],
    ),
    "moment": (
        ["2024-12-16T18:00:00Z", "2024-12-16T20:00:00+02:00", ""],
        ["16.12.2024 18:00", "16.12.2024 18:00", "?"],
        [MOMENT, MOMENT, None], [MOMENT, MOMENT, None],
    ),
    "duration": (
        ["1 days 00:00:30", "0 days 00:00:01.5", ""], ["1 days 00:00:30", "0 days 00:00:01.5", ""],
        list(pd.to_timedelta([86430, 1.5, None], "s")), [86430.0, 1.5, None],
    ),
}  # fmt: skip
PACKED = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}
FILES = [
    "x.csv", "x.csv.gz", "x.csv.bz2", "x.csv.xz", "x.csv.zip", "x.tsv", "wide.csv", "semicolons.csv",
    "x.parquet", "x.jsonl", "x.jsonl.gz",
]  # fmt: skip


def written(folder: Path, name: str) -> Path:
    """A file of all columns, with an id and a target that are never missing."""
    path = folder / name
    ids = [f"{n:03d}" for n in range(ROWS)]
    target = [n % 2 for n in range(ROWS)]
    if name.endswith(".parquet") or ".json" in name:
        frame = pd.DataFrame({case: told[2] * (ROWS // 3) for case, told in CASES.items()})
        frame = frame.assign(id=ids, y=target)
        if name.endswith(".parquet"):
            frame.to_parquet(path)
        else:
            frame["duration"] = frame["duration"].dt.total_seconds()
            frame["moment"] = [value.isoformat() if pd.notna(value) else None for value in frame["moment"]]
            records = frame.astype(object).where(frame.notna(), None).to_dict("records")
            lines = ".jsonl" in name
            text = "\n".join(map(json.dumps, records)) if lines else json.dumps(records)
            path.write_bytes(packed(text.encode(), name))
        return path
    mark, column = (";", 1) if name == "semicolons.csv" else ("\t" if name == "x.tsv" else ",", 0)
    lines = [mark.join([*CASES, "id", "y"])]
    for n in range(ROWS):
        cells = [told[column][n % 3] for told in CASES.values()]
        lines.append(mark.join([*cells, ids[n], str(target[n])]))
    text = ("\n".join(lines) + "\n").encode("utf-16" if name == "wide.csv" else "utf-8")
    path.write_bytes(packed(text, name))
    return path


def packed(content: bytes, name: str) -> bytes:
    if name.endswith(".zip"):
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w") as archive:
            archive.writestr("inner.csv", content)
        return made.getvalue()
    return PACKED.get(Path(name).suffix, lambda same: same)(content)


def plain(values: pd.Series) -> list[Any]:
    return [None if pd.isna(value) else value for value in values.tolist()]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What training makes of each file, and the columns of a model of it."""
    folder, found = tmp_path_factory.mktemp("tables"), {}
    for name in FILES:
        written(folder, name)
        data = Data(source=name, target="y", id="id", split={"stratify": False})
        table = read_source(data, folder, SOURCE, database_url=None, environ={})
        prepared = prepare(table.frame, data, SOURCE)
        found[name] = prepared, table.formats
    written(folder, "x.json")
    return found | {"folder": folder}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("case", CASES)
def test_training(trained: dict[str, Any], name: str, case: str) -> None:
    prepared, _ = trained[name]
    assert plain(prepared.frame[case])[:3] == CASES[case][3]
    assert plain(prepared.frame["id"])[:2] == ["000", "001"]


def test_the_same_rows_are_the_same_from_any_file(trained: dict[str, Any]) -> None:
    assert len({trained[name][0].fingerprint for name in FILES}) == 1


def scored(trained: dict[str, Any], model: str, name: str) -> pd.DataFrame:
    """What a model that was trained on one file is asked for another one."""
    prepared, formats = trained[model]
    # each column's type with a gap, as training notes it
    signature = infer_signature(prepared.X())
    told = _types(prepared)
    columns = [
        ColumnSpec(c["name"], told.get(c["name"], c["type"]), c["required"])
        for c in signature.inputs.to_dict()
    ]
    asked = SimpleNamespace(columns=columns, id="id", target="y", formats=formats)
    details = {"task": "binary", "reading": formats.document()}
    file = trained["folder"] / name
    kinds = readers.kinds_of({column.name: column.type for column in columns})
    batches = readers.open_table(file).batches(5, kinds, Formats.of_model(details))
    parts, start = [], 0
    for batch in batches:
        parts.append(model_input.fit(batch, asked, file, start))
        start += len(batch)
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize("name", [*FILES, "x.json"])
@pytest.mark.parametrize("model", ["x.csv", "semicolons.csv", "x.parquet"])
def test_predict(trained: dict[str, Any], model: str, name: str) -> None:
    found = scored(trained, model, name)
    for case, (_, _, _, wanted) in CASES.items():
        assert plain(found[case])[:3] == wanted, case
    assert found["id"].tolist() == [f"{n:03d}" for n in range(ROWS)]


# What is expected, the cells of a comma file and of one of semicolons, and what is true (None: not said)
TRUTHS = {
    "regression": (Expected("regression"), ["3.5", "NA", "1234"], ["3,5", "-", "1.234"], [3.5, None, 1234]),
    "whole": (Expected("binary", (0, 1)), ["1", "?", "0"], ["1", "?", "0"], [1, None, 0]),
    "flags": (
        Expected("binary", (False, True)), ["True", "NA", "0"], ["true", "NA", "0"], [True, None, False],
    ),
    "words": (
        Expected("multiclass", ("NA", "None")), ["NA", "None", ""], ["NA", "None", ""], ["NA", "None", None],
    ),
    "codes": (Expected("binary", ("01", "02")), ["01", "02", ""], ["01", "02", ""], ["01", "02", None]),
    "anything": (Expected(), ["3.5", "NA", "4"], ["3,5", "NA", "4"], [3.5, None, 4]),
    "any words": (Expected(), ["NA", "ZA", "x"], ["NA", "ZA", "x"], ["NA", "ZA", "x"]),
}  # fmt: skip


@pytest.mark.parametrize("mark", [",", ";"])
@pytest.mark.parametrize("kind", TRUTHS)
def test_feedback(tmp_path: Path, kind: str, mark: str) -> None:
    expected, commas, semicolons, wanted = TRUTHS[kind]
    cells = commas if mark == "," else semicolons
    lines = [f"0{n}{mark}{cell}" for n, cell in enumerate(cells)]
    file = tmp_path / "truth.csv"
    file.write_text("\n".join([f"id{mark}y", *lines]) + "\n")
    columns = feedback._Columns("id", "y", by_prediction=False)
    table = readers.open_table(file)
    assert table.columns == ["id", "y"]
    formats = Formats.of_model({"task": "regression", "reading": {}})
    said, names, rows = feedback._read(file, table, columns, expected, formats)
    assert rows == 3
    assert [json.loads(truth.value) for truth in said] == [value for value in wanted if value is not None]
    assert names == [f"0{n}" for n, value in enumerate(wanted) if value is not None]
    assert [truth.caller_ids for truth in said] == [(name,) for name in names]


# --- what the file does not tell, the model does -----------------------------------------------


def batch(path: Path, text: str, formats: Formats, **types: str) -> pd.DataFrame:
    path.write_text(text)
    (found,) = readers.open_table(path).batches(100, readers.kinds_of(types), formats)
    return found


def test_numbers_in_the_style_of_training_where_the_file_does_not_tell(tmp_path: Path) -> None:
    german = Formats.of_model({"task": "binary", "reading": {"decimal": ",", "thousands": "."}})
    file = tmp_path / "x.csv"
    assert batch(file, "x;z\n1.234;1\n", german, x="double")["x"].tolist() == [1234]
    assert batch(file, "x;z\n1.234;1\n0.5;1\n", german, x="double")["x"].tolist() == [1.234, 0.5]
    assert batch(file, "x,z\n1.234,1\n", german, x="double")["x"].tolist() == [1.234]
    assert batch(file, "x;z\n3,142;1\n", Formats.of_model({"task": "binary", "reading": {}}), x="double")[
        "x"
    ].tolist() == [3.142]


def test_words_of_training_are_missing_everywhere(tmp_path: Path) -> None:
    told = Formats.of_model({"task": "binary", "reading": {"missing": ["n.b.", "-999"]}})
    found = batch(tmp_path / "x.csv", "x,t\n-999,n.b.\n1,a\n", told, x="double", t="string")
    assert plain(found["x"]) == [None, 1]
    assert plain(found["t"]) == [None, "a"]
    path = tmp_path / "x.json"
    found = batch(path, '[{"x": -999, "t": "n.b."}, {"x": 1, "t": "a"}]', told, x="double", t="string")
    assert plain(found["x"]) == [None, 1]
    assert plain(found["t"]) == [None, "a"]


def test_a_model_of_old_is_asked_as_it_was_trained(tmp_path: Path) -> None:
    """Its release took NA in text for missing, and dates of a CSV file for text."""
    told = Formats.of_model({"task": "binary", "classes": [0, 1]})
    assert told == BEFORE
    found = batch(tmp_path / "x.csv", "t,d\nNA,2024-01-02\nZA,2024-01-03\n", told, t="string", d="string")
    assert plain(found["t"]) == [None, "ZA"]
    assert plain(found["d"]) == ["2024-01-02", "2024-01-03"]


def test_dates_that_may_be_two(tmp_path: Path) -> None:
    plainly = Formats.of_model({"task": "binary", "reading": {}})
    file, text = tmp_path / "x.csv", "d,z\n2024-05-31,1\n01/06/2024,1\n"
    with pytest.raises(UsageError) as caught:
        batch(file, text, plainly, d="datetime")
    assert caught.value.lines() == [
        f"{file}: column 'd', row 2: '01/06/2024' may have the day or the month first; "
        "write dates as 2024-05-31"
    ]
    said = Formats.of_model({"task": "binary", "reading": {"dates": {"d": "%d/%m/%Y"}}})
    assert batch(file, text, said, d="datetime")["d"][1] == pd.Timestamp("2024-06-01")
    clear = text + "12/31/2024,1\n"  # the file itself counts for more
    assert batch(file, clear, said, d="datetime")["d"][1] == pd.Timestamp("2024-01-06")


def test_later_rows_of_a_long_file_decide_its_dates(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("d,z\n" + "01/06/2024,1\n" * 3000 + "31/12/2024,1\n")
    formats = Formats.of_model({"task": "binary", "reading": {}})
    batches = list(readers.open_table(file).batches(500, readers.kinds_of({"d": "datetime"}), formats))
    assert [len(part) for part in batches] == [500] * 6 + [1]
    assert all((part["d"][:1] == pd.Timestamp("2024-06-01")).all() for part in batches[:6])


def test_what_is_no_number_stays_for_the_complaint(tmp_path: Path) -> None:
    found = batch(tmp_path / "x.csv", "x;z\n1,5;1\nmany;1\n", Formats(), x="double")
    assert found["x"].tolist() == ["1.5", "many"]


def test_what_is_said(tmp_path: Path) -> None:
    german = Formats.of_model({"task": "binary", "reading": {"decimal": ",", "thousands": "."}})
    file, said = tmp_path / "x.csv", Said()
    for text in ("x;z\n1.234,5;1\n?;2\n?;2\n", "x;z\n1;2\n", "x,z\n1.5,2\n"):
        file.write_text(text)
        table = readers.open_table(file)
        assert sum(len(part) for part in table.batches(1, readers.kinds_of({"x": "double"}), german)) > 0
        table.tell(said)  # type: ignore[arg-type]
    assert said.lines == [
        f"{file}: separated by ';', decimal comma, thousands point",
        f"{file}: column 'x', row 2: '?' is read as a missing value in 2 rows",
        f"{file}: separated by ';'",
    ]


def test_without_a_signature_a_file_is_read_as_training_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("x;code\n3,5;007\n?;1\n1,5;2\n")
    parts = list(readers.open_table(file).batches(2, None, Formats()))
    assert [len(part) for part in parts] == [2, 1]
    whole = pd.concat(parts, ignore_index=True)
    assert plain(whole["x"]) == [3.5, None, 1.5]
    assert whole["code"].tolist() == ["007", "1", "2"]


class Said:
    """What a person is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, text: str) -> None:
        self.lines.append(text)

    warn = info
