"""Columns of plain numbers get all at once what each of them gets alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlpipes_cli.data import conversion, plain_numbers
from mlpipes_cli.data.formats import FOREIGN, Formats

OURS = Formats()


@pytest.mark.parametrize(
    ("cells", "table"),
    [
        (
            False,
            {
                "f": [0.1, np.nan],
                "i": [2**53 + 1, -3],
                "u": np.array([2**64 - 1, 7], dtype=np.uint64),
                "b": [True, False],
                "s": np.array([0.1, 1e30], dtype=np.float32),
            },
        ),
        (True, {"f": ["0.1", "nan"], "i": [" 9007199254740993", "-3"], "e": ["1e-400", "+.5"]}),
    ],
)
def test_the_values_are_those_of_the_converter(cells: bool, table: dict[str, Any]) -> None:
    frame = pd.DataFrame(table)
    names, values = plain_numbers.plain_numbers(frame, {*table, "absent"}, OURS, cells=cells)
    assert names == list(table)
    for at, name in enumerate(names):
        alone = conversion.convert(frame[name], "double", OURS, cells=cells)
        assert alone.dtype == values.dtype
        np.testing.assert_array_equal(values[:, at], alone.to_numpy())


@pytest.mark.parametrize("formats", [OURS, FOREIGN])
@pytest.mark.parametrize("cell", ["", "n/a", "inf", "1e999", "1_000", "\u0661", "1 days", "x"])
def test_other_cells_are_left_to_the_converter(cell: str, formats: Formats) -> None:
    frame = pd.DataFrame({"a": ["1", cell], "b": ["1", "2"]})
    names, values = plain_numbers.plain_numbers(frame, {"a", "b"}, formats, cells=True)
    assert names == []
    assert values.shape == (2, 0)


def test_columns_that_are_no_plain_numbers_are_left_to_the_converter() -> None:
    frame = pd.DataFrame(
        {
            "a": [1.5, 2.5],
            "text": ["1.5", "2.5"],
            "mixed": [None, 2],
            "gaps": pd.array([1, None], dtype="Int64"),
            "time": pd.to_datetime(["2024-01-01", "2024-01-02"]),
            "other": [1, 2],
        }
    ).astype({"mixed": object})
    names, values = plain_numbers.plain_numbers(frame, set(frame.columns) - {"other"}, OURS)
    assert names == ["a"]
    assert values.tolist() == [[1.5], [2.5]]


def test_a_closer_look_is_needed_at_infinity_and_at_numbers_that_mean_a_missing_value() -> None:
    frame = pd.DataFrame({"a": [1.0, np.inf], "b": [1.0, 2.0]})
    assert plain_numbers.plain_numbers(frame, {"a", "b"}, OURS)[0] == []
    assert plain_numbers.plain_numbers(frame, {"b"}, OURS)[0] == ["b"]
    assert plain_numbers.plain_numbers(frame, {"b"}, Formats(missing=("2",)))[0] == []


def test_a_duplicate_column_is_left_to_its_error_message() -> None:
    frame = pd.DataFrame([[1.0, 2.0]], columns=["a", "a"])
    assert plain_numbers.plain_numbers(frame, {"a"}, OURS)[0] == []
