"""The columns of a file that ``predict`` scores, against those of the model."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from reporter_help import Told

from mlpipes_cli.errors import UsageError
from mlpipes_cli.lifecycle import prediction
from mlpipes_cli.lifecycle.prediction.scorers import ColumnSpec

FILE = Path("new.csv")


def check(there: list[str], *columns: ColumnSpec) -> Told:
    told, scorer = Told(), SimpleNamespace(columns=columns, model="loans")
    asked: Any = scorer
    prediction._check_columns(FILE, there, asked, told)
    return told


AGE, INCOME = ColumnSpec("age", "double", True), ColumnSpec("annual_income", "double", False)


def test_all_columns_are_there() -> None:
    assert check(["annual_income", "age", "other"], AGE, INCOME).warnings == []


def test_an_optional_column_that_lacks_is_told() -> None:
    told = check(["age", "city"], AGE, INCOME)
    assert told.warnings == ["new.csv: no column 'annual_income'; every row is scored without"]


@pytest.mark.parametrize("name", ["Annual Income", "annual-income", "ANNUAL_INCOME", "AnnualIncome"])
def test_a_column_of_nearly_that_name_is_not_ignored(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        check(["age", name], AGE, INCOME)
    assert caught.value.reason == "new.csv: missing column 'annual_income'"
    assert caught.value.hint == f"rename {name!r} to 'annual_income' in the file"


def test_a_required_column_that_lacks() -> None:
    with pytest.raises(UsageError) as caught:
        check(["annual_income"], AGE, INCOME)
    assert (caught.value.reason, caught.value.hint) == (
        "new.csv: missing column 'age'",
        "model 'loans' needs it",
    )
