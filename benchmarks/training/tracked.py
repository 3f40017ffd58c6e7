"""Seconds that ``mlpipes train`` spends in calls to the tracking server, and its runs."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from mlpipes_cli.adapters import wiring
from mlpipes_cli.cli.app import run

SETTING_UP = ("reach", "prepare", "ping")  # once a command, whatever is trained


class Timed:
    """An object whose calls from outside are timed."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.seconds, self.begun = 0.0, 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found) or name in SETTING_UP:
            return found

        def call(*arguments: Any, **named: Any) -> Any:
            self.begun += name == "begin"
            started = time.perf_counter()
            try:
                return found(*arguments, **named)
            finally:
                self.seconds += time.perf_counter() - started

        return call


def main() -> int:
    timed: list[Timed] = []
    make = wiring.make_tracking

    def make_tracking(*arguments: Any) -> Any:
        timed.append(Timed(make(*arguments)))
        return timed[-1]

    wiring.make_tracking = make_tracking
    code = run(["train", sys.argv[1], "--parallel", "1", "--force"])
    told = {"seconds": sum(one.seconds for one in timed), "runs": sum(one.begun for one in timed)}
    print(json.dumps(told))
    return code


if __name__ == "__main__":
    sys.exit(main())
