"""The embedded runtime keeps what every runtime promises."""

from __future__ import annotations

import pytest
from contracts.stack_contract import StackContract


@pytest.mark.slow
class TestEmbeddedStack(StackContract):
    runtime = "embedded"
    core = ("postgres", "mlflow")
