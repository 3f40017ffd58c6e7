"""Promotions back and forth, and a stop, under load.

``MLPIPES_PROMOTIONS`` says how many promotions there are, ``MLPIPES_STOPS`` how many stops in each mode.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import serving_help
from reliability_help import Load, Server, Stack, Truth

pytestmark = pytest.mark.slow
PROMOTIONS = int(os.environ.get("MLPIPES_PROMOTIONS", "6"))
STOPS = int(os.environ.get("MLPIPES_STOPS", "1"))


@pytest.mark.parametrize("options", [(), ("--workers", "2")], ids=["one", "workers"])
def test_every_answer_is_of_the_version_that_it_names(
    stack: Stack, truth: Truth, tmp_path: Path, options: tuple[str, ...]
) -> None:
    stack.settings("  on_log_failure: refuse\n")
    stack.promote(1)
    server = Server(stack.cli, options)
    server.start()
    took = []
    try:
        with Load(server.url, tmp_path / "load") as load:
            load.after(20)
            for turn in range(PROMOTIONS):
                version = 2 - turn % 2
                stack.promote(version)
                began = time.monotonic()
                serving_help.until(
                    lambda v=version: server.ready()["model"]["version"] == v, 120, "the promoted version"
                )
                took.append(time.monotonic() - began)
                load.after(5)
            load.stop()
            assert server.stop() == 0
            told = load.told()
            swapped = f"median {sorted(took)[len(took) // 2]:.2f} s, longest {max(took):.2f} s"
            print(f"{PROMOTIONS} promotions, {len(told)} told, {load.statuses()}, until swapped: {swapped}")
            assert set(load.statuses()) == {200}
            assert {one.version for one in told} == {1, 2}
            stack.check(told, truth)
            assert len(load.stored_by(stack.stored())) == len(told)
    finally:
        server.kill()
        stack.promote(1)


@pytest.mark.parametrize("mode", ["refuse", "spool"])
def test_a_stop_answers_and_stores_all_that_came_in(
    stack: Stack, truth: Truth, tmp_path: Path, mode: str
) -> None:
    stack.settings(f"  on_log_failure: {mode}\n")
    for turn in range(STOPS):
        server = Server(stack.cli)
        server.start()
        with Load(server.url, tmp_path / f"load{turn}", processes=6) as load:
            load.after(60)
            assert server.stop() == 0
            load.stop()
            assert set(load.statuses()) <= {0, 200}
            stack.check(load.told(), truth)
            stored = {row[0] for row in load.stored_by(stack.stored())}
            assert stored == {one.prediction_id for one in load.told()}
