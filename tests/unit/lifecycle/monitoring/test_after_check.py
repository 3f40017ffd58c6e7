"""The hooks that the watcher calls after its checks."""

from __future__ import annotations

import re
from typing import Any

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.lifecycle.monitoring import after_check


class _Reporter:
    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)


def test_a_hook_that_fails_is_one_warning_and_the_next_one_is_called() -> None:
    called: list[Any] = []

    def fails(*_: Any) -> None:
        raise MlpipesError("the training failed", "see its log")

    def raises(*_: Any) -> None:
        raise ValueError("could not convert '4711'")

    reporter: Any = _Reporter()
    after_check.run(None, reporter, None, [fails, raises, lambda *given: called.append(given)])  # type: ignore[arg-type]
    assert called == [(None, reporter, None)]
    expected, unexpected = reporter.warnings
    assert expected == MlpipesError("the training failed", "see its log").lines()[0]
    assert re.fullmatch(r"unexpected ValueError at test_after_check\.py:\d+", unexpected)
