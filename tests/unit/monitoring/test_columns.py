"""Columns of every kind: what they are read as, their faults and their effects."""

from __future__ import annotations

import io
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlpipes_cli.monitoring.columns.kinds import kind_of
from mlpipes_cli.monitoring.columns.values import as_numbers, as_seconds, together
from mlpipes_cli.monitoring.compare import compare
from mlpipes_cli.monitoring.effects import UNITS, measure_of, size_of
from mlpipes_cli.monitoring.results import ColumnCheck, Kind, Options

RNG = np.random.default_rng(0)
NORMAL, LATER = RNG.normal(size=2000), RNG.normal(size=1000)


def check(reference: Any, current: Any, kind: Kind | None = None, **options: Any) -> ColumnCheck:
    frames = [pd.DataFrame({"a": side}) for side in (reference, current)]
    ranges = options.pop("ranges", None)
    kinds: dict[str, Kind] | None = {"a": kind} if kind else None
    return compare(frames[0], frames[1], Options(**options), kinds=kinds, ranges=ranges).columns[0]


def faults(found: ColumnCheck) -> dict[str, int]:
    return {finding.fault: finding.rows for finding in found.quality}


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([True, False], "boolean"),
        ([True, None], "boolean"),
        ([1, 2], "number"),
        ([Decimal("1.5"), None], "number"),
        (pd.to_datetime(["2026-01-01"]), "date"),
        ([pd.Timestamp("2026-01-01").date(), None], "date"),
        (pd.Categorical(["a"]), "category"),
        (["a", "b", None], "category"),
        ([None, None], "category"),
        ([b"\x89PNG\r\n\x1a\n"], "image"),
        ([f"id-{number}" for number in range(300)], "text"),
        ([f"a long sentence about the matter of {number}, told in full" for number in range(50)], "text"),
        ([f"town {number % 150}" for number in range(300)], "category"),
    ],
)
def test_kinds_by_values(values: Any, kind: str) -> None:
    assert kind_of(pd.Series(values)) == kind


def test_values_of_another_type_are_faults_and_the_others_are_compared() -> None:
    numbers, wrong = as_numbers(pd.Series([1, "2", "x", None, 10**400, Decimal("3.5"), True], dtype=object))
    assert numbers[[0, 1, 4, 5, 6]].tolist() == [1, 2, np.inf, 3.5, 1] and np.isnan(numbers[[2, 3]]).all()
    assert wrong.tolist() == [False, False, True, False, False, False, False]
    found = check(NORMAL, [*LATER[:990].astype(str), *["?"] * 10], kind="number")
    assert faults(found)["type"] == 10 and not found.alarm
    assert found.quality[0].words == "10 values that are not a number"


def test_a_column_of_another_type_throughout_alarms() -> None:
    found = check(NORMAL, ["text"] * 1000)
    assert found.alarm and found.change == "missing" and faults(found)["type"] == 1000


def test_levels_read_the_same_as_integer_float_and_text() -> None:
    names, levels = together(pd.Series([1, 2, 1]), pd.Series(["1", 2.0, None, (3,)], dtype=object))
    assert names.tolist() == ["1", "2", "(3,)"]
    assert levels.tolist() == [0, 1, 0, 0, 1, -1, 2]


def test_all_missing_constant_and_one_level() -> None:
    gone = check(NORMAL, [np.nan] * 1000)
    assert (
        gone.alarm
        and gone.change == "missing"
        and gone.effect == pytest.approx(size_of("missing", 1), abs=0.01)
    )
    assert faults(gone) == {"missing": 1000}
    assert not check([np.nan] * 100, [np.nan] * 100, "number").alarm
    assert not check([3.0] * 100, [3.0] * 100).alarm
    assert check([3.0] * 100, [4.0] * 100).alarm
    constant = check(NORMAL, [0.1] * 1000)
    assert constant.alarm and faults(constant) == {"constant": 1000}
    assert not check(["x"] * 100, ["x"] * 100).alarm
    infinite = check([*NORMAL, np.inf, -np.inf], [*LATER, np.inf, 1e308, -1e308])
    assert not infinite.alarm and infinite.p is not None


@pytest.mark.parametrize(
    ("reference", "current", "change", "words"),
    [
        (NORMAL, LATER + 0.25, "location", "median -0.03"),
        (NORMAL, LATER * 1.4, "spread", "middle half of the values"),
        (NORMAL, np.sign(LATER) * (0.5 + abs(LATER) / 2), "mix", "of the values lie elsewhere"),
        (NORMAL, [*LATER[:970], *LATER[970:] + 6], "tail", "above 2."),
        (NORMAL, [*LATER[:920], *[None] * 80], "missing", "missing 0 % -> 8 %"),
        (["a"] * 1200 + ["b"] * 800, ["a"] * 500 + ["b"] * 500, "mix", "'a' 60 % -> 50 %"),
        (["a"] * 1200 + ["b"] * 800, ["a"] * 600 + ["b"] * 370 + ["c"] * 30, "unseen", "most often 'c'"),
        (
            [0.0] * 1200 + [*abs(NORMAL[:800])],
            [0.0] * 800 + [*abs(LATER[:200])],
            "zeros",
            "zeros 60 % -> 80 %",
        ),
    ],
)
def test_each_kind_of_change_is_named(reference: Any, current: Any, change: str, words: str) -> None:
    found = check(reference, current)
    assert found.alarm, found
    effect = next(effect for effect in found.effects if effect.change == change)
    assert effect.size >= 0.1 and words in effect.words
    if change not in ("zeros", "spread"):  # these move the middle too, or the tails
        assert found.change == change


def test_sizes_are_on_one_scale_and_invert() -> None:
    for change, unit in UNITS.items():
        assert size_of(change, unit) == pytest.approx(0.1)
        assert size_of(change, 2 * unit) == pytest.approx(0.19)
        assert measure_of(change, 0.1) == pytest.approx(unit)
        assert size_of(change, unit, unit) == 0 and size_of(change, float("inf")) == 1


def test_a_floor_of_its_own_silences_a_column() -> None:
    assert check(NORMAL, LATER + 0.25).alarm
    found = check(NORMAL, LATER + 0.25, floors={"a": 0.6})
    assert found.significant and not found.alarm
    assert (
        compare(pd.DataFrame({"a": NORMAL}), pd.DataFrame({"a": LATER + 9}), Options(ignore=["a"])).columns
        == ()
    )


def test_what_is_detectable_is_found_in_four_of_five() -> None:
    first = check(NORMAL, LATER, joint=False)
    assert first.detectable is not None
    shift = measure_of("location", first.detectable)
    assert first.detectable_words == f"a shift of {shift:.2g} standard deviations"
    rng = np.random.default_rng(9)
    found = [check(rng.normal(size=2000), rng.normal(shift, 1, 1000), joint=False).alarm for _ in range(24)]
    assert 13 <= sum(found) <= 23  # 19 expected, 3 standard errors below


def test_dates_that_move_forward_do_not_alarm_and_those_that_move_back_do() -> None:
    days = pd.date_range("2024-01-01", periods=700, freq="D")
    forward = check(days, days + pd.Timedelta(days=500))
    assert forward.significant and not forward.alarm and not forward.quality
    back = check(days, days - pd.Timedelta(days=300))
    assert back.alarm and back.change in ("location", "tail")
    assert "-> 2024-02" in next(effect.words for effect in back.effects if effect.change == "location")
    sentinel = check(days, [*days[:650], *[pd.Timestamp("2999-12-31")] * 50])
    assert faults(sentinel) == {"out_of_range": 50}
    seconds, wrong = as_seconds(pd.Series(["1970-01-02T00:00:00Z", "no", None, "2026-01-01"]))
    assert seconds[0] == 86400 and wrong.tolist() == [False, True, False, False]
    assert as_seconds(pd.Series(pd.to_datetime(["1970-01-02"]).tz_localize("CET")))[0][0] == 82800
    assert as_seconds(pd.Series([1, 2]))[1].all()


def test_ranges_given_and_those_of_the_reference() -> None:
    given = check(NORMAL, [*LATER[:-1], 7.0], ranges={"a": (None, 6.0)})
    assert faults(given) == {"out_of_range": 1} and given.quality[0].words == "1 value outside of -inf to 6"
    assert not faults(check(NORMAL, LATER))
    assert faults(check(NORMAL, [*LATER[:980], *[50.0] * 20]))["out_of_range"] >= 20


def test_texts_by_length_and_words() -> None:
    rng = np.random.default_rng(2)
    words = np.array(["the", "a", "of", "loan", "paid", "late", "bank", "house", "car", "note"])

    def texts(rows: int, extra: str = "") -> list[str]:
        return [" ".join(rng.choice(words, 8)) + f" {index}" + extra for index in range(rows)]

    assert not check(texts(600), texts(300)).alarm
    longer = check(texts(600), texts(300, " and quite some more of it"))
    assert longer.kind == "text" and longer.alarm
    other = check(texts(600), [text.replace("loan", "debt") for text in texts(300)])
    assert other.alarm and other.effects[0].words.startswith("the word 'debt' in 0 % -> 5")


def test_images_by_simple_statistics() -> None:
    from PIL import Image

    rng = np.random.default_rng(3)

    def image(brightness: float) -> bytes:
        content = io.BytesIO()
        pixels = np.clip(rng.normal(brightness, 20, (12, 16)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(content, "PNG")
        return content.getvalue()

    reference = [image(rng.normal(120, 20)) for _ in range(120)]
    calm = check(reference, [image(rng.normal(120, 20)) for _ in range(80)])
    assert calm.kind == "image" and not calm.alarm and not calm.quality
    dark = [image(rng.normal(60, 20)) for _ in range(70)]
    found = check(reference, [*dark, *[b"\x89PNG\r\n\x1a\nbroken"] * 10])
    assert found.alarm and faults(found) == {"type": 10}
    assert any(effect.words.startswith("brightness: median") for effect in found.effects)
    assert set(found.shape["parts"]) == {"brightness", "contrast"}


def test_unexpected_columns_and_scores() -> None:
    reference = pd.DataFrame(
        {"x": NORMAL, "score": RNG.random(2000), "prediction": RNG.choice(["a", "b"], 2000)}
    )
    current = pd.DataFrame({"x": LATER, "score": RNG.random(1000) ** 2, "prediction": ["a"] * 1000, "new": 1})
    kinds: dict[str, Kind] = {"score": "score", "prediction": "prediction"}
    found = compare(reference, current, Options(), kinds=kinds)
    assert [(c.name, c.kind, c.alarm) for c in found.columns] == [
        ("prediction", "prediction", True),
        ("score", "score", True),
        ("x", "number", False),
        ("new", "number", False),
    ]
    assert faults(found.columns[-1]) == {"unexpected": 1000} and found.columns[-1].p is None


@pytest.mark.parametrize("rows", [0, 60])
def test_empty_frames(rows: int) -> None:
    empty = pd.DataFrame({"a": pd.Series(dtype=float)})
    full = pd.DataFrame({"a": np.arange(float(rows))})
    for pair in ((empty, full), (full, empty), (empty, empty)):
        found = compare(pair[0], pair[1], Options())
        assert not found.enough and found.verdict.startswith("too few rows")
    none = compare(pd.DataFrame(index=range(80)), pd.DataFrame(index=range(80)), Options())
    assert none.columns == () and not none.alarm
