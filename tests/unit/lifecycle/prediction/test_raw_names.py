"""A file with the names of a data set's source is read for a model that knows the cleaned names."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from reporter_help import Told

from mlpipes_cli.data.formats import READING, Formats
from mlpipes_cli.errors import UsageError
from mlpipes_cli.lifecycle.prediction import model_input, raw_names, readers
from mlpipes_cli.lifecycle.prediction.scorers import ColumnSpec
from mlpipes_cli.lifecycle.records import feedback


@dataclass
class Model:
    """What is known of a model that was trained on a data set."""

    names: dict[str, str]
    kinds: dict[str, str]
    id: str | None = None
    target: str | None = None
    formats: Formats = field(init=False)

    def __post_init__(self) -> None:
        self.formats = Formats(decimal=".", renames=self.names, steps=("fill",), dates={"day": "%d/%m/%Y"})

    @property
    def columns(self) -> list[ColumnSpec]:
        return [ColumnSpec(name, kind, True) for name, kind in self.kinds.items()]


def asked(folder: Path, text: str, model: Model) -> tuple[dict[str, list[Any]], Told]:
    """The columns that the model gets of a CSV file, and what was told."""
    file, told = folder / "rows.csv", Told()
    file.write_text(text)
    scorer: Any = model
    table = raw_names.renamed(file, readers.open_table(file, 1), scorer, told)
    kinds = readers.kinds_of(model.kinds)
    found: dict[str, list[Any]] = {}
    for batch in table.batches(2, kinds, model.formats):
        for name, values in model_input.fit(batch, model, file, 0).items():
            found.setdefault(str(name), []).extend(values.tolist())
    return found, told


AGES = Model({"Age": "age", "Paid at": "day", "Loan": "id"}, {"age": "double", "day": "datetime"}, id="id")


def test_names_of_the_source_are_read_as_those_of_the_model(tmp_path: Path) -> None:
    found, told = asked(tmp_path, "Loan,Age,Paid at\n7,30,01/02/2024\n8,,03/04/2024\n9,5,\n", AGES)
    assert found["age"][0] == 30 and found["age"][2] == 5 and found["id"] == ["7", "8", "9"]
    assert [str(day)[:10] for day in found["day"]] == ["2024-02-01", "2024-04-03", "NaT"]
    assert told.infos == [
        f"{tmp_path}/rows.csv: columns are named as in the data set's source: 'Loan' as 'id', 'Age' as 'age',"
        " 'Paid at' as 'day'"
    ]
    assert "scored without the data set's steps fill" in told.warnings[0]


def test_cleaned_names_stay(tmp_path: Path) -> None:
    found, told = asked(tmp_path, "age,day\n30,2024-05-31\n", AGES)
    assert found["age"] == [30] and not told.warnings
    assert told.infos == [
        f"{tmp_path}/rows.csv: the rows are scored as they are, without the data set's steps fill"
    ]


def test_both_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has both 'Age' and 'age'"):
        asked(tmp_path, "Age,age,Paid at\n1,2,2024-05-31\n", AGES)


def test_names_that_move_on(tmp_path: Path) -> None:
    """`a` became `b`, and what was `b` became `c`."""
    moved = Model({"a": "b", "b": "c"}, {"b": "double", "c": "double"})
    assert asked(tmp_path, "a,b\n1,2\n", moved)[0] == {"b": [1.0], "c": [2.0]}
    assert asked(tmp_path, "b,c\n1,2\n", moved)[0] == {"b": [1.0], "c": [2.0]}


def test_the_names_travel_with_the_model() -> None:
    told = {"reading": AGES.formats.document(), "task": "binary"}
    read = Formats.of_model(told)
    assert (read.renames, read.steps) == (AGES.names, ("fill",))


@pytest.mark.parametrize(
    ("text", "asked_for", "columns"),
    [
        ("Loan,Paid\n7,1\n", (None, None), ["id", "paid"]),
        ("prediction_id,Paid\nx,1\n", (None, None), ["prediction_id", "paid"]),
        ("id,paid\n7,1\n", (None, None), ["id", "paid"]),
        ("Loan,Paid\n7,1\n", ("Loan", "Paid"), ["Loan", "Paid"]),
        ("Loan,Paid\n7,1\n", ("Loan", None), ["Loan", "paid"]),
    ],
)
def test_truth_is_read_with_the_names_of_the_source_too(
    tmp_path: Path, text: str, asked_for: tuple[str | None, str | None], columns: list[str]
) -> None:
    file = tmp_path / "truth.csv"
    file.write_text(text)
    names = {"Loan": "id", "Paid": "paid", "Age": "age"}
    details = {"id": "id", "target": "paid", READING: Formats(renames=names).document()}
    table = feedback._clean_names(file, readers.open_table(file, 1), details, asked_for, Told())
    assert table.columns == columns
