"""The one converter: what each type takes from each kind of column, and what it refuses."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from mlpipes_cli.data.conversion import ConversionError, absent, convert
from mlpipes_cli.data.formats import Formats

NAN = float("nan")
EVENING = pd.Timestamp("2024-12-16T18:00:00")
PARIS, US = "datetime64[ns, Europe/Paris]", "datetime64[us]"
MANY = [1, None, True, "1.5", " 2 ", Decimal("3.5")]
ARROW = pd.ArrowDtype


def listed(values: pd.Series) -> list[Any]:
    return [None if pd.isna(value) else value for value in values.tolist()]


@pytest.mark.parametrize(
    ("kind", "values", "dtype", "expected", "made"),
    [
        ("double", MANY, object, [1, None, 1, 1.5, 2, 3.5], "float64"),
        ("double", [1, None], "Int8", [1, None], "float64"),
        ("double", [1.5, None], "Float64", [1.5, None], "float64"),
        ("double", [True, None], "boolean", [1, None], "float64"),
        ("double", [2, None], ARROW(pa.int64()), [2, None], "float64"),
        ("double", [dt.timedelta(seconds=90), None], object, [90, None], "float64"),
        ("double", [90_000_000, None], "timedelta64[us]", [90, None], "float64"),
        ("double", [90_000_000_000, None], "timedelta64[ns]", [90, None], "float64"),
        ("float", [0.1], "float64", [float(np.float32(0.1))], "float32"),
        ("double", ["3 days 08:32:48", "-1 days +23:59:59.5"], object, [289968.0, -0.5], "float64"),
        ("long", [1.0, 2.0], "float64", [1, 2], "int64"),
        ("long", ["9223372036854775807"], object, [2**63 - 1], "int64"),
        ("integer", [1, 2], "int64", [1, 2], "int32"),
        ("boolean", [True, False], bool, [True, False], "bool"),
        ("boolean", [True, None, 0, 1.0], object, [True, None, False, True], "object"),
        ("boolean", [True, None], "boolean", [True, None], "object"),
        ("boolean", [1.0, 0.0, NAN], "float64", [True, False, None], "object"),
        ("string", ["00501", None, 501, 3.0, 1.5], object, ["00501", None, "501", "3", "1.5"], "str"),
        ("string", [501, None], "Int64", ["501", None], "str"),
        ("string", ["a", None], "string", ["a", None], "str"),
        ("string", ["a", None], "category", ["a", None], "str"),
        ("datetime", [EVENING, None], "datetime64[ns]", [EVENING, None], "datetime64[us]"),
        ("datetime", ["2024-12-16T20:00:00+02:00"], PARIS, [EVENING], US),
        (
            "datetime",
            ["2024-12-16 18:00", "2024-12-16T18:00:00Z", "2024-12-16T20:00:00.000000000+02:00", None, ""],
            object,
            [EVENING] * 3 + [None] * 2,
            "datetime64[us]",
        ),
        ("datetime", [1734372000000, 1734372000000.0, "1734372000000"], object, [EVENING] * 3, US),
        ("datetime", [dt.date(2024, 12, 16)], object, [EVENING.normalize()], "datetime64[us]"),
        ("datetime", ["0001-01-01", "9999-12-31"], object, None, "datetime64[us]"),
    ],
)  # fmt: skip
def test_what_fits(kind: str, values: list[Any], dtype: Any, expected: list[Any] | None, made: str) -> None:
    given = pd.Series(values, index=range(7, 7 + len(values)))
    found = convert(given.astype(dtype), kind)
    assert str(found.dtype) == made
    assert found.index.equals(pd.RangeIndex(len(values)))
    if expected is not None:
        assert listed(found) == expected


@pytest.mark.parametrize(
    ("kind", "cells", "expected"),
    [
        ("double", ["1", " 2.5", "", "NA", "nan"], [1.0, 2.5, None, None, None]),
        ("boolean", ["True", "false", "1", "0.0", ""], [True, False, True, False, None]),
        ("long", ["1", "2.0", "1e2"], [1, 2, 100]),
        ("string", ["00501", "", "NA", "None", " "], ["00501", None, "NA", "None", " "]),
        ("datetime", ["2024-12-16T18:00:00Z", "", "NaT"], [EVENING, None, None]),
    ],
)
def test_the_cells_of_a_csv(kind: str, cells: list[str], expected: list[Any]) -> None:
    assert listed(convert(pd.Series(cells, dtype=str), kind, cells=True)) == expected


@pytest.mark.parametrize(
    ("kind", "value", "got"),
    [
        ("double", "many", "text"),
        ("double", "", "text"),
        ("double", "1_000", "text"),
        ("double", [1.0], "a list"),
        ("double", EVENING, "a date and time"),
        ("double", 10**400, "a number that is too large"),
        ("long", 1.5, "a number with a fraction"),
        ("long", None, "a missing value"),
        ("long", "1.0", "text"),
        ("long", 2**63, "a number that is too large"),
        ("integer", 2**31, "a number that is too large"),
        ("boolean", "false", "text"),
        ("boolean", 0.5, "a number"),
        ("boolean", float("inf"), "a number that is infinite or too large"),
        ("string", {"a": 1}, "an object"),
        ("datetime", "01/06/2024", "text in another format"),
        ("datetime", "2024-02-30", "text in another format"),
        ("datetime", "now", "text"),
        ("datetime", True, "true or false"),
        ("datetime", 1734372000, "an ambiguous number"),
        ("datetime", 1734372000000000, "an ambiguous number"),
        ("datetime", 20241216, "an ambiguous number"),
        ("datetime", "202412161800", "text in another format"),
    ],
)
def test_what_does_not_is_told_with_its_row(kind: str, value: Any, got: str) -> None:
    fine: Any = {"boolean": True, "string": "a", "datetime": "2024-12-16"}.get(kind, 1)
    with pytest.raises(ConversionError) as caught:
        convert(pd.Series([fine, value], dtype=object), kind)
    assert (caught.value.row, caught.value.got[: len(got)]) == (1, got)


def test_a_typed_column_of_moments_is_no_number() -> None:
    with pytest.raises(ConversionError, match="a date and time"):
        convert(pd.Series([EVENING]), "double")


@pytest.mark.parametrize("kind", ["double", "float", "boolean", "string", "datetime"])
def test_a_column_that_was_left_out_is_missing(kind: str) -> None:
    assert listed(absent(kind, 3)) == [None] * 3


def test_whole_numbers_know_no_missing_value() -> None:
    with pytest.raises(ConversionError, match="a missing value"):
        absent("long", 1)


ENDLESS = "a number that is infinite or too large"


@pytest.mark.parametrize(
    ("kind", "value", "got"),
    [
        ("double", float("inf"), ENDLESS),
        ("double", "-inf", ENDLESS),
        ("double", "1e999", ENDLESS),
        ("float", float("-inf"), ENDLESS),
        ("float", 1e39, "a number that is too large"),
    ],
)
@pytest.mark.parametrize("cells", [False, True])
def test_a_model_of_ours_gets_no_number_that_it_cannot_have_learnt(
    kind: str, value: Any, got: str, cells: bool
) -> None:
    given = pd.Series([1.0, value], dtype=object)
    with pytest.raises(ConversionError, match=f"^{got}$") as refused:
        convert(given, kind, Formats(), cells=cells)
    assert refused.value.row == 1
    assert listed(convert(given, kind)) == [1.0, np.inf if value != value or float(value) > 0 else -np.inf]
    if got == ENDLESS:
        assert listed(convert(given, kind, Formats(infinite=True), cells=cells)) == [1.0, None]


def test_words_for_missing_values_are_those_of_training() -> None:
    ours = Formats(missing=("n.b.", "-999"))
    given = ["NaN", "NA", "?", "", " none ", "n.b.", "-999", -999, -999.0, "1.5"]
    assert listed(convert(pd.Series(given, dtype=object), "double", ours)) == [None] * 9 + [1.5]
    assert listed(convert(pd.Series([-999.0, 2.0]), "double", ours)) == [None, 2.0]
    assert listed(convert(pd.Series([-999, 2]), "double", ours)) == [None, 2.0]
    texts = pd.Series(["NA", "n.b.", "", "-999", -999, None], dtype=object)
    assert listed(convert(texts, "string", ours)) == ["NA", None, "", None, None, None]
    assert listed(convert(texts.iloc[:3], "string", ours, cells=True)) == ["NA", None, None]
    truths = pd.Series(["n/a", True, "n.b."], dtype=object)
    assert listed(convert(truths, "boolean", ours)) == [None, True, None]
    assert listed(convert(pd.Series(["-", "n.b."], dtype=object), "datetime", ours)) == [None, None]
    with pytest.raises(ConversionError, match="text"):
        convert(pd.Series(["NA"], dtype=object), "double")  # a foreign model's
