from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import browser_help
import page_help
import pytest
import serving_help


@pytest.fixture(scope="module")
def postgres() -> Iterator[serving_help.Postgres]:
    with serving_help.postgres() as server:
        yield server


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser_help.Page]:
    with browser_help.browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Saved models by what is special about them."""
    base, made = tmp_path_factory.mktemp("models"), {}
    makers: dict[str, Callable[[Path], Path]] = {
        "people": page_help.people_model,
        "kinds": lambda path: page_help.people_model(path, ("setosa", "versicolor", "virginica")),
        "amounts": lambda path: page_help.people_model(path, regression=True),
        "hostile": page_help.hostile_model,
        "wide": page_help.wide_model,
        "tensors": page_help.tensor_model,
        "pictures": page_help.picture_model,
    }

    def saved(kind: str) -> Path:
        if kind not in made:
            made[kind] = makers[kind](base / kind)
        return made[kind]

    return saved
