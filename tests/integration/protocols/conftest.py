from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import protocol_help
import protocol_models
import pytest
import serving_help
from protocol_help import Api


@pytest.fixture(scope="session")
def database() -> Iterator[serving_help.Postgres]:
    with serving_help.postgres() as server:
        yield server


@pytest.fixture(scope="session")
def api(
    tmp_path_factory: pytest.TempPathFactory, database: serving_help.Postgres
) -> Iterator[Callable[[str], Api]]:
    """Makes the API for a kind of model (a key of ``protocol_models.KINDS``), once a session."""
    base, made = tmp_path_factory.mktemp("models"), dict[str, Api]()
    with ExitStack() as stack:

        def make(kind: str) -> Api:
            if kind not in made:
                path: Path = protocol_models.KINDS[kind](base / kind)
                app = protocol_help.front(path, database.url, name=kind, max_bytes=4_000_000, max_rows=2000)
                port = stack.enter_context(protocol_help.live(app))
                url, said = f"http://127.0.0.1:{port}", {"content-type": "application/json"}
                client = httpx.Client(base_url=url, headers=said, trust_env=False, timeout=60)
                made[kind] = Api(port, stack.enter_context(client), database, app)
            return made[kind]

        yield make
