from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import dataset_help
import pytest
from conftest import Result, RunningStack


@pytest.fixture(scope="module")
def url(running_stack: RunningStack) -> Iterator[str]:
    address = running_stack.environment["MLPIPES_DATABASE_URL"]
    dataset_help.forget(address)
    yield address
    dataset_help.forget(address)


@pytest.fixture
def prepare(running_stack: RunningStack) -> Callable[..., Result]:
    """Writes a file with these further lines, and runs `data prepare`."""

    def run(name: str, text: str, *options: str) -> Result:
        dataset_help.write(running_stack.root, f"dataset: {name}\nsource: x.csv\n{text}\n")
        return running_stack.cli("data", "prepare", "--json", *options)

    return run


@pytest.fixture
def clean(url: str) -> Callable[..., Any]:
    """Returns the rows of the newest version, or of another table of `clean_data`."""

    def read(table: str) -> Any:
        return dataset_help.frame(url, f'select * from clean_data."{table}"')

    return read
