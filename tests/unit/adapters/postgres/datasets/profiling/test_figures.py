from __future__ import annotations

import itertools

import pytest

from mlpipes_cli.adapters.postgres.datasets.profiling.figures import edges_between, whole_edges


@pytest.mark.parametrize(
    ("low", "high", "count", "first", "last"),
    [
        (0, 1, 3, -0.5, 1.5),
        (18, 79, 22, 17.5, 80.5),
        (-5, 18, 25, -5.5, 18.5),
        (0, 10**9, 25, -0.5, 10**9 + 23 - 0.5),
        (7, 7, 2, 6.5, 7.5),
        (2**62, 2**62 + 3, 2, 2.0**62, 2.0**62),
    ],
)
def test_bins_of_whole_numbers_are_equally_wide(
    low: int, high: int, count: int, first: float, last: float
) -> None:
    edges = whole_edges(low, high)
    assert len(edges) == count
    assert (edges[0], edges[-1]) == (first, pytest.approx(last))
    assert edges[0] <= low <= float(high) <= edges[-1]
    assert len({round(b - a, 6) for a, b in itertools.pairwise(edges)}) == 1


def test_bins_of_numbers() -> None:
    assert edges_between(0.0, 24.0) == [float(one) for one in range(25)]
    assert edges_between(0.1, 0.3)[-1] == 0.3
    assert edges_between(-1e308, 1e308) == [-1e308, 1e308]
    near = edges_between(1.0, 1.0000000000000004)
    assert near == [1.0, 1.0000000000000002, 1.0000000000000004], "there are no more numbers between"
