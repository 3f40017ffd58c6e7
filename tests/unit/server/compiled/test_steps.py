from __future__ import annotations

import math
from typing import Any

import compiled_help
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from mlpipes_cli.preprocess import auto
from mlpipes_cli.server.compiled import compile_model, steps
from mlpipes_cli.server.compiled.base import NotCompilable
from mlpipes_cli.server.models.served_model import InputColumn

FRAME = compiled_help.frame()
COLUMNS = compiled_help.columns(FRAME)


def _values(column: InputColumn) -> st.SearchStrategy[Any]:
    if column.type == "double":
        whole = st.integers(-(2**63), 2**63 - 1)
        return st.one_of(st.none(), st.floats(), whole, st.sampled_from([-0.0, 1e150, -1e151, 5e-324]))
    if column.type == "boolean":
        return st.booleans()
    known = FRAME[column.name].dropna().unique().tolist()
    odd = [
        "",
        " ",
        "true",
        "False ",
        "nan",
        "1e5",
        "-.5",
        "0x1f",
        "1_0",
        "²",
        "2024-02-29",
        "2024-02-29T23:59:59Z",
    ]
    return st.one_of(st.none(), st.sampled_from([*known, *odd]), st.text(max_size=12))


ROWS = st.lists(st.tuples(*map(_values, COLUMNS)), min_size=1, max_size=5)
SETTINGS = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


def _as_plain(rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    return compiled_help.frame_of(rows, FRAME)


@pytest.mark.parametrize(
    ("kind", "scale"), [("int", True), ("many", True), ("number", True), ("int", False), ("many", False)]
)
def test_any_rows_become_the_same_bits(kind: str, scale: bool) -> None:
    step = compiled_help.trained(LogisticRegression() if kind != "number" else _line(), kind, scale)[0]
    assert {type(block).__name__ for block in step.blocks_} == {"Numbers", "Dates", "OneHot", "Targets"}
    transform = steps.compile_step(step, COLUMNS)

    @given(ROWS)
    @SETTINGS
    def run(rows: list[tuple[Any, ...]]) -> None:
        wanted = step.transform(_as_plain(rows)).to_numpy()
        assert transform(rows).tobytes() == wanted.tobytes()

    run()
    assert transform(compiled_help.rows(FRAME)).tobytes() == step.transform(FRAME).to_numpy().tobytes()


def _line() -> Any:
    from sklearn.linear_model import LinearRegression

    return LinearRegression()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "estimator", [GradientBoostingClassifier(n_estimators=8), RandomForestClassifier(8, random_state=0)]
)
def test_any_rows_get_the_pipelines_own_answers(estimator: Any) -> None:
    model, notes = compiled_help.trained(estimator, "many"), compiled_help.details("many")
    compiled = compile_model(model, COLUMNS, notes)
    assert compiled is not None

    @given(ROWS)
    @SETTINGS
    def run(rows: list[tuple[Any, ...]]) -> None:
        wanted = compiled_help.plain(model, _as_plain(rows), notes)
        assert compiled(rows) == wanted

    run()


@pytest.mark.parametrize("scale", [True, False])
def test_far_off_cells_and_times_become_the_same_bits(scale: bool) -> None:
    frame = pd.DataFrame({"a": np.arange(100.0), "b": 1.7e9 + np.arange(100.0), "c": np.arange(100.0) % 7})
    frame.loc[3, "a"], frame.loc[5, "b"], frame.loc[9, "c"] = 1e12, -1e15, np.nan
    step = auto.build(frame, "binary", scale).fit(frame)
    columns = [InputColumn(name, "double", True) for name in "abc"]
    rows = [*compiled_help.rows(frame), (-1e12, 1e12, 1e300), (math.inf, None, -0.0)]
    plain = step.transform(pd.DataFrame(rows, columns=list("abc"), dtype="float64")).to_numpy()
    assert steps.compile_step(step, columns)(rows).tobytes() == plain.tobytes()


def test_numbers_of_32_bits_are_rounded_as_in_a_frame() -> None:
    frame = pd.DataFrame({"a": np.float32([0.1, 0.2, 0.7]), "b": [1.0, 2.0, 4.0], "c": [1, 2, 2**53 + 1]})
    step = auto.build(frame, "binary").fit(frame)
    columns = [
        InputColumn("a", "float", True),
        InputColumn("b", "double", True),
        InputColumn("c", "long", True),
    ]
    rows = [(0.1, 0.1, 2**53 + 1), (math.inf, 1, 7), (1e39, None, -3)]
    given_frame = pd.DataFrame(
        {
            "a": np.float32([0.1, np.inf, np.inf]),
            "b": [0.1, 1.0, np.nan],
            "c": np.array([2**53 + 1, 7, -3], dtype=np.int64),
        }
    )
    found = steps.compile_step(step, columns)(rows)
    assert found.tobytes() == step.transform(given_frame).to_numpy().tobytes()


def test_columns_may_stand_in_another_order_than_in_training() -> None:
    step = compiled_help.trained(LogisticRegression(), "int")[0]
    turned = FRAME[FRAME.columns[::-1]]
    transform = steps.compile_step(step, compiled_help.columns(turned))
    assert transform(compiled_help.rows(turned)).tobytes() == step.transform(FRAME).to_numpy().tobytes()


def test_a_column_that_is_not_there_or_of_another_kind_is_no_case_for_it() -> None:
    step = compiled_help.trained(LogisticRegression(), "int")[0]
    with pytest.raises(NotCompilable, match="city"):
        steps.compile_step(step, [column for column in COLUMNS if column.name != "city"])
    with pytest.raises(NotCompilable, match="text"):
        steps.compile_step(step, [InputColumn(c.name, "double", True) for c in COLUMNS])
    with pytest.raises(NotCompilable, match="datetime"):
        steps.compile_step(step, [*COLUMNS, InputColumn("when", "datetime", True)])


@pytest.mark.parametrize("rows", [[], [(1.0,)], [(1.0, 2.0), (1.0,)], [(1.0, 2.0, True, 4.0)]])
def test_rows_of_another_width_are_refused(rows: list[Any]) -> None:
    model = compiled_help.bare(GradientBoostingClassifier(n_estimators=3), "int")
    compiled = compile_model(
        model, compiled_help.columns(compiled_help.numbers()), compiled_help.details("int")
    )
    assert compiled is not None
    with pytest.raises(ValueError):
        compiled(rows)
