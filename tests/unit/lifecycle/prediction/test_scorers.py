"""What is said where no API answers, and where a model fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import serving_help
from reporter_help import Told

from mlpipes_cli.errors import MlpipesError, UsageError
from mlpipes_cli.lifecycle.prediction.scorers import _Offline, running_scorer
from mlpipes_cli.project import find_project


@pytest.mark.parametrize(
    ("model", "alias", "said"),
    [
        (None, None, "no API is running"),
        ("people", None, "no API for model 'people' is running"),
        ("people", "staging", "no API for model 'people' and alias 'staging' is running"),
        (None, "staging", "no API for alias 'staging' is running"),
    ],
)
def test_the_model_and_the_alias_that_nobody_serves_are_named(
    project_dir: Path, model: str | None, alias: str | None, said: str
) -> None:
    with (
        pytest.raises(MlpipesError) as error,
        running_scorer(find_project(project_dir), Told(), model, alias),
    ):
        pass
    assert str(error.value) == said


def test_a_model_that_fails_is_no_mistake_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = serving_help.served(serving_help.saved(tmp_path / "m"))

    def fails(*_: Any) -> Any:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(served, "predict", fails)
    with pytest.raises(MlpipesError, match="the model failed") as error:
        _Offline(served).score(serving_help.people(5), 0)
    assert not isinstance(error.value, UsageError)
    assert str(error.value) == "rows 1 to 5: the model failed: out of memory"
    assert error.value.exit_code == 1
