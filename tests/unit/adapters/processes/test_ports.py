from __future__ import annotations

import os
import socket

import psutil
import pytest
from stack_help import stranger

from mlpipes_cli.adapters.processes import ports
from mlpipes_cli.adapters.processes.ports import PortReservations
from mlpipes_cli.errors import MlpipesError, UsageError


@pytest.fixture(autouse=True)
def _no_offset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ports.OFFSET, raising=False)


def free() -> int:
    with stranger() as port:
        return port


def choose(held: PortReservations, said: list[str] | None = None, **changes: int | None) -> int:
    settings = {"wanted": None, "remembered": None, "preference": 20000} | changes
    return ports.choose("postgres", held, say=(said if said is not None else []).append, **settings)  # type: ignore[arg-type]


def test_a_held_port_is_given_to_nobody_else_and_can_be_listened_on() -> None:
    port = free()
    with PortReservations() as one, PortReservations() as other:
        assert one.take(port)
        assert not other.take(port)
        assert not one.take(port)
        with stranger(port):
            pass
        one.release(port)
        assert other.take(port)
    with PortReservations() as later:
        assert later.take(port)


def test_a_port_on_which_somebody_listens_is_not_free() -> None:
    with stranger() as port:
        assert not ports.is_free(port)
        with PortReservations() as held:
            assert not held.take(port)
    assert ports.is_free(port)


def test_a_listener_on_every_address_counts_too() -> None:
    with socket.create_server(("0.0.0.0", 0)) as server:
        assert not ports.is_free(server.getsockname()[1])


def test_the_preferred_port_then_the_next_free_one() -> None:
    port = free()
    with PortReservations() as held:
        first = choose(held, preference=port)
        second = choose(held, preference=port)
    assert first == port
    assert second > port


def test_an_offset_moves_where_to_look_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free()
    monkeypatch.setenv(ports.OFFSET, "7")
    with PortReservations() as held:
        assert choose(held, preference=port - 7) == port
    remembered, fixed = free(), free()
    with PortReservations() as held:
        assert choose(held, remembered=remembered) == remembered
        assert choose(held, wanted=fixed) == fixed


@pytest.mark.parametrize("text", ["x", "-1", "50001", "1.5", "²", "1_000"])
def test_an_offset_that_is_none(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(ports.OFFSET, text)
    with PortReservations() as held, pytest.raises(UsageError, match="MLPIPES_PORT_OFFSET is ") as caught:
        choose(held)
    assert caught.value.lines()[0].endswith("; set it to a number from 0 to 50000, or unset it")


def test_the_remembered_port_comes_first_and_its_loss_is_told() -> None:
    said: list[str] = []
    me = f"{psutil.Process().name()} (pid {os.getpid()})"
    remembered = free()
    with PortReservations() as held:
        assert choose(held, said, remembered=remembered) == remembered
        assert said == []
    with stranger(remembered), PortReservations() as held:
        moved = choose(held, said, remembered=remembered)
    assert moved != remembered
    assert said == [f"port {remembered} of postgres is taken by {me}; using the next free port, {moved}"]


def test_a_fixed_port_that_is_taken_is_an_error() -> None:
    with stranger() as port, PortReservations() as held, pytest.raises(MlpipesError) as caught:
        choose(held, wanted=port)
    assert str(port) in caught.value.reason
    assert "auto" in caught.value.hint
