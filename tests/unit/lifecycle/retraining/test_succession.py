"""At how many ground truths a promoted version is looked at."""

from __future__ import annotations

from fractions import Fraction

from mlpipes_cli.lifecycle.retraining import succession


def test_each_look_is_at_twice_as_many_ground_truths() -> None:
    found = {n: succession.look(n)[0] for n in (0, 49, 50, 99, 100, 199, 200, 399, 400, 10**9)}
    assert found == {
        0: 0, 49: 0, 50: 50, 99: 50, 100: 100, 199: 100, 200: 200, 399: 200, 400: 400, 10**9: 102_400,
    }  # fmt: skip


def test_the_shares_of_all_looks_add_up_to_less_than_alpha() -> None:
    looks = {succession.look(n) for n in range(50, 300_000, 50)}
    assert len(looks) == 12
    total = sum(Fraction(share).limit_denominator(1000) for _, share in looks)
    assert total == 1 - Fraction(1, 13)
