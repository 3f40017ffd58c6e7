"""The OpenAPI description against the running API: schemathesis on every route, with a real database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from protocol_help import Api
from schemathesis.generation import GenerationMode

pytestmark = pytest.mark.slow
EXAMPLES = 8
QUIET = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def description(api: Callable[[str], Api]) -> Any:
    return schemathesis.openapi.from_url(f"{api('train').client.base_url}/openapi.json")


@pytest.mark.parametrize(
    "mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value
)
def test_the_api_does_what_its_description_says(description: Any, mode: GenerationMode) -> None:
    failures, asked = [], 0
    for result in description.get_all_operations():
        operation = result.ok()

        @QUIET
        @given(case=operation.as_strategy(generation_mode=mode))
        def check(case: Any) -> None:
            nonlocal asked
            asked += 1
            if mode is GenerationMode.POSITIVE and asked % 3:  # else most would name what is not there
                known = {"name": "train", "alias": "production", "version": "3"}
                case.path_parameters |= {name: known[name] for name in case.path_parameters if name in known}
            case.call_and_validate()

        try:
            check()
        except Unsatisfiable:  # nothing about it can be wrong
            continue
        except BaseExceptionGroup as error:
            failures += [f"{operation.label}: {failure}" for failure in error.exceptions]
    assert not failures, "\n\n".join(failures)
    assert asked > 50
