from __future__ import annotations

from collections.abc import Iterator

import pytest
import threadpoolctl


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """As the API runs: threads that wait for each other would be slow on a busy machine."""
    with threadpoolctl.threadpool_limits(1):
        yield
