"""Users' functions cannot end the process with an exit code that says all is well."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys

import pytest

from mlpipes_cli.data import user_code


def test_an_end_of_the_process_becomes_an_error() -> None:
    leave = os._exit
    with pytest.raises(user_code.ExitCalled, match=r"os\._exit\(0\)"), user_code.running():
        os._exit(0)
    assert os._exit is leave


def test_what_it_prints_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with user_code.running():
        print("told")
    assert tuple(capsys.readouterr()) == ("", "told\n")


def test_a_process_that_it_starts_ends_as_it_likes() -> None:
    with user_code.running():
        child = multiprocessing.get_context("fork").Process(target=os._exit, args=(7,))
        child.start()
        child.join(60)
        assert child.exitcode == 7
        assert subprocess.run([sys.executable, "-c", "import os; os._exit(5)"], check=False).returncode == 5
