"""What is known of a column: whether each row has a value of its own, in bounded memory."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest

from mlpipes_cli.data.readers import facts
from mlpipes_cli.data.readers.facts import Facts

SIZE = 100


def of(kind: str, values: list[object], size: int = SIZE) -> Facts:
    types = {"integer": pa.int64(), "text": pa.large_string(), "date": pa.date32()}
    made = Facts(kind)
    for start in range(0, len(values), size):
        made.add(pa.array(values[start : start + size], types[kind]))
    return made


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(facts, "_MOST_KEYS", 1000)
    return 1000


def shuffled(count: int) -> list[object]:
    return list(np.random.default_rng(3).permutation(count).tolist())


@pytest.mark.parametrize("size", [1, 7, 100, 5000])
@pytest.mark.parametrize("at", [0, 399, 998])
def test_one_value_that_stands_twice_is_found_wherever_it_is(size: int, at: int) -> None:
    values = shuffled(999)
    assert of("integer", values, size).unique
    assert not of("integer", [*values, values[at]], size).unique


def test_texts_and_dates_too() -> None:
    names: list[object] = [str(uuid.UUID(int=hash((n, 1)) % 2**128)) for n in range(500)]
    days: list[object] = [datetime.date(2020, 1, 1) + datetime.timedelta(n) for n in range(500)]
    for kind, values in (("text", names), ("date", days)):
        assert of(kind, values).unique
        assert not of(kind, [*values, values[17]]).unique
        assert not of(kind, [*values, None]).unique


def test_rising_values_are_known_to_differ_at_any_number_of_rows(few: int) -> None:
    values: list[object] = list(range(0, 9 * few, 3))
    found = of("integer", values)
    assert found.unique and found._seen == []
    assert not of("integer", [*values, 4]).unique  # may stand there already: its keys are gone
    assert not of("integer", [*values, values[-1]]).unique


def test_others_are_looked_at_up_to_a_number_of_rows(few: int) -> None:
    assert of("integer", shuffled(few)).unique
    more = of("integer", shuffled(few + SIZE))
    assert not more.unique and more._seen == []


def test_the_keys_are_merged_as_they_come() -> None:
    found = of("integer", shuffled(10_000), 10)
    assert sum(map(len, found._seen)) == 10_000
    assert len(found._seen) < 15  # arrays, for 1,000 batches
