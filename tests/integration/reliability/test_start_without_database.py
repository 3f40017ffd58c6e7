"""An API with its model in a folder starts, answers and is killed while there is no database."""

from __future__ import annotations

from pathlib import Path

import pytest
import serving_help
from conftest import Cli
from reliability_help import FromFolder, Load, Stack, Truth
from tcp_faults import Proxy

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("workers", [1, 2])
def test_it_answers_and_stores_later(
    postgres: serving_help.Postgres, truth: Truth, tmp_path: Path, workers: int
) -> None:
    root = tmp_path / "image"
    root.mkdir()
    table = Stack(root, Cli(tmp_path / "home", root))
    told = []
    with Proxy.before(postgres.url) as proxy:
        proxy.refuse()
        table.cli.environment["MLPIPES_DATABASE_URL"] = proxy.url(postgres.url)
        table.cli.environment["TMPDIR"] = str(tmp_path)
        server = FromFolder(table.cli, workers=workers)
        for turn in range(3):
            server.start()
            ready = server.ready()
            assert (ready["ready"], ready["database"]) == (True, False)
            with Load(server.url, tmp_path / f"load{turn}") as load:
                load.after(30)
                server.kill()
                load.stop()
                told += load.told()
            assert set(load.statuses()) <= {0, 200}
        server.start()
        assert server.ready()["spooled"] > 0 or workers > 1  # the other one may hold them
        proxy.refuse(False)
        serving_help.until(lambda: len(stored(table, postgres)) >= len(told), 60, "the replay")
        assert server.stop() == 0
    stored_ids = {row[0] for row in stored(table, postgres)}
    assert {one.prediction_id for one in told} <= stored_ids
    assert all(truth.agrees(one.caller_id, one.version, one.prediction, one.score) for one in told)
    assert not list((root / "spool").glob("*/*.rows"))
    postgres.query("truncate serving.predictions")


def stored(table: Stack, postgres: serving_help.Postgres) -> list[tuple[object, ...]]:
    import psycopg2

    try:
        found = table.stored(postgres.url)
    except psycopg2.errors.UndefinedTable:
        return []
    assert len({row[0] for row in found}) == len(found)
    return found
