"""How a training hears of Ctrl-C."""

from __future__ import annotations

import io
import signal
from collections.abc import Iterator

import pandas as pd
import pytest

from mlpipes_cli.lifecycle.training.termination import heard, held


@pytest.fixture(autouse=True)
def _own_handler() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Interrupted(io.StringIO):
    """Ctrl-C comes while it is read."""

    def read(self, size: int | None = -1) -> str:
        signal.raise_signal(signal.SIGINT)
        return super().read(size)


def test_an_interrupt_that_pandas_calls_a_mistake_of_the_file() -> None:
    with pytest.raises(pd.errors.ParserError):
        pd.read_csv(Interrupted("a,b\n1,2\n"))
    with pytest.raises(KeyboardInterrupt), heard():
        pd.read_csv(Interrupted("a,b\n1,2\n"))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_that_a_library_swallows() -> None:
    went_on = False
    with pytest.raises(KeyboardInterrupt), heard():
        try:
            signal.raise_signal(signal.SIGINT)
        except BaseException:
            went_on = True
    assert went_on


def test_mistakes_without_an_interrupt_stay_what_they_are() -> None:
    with pytest.raises(pd.errors.EmptyDataError), heard():
        pd.read_csv(io.StringIO(""))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_who_ignores_interrupts_goes_on_ignoring_them() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with heard():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_is_held_comes_at_the_end_of_the_block(number: signal.Signals) -> None:
    done = False
    with pytest.raises(KeyboardInterrupt), held():
        signal.raise_signal(number)
        done = True
    assert done
