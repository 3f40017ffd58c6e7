from __future__ import annotations

from typing import Any

import pytest
from sklearn.model_selection import ParameterGrid

from mlpipes_cli.trainers.search import spaces

LISTS = {"b": [1, None, [3]], "a": ["x", "y"]}
MIXED = {"rate": {"loguniform": [1e-4, 1.0]}, "depth": {"integers": [2, 5]}, "kind": ["a", "b"]}


def test_a_grid_has_every_combination_in_scikit_learns_order() -> None:
    assert list(spaces.grid(LISTS)) == list(ParameterGrid(LISTS))


@pytest.mark.parametrize("tries", [1, 3, 6, 50])
def test_of_lists_alone_each_combination_is_drawn_at_most_once(tries: int) -> None:
    found = list(spaces.drawn(LISTS, tries, 3))
    assert len(found) == min(tries, 6)
    assert all(found.count(values) == 1 and values in list(spaces.grid(LISTS)) for values in found)


def test_some_of_a_large_space_are_drawn_without_making_all_of_it() -> None:
    space = {f"p{number}": list(range(100)) for number in range(8)}
    found = list(spaces.drawn(space, 20, 3))
    assert len({tuple(values.items()) for values in found}) == 20


def test_draws_keep_to_the_bounds_and_come_again_with_the_same_seed() -> None:
    found = list(spaces.drawn(MIXED, 300, 5))
    assert found == list(spaces.drawn(MIXED, 300, 5)) != list(spaces.drawn(MIXED, 300, 6))
    assert all(1e-4 <= values["rate"] <= 1.0 for values in found)
    assert {values["depth"] for values in found} == {2, 3, 4, 5}
    below = sum(values["rate"] < 1e-2 for values in found) / len(found)
    assert 0.4 < below < 0.6, "half of the decades lie below the middle one"


@pytest.mark.parametrize(
    ("wanted", "most"),
    [
        ({"space": LISTS}, 6),
        ({"space": LISTS, "method": "random", "iterations": 4}, 4),
        ({"space": LISTS, "method": "optuna", "iterations": 40}, 6),
        ({"space": MIXED, "method": "random"}, 20),
    ],
)
def test_how_many_trials_there_will_be(wanted: dict[str, Any], most: int) -> None:
    assert spaces.count(wanted) == most


def test_optuna_finds_the_better_end_and_asks_the_same_again() -> None:
    def asked() -> list[dict[str, Any]]:
        guide, found = spaces.Guided(MIXED, 1), []
        for _ in range(30):
            number, values = guide.ask()
            found.append(values)
            guide.tell(number, values["rate"], stopped=False, after=())
        return found

    first = asked()
    assert first == asked()
    late = [values["rate"] for values in first[20:]]
    early = [values["rate"] for values in first[:10]]
    assert sum(late) / len(late) > sum(early) / len(early)
    assert all(values["depth"] in range(2, 6) and values["kind"] in "ab" for values in first)
