"""What is said where no API answers."""

from __future__ import annotations

from pathlib import Path

import pytest
from reporter_help import Told

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.lifecycle.prediction.scorers import running_scorer
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
