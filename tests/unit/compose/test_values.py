"""Durations, ports, volumes and the like."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpipes_cli.compose import values
from mlpipes_cli.compose.model import Mount, PublishedPort


@given(st.integers(0, 99), st.integers(0, 59), st.integers(1, 59))
def test_durations_add_up(hours: int, minutes: int, seconds: int) -> None:
    assert values.duration(f"{hours}h{minutes}m{seconds}s") == hours * 3600 + minutes * 60 + seconds


@pytest.mark.parametrize(
    ("text", "seconds"), [("1m30s", 90.0), ("1.5s", 1.5), ("250ms", 0.25), ("10us", 1e-5), ("0s", 0.0)]
)
def test_duration(text: str, seconds: float) -> None:
    assert values.duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:5432:5432", PublishedPort("127.0.0.1", 5432, 5432)),
        ("8080:80", PublishedPort("127.0.0.1", 8080, 80)),
        ("0.0.0.0:1:65535/tcp", PublishedPort("0.0.0.0", 1, 65535)),
        ("[::1]:80:81", PublishedPort("::1", 80, 81)),
        ("[fe80:0::2]:80:81", PublishedPort("fe80::2", 80, 81)),
    ],
)
def test_port(text: str, expected: PublishedPort) -> None:
    assert values.port(text) == expected


def test_mount() -> None:
    assert values.mount("data:/var/lib/") == Mount("data", "/var/lib")
    assert values.mount("data:/x:ro") == Mount("data", "/x", read_only=True)


def test_words() -> None:
    assert values.words("sh -c 'a b'") == ("sh", "-c", "a b")
    assert values.words(["a b", 5]) == ("a b", "5")


def test_pairs() -> None:
    assert values.pairs(["A=1=2", "B="]) == values.pairs({"A": "1=2", "B": ""}) == {"A": "1=2", "B": ""}
    assert values.pairs({"N": 5, "F": 1.5}) == {"N": "5", "F": "1.5"}


def test_tmpfs() -> None:
    assert values.tmpfs("/tmp") == {"/tmp": ""}
    assert values.tmpfs(["/tmp:size=64m,mode=1777", "/run"]) == {"/tmp": "size=64m,mode=1777", "/run": ""}


def test_mode() -> None:
    assert values.mode("0444") == values.mode(0o444) == values.mode("444") == 0o444


def test_health_test() -> None:
    assert values.test("curl x") == ("CMD-SHELL", "curl x")
    assert values.test(["CMD", "a", "b"]) == ("CMD", "a", "b")
    assert values.test(["NONE"]) == ("NONE",)


@pytest.mark.parametrize(
    ("function", "value", "said"),
    [
        (values.duration, 5, "10s or 1m30s"),
        (values.duration, "5", "10s or 1m30s"),
        (values.duration, "s", "10s or 1m30s"),
        (values.duration, "1d", "10s or 1m30s"),
        (values.port, 5432, "in quotes"),
        (values.port, "5432", "address:host_port:port"),
        (values.port, "127.0.0.1:5432:5432/udp", "only TCP"),
        (values.port, "db:1:2", "not a valid IP address"),
        (values.port, "127.0.0.1:0:2", "not a port"),
        (values.port, "127.0.0.1:1:65536", "not a port"),
        (values.mount, "./here:/x", "not a named volume"),
        (values.mount, "/etc:/x", "not a named volume"),
        (values.mount, "a:b", "begin with /"),
        (values.mount, "a:/b:z", "volume:/path"),
        (values.words, "it's", "cannot be parsed"),
        (values.words, {"a": 1}, "expected a list"),
        (values.pairs, ["A"], "NAME=value"),
        (values.pairs, {"A": True}, "A: true is not a string; put it in quotes"),
        (values.pairs, {"A": None}, "A: null is not a string"),
        (values.pairs, 5, "NAME: value"),
        (values.tmpfs, "tmp", "begin with /"),
        (values.mode, "0999", "0444"),
        (values.mode, True, "0444"),
        (values.test, ["curl", "x"], "CMD"),
        (values.test, [], "CMD"),
        (values.test, ["CMD-SHELL", "a", "b"], "CMD"),
    ],
)
def test_mistakes_say_what_was_expected(function: Callable[[Any], Any], value: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        function(value)
