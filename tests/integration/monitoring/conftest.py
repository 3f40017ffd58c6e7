from __future__ import annotations

from collections.abc import Iterator

import log_help
import pytest
import serving_help


@pytest.fixture(scope="session")
def postgres() -> Iterator[serving_help.Postgres]:
    with serving_help.postgres() as server:
        yield server


@pytest.fixture
def url(postgres: serving_help.Postgres) -> str:
    """A database with empty tables of the newest version."""
    log_help.fresh(postgres.url)
    return postgres.url
