from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mlpipes_cli.data.formats import Formats
from mlpipes_cli.errors import UsageError
from mlpipes_cli.lifecycle.prediction.model_input import fit
from mlpipes_cli.lifecycle.prediction.scorers import ColumnSpec


@dataclass
class Taking:
    columns: Sequence[ColumnSpec]
    id: str | None = "ID"
    target: str | None = "Y"
    formats: Formats = field(default_factory=Formats)


def converted(kind: str, values: list[Any], dtype: Any = None) -> pd.Series:
    frame = pd.DataFrame({"x": pd.Series(values, dtype=dtype)})
    return fit(frame, Taking([ColumnSpec("x", kind, True)]), Path("f.csv"), 10)["x"]


@pytest.mark.parametrize(
    ("kind", "values", "dtype", "expected"),
    [
        ("double", ["1", " 2.5", None], str, [1.0, 2.5, None]),
        ("double", [1, 2], "int64", [1.0, 2.0]),
        ("double", [True, False], bool, [1.0, 0.0]),
        ("long", ["1", "2"], str, [1, 2]),
        ("long", [1.0, 2.0], "float64", [1, 2]),
        ("boolean", ["True", "false", "1", "0"], str, [True, False, True, False]),
        ("boolean", ["True", None, ""], str, [True, None, None]),
        ("string", ["01", None], str, ["01", None]),
        ("string", [5, 6], "int64", ["5", "6"]),
        ("datetime", ["2020-01-02", "2020-01-02T03:04:05+01:00"], str, ["2020-01-02", "2020-01-02T02:04:05"]),
    ],
)
def test_what_fits(kind: str, values: list[Any], dtype: Any, expected: list[Any]) -> None:
    made = converted(kind, values, dtype)
    if kind == "datetime":
        assert made.tolist() == [pd.Timestamp(moment) for moment in expected]
    else:
        shown = [None if pd.isna(value) else value for value in made.tolist()]
        assert shown == expected


@pytest.mark.parametrize(
    ("kind", "values", "row", "expected"),
    [
        ("double", ["1", "many"], 12, "a number"),
        ("long", ["1", "2.5"], 12, "a whole number"),
        ("long", ["1", None], 12, "a whole number"),
        ("boolean", ["maybe", "true"], 11, "true or false"),
        ("datetime", ["2020-01-02", "soon"], 12, "a date and time in ISO 8601"),
    ],
)
def test_what_does_not_names_the_row_of_the_file(
    kind: str, values: list[Any], row: int, expected: str
) -> None:
    with pytest.raises(UsageError) as caught:
        converted(kind, values, object)
    assert f"f.csv: column 'x', row {row}: expected {expected}" in caught.value.lines()[0]


def test_the_target_and_other_columns_are_left_out_and_the_id_is_kept() -> None:
    frame = pd.DataFrame({"Y": ["1"], "x": ["2"], "other": ["3"], "ID": ["007"]})
    made = fit(frame, Taking([ColumnSpec("x", "double", True)]), Path("f.csv"), 0)
    assert made.to_dict("list") == {"x": [2.0], "ID": ["007"]}


def test_a_model_without_named_columns_gets_all_but_the_target() -> None:
    frame = pd.DataFrame({"Y": [1], "a": [2]})
    assert list(fit(frame, Taking([]), Path("f.csv"), 0)) == ["a"]
