"""A pytest plugin: a failure is told when it happens, for a run that may not come to its summary."""

from __future__ import annotations

import re

import pytest

LINES = 40  # of a failure's report; the summary has it whole
_PLACE = re.compile(r"\S+\.py:\d+:")  # where one function of the traceback stood


class AtOnce:
    def __init__(self, terminal: pytest.TerminalReporter) -> None:
        self._terminal = terminal

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._terminal.ensure_newline()
            self._terminal.line(f"failed just now, {report.when}: {report.nodeid}", red=True)
            lines = report.longreprtext.splitlines()
            for line in [*filter(_PLACE.match, lines[:-LINES]), *lines[-LINES:]]:
                self._terminal.line(f"  {line}")
            self._terminal.flush()


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if terminal is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(AtOnce(terminal), "told-at-once")
