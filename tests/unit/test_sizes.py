from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpipes_cli.compose.schema import ServicePart
from mlpipes_cli.config.serving import Limits
from mlpipes_cli.sizes import PATTERN, size


@given(
    st.integers(1, 10**6), st.sampled_from([("", 1), ("k", 2**10), ("m", 2**20), ("g", 2**30), ("t", 2**40)])
)
def test_units_are_powers_of_1024(number: int, unit: tuple[str, int]) -> None:
    letter, scale = unit
    for text in (
        f"{number}{letter}",
        f"{number}{letter.upper()}",
        f"{number} {letter}b",
        f"{number}{letter}iB",
    ):
        assert size(text) == number * scale
        assert re.match(PATTERN, text)  # what the JSON Schema has


@pytest.mark.parametrize(
    ("value", "number"), [("1.5g", 3 * 2**29), ("0.5K", 512), (4096, 4096), (" 32m ", 32 * 2**20)]
)
def test_sizes(value: str | int, number: int) -> None:
    assert size(value) == number


@pytest.mark.parametrize(
    "value", ["many", "0m", "0", 0, -1, "-1g", "1x", "", "m", True, 1.5, None, "٣m", "1m2"]
)
def test_what_is_no_size_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=re.escape(f"expected a size such as 512m or 2g, got {value!r}")):
        size(value)


@pytest.mark.parametrize("value", ["32m", "32M", "32MB", "32 MiB", 32 * 2**20])
def test_every_file_reads_them_alike(value: str | int) -> None:
    assert Limits.model_validate({"body": value}).body == 32 * 2**20
    assert ServicePart.model_validate({"image": "a", "shm_size": value}).shm_size == 32 * 2**20
