"""What waits in the spool without a server: shown, replayed by a command, and not thrown away unsaid."""

from __future__ import annotations

from pathlib import Path

import pytest
import reliability_help
from conftest import Cli
from reliability_help import Stack
from unit.adapters.spool.test_record_format import row

from mlpipes_cli.adapters.spool import pending_records
from mlpipes_cli.adapters.spool.folders import Spool
from mlpipes_cli.adapters.spool.record_format import pack
from mlpipes_cli.ports import PredictionRow

pytestmark = pytest.mark.slow


def spooled(root: Path, writes: int = 3) -> list[PredictionRow]:
    """What a server left that was killed."""
    spool = Spool(root / ".mlpipes" / "spool", 10**6)
    spool.open()
    rows = [row() for _ in range(writes)]
    for one in rows:
        spool.append([pack([one])], 1, one.made_at)
    spool.close()
    return rows


def test_it_is_replayed_without_an_api(stack: Stack) -> None:
    rows = spooled(stack.root)
    assert "3 predictions are in the spool" in stack.cli("status").ok().out
    assert stack.cli("predictions", "replay").ok().out == "3 predictions replayed\n"
    stored = {found[0] for found in stack.stored()}
    assert {one.prediction_id for one in rows} <= stored
    assert "spool" not in stack.cli("status").ok().out
    assert stack.cli("predictions", "replay").ok().out == "nothing to replay\n"


def test_what_a_living_server_holds_is_left_to_it(stack: Stack) -> None:
    held = Spool(stack.root / ".mlpipes" / "spool", 10**6)
    held.open()
    held.append([pack([row()])], 1, 1)
    spooled(stack.root, 2)
    told = stack.cli("predictions", "replay", "--json").ok().json
    assert (told["predictions"], told["held"], told["set_aside"]) == (2, 1, 0)
    held.close()
    assert stack.cli("predictions", "replay", "--json").ok().json["predictions"] == 1


def test_damage_is_named(stack: Stack) -> None:
    spooled(stack.root)
    (path,) = (stack.root / ".mlpipes" / "spool").glob("*/*.rows")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    done = stack.cli("predictions", "replay").ok()
    assert done.out.splitlines()[-1] == "1 files could not be replayed: see .mlpipes/spool/set-aside"
    (aside,) = (stack.root / ".mlpipes" / "spool" / "set-aside").iterdir()
    aside.unlink()


def test_without_the_database_nothing_is_lost(stack: Stack) -> None:
    spooled(stack.root)
    stack.kill_postgres()
    try:
        done = stack.cli("predictions", "replay")
        assert done.code == 1
        assert len(done.err.strip().splitlines()) == 1
        assert pending_records(stack.root / ".mlpipes" / "spool").rows == 3
    finally:
        stack.up()
    assert stack.cli("predictions", "replay").ok().out == "3 predictions replayed\n"


def test_down_says_what_is_lost_with_the_data(cli: Cli, project_dir: Path) -> None:
    (project_dir / ".mlpipes").mkdir()
    spooled(project_dir)
    done = cli("down").ok()
    assert "spool" not in done.err
    assert pending_records(project_dir / ".mlpipes" / "spool").rows == 3
    done = cli("down", "--volumes", "--yes").ok()
    assert "3 predictions in the spool are not in the database yet" in done.err
    assert "and 3 predictions of the spool" in done.err


def test_down_keeps_what_a_remote_table_still_misses(stack: Stack, tmp_path: Path) -> None:
    with reliability_help.behind(stack, tmp_path) as project:
        project.settings("  port: auto\n")
        (project.root / ".mlpipes").mkdir(exist_ok=True)
        spooled(project.root)
        done = project.cli("down", "--volumes", "--yes")
        assert done.code == 1
        assert (
            "3 predictions in the spool are not in the remote database yet; `mlpipes predictions replay`"
            in done.err
        )
        assert pending_records(project.root / ".mlpipes" / "spool").rows == 3
        assert project.cli("predictions", "replay").ok().out == "3 predictions replayed\n"
        project.cli("down", "--volumes", "--yes").ok()
