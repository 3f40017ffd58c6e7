"""What is said of an engine before anything is changed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlpipes_cli.adapters.docker.engine.capabilities import (
    GIGABYTE,
    EngineCapabilities,
    findings,
    without_unsupported,
)
from mlpipes_cli.compose.model import Service

GOOD = EngineCapabilities(
    "28.0", "linux", "/var/lib/docker", 50 * GIGABYTE, 8 * GIGABYTE, 4, "overlay2", True, True
)
SERVICE = Service("one", "x", mem_limit=2 * GIGABYTE, memswap_limit=2 * GIGABYTE, pids_limit=99, cpus=2.0)


def test_nothing_to_say_of_a_good_engine() -> None:
    assert findings(GOOD, [SERVICE, SERVICE]) == []
    assert without_unsupported(GOOD, SERVICE) == SERVICE
    assert findings(replace(GOOD, free=None), [SERVICE]) == []


@pytest.mark.parametrize(
    ("facts", "level", "words"),
    [
        (replace(GOOD, kind="windows"), "fault", "windows containers"),
        (replace(GOOD, free=GIGABYTE // 4), "fault", "0.2 GB free in /var/lib/docker"),
        (replace(GOOD, free=2 * GIGABYTE), "warning", "2.0 GB free"),
        (
            replace(GOOD, memory=3 * GIGABYTE),
            "warning",
            "may use 4.0 GB, but the engine's machine has only 3",
        ),
        (replace(GOOD, limits_memory=False), "warning", "cannot limit memory:"),
        (replace(GOOD, limits_cpus=False), "warning", "cannot limit processors:"),
        (replace(GOOD, limits_cpus=False, limits_memory=False), "warning", "memory and processors:"),
        (replace(GOOD, limits_swap=False), "warning", "cannot limit swap:"),
        (
            replace(GOOD, limits_cpus=False, limits_memory=False, limits_swap=False, limits_pids=False),
            "warning",
            "cannot limit memory, processors and processes:",
        ),
        (replace(GOOD, driver="vfs"), "warning", "vfs"),
    ],
)
def test_what_is_wrong(facts: EngineCapabilities, level: str, words: str) -> None:
    ((found, what, fix),) = findings(facts, [SERVICE, SERVICE])
    assert (found, words in what, bool(fix)) == (level, True, True)


def test_the_worst_comes_first() -> None:
    facts = replace(GOOD, driver="vfs", memory=1, free=0)
    assert [level for level, _, _ in findings(facts, [SERVICE])] == ["fault", "warning", "warning"]


def test_limits_that_the_engine_would_refuse() -> None:
    assert without_unsupported(replace(GOOD, cpus=1), SERVICE).cpus == 1.0
    assert without_unsupported(replace(GOOD, limits_cpus=False), SERVICE).cpus is None
    bare = without_unsupported(replace(GOOD, limits_memory=False), SERVICE)
    assert (bare.mem_limit, bare.memswap_limit, bare.pids_limit) == (None, None, 99)
    assert without_unsupported(replace(GOOD, limits_swap=False), SERVICE).memswap_limit is None
    assert without_unsupported(replace(GOOD, limits_pids=False), SERVICE).pids_limit is None
    assert without_unsupported(GOOD, replace(SERVICE, cpus=None)).cpus is None
