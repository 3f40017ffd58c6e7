from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import serving_help


@pytest.fixture(scope="module")
def postgres() -> Iterator[serving_help.Postgres]:
    with serving_help.postgres() as server:
        yield server


@pytest.fixture(scope="session")
def saved_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return serving_help.saved(tmp_path_factory.mktemp("model") / "m")
