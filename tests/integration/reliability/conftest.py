from __future__ import annotations

from collections.abc import Iterator

import pytest
import reliability_help
import serving_help


@pytest.fixture(scope="module")
def postgres() -> Iterator[serving_help.Postgres]:
    with serving_help.postgres() as server:
        yield server


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[reliability_help.Stack]:
    """A stack to be hurt; each test finds it running."""
    with reliability_help.stack(tmp_path_factory.mktemp("reliability")) as made:
        yield made


@pytest.fixture(scope="session")
def truth() -> reliability_help.Truth:
    return reliability_help.Truth()
