from __future__ import annotations

from collections.abc import Callable
from typing import Any

import compiled_help
import pytest
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor

from mlpipes_cli.server.compiled import Compiled, CompiledScores, Sample, check, compile_model, sample_rows

FRAME = compiled_help.frame()
COLUMNS = compiled_help.columns(FRAME)


@pytest.fixture(scope="module")
def right() -> tuple[Any, Compiled, dict[str, Any]]:
    return _made(GradientBoostingClassifier(n_estimators=10), "text")


def _made(estimator: Any, kind: str) -> tuple[Any, Compiled, dict[str, Any]]:
    model, notes = compiled_help.trained(estimator, kind), compiled_help.details(kind)
    compiled = compile_model(model, COLUMNS, notes)
    assert compiled is not None
    return model, compiled, notes


def _swapped(scored: CompiledScores, rows: Any) -> CompiledScores:
    return CompiledScores([{"no": "yes", "yes": "no"}[label] for label in scored.predictions], scored.scores)


def _one_label(scored: CompiledScores, rows: Any) -> CompiledScores:
    return CompiledScores(
        [*scored.predictions[:-1], "no" if scored.predictions[-1] == "yes" else "yes"], scored.scores
    )


def _shifted(scored: CompiledScores, rows: Any) -> CompiledScores:
    assert scored.scores is not None
    return CompiledScores(scored.predictions, [scored.scores[0] + 1e-8, *scored.scores[1:]])


def _nothing(scored: CompiledScores, rows: Any) -> CompiledScores:
    return CompiledScores(scored.predictions, [float("nan")] * len(rows))


def _no_scores(scored: CompiledScores, rows: Any) -> CompiledScores:
    return CompiledScores(scored.predictions, None)


def _short(scored: CompiledScores, rows: Any) -> CompiledScores:
    assert scored.scores is not None
    return CompiledScores(scored.predictions[:-1], scored.scores[:-1])


def _many_only(scored: CompiledScores, rows: Any) -> CompiledScores:
    return scored if len(rows) > 1 else _swapped(scored, rows)


def _no_gaps(scored: CompiledScores, rows: Any) -> CompiledScores:
    gap = any(row[3] is None for row in rows)  # the sample has none in this column
    return _swapped(scored, rows) if gap else scored


def _unknown_texts(scored: CompiledScores, rows: Any) -> CompiledScores:
    return _swapped(scored, rows) if any("never seen" in str(row[2]) for row in rows) else scored


def _raises(scored: CompiledScores, rows: Any) -> CompiledScores:
    raise ZeroDivisionError("cannot do it")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (_swapped, "labels are not"),
        (_one_label, "1 labels"),
        (_shifted, "off by up to 1e-08"),
        (_nothing, "off by up to"),
        (_no_scores, "scores are present in one answer only"),
        (_short, "predictions, not"),
        (_many_only, "row 0 of the sample alone"),
        (_no_gaps, "missing numbers"),
        (_unknown_texts, "unknown texts"),
        (_raises, "ZeroDivisionError: cannot do it"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_wrong_predictor_is_refused(
    right: tuple[Any, Compiled, dict[str, Any]],
    wrong: Callable[[CompiledScores, Any], CompiledScores],
    told: str,
) -> None:
    model, compiled, notes = right
    assert check(compiled, model, Sample(FRAME), COLUMNS, notes) is None
    reason = check(lambda rows: wrong(compiled(rows), rows), model, Sample(FRAME), COLUMNS, notes)
    assert reason is not None and told in reason and "\n" not in reason


def test_labels_of_another_type_are_other_labels() -> None:
    model, compiled, notes = _made(GradientBoostingClassifier(n_estimators=5), "bool")
    assert check(compiled, model, Sample(FRAME), COLUMNS, notes) is None

    def wrong(rows: Any) -> CompiledScores:
        found = compiled(rows)
        return CompiledScores([int(label) for label in found.predictions], found.scores)

    assert "labels" in str(check(wrong, model, Sample(FRAME), COLUMNS, notes))


def test_quantities_are_held_against_their_size() -> None:
    model, compiled, notes = _made(GradientBoostingRegressor(n_estimators=5), "number")

    def off(by: float) -> str | None:
        def wrong(rows: Any) -> CompiledScores:
            return CompiledScores([value * (1 + by) for value in compiled(rows).predictions], None)

        return check(wrong, model, Sample(FRAME), COLUMNS, notes)

    assert off(0.0) is None and off(1e-11) is None
    assert "predictions are off" in str(off(1e-7))


def test_what_answers_where_the_model_refuses_is_wrong() -> None:
    frame = compiled_help.numbers()
    columns, notes = compiled_help.columns(frame), compiled_help.details("int")
    model = compiled_help.bare(GradientBoostingClassifier(n_estimators=5), "int")
    compiled = compile_model(model, columns, notes)
    assert compiled is not None
    assert check(compiled, model, Sample(frame), columns, notes) is None

    def bold(rows: Any) -> CompiledScores:
        return compiled([[0.0 if value is None else value for value in row] for row in rows])

    reason = check(bold, model, Sample(frame), columns, notes)
    assert reason == "rows with missing numbers: an answer where the model raises an error"


def test_a_slow_model_is_checked_on_500_rows(right: tuple[Any, Compiled, dict[str, Any]]) -> None:
    import pandas as pd

    model, compiled, notes = right
    large, asked = pd.concat([FRAME] * 5, ignore_index=True), list[int]()

    def counted(rows: Any) -> CompiledScores:
        asked.append(len(rows))
        return compiled(rows)

    assert check(counted, model, Sample(large), COLUMNS, notes, seconds=0) is None
    assert [rows for rows in asked if rows > 64] == [500]
    asked.clear()
    assert check(counted, model, Sample(large), COLUMNS, notes, seconds=60) is None
    assert [rows for rows in asked if rows > 64] == [500] * 4


def test_a_sample_without_a_column_is_a_reason(right: tuple[Any, Compiled, dict[str, Any]]) -> None:
    model, compiled, notes = right
    reason = check(compiled, model, Sample(FRAME.drop(columns="city")), COLUMNS, notes)
    assert reason is not None and "city" in reason


def test_truths_that_are_missing_in_the_sample_stay_missing() -> None:
    frame = compiled_help.frame().assign(flag=lambda data: data["flag"].astype(object))
    frame.loc[::3, "flag"] = None
    rows = sample_rows(Sample(frame), COLUMNS, 4)
    assert [row[1] for row in rows] == [None, *frame["flag"].tolist()[1:3], None]
    model, compiled, notes = _made(GradientBoostingClassifier(n_estimators=5), "text")
    assert check(compiled, model, Sample(frame), COLUMNS, notes) is None
