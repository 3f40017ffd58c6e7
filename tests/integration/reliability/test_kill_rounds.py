"""``kill -9`` of the API, of Postgres, and of both, at random moments, under load from several processes.

``MLPIPES_KILL_ROUNDS`` says how many rounds there are.
"""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest
from reliability_help import Load, Server, Stack, Truth

pytestmark = pytest.mark.slow
ROUNDS = int(os.environ.get("MLPIPES_KILL_ROUNDS", "3"))


@pytest.mark.parametrize(
    ("mode", "options"), [("refuse", ()), ("spool", ()), ("spool", ("--workers", "2"))],
    ids=["refuse", "spool", "spool-workers"],
)  # fmt: skip
def test_whatever_is_killed_each_prediction_that_was_told_is_there_once(
    stack: Stack, truth: Truth, tmp_path: Path, mode: str, options: tuple[str, ...]
) -> None:
    seed = int(os.environ.get("MLPIPES_KILL_SEED", "4"))
    dice = random.Random(f"{seed}{mode}{options}")
    stack.settings(f"  on_log_failure: {mode}\n")
    server = Server(stack.cli, options)
    server.start()
    killed: dict[str, int] = {}
    with Load(server.url, tmp_path / "load") as load:
        for turn in range(ROUNDS):
            load.after(20)
            time.sleep(dice.uniform(0, 1.0))
            what = (
                ("api", "postgres", "both")[turn % 3]
                if turn < 3
                else dice.choice(["api", "postgres", "both"])
            )
            killed[what] = killed.get(what, 0) + 1
            if what == "both" and dice.random() < 0.5:
                server.kill()
            if what != "api":
                stack.kill_postgres()
                time.sleep(dice.uniform(0, 0.5))
            if what != "postgres" and server.process is not None and server.process.poll() is None:
                server.kill()
            if what != "api":
                stack.up()
            if what != "postgres":
                server.start()
        load.after(50)
        load.stop()
        if mode == "spool":
            server.drained()
        assert server.stop() == 0
        told, statuses = load.told(), load.statuses()
    print(f"{mode} {options}: {killed}, {len(told)} predictions told, answers by status {statuses}, "
          f"slowest {load.slowest():.2f} s")  # fmt: skip
    assert set(statuses) <= {0, 200, 503}
    assert len(told) > 20 * ROUNDS  # each round waited for so many answers
    stack.check(told, truth)
