"""How rows and groups are divided."""

from __future__ import annotations

import itertools
import random

import pytest

from mlpipes_cli.adapters.postgres.datasets.preparing import shares


def test_largest_remainder() -> None:
    assert shares.parts_of(1000, 0.1, 0.2) == {"train": 700, "validation": 100, "test": 200}
    assert shares.parts_of(997, 0.1, 0.25) == {"train": 648, "validation": 100, "test": 249}
    assert shares.parts_of(10, 0.15, 0.15) == {"train": 7, "validation": 2, "test": 1}  # 7, 1.5, 1.5
    assert shares.parts_of(3, 0.0, 0.2) == {"train": 2, "validation": 0, "test": 1}  # 2.4, 0, 0.6


@pytest.mark.parametrize("seed", range(20))
def test_strata_get_what_the_whole_gets(seed: int) -> None:
    draw = random.Random(seed)
    rows = {f"s{n}": draw.choice([1, 2, 5, draw.randint(1, 500)]) for n in range(draw.randint(1, 40))}
    total = sum(rows.values())
    numbers = shares.parts_of(total, 0.35, 0.4)
    test = shares.over_strata(rows, numbers["test"], {})
    validation = shares.over_strata(rows, numbers["validation"], test)
    assert sum(test.values()) == numbers["test"]
    assert sum(validation.values()) == numbers["validation"]
    for name, number in rows.items():
        assert abs(test[name] - number * numbers["test"] / total) < 1
        assert 0 <= validation[name] <= number - test[name]


def test_groups_come_as_near_as_possible() -> None:
    draw = random.Random(4)
    for _ in range(200):
        groups = [(f"g{n}", draw.randint(1, 30)) for n in range(draw.randint(2, 9))]
        total = sum(rows for _, rows in groups)
        wanted = max(1, round(total * draw.uniform(0.1, 0.5)))
        taken = shares.choose_groups(groups, wanted)
        found = sum(rows for name, rows in groups if name in taken)
        sums = {
            sum(rows for _, rows in chosen)
            for size in range(1, len(groups))
            for chosen in itertools.combinations(groups, size)
        }
        assert abs(found - wanted) == min(abs(one - wanted) for one in sums)


def test_many_groups_need_no_exact_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shares, "_EXACT_BITS", 0)
    groups = [("a", 50), ("b", 40), ("c", 12)]
    assert shares.choose_groups(groups, 60) == {"a", "c"}  # 50, then 12 is nearer to 60 than nothing
    assert shares.choose_groups([("a", 9)] * 0, 5) == set()
