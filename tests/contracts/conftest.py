from __future__ import annotations

from pathlib import Path

import pytest
from contracts import trainer_contract


@pytest.fixture(autouse=True)
def trainer_scratch(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("scratch")
    monkeypatch.setattr(trainer_contract, "SCRATCH", folder)
    return folder
